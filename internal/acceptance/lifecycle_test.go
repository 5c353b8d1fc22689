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
		var released atomic.Int32
		r.store.settle = func(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
			for _, s := range items {
				if s.Attempt == nil {
					released.Add(1)
				}
			}
			return r.store.Store.Settle(ctx, now, items)
		}
		r.run()
		r.endpoint("one", func(e *webhook.Endpoint) { e.MaxInFlight, e.Timeout = 1, 30*time.Second })
		synctest.Wait()
		r.emit("first")
		// The second delivery waits for 30 s of its lease of 60 s. It would need another 30 s
		// and a margin of 10 s.
		r.emit("second")
		pass(31 * time.Second)
		assert.EqualValues(t, 1, released.Load())
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

		r.run() // Run starts again
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
		r.emit("before") // this request is on the wire when the store fails
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
	// retry intervals are random
	for away := 60 * time.Second; away < 90*time.Second; away += time.Second {
		inTime(t, func(t *testing.T) {
			var down *atomic.Bool
			r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
				c.MaxTimeout, c.Lease = time.Second, 21*time.Second
				net.Answer = func(context.Context, *webhook.Request) (*webhook.Response, error) {
					down.Store(true)
					return response(200), nil
				}
			})
			down = &r.store.down
			r.run()
			r.endpoint("one")
			synctest.Wait()
			r.emit("evt")
			pass(away) // the lease ended long ago
			down.Store(false)
			pass(time.Minute)
			require.Len(t, r.net.Sent(), 1, "not sent again")
			assert.Equal(t, webhook.DeliverySucceeded, r.delivery("evt", "one").State)
		})
	}
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
		synctest.Wait()

		net := &webhooktest.Transport{}
		other, err := webhook.New(r.store.Store, webhook.Config{Transport: net, Logger: quiet})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = other.Run(ctx) }()
		pass(65*time.Second - time.Millisecond) // the lease, and the 5 seconds that other processes wait after it
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

func TestRunPrunesWhatIsOlderThanItsRetention(t *testing.T) {
	onlyWithoutRaceDetector(t)
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			c.PollInterval = time.Minute // a month of polls each second would take long
			net.Answer = func(context.Context, *webhook.Request) (*webhook.Response, error) {
				return &webhook.Response{StatusCode: 200, Body: []byte("thanks")}, nil
			}
		})
		r.run()
		r.endpoint("one")
		r.warm()
		const day = 24 * time.Hour
		pass(7*day - time.Minute)
		assert.Equal(t, "thanks", string(r.attempts("warm", "one")[0].ResponseBody))
		pass(5 * time.Minute)
		assert.Empty(t, r.attempts("warm", "one")[0].ResponseBody)
		pass(23*day - 10*time.Minute)
		assert.Equal(t, 1, r.count())
		pass(10 * time.Minute)
		assert.Zero(t, r.count())
	})
}
