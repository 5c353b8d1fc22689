package acceptance

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhooktest"
)

// scheduled adds the profile "timed". It has three retries, with waits of exactly 10 s, 100 s
// and 1,000 s before jitter.
func scheduled(c *webhook.Config) {
	c.Profiles = map[string]webhook.Profile{"timed": {Retry: func(o webhook.Outcome, _ float64) (time.Duration, bool) {
		return []time.Duration{10 * time.Second, 100 * time.Second, 1000 * time.Second, 0}[o.Failures], o.Failures < 3
	}}}
	c.Profile = "timed"
}

func TestAnEventIsSentAtOnceToEverySubscriber(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.run()
		r.endpoint("one")
		r.endpoint("two")
		r.endpoint("other", func(e *webhook.Endpoint) { e.Events = []string{"c.*"} })
		synctest.Wait()
		began := time.Now()
		assert.Equal(t, 2, r.emit("evt").Deliveries)
		synctest.Wait()
		require.Len(t, r.net.Sent(), 2)
		assert.Zero(t, time.Since(began), "without waiting for a poll")
		for _, id := range []string{"one", "two"} {
			d := r.delivery("evt", id)
			assert.Equal(t, webhook.DeliverySucceeded, d.State)
			assert.Equal(t, "evt."+id, d.ID)
			assert.Equal(t, 1, d.Attempts)
		}
	})
}

func TestEmitWorksWithoutRunAndRunDeliversLater(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.endpoint("one")
		assert.Equal(t, 1, r.emit("evt").Deliveries)
		synctest.Wait()
		assert.Empty(t, r.net.Sent())
		r.run()
		synctest.Wait()
		assert.Len(t, r.net.Sent(), 1)
	})
}

func TestEveryAttemptHasTheSameIDAndBodyAndASignatureOfItsOwn(t *testing.T) {
	inTime(t, func(t *testing.T) {
		var n atomic.Int32
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			scheduled(c)
			net.Answer = func(context.Context, *webhook.Request) (*webhook.Response, error) {
				if n.Add(1) < 3 {
					return response(503), nil
				}
				return response(200), nil
			}
		})
		r.run()
		e := r.endpoint("one")
		r.emit("evt")
		synctest.Wait()
		e.URL, e.Metadata = "https://elsewhere.example/", map[string]string{"plan": "gold"}
		_, err := r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
		pass(time.Hour)
		sent := r.net.Sent()
		require.Len(t, sent, 3)
		for i, req := range sent {
			assert.Equal(t, "evt", req.Header.Get("webhook-id"))
			assert.Equal(t, sent[0].Body, req.Body)
			assert.Equal(t, i+1, req.Attempt)
			assert.Equal(t, "https://one.example/hook", req.Endpoint.URL, "encoders see the endpoint of the emission")
			assert.Empty(t, req.Endpoint.Metadata)
			assert.Empty(t, req.Endpoint.Secrets, "and no secrets")
		}
		assert.Equal(t, "https://one.example/hook", sent[0].URL)
		assert.Equal(t, "https://elsewhere.example/", sent[2].URL, "requests go to the present URL")
		assert.NotEqual(t, sent[0].Header.Get("webhook-timestamp"), sent[1].Header.Get("webhook-timestamp"))
		assert.NotEqual(t, sent[0].Header.Get("webhook-signature"), sent[1].Header.Get("webhook-signature"))
		assert.Equal(t, webhook.DeliverySucceeded, r.delivery("evt", "one").State)
	})
}

func TestRetryAfterHoldsTheWholeEndpointAndIsNeverShortened(t *testing.T) {
	inTime(t, func(t *testing.T) {
		var n atomic.Int32
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			scheduled(c)
			net.Answer = func(context.Context, *webhook.Request) (*webhook.Response, error) {
				if n.Add(1) == 1 {
					return response(429, "Retry-After: 120"), nil
				}
				return response(200), nil
			}
		})
		r.run()
		r.endpoint("slow")
		synctest.Wait()
		began := time.Now()
		r.emit("first")
		synctest.Wait()
		assert.Equal(t, 120*time.Second, r.delivery("first", "slow").DueAt.Sub(began))
		assert.Equal(t, 120*time.Second, r.attempts("first", "slow")[0].NextAt.Sub(began))
		r.emit("second")
		pass(120*time.Second - time.Millisecond)
		require.Len(t, r.net.Sent(), 1, "nothing goes out meanwhile, with any retry policy")
		assert.Equal(t, webhook.DeliveryPending, r.delivery("second", "slow").State)
		pass(2 * time.Second)
		sent := r.net.Sent()
		require.Len(t, sent, 3)
		for _, req := range sent[1:] {
			assert.GreaterOrEqual(t, req.Time.Sub(began), 120*time.Second)
		}
	})
}

func TestGoneDisablesTheEndpointAndCancelsWhatIsPending(t *testing.T) {
	inTime(t, func(t *testing.T) {
		var disabled atomic.Value
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			net.Answer = answer(410)
			c.Observer.Disabled = func(key webhook.EndpointKey, reason webhook.Reason) { disabled.Store(key.ID + " " + string(reason)) }
		})
		r.endpoint("one", func(e *webhook.Endpoint) { e.MaxInFlight = 1 })
		r.emit("first")
		r.emit("second")
		r.run()
		// If the first result is stored after the second, the next pruning cancels the delivery.
		pass(62 * time.Second)
		assert.Len(t, r.net.Sent(), 2, "the second delivery confirms the answer to the first")
		e, err := r.Tenant(acme).Endpoint(t.Context(), "one")
		require.NoError(t, err)
		assert.Equal(t, webhook.EndpointDisabled, e.State)
		assert.Equal(t, webhook.ReasonGone, e.Reason)
		assert.Equal(t, "one gone", disabled.Load())
		assert.Equal(t, webhook.DeliveryFailed, r.delivery("second", "one").State)
		first := r.delivery("first", "one")
		assert.Equal(t, webhook.DeliveryCanceled, first.State)
		assert.Equal(t, webhook.ReasonGone, first.Reason)
		assert.Zero(t, r.emit("third").Deliveries)

		// Enabling the endpoint offers a replay.
		r.net.Answer = answer(200)
		e.State = webhook.EndpointActive
		_, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
		recovered, err := r.Tenant(acme).Retry(t.Context(), webhook.Query{EndpointID: "one", State: webhook.DeliveryCanceled})
		require.NoError(t, err)
		assert.Equal(t, 1, recovered.Changed)
		synctest.Wait()
		assert.Equal(t, webhook.DeliverySucceeded, r.delivery("first", "one").State)
	})
}

func TestAPausedEndpointCollectsDeliveriesAndBurnsNoAttempts(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.run()
		e := r.endpoint("one", func(e *webhook.Endpoint) { e.State = webhook.EndpointPaused })
		assert.Equal(t, 1, r.emit("evt").Deliveries)
		pass(10 * time.Hour)
		assert.Empty(t, r.net.Sent())
		d := r.delivery("evt", "one")
		assert.Equal(t, webhook.DeliveryPending, d.State)
		assert.Zero(t, d.Attempts)
		e.State = webhook.EndpointActive
		_, err := r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
		synctest.Wait()
		assert.Equal(t, webhook.DeliverySucceeded, r.delivery("evt", "one").State)
	})
}

func TestAPausedEndpointIsNotSentWhatWaitsInMemory(t *testing.T) {
	inTime(t, func(t *testing.T) {
		release := make(chan struct{})
		r := newRig(t, func(_ *webhook.Config, net *webhooktest.Transport) {
			net.Answer = func(context.Context, *webhook.Request) (*webhook.Response, error) {
				<-release
				return response(200), nil
			}
		})
		r.run()
		e := r.endpoint("one", func(e *webhook.Endpoint) { e.MaxInFlight = 1 })
		synctest.Wait()
		for _, id := range []string{"e1", "e2", "e3"} {
			r.emit(id)
		}
		synctest.Wait()
		e.State = webhook.EndpointPaused
		e, err := r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
		close(release)
		pass(time.Minute)
		assert.Len(t, r.net.Sent(), 1)
		e.State = webhook.EndpointActive
		_, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
		synctest.Wait()
		assert.Len(t, r.net.Sent(), 3)
	})
}

func TestADeletedEndpointIsNotSentToAndItsDeliveriesAreCanceled(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			scheduled(c)
			net.Answer = answer(500)
		})
		r.run()
		r.endpoint("one")
		r.emit("evt")
		synctest.Wait()
		require.NoError(t, r.Tenant(acme).DeleteEndpoint(t.Context(), "one"))
		pass(time.Hour)
		assert.Len(t, r.net.Sent(), 1)
		d := r.delivery("evt", "one")
		assert.Equal(t, webhook.DeliveryCanceled, d.State)
		assert.Equal(t, webhook.ReasonDeleted, d.Reason)
		assert.Zero(t, r.emit("later").Deliveries)
	})
}

func TestAnEditInAnotherProcessActsWithinASecond(t *testing.T) {
	for name, edit := range map[string]func(*webhook.Endpoint){
		"URL":     func(e *webhook.Endpoint) { e.URL = "https://moved.example/" },
		"pause":   func(e *webhook.Endpoint) { e.State = webhook.EndpointPaused },
		"disable": func(e *webhook.Endpoint) { e.State = webhook.EndpointDisabled },
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T) {
				release := make(chan struct{})
				r := newRig(t, func(_ *webhook.Config, net *webhooktest.Transport) {
					net.Answer = func(_ context.Context, req *webhook.Request) (*webhook.Response, error) {
						if req.Event.ID == "first" {
							<-release
						}
						return response(200), nil
					}
				})
				r.run()
				e := r.endpoint("one", func(e *webhook.Endpoint) { e.MaxInFlight = 1 })
				r.warm()
				r.emit("first")
				r.emit("second") // this delivery waits in memory
				synctest.Wait()
				require.Len(t, r.net.Sent(), 2)

				r.store.settle = func(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
					pass(time.Second) // the settle is answered too late to know of the edit
					return r.store.Store.Settle(ctx, now, items)
				}
				other, err := webhook.New(r.store, webhook.Config{Transport: r.net, Logger: quiet})
				require.NoError(t, err)
				edit(&e)
				_, err = other.Tenant(acme).UpdateEndpoint(t.Context(), e)
				require.NoError(t, err)
				pass(time.Second)
				close(release)
				pass(time.Minute)
				sent := r.net.Sent()
				if name != "URL" {
					assert.Len(t, sent, 2)
					assert.Zero(t, r.delivery("second", "one").Attempts)
					return
				}
				require.Len(t, sent, 3)
				assert.Equal(t, "https://moved.example/", sent[2].URL)
			})
		})
	}
}

func TestARetryThatIsDueBeforeTheNextPollIsOnTime(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			c.Profiles = map[string]webhook.Profile{"p": {Retry: func(webhook.Outcome, float64) (time.Duration, bool) { return 100 * time.Millisecond, true }}}
			c.Profile = "p"
			net.Answer = func(_ context.Context, req *webhook.Request) (*webhook.Response, error) {
				if req.Event.ID == "evt" && req.Attempt < 4 {
					return response(500), nil
				}
				return response(200), nil
			}
		})
		r.run()
		r.endpoint("one")
		r.warm()
		pass(90 * time.Millisecond) // in the middle of a polling interval
		r.emit("evt")
		pass(400 * time.Millisecond)
		log := r.attempts("evt", "one")
		require.Len(t, log, 4)
		for i := range 3 {
			assert.Equal(t, 100*time.Millisecond, log[i+1].StartedAt.Sub(log[i].StartedAt))
		}
	})
}

func TestRoomThatAnEventDidNotNeedIsGivenBack(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.run()
		r.endpoint("one")
		r.warm()
		for range 20_000 { // more events than all lanes have room for
			require.True(t, r.emit("warm").Duplicate)
		}
		pass(100 * time.Millisecond) // in the middle of a polling interval
		r.emit("evt")
		synctest.Wait()
		assert.Len(t, r.net.Sent(), 2)
	})
}

func TestARequestThatOutlivesItsTimeoutIsATimeout(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			scheduled(c)
			net.Answer = hang
		})
		r.run()
		r.endpoint("default")
		r.endpoint("own", func(e *webhook.Endpoint) { e.Timeout = 3 * time.Second })
		r.emit("evt")
		pass(16 * time.Second)
		for id, took := range map[string]time.Duration{"default": 15 * time.Second, "own": 3 * time.Second} {
			log := r.attempts("evt", id)
			require.NotEmpty(t, log)
			assert.Equal(t, webhook.ClassTimeout, log[0].Class)
			assert.Equal(t, took, log[0].Duration)
		}
	})
}

func TestNotBeforeDelaysTheFirstAttempt(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.run()
		r.endpoint("one")
		r.warm()
		_, err := r.Emit(t.Context(), webhook.Event{Tenant: acme, Type: "a", ID: "evt", NotBefore: time.Now().Add(time.Hour)})
		require.NoError(t, err)
		pass(time.Hour - time.Millisecond)
		assert.Len(t, r.net.Sent(), 1)
		pass(2 * time.Millisecond)
		assert.Len(t, r.net.Sent(), 2)
	})
}

func TestEventHeadersTravelWithEveryAttemptAndYieldToTheEndpoints(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.run()
		r.endpoint("one", func(e *webhook.Endpoint) { e.Header = map[string]webhook.Secret{"X-Both": "endpoint"} })
		_, err := r.Emit(t.Context(), webhook.Event{
			Tenant: acme, Type: "a", ID: "evt", Header: map[string]string{"x-both": "event", "traceparent": "00-1-2-01"},
		})
		require.NoError(t, err)
		synctest.Wait()
		sent := r.net.Sent()
		require.Len(t, sent, 1)
		assert.Equal(t, []string{"endpoint"}, sent[0].Header["X-Both"])
		assert.Equal(t, "00-1-2-01", sent[0].Header.Get("Traceparent"))
		assert.Equal(t, "application/json", sent[0].Header.Get("Content-Type"))
	})
}
