package acceptance

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhooktest"
)

// While held is set, refusing makes the store fail the results of one endpoint. All other
// items succeed.
func (r *rig) refusing(endpoint string, held *atomic.Bool) {
	r.store.settle = func(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
		var taken []webhook.Settlement
		var at []int
		failed := map[int]error{}
		for i, item := range items {
			if held.Load() && item.Endpoint.ID == endpoint && item.Attempt != nil {
				failed[i] = errors.New("its row is held")
			} else {
				taken, at = append(taken, item), append(at, i)
			}
		}
		out, err := r.store.Store.Settle(ctx, now, taken)
		for _, list := range [][]int{out.Already, out.Lost} {
			for n := range list {
				list[n] = at[list[n]]
			}
		}
		out.Failed = failed
		return out, err
	}
}

func TestResultsThatAreRefusedCountAgainstTheirEndpoint(t *testing.T) {
	inTime(t, func(t *testing.T) {
		var held atomic.Bool
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			c.MaxInFlight, c.PollInterval = 16, 100*time.Millisecond
			c.Profiles = map[string]webhook.Profile{"once": {Retry: func(webhook.Outcome, float64) (time.Duration, bool) { return 0, false }}}
			c.Profile, c.Health = "once", noCircuits
			net.Answer = func(_ context.Context, req *webhook.Request) (*webhook.Response, error) {
				return response(map[string]int{"sick": 500, "well": 200}[req.Endpoint.ID]), nil
			}
		})
		r.refusing("sick", &held)
		r.run()
		for _, id := range []string{"sick", "well"} {
			r.endpoint(id, func(e *webhook.Endpoint) { e.Events = []string{id} })
		}
		synctest.Wait()
		emit := func(id, typ string) {
			_, err := r.Emit(t.Context(), webhook.Event{Tenant: acme, Type: typ, ID: id})
			require.NoError(t, err)
		}
		held.Store(true)
		const seconds = 15
		for n := range seconds * 100 {
			if n%10 == 0 {
				emit(fmt.Sprint("s", n), "sick")
			}
			emit(fmt.Sprint("w", n), "well")
			pass(10 * time.Millisecond)
			require.Equal(t, webhook.DeliverySucceeded, r.delivery(fmt.Sprint("w", n), "well").State, "event %d", n)
		}
		sent := 0
		for _, req := range r.net.Sent() {
			if req.Endpoint.ID == "sick" {
				sent++
			}
		}
		assert.Greater(t, sent, 8, "it goes on for a while")
		assert.LessOrEqual(t, sent, 64, "but not without end")
		assert.ErrorContains(t, r.Ready(), "its row is held")

		held.Store(false)
		pass(time.Minute)
		require.NoError(t, r.Ready())
		for n := 0; n < seconds*100; n += 10 {
			id := fmt.Sprint("s", n)
			require.Equal(t, webhook.DeliveryFailed, r.delivery(id, "sick").State, id)
			require.Len(t, r.attempts(id, "sick"), 1, id)
		}
		require.NoError(t, r.stop())
	})
}

func TestAReceiverThatAsksToWaitIsHeededThoughItsResultIsRefused(t *testing.T) {
	inTime(t, func(t *testing.T) {
		var held atomic.Bool
		held.Store(true)
		r := newRig(t, func(_ *webhook.Config, net *webhooktest.Transport) { net.Answer = answer(429, "Retry-After: 3600") })
		r.refusing("one", &held)
		r.endpoint("one", func(e *webhook.Endpoint) { e.MaxInFlight = 1 })
		for n := range 20 {
			r.emit(fmt.Sprint("e", n))
		}
		r.run()
		pass(5 * time.Second)
		assert.Len(t, r.net.Sent(), 1)
		held.Store(false)
		pass(30 * time.Minute)
		assert.Len(t, r.net.Sent(), 1)
	})
}

func TestAResultThatTheStoreHasIsNotStoredUnderALaterLease(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			scheduled(c)
			net.Answer = answer(500)
		})
		r.endpoint("one")
		var stored atomic.Bool
		r.store.settle = func(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
			if items[0].LeaseNo > 1 {
				return r.store.Store.Settle(ctx, now, items)
			}
			if !stored.Swap(true) { // the call succeeds, and only its answer is lost
				_, err := r.store.Store.Settle(ctx, now, items)
				assert.NoError(t, err)
			}
			return webhook.Settled{}, errStore
		}
		r.run()
		r.emit("evt")
		pass(time.Hour)
		assert.Len(t, r.net.Sent(), 4)
		log := r.attempts("evt", "one")
		require.Len(t, log, 4)
		for i := range log[1:] {
			assert.True(t, log[i+1].StartedAt.After(log[i].StartedAt), "attempt %d", i+1)
		}
		d := r.delivery("evt", "one")
		assert.Equal(t, webhook.DeliveryFailed, d.State)
		assert.Equal(t, 4, d.Failures)
		assert.Equal(t, 4, d.Attempts)
	})
}

func TestARetryByHandIsSentThoughAnEarlierResultWaits(t *testing.T) {
	for name, stores := range map[string]bool{"the answer was lost": true, "the result was refused": false} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T) {
				r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
					net.Answer = answer(500)
					c.Profiles = map[string]webhook.Profile{"once": {Retry: func(webhook.Outcome, float64) (time.Duration, bool) { return 0, false }}}
					c.Profile = "once"
				})
				r.endpoint("one")
				var calls atomic.Int32
				var back atomic.Bool
				r.store.settle = func(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
					if items[0].LeaseNo > 1 || back.Load() {
						return r.store.Store.Settle(ctx, now, items)
					}
					if calls.Add(1) == 1 && stores {
						_, err := r.store.Store.Settle(ctx, now, items)
						assert.NoError(t, err)
					}
					return webhook.Settled{}, errStore
				}
				var claims atomic.Bool
				claims.Store(true)
				r.store.claim = func(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
					if !claims.Load() {
						return webhook.Claimed{}, nil
					}
					return r.store.Store.Claim(ctx, req)
				}
				r.run()
				r.emit("evt")
				synctest.Wait()
				claims.Store(false)
				pass(66 * time.Second) // the lease has ended
				require.NoError(t, r.Tenant(acme).RetryDelivery(t.Context(), "evt", "one"))
				claims.Store(true)
				pass(10 * time.Second)
				assert.Len(t, r.net.Sent(), 2)
				back.Store(true)
				pass(time.Minute)
				log := r.attempts("evt", "one")
				require.Len(t, log, 2)
				assert.Equal(t, []bool{!stores, false}, []bool{log[0].Late, log[1].Late})
				assert.True(t, log[0].StartedAt.Before(log[1].StartedAt))
			})
		})
	}
}

func TestAResultIsKnownFromTheEndOfItsRequest(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.endpoint("one")
		gate := make(chan struct{})
		var began atomic.Bool
		r.store.settle = func(_ context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
			if !began.Swap(true) {
				<-gate // the store takes longer than the lease
			}
			return r.store.Store.Settle(context.WithoutCancel(t.Context()), now, items)
		}
		r.run()
		r.emit("evt")
		pass(2 * time.Minute)
		close(gate)
		pass(time.Minute)
		assert.Len(t, r.net.Sent(), 1)
		assert.Equal(t, webhook.DeliverySucceeded, r.delivery("evt", "one").State)
		assert.Len(t, r.attempts("evt", "one"), 1, "one request is one attempt")
	})
}
