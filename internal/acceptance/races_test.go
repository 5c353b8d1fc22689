package acceptance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhooktest"
)

func TestAClaimThatIsOvertakenByAnUpdateIsSentAtOnce(t *testing.T) {
	inTime(t, func(t *testing.T) {
		var reported atomic.Value
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			c.Observer.Error = func(err error) { reported.Store(err.Error()) }
		})
		e := r.endpoint("one")
		r.emit("evt")
		once := false
		r.store.claim = func(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
			c, err := r.store.Store.Claim(ctx, req)
			if len(c.Deliveries) > 0 && !once {
				once = true
				e.Description = "edited"
				_, err := r.Tenant(acme).UpdateEndpoint(ctx, e)
				assert.NoError(t, err)
			}
			return c, err
		}
		r.run()
		pass(5 * time.Second)
		assert.Nil(t, reported.Load())
		assert.Len(t, r.net.Sent(), 1)
	})
}

func TestAnUpdateBetweenMatchAndPublishDelaysNothing(t *testing.T) {
	inTime(t, func(t *testing.T) {
		var reported atomic.Value
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			c.Observer.Error = func(err error) { reported.Store(err.Error()) }
		})
		e := r.endpoint("one")
		r.run()
		synctest.Wait()
		r.store.match = func(ctx context.Context, reqs []webhook.MatchRequest) ([][]webhook.EndpointStatus, error) {
			m, err := r.store.Store.Match(ctx, reqs)
			for range 3 {
				e, _ = r.Tenant(acme).UpdateEndpoint(ctx, e)
			}
			return m, err
		}
		r.emit("evt")
		pass(time.Minute)
		assert.Nil(t, reported.Load())
		assert.Len(t, r.net.Sent(), 1)
	})
}

func TestAClaimThatIsOvertakenByADeletionIsNotSent(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.endpoint("one")
		r.emit("evt")
		r.store.claim = func(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
			c, err := r.store.Store.Claim(ctx, req)
			if len(c.Deliveries) > 0 {
				assert.NoError(t, r.Tenant(acme).DeleteEndpoint(ctx, "one"))
			}
			return c, err
		}
		r.run()
		pass(5 * time.Second)
		assert.Empty(t, r.net.Sent(), "a deleted endpoint was sent to")
	})
}

func TestAClaimThatIsOvertakenByRetryAfterIsNotSent(t *testing.T) {
	inTime(t, func(t *testing.T) {
		var n atomic.Int32
		first := make(chan struct{})
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			net.Answer = func(context.Context, *webhook.Request) (*webhook.Response, error) {
				if n.Add(1) == 1 {
					<-first
					return response(429, "Retry-After: 120"), nil
				}
				return response(200), nil
			}
		})
		r.endpoint("one")
		r.run()
		r.emit("a")
		synctest.Wait()
		gate := make(chan struct{})
		r.store.claim = func(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
			c, err := r.store.Store.Claim(ctx, req)
			if len(c.Deliveries) > 0 {
				<-gate
			}
			return c, err
		}
		_, err := r.EmitTx(t.Context(), r.store, webhook.Event{Tenant: acme, Type: "x", ID: "b"})
		require.NoError(t, err)
		r.Wake()
		synctest.Wait()
		pass(5 * time.Millisecond)
		close(first)
		synctest.Wait()
		close(gate)
		synctest.Wait()
		assert.Len(t, r.net.Sent(), 1, "sent although the endpoint asked for 120 s")
	})
}

func TestADeliveryThatFoundNoRoomIsClaimedWhenItsLaneHasRunDryMeanwhile(t *testing.T) {
	inTime(t, func(t *testing.T) {
		release := make(chan struct{})
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			c.PollInterval = 30 * time.Second
			net.Answer = func(context.Context, *webhook.Request) (*webhook.Response, error) {
				<-release
				return response(200), nil
			}
		})
		r.endpoint("one")
		r.run()
		synctest.Wait()
		for i := range 30 {
			r.emit(fmt.Sprint("e", i))
			synctest.Wait()
		}
		gate := make(chan struct{})
		r.store.publish = func(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
			<-gate
			return r.store.Store.Publish(ctx, req)
		}
		go func() { _, _ = r.Emit(t.Context(), webhook.Event{Tenant: acme, Type: "x", ID: "last"}) }()
		synctest.Wait()
		close(release)
		synctest.Wait()
		assert.Len(t, r.net.Sent(), 30)
		close(gate)
		synctest.Wait()
		began := time.Now()
		for len(r.net.Sent()) < 31 {
			pass(100 * time.Millisecond)
		}
		assert.Less(t, time.Since(began), time.Second)
	})
}

func TestRunReportsResultsThatCouldNotBeStored(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.endpoint("one")
		r.store.settle = func(context.Context, time.Time, []webhook.Settlement) (webhook.Settled, error) {
			return webhook.Settled{}, errStore
		}
		r.run()
		r.emit("evt")
		synctest.Wait()
		require.Len(t, r.net.Sent(), 1)
		require.ErrorContains(t, r.stop(), "1 results could not be stored")
	})
}

func TestRunEndsInBoundedTimeWhenTheStoreHangs(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			net.Answer = hang
		})
		r.endpoint("one", func(e *webhook.Endpoint) { e.Timeout = 30 * time.Second })
		r.run()
		r.emit("e")
		synctest.Wait()
		for i := range 20 {
			r.emit(fmt.Sprint(i))
		}
		synctest.Wait()
		r.store.settle = func(ctx context.Context, _ time.Time, _ []webhook.Settlement) (webhook.Settled, error) {
			<-ctx.Done()
			return webhook.Settled{}, ctx.Err()
		}
		r.store.claim = func(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
			<-ctx.Done()
			return webhook.Claimed{}, ctx.Err()
		}
		r.Wake()
		synctest.Wait()
		began := time.Now()
		err := r.stop()
		require.Error(t, err)
		assert.LessOrEqual(t, time.Since(began), 36*time.Second)
	})
}

func TestAFailedPartOfAGroupFailsItsOwnEventsOnly(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) { c.MaxEndpoints = -1 })
		for i := range 400 {
			r.endpoint(fmt.Sprintf("e%03d", i)) // two events for all of these do not fit into one part
		}
		gate := make(chan struct{})
		var calls atomic.Int32
		r.store.publish = func(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
			switch n := calls.Add(1); {
			case n <= 2: // two groups may be under way
				<-gate
			case n == 4: // the second part of the third group
				return nil, errStore
			}
			return r.store.Store.Publish(ctx, req)
		}
		const events = 5
		errs := make([]error, events)
		for i := range events {
			go func() {
				_, errs[i] = r.Emit(t.Context(), webhook.Event{Tenant: acme, Type: "x", ID: fmt.Sprint("e", i)})
			}()
			synctest.Wait()
		}
		close(gate)
		synctest.Wait()
		failed := 0
		for i, err := range errs {
			page, listErr := r.Tenant(acme).Events(t.Context(), webhook.Query{EventID: fmt.Sprint("e", i)})
			require.NoError(t, listErr)
			assert.Equal(t, err == nil, len(page.Items) == 1, "e%d: %v", i, err)
			failed += b2i(err != nil)
		}
		assert.Equal(t, 1, failed)
	})
}

func TestAnObserverSeesThatAnAttemptIsATest(t *testing.T) {
	inTime(t, func(t *testing.T) {
		var seen atomic.Value
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			c.Observer.Attempt = func(a webhook.Attempt, _ webhook.Verdict) { seen.Store(a) }
		})
		r.endpoint("one")
		_, err := r.Tenant(acme).Test(t.Context(), "one")
		require.NoError(t, err)
		assert.True(t, seen.Load().(webhook.Attempt).Test)
	})
}

func TestErrorsOfProfilesAreStoredAsOneShortLine(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			c.Profiles = map[string]webhook.Profile{"bad": {Encode: func(*webhook.Message) ([]byte, error) {
				return nil, errors.New("a\x00b\xff\n" + strings.Repeat("x", 1<<20))
			}}}
		})
		r.endpoint("one", func(e *webhook.Endpoint) { e.Profile = "bad" })
		r.run()
		r.emit("evt")
		synctest.Wait()
		pass(2 * time.Second)
		log := r.attempts("evt", "one")
		require.NotEmpty(t, log)
		assert.Less(t, len(log[0].Error), 4096)
	})
}

func TestAResultThatTheStoreNeverTakesHoldsUpNoOther(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		for i := range 20 {
			r.endpoint(fmt.Sprintf("e%02d", i))
		}
		var calls atomic.Int64
		r.store.settle = func(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
			calls.Add(1)
			pass(10 * time.Millisecond)
			for _, it := range items {
				if it.Endpoint.ID == "e07" {
					return webhook.Settled{}, errStore
				}
			}
			return r.store.Store.Settle(ctx, now, items)
		}
		r.run()
		r.emit("evt")
		pass(30 * time.Second)
		pend := 0
		for i := range 20 {
			if r.delivery("evt", fmt.Sprintf("e%02d", i)).State == webhook.DeliveryPending {
				pend++
			}
		}
		assert.Equal(t, 1, pend)
	})
}

func TestARetryPolicyThatPanicsYieldsToTheDefault(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			net.Answer = answer(500)
			c.Profiles = map[string]webhook.Profile{"bad": {Retry: func(o webhook.Outcome, _ float64) (time.Duration, bool) {
				return []time.Duration{}[o.Failures], true
			}}}
		})
		r.endpoint("one", func(e *webhook.Endpoint) { e.Profile = "bad" })
		r.run()
		r.emit("evt")
		pass(13 * time.Second)
		assert.Equal(t, 2, r.delivery("evt", "one").Attempts, "the default waits 10 to 12 seconds")
	})
}

func TestAResultThatWasStoredThoughTheAnswerWasLostIsLoggedOnce(t *testing.T) {
	inTime(t, func(t *testing.T) {
		var answers atomic.Int64
		r := newRig(t, func(_ *webhook.Config, net *webhooktest.Transport) {
			net.Answer = func(context.Context, *webhook.Request) (*webhook.Response, error) {
				if answers.Add(1) == 1 {
					return response(500), nil
				}
				return response(200), nil
			}
		})
		r.endpoint("one")
		var stored, back atomic.Bool
		r.store.settle = func(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
			if !stored.Swap(true) {
				_, err := r.store.Store.Settle(ctx, now, items)
				assert.NoError(t, err)
			}
			if !back.Load() {
				return webhook.Settled{}, errStore
			}
			return r.store.Store.Settle(ctx, now, items)
		}
		r.store.claim = func(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
			c, err := r.store.Store.Claim(ctx, req)
			if stored.Load() && len(c.Deliveries) > 0 { // the retry is claimed before the result is offered again
				back.Store(true)
			}
			return c, err
		}
		r.run()
		synctest.Wait()
		r.warm()
		pass(5 * time.Minute)
		attempts := r.attempts("warm", "one")
		require.Len(t, attempts, 2)
		assert.Equal(t, []int{500, 200}, []int{attempts[0].Status, attempts[1].Status})
		assert.EqualValues(t, 2, answers.Load())
		assert.Equal(t, 2, r.delivery("warm", "one").Attempts)
	})
}
