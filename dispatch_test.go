package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhooktest"
)

// scheduled makes the profile "timed": waits of exactly 10 s, 100 s and 1,000 s before jitter, and three retries.
func scheduled(c *webhook.Config) {
	c.Profiles = map[string]webhook.Profile{"timed": {Retry: func(failures int, _ float64) (time.Duration, bool) {
		return []time.Duration{0, 10 * time.Second, 100 * time.Second, 1000 * time.Second, 0}[failures], failures <= 3
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

func TestFailuresAreRetriedWhenTheProfileSaysAndThenGivenUp(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			scheduled(c)
			net.Answer = answer(500)
		})
		r.run()
		r.endpoint("one")
		r.emit("evt")
		synctest.Wait()
		d := r.delivery("evt", "one")
		assert.Equal(t, webhook.DeliveryPending, d.State)
		assert.Equal(t, 10*time.Second, time.Until(d.DueAt))
		pass(time.Hour)
		d = r.delivery("evt", "one")
		assert.Equal(t, webhook.DeliveryFailed, d.State)
		assert.Equal(t, webhook.ReasonExhausted, d.Reason)
		log := r.attempts("evt", "one")
		require.Len(t, log, 4)
		for i, wait := range []time.Duration{10 * time.Second, 100 * time.Second, 1000 * time.Second} {
			assert.Equal(t, i+1, log[i].Number)
			assert.Equal(t, webhook.ClassStatus, log[i].Class)
			assert.Equal(t, 500, log[i].Status)
			assert.Equal(t, wait, log[i].NextAt.Sub(log[i].StartedAt))
			assert.False(t, log[i+1].StartedAt.Before(log[i].NextAt), "never early")
			assert.Less(t, log[i+1].StartedAt.Sub(log[i].NextAt), 10*time.Millisecond, "nor late")
		}
		assert.True(t, log[3].NextAt.IsZero())
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
		r.emit("second")
		pass(120*time.Second - time.Millisecond)
		require.Len(t, r.net.Sent(), 1, "nothing goes out meanwhile, whatever the retry policy says")
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
		pass(2 * time.Second)
		assert.Len(t, r.net.Sent(), 1)
		e, err := r.Tenant(acme).Endpoint(t.Context(), "one")
		require.NoError(t, err)
		assert.Equal(t, webhook.EndpointDisabled, e.State)
		assert.Equal(t, webhook.ReasonGone, e.Reason)
		assert.Equal(t, "one gone", disabled.Load())
		assert.Equal(t, webhook.DeliveryFailed, r.delivery("first", "one").State)
		second := r.delivery("second", "one")
		assert.Equal(t, webhook.DeliveryCanceled, second.State)
		assert.Equal(t, webhook.ReasonGone, second.Reason)
		assert.Zero(t, r.emit("third").Deliveries)

		// Enabling it offers a replay.
		r.net.Answer = answer(200)
		e.State = webhook.EndpointActive
		_, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
		recovered, err := r.Tenant(acme).Retry(t.Context(), webhook.Query{EndpointID: "one", State: webhook.DeliveryCanceled})
		require.NoError(t, err)
		assert.Equal(t, 1, recovered.Changed)
		synctest.Wait()
		assert.Equal(t, webhook.DeliverySucceeded, r.delivery("second", "one").State)
	})
}

func TestAPausedEndpointCollectsDeliveriesAndBurnsNoAttempts(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.run()
		e := r.endpoint("one", func(e *webhook.Endpoint) { e.State = webhook.EndpointPaused })
		assert.Equal(t, 1, r.emit("evt").Deliveries)
		pass(100 * time.Hour)
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
		r.emit("e1")
		r.emit("e2")
		synctest.Wait()
		require.Len(t, r.net.Sent(), 1)

		other, err := webhook.New(r.store, webhook.Config{Transport: r.net, Logger: quiet})
		require.NoError(t, err)
		e.URL = "https://moved.example/"
		_, err = other.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
		pass(time.Second)
		close(release)
		synctest.Wait()
		sent := r.net.Sent()
		require.Len(t, sent, 2)
		assert.Equal(t, "https://moved.example/", sent[1].URL)
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

func TestADeliveryWhoseLeaseRunsLowIsGivenBackAndNotSent(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			c.MaxTimeout = 30 * time.Second
			net.Answer = func(ctx context.Context, req *webhook.Request) (*webhook.Response, error) {
				if req.Event.ID == "first" {
					return hang(ctx, req)
				}
				return response(200), nil
			}
		})
		released := 0
		r.store.settle = func(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
			for _, s := range items {
				if s.Attempt == nil {
					released++
				}
			}
			return r.store.Store.Settle(ctx, now, items)
		}
		r.run()
		r.endpoint("one", func(e *webhook.Endpoint) { e.MaxInFlight, e.Timeout = 1, 30*time.Second })
		synctest.Wait()
		r.emit("first")
		r.emit("second") // waits 30 s of its lease of 60 s, and would need 30 s and a margin of 10 s
		pass(31 * time.Second)
		assert.Equal(t, 1, released)
		assert.Equal(t, webhook.DeliverySucceeded, r.delivery("second", "one").State)
		assert.Len(t, r.attempts("second", "one"), 1)
	})
}

func TestRunDrainsWhatIsInFlightAndGivesTheRestBack(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(_ *webhook.Config, net *webhooktest.Transport) {
			net.Answer = func(ctx context.Context, _ *webhook.Request) (*webhook.Response, error) {
				select {
				case <-time.After(10 * time.Second):
					return response(200), nil
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}
		})
		r.run()
		r.endpoint("one", func(e *webhook.Endpoint) { e.MaxInFlight = 1 })
		synctest.Wait()
		r.emit("begun")
		r.emit("waiting")
		synctest.Wait()
		began := time.Now()
		require.NoError(t, r.stop())
		assert.Equal(t, 10*time.Second, time.Since(began))
		assert.Equal(t, webhook.DeliverySucceeded, r.delivery("begun", "one").State)
		waiting := r.delivery("waiting", "one")
		assert.Equal(t, webhook.DeliveryPending, waiting.State)
		assert.False(t, waiting.InFlight)
		assert.Zero(t, waiting.Attempts)

		r.run() // again
		pass(10 * time.Second)
		synctest.Wait()
		assert.Equal(t, webhook.DeliverySucceeded, r.delivery("waiting", "one").State)
	})
}

func TestRequestsThatOutliveTheDrainAreCutAndAreNoAttempts(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			c.DrainTimeout = 5 * time.Second
			net.Answer = hang
		})
		r.run()
		r.endpoint("one")
		r.emit("evt")
		synctest.Wait()
		began := time.Now()
		require.ErrorContains(t, r.stop(), "1 requests were cut")
		assert.Equal(t, 5*time.Second, time.Since(began))
		d := r.delivery("evt", "one")
		assert.Equal(t, webhook.DeliveryPending, d.State)
		assert.Zero(t, d.Attempts)
		assert.False(t, d.InFlight, "another process may take it at once")
	})
}

func TestRunEndsWhenTheStoreIsAway(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.run()
		r.endpoint("one")
		synctest.Wait()
		r.store.settle = func(context.Context, time.Time, []webhook.Settlement) (webhook.Settled, error) {
			return webhook.Settled{}, errStore
		}
		r.emit("evt")
		synctest.Wait()
		began := time.Now()
		_ = r.stop()
		assert.LessOrEqual(t, time.Since(began), 26*time.Second, "the drain timeout and the grace for bookkeeping")
	})
}

func TestRunRefusesToRunTwiceAtOnce(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		require.ErrorContains(t, r.Ready(), "not running")
		r.run()
		synctest.Wait()
		require.NoError(t, r.Ready())
		require.ErrorContains(t, r.Run(t.Context()), "running already")
		require.NoError(t, r.stop())
		require.ErrorContains(t, r.Ready(), "not running")
	})
}

func TestDeliveryResumesAfterTheStoreWasAway(t *testing.T) {
	inTime(t, func(t *testing.T) {
		var n atomic.Int32
		r := newRig(t, func(_ *webhook.Config, net *webhooktest.Transport) {
			net.Answer = func(context.Context, *webhook.Request) (*webhook.Response, error) {
				n.Add(1)
				pass(time.Second)
				return response(200), nil
			}
		})
		r.run()
		r.endpoint("one")
		synctest.Wait()
		r.emit("before") // on the wire when the store goes
		synctest.Wait()
		r.store.down.Store(true)
		_, err := r.Emit(t.Context(), webhook.Event{Tenant: acme, Type: "a", ID: "refused"})
		require.ErrorIs(t, err, errStore)
		pass(15 * time.Second)
		require.Error(t, r.Ready())
		require.ErrorIs(t, r.Ready(), errStore)
		pass(15 * time.Second)
		r.store.down.Store(false)
		pass(10 * time.Second)
		require.NoError(t, r.Ready())
		r.emit("after")
		pass(5 * time.Second)
		assert.Equal(t, webhook.DeliverySucceeded, r.delivery("before", "one").State)
		assert.Equal(t, webhook.DeliverySucceeded, r.delivery("after", "one").State)
		assert.Len(t, r.attempts("before", "one"), 1)
		assert.EqualValues(t, 2, n.Load(), "each was sent once")
	})
}

func TestResultsAreStoredBeforeClaimsWhenTheStoreIsBack(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			c.MaxTimeout, c.Lease = time.Second, 21*time.Second
			net.Answer = answer(200)
		})
		r.run()
		r.endpoint("one")
		synctest.Wait()
		down := &r.store.down
		r.net.Answer = func(context.Context, *webhook.Request) (*webhook.Response, error) {
			down.Store(true)
			return response(200), nil
		}
		r.emit("evt")
		pass(2 * time.Minute) // the lease has long ended
		down.Store(false)
		pass(time.Minute)
		assert.Len(t, r.net.Sent(), 1, "not sent again")
		assert.Equal(t, webhook.DeliverySucceeded, r.delivery("evt", "one").State)
	})
}

func TestALostLeaseChangesNothingButTheLog(t *testing.T) {
	inTime(t, func(t *testing.T) {
		stalled := make(chan struct{})
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			net.Answer = answer(200)
		})
		var suspended atomic.Bool
		r.store.claim = func(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
			if suspended.Load() {
				return webhook.Claimed{}, nil
			}
			return r.store.Store.Claim(ctx, req)
		}
		r.store.settle = func(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
			if suspended.CompareAndSwap(false, true) {
				<-stalled // like a process that is suspended after its request
			}
			return r.store.Store.Settle(context.WithoutCancel(ctx), now, items)
		}
		r.run()
		r.endpoint("one")
		synctest.Wait()
		r.emit("evt")

		net := &webhooktest.Transport{}
		other, err := webhook.New(r.store.Store, webhook.Config{Transport: net, Logger: quiet})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = other.Run(ctx) }()
		pass(65*time.Second - time.Millisecond) // the lease, and the 5 seconds that it is taken late
		assert.Empty(t, net.Sent(), "the lease is not taken early")
		pass(2 * time.Second)
		require.Len(t, net.Sent(), 1)
		close(stalled)
		synctest.Wait()
		d := r.delivery("evt", "one")
		assert.Equal(t, webhook.DeliverySucceeded, d.State)
		log := r.attempts("evt", "one")
		require.Len(t, log, 2)
		assert.True(t, log[0].Late)
		assert.False(t, log[1].Late)
		assert.Equal(t, []int{1, 2}, []int{log[0].Number, log[1].Number})
	})
}

func TestAnUnknownProfileReleasesTheDeliveryForAProcessThatKnowsIt(t *testing.T) {
	inTime(t, func(t *testing.T) {
		errs := make(chan error, 100)
		r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) {
			c.Observer.Error = func(err error) { errs <- err }
		})
		newer, err := webhook.New(r.store, webhook.Config{
			Transport: r.net, Logger: quiet, Profiles: map[string]webhook.Profile{"new": {}}, Profile: "new",
		})
		require.NoError(t, err)
		_, err = newer.Tenant(acme).CreateEndpoint(t.Context(), webhook.Endpoint{ID: "one", URL: "https://one.example", Events: []string{"*"}})
		require.NoError(t, err)
		r.run()
		r.emit("evt")
		pass(time.Second)
		require.ErrorContains(t, <-errs, `profile "new"`)
		d := r.delivery("evt", "one")
		assert.Equal(t, webhook.DeliveryPending, d.State)
		assert.Zero(t, d.Attempts)
		assert.False(t, d.InFlight)
		require.NoError(t, r.stop())
		pass(10 * time.Second)
		require.NoError(t, webhooktest.Drain(t.Context(), newer))
		assert.Equal(t, webhook.DeliverySucceeded, r.delivery("evt", "one").State)
	})
}

func TestAProfileDecidesEncodingHeadersSignaturesAndVerdicts(t *testing.T) {
	inTime(t, func(t *testing.T) {
		custom := webhook.Profile{
			Encode: func(m *webhook.Message) ([]byte, error) {
				return append([]byte(m.DeliveryID+" "+m.Endpoint.Metadata["plan"]+" "), m.Event.Data.(json.RawMessage)...), nil
			},
			Header: func(r *webhook.Request) error { r.Header.Set("User-Agent", "Acme/1"); return nil },
			Signers: []webhook.Signer{
				webhook.SignStandard,
				func(r *webhook.Request, secrets []webhook.Secret) error {
					r.Header.Set("X-Keys", http.StatusText(200+len(secrets)))
					return nil
				},
			},
			Keys: func(_ context.Context, e *webhook.Endpoint) ([]webhook.Secret, error) {
				return []webhook.Secret{webhook.NewSecret(), webhook.NewSecret()}, nil
			},
			Judge: func(o webhook.Outcome) webhook.Verdict {
				if o.Response != nil && o.Response.StatusCode == 302 {
					return webhook.VerdictSuccess
				}
				return webhook.VerdictFail
			},
		}
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			c.Profiles, c.Profile = map[string]webhook.Profile{"custom": custom}, "custom"
			net.Answer = func(_ context.Context, req *webhook.Request) (*webhook.Response, error) {
				if req.Event.ID == "moved" {
					return response(302), nil
				}
				return response(200), nil
			}
		})
		r.run()
		r.endpoint("one", func(e *webhook.Endpoint) {
			e.Metadata = map[string]string{"plan": "gold"}
			e.Header = map[string]webhook.Secret{"authorization": "Bearer t"}
		})
		r.emit("moved")
		synctest.Wait()
		r.emit("refused")
		synctest.Wait()
		sent := r.net.Sent()
		require.Len(t, sent, 2)
		assert.Equal(t, `moved.one gold {"n":1}`, string(sent[0].Body))
		assert.Equal(t, "Acme/1", sent[0].Header.Get("User-Agent"))
		assert.Equal(t, "Bearer t", sent[0].Header.Get("Authorization"))
		assert.Equal(t, "Accepted", sent[0].Header.Get("X-Keys"))
		assert.NotEmpty(t, sent[0].Header.Get("Webhook-Signature"))
		assert.Equal(t, webhook.DeliverySucceeded, r.delivery("moved", "one").State)
		refused := r.delivery("refused", "one")
		assert.Equal(t, webhook.DeliveryFailed, refused.State)
		assert.Equal(t, webhook.ReasonRejected, refused.Reason)
	})
}

func TestAProfileThatFailsOrPanicsFailsTheAttemptAndNotTheProcess(t *testing.T) {
	panics := func(*webhook.Message) ([]byte, error) { panic("secret detail") }
	fails := func(*webhook.Message) ([]byte, error) { return nil, errors.New("no template") }
	for name, encode := range map[string]func(*webhook.Message) ([]byte, error){"panics": panics, "fails": fails} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T) {
				r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) {
					c.Profiles, c.Profile = map[string]webhook.Profile{"p": {Encode: encode}}, "p"
				})
				r.run()
				r.endpoint("one")
				r.emit("evt")
				synctest.Wait()
				log := r.attempts("evt", "one")
				require.Len(t, log, 1)
				assert.Equal(t, webhook.ClassLocal, log[0].Class)
				assert.NotContains(t, log[0].Error, "secret detail")
				assert.Equal(t, webhook.DeliveryPending, r.delivery("evt", "one").State)
				assert.Empty(t, r.net.Sent())
			})
		})
	}
}

func TestKeysThatCannotBeHadDelayADeliveryWithoutAnAttempt(t *testing.T) {
	inTime(t, func(t *testing.T) {
		var away atomic.Bool
		away.Store(true)
		r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) {
			c.Profiles = map[string]webhook.Profile{"p": {Keys: func(context.Context, *webhook.Endpoint) ([]webhook.Secret, error) {
				if away.Load() {
					return nil, errors.New("the vault is sealed")
				}
				return []webhook.Secret{webhook.NewSecret()}, nil
			}}}
			c.Profile = "p"
		})
		r.run()
		r.endpoint("one")
		r.emit("evt")
		pass(9 * time.Second)
		assert.Zero(t, r.delivery("evt", "one").Attempts)
		away.Store(false)
		pass(2 * time.Second)
		assert.Equal(t, webhook.DeliverySucceeded, r.delivery("evt", "one").State)
	})
}

func TestADeliveryOlderThanMaxAgeIsGivenUpAfterItsNextFailure(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			c.Profiles = map[string]webhook.Profile{"p": {
				Retry:  func(int, float64) (time.Duration, bool) { return time.Hour, true },
				MaxAge: 150 * time.Minute,
			}}
			c.Profile = "p"
			net.Answer = answer(500)
		})
		r.run()
		r.endpoint("one")
		r.emit("evt")
		pass(5 * time.Hour)
		d := r.delivery("evt", "one")
		assert.Equal(t, webhook.ReasonExhausted, d.Reason)
		assert.Equal(t, 4, d.Attempts, "at 0, 60, 120 and 180 minutes")

		_, err := r.Tenant(acme).Retry(t.Context(), webhook.Query{EventID: "evt", EndpointID: "one"})
		require.NoError(t, err)
		pass(time.Minute)
		d = r.delivery("evt", "one")
		assert.Equal(t, webhook.DeliveryPending, d.State, "its age counts anew")
		assert.Equal(t, 5, d.Attempts, "and its attempts go on")
		assert.Equal(t, 1, d.Failures)
	})
}

func TestNotBeforeDelaysTheFirstAttempt(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.run()
		r.endpoint("one")
		_, err := r.Emit(t.Context(), webhook.Event{Tenant: acme, Type: "a", ID: "evt", NotBefore: time.Now().Add(time.Hour)})
		require.NoError(t, err)
		pass(time.Hour - time.Millisecond)
		assert.Empty(t, r.net.Sent())
		pass(2 * time.Millisecond)
		assert.Len(t, r.net.Sent(), 1)
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

func TestTransientErrorsOfATransportHaveTheirClass(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(_ *webhook.Config, net *webhooktest.Transport) {
			net.Answer = func(_ context.Context, req *webhook.Request) (*webhook.Response, error) {
				switch req.Event.ID {
				case "named":
					return nil, webhook.ClassTLS
				case "nothing":
					return nil, nil
				default:
					return nil, errors.New("whatever")
				}
			}
		})
		r.run()
		r.endpoint("one")
		for id, class := range map[string]webhook.Class{"named": webhook.ClassTLS, "nothing": webhook.ClassProtocol, "other": webhook.ClassProtocol} {
			r.emit(id)
			synctest.Wait()
			log := r.attempts(id, "one")
			require.Len(t, log, 1)
			assert.Equal(t, class, log[0].Class, id)
		}
	})
}
