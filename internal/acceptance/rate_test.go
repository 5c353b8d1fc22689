package acceptance

import (
	"context"
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

// rated returns an endpoint with a rate.
func rated(rate float64, burst int) func(*webhook.Endpoint) {
	return func(e *webhook.Endpoint) { e.Rate, e.Burst = rate, burst }
}

// emitMany emits n events of acme in batches.
func (r *rig) emitMany(n int) {
	r.t.Helper()
	for n > 0 {
		events := make([]webhook.Event, min(n, 500))
		for i := range events {
			events[i] = webhook.Event{Tenant: acme, Type: "a.b", Data: 1}
		}
		_, err := r.EmitBatch(r.t.Context(), events)
		require.NoError(r.t, err)
		n -= len(events)
	}
}

// perSecond counts the requests in each second since a time.
func perSecond(sent []sending, since time.Time) map[int]int {
	counts := map[int]int{}
	for _, s := range sent {
		counts[int(s.at.Sub(since)/time.Second)]++
	}
	return counts
}

func TestARateHoldsOverAllProcesses(t *testing.T) {
	for _, c := range []struct {
		rate  float64
		burst int
	}{{0.5, 0}, {3, 1}, {10, 0}, {20, 50}, {150, 0}} {
		t.Run(fmt.Sprintf("%v a second, burst %d", c.rate, c.burst), func(t *testing.T) {
			inTime(t, func(t *testing.T) {
				f := newFleet(t, 3, func(c *webhook.Config) { c.Health = noCircuits })
				f.answers(answer(200))
				f.rigs[0].endpoint("rated", rated(c.rate, c.burst))
				f.rigs[0].endpoint("other")
				began := time.Now()
				n := int(c.rate*60) + c.burst + 100
				for i := range f.rigs {
					f.rigs[i].emitMany(n / 3)
				}
				pass(time.Minute - time.Nanosecond)
				synctest.Wait()

				burst := c.burst
				if burst == 0 {
					burst = max(int(c.rate/5), 1)
				}
				sent, _ := f.to("rated", began)
				counts, most := perSecond(sent, began), int(c.rate+1)
				for second, n := range counts {
					assert.LessOrEqual(t, n, most+burst, "second %d", second)
				}
				assert.InEpsilon(t, c.rate*60+float64(burst), float64(len(sent)), 0.05)
				assert.LessOrEqual(t, float64(len(sent)), c.rate*60+float64(burst))
				others, _ := f.to("other", began)
				assert.Len(t, others, n/3*3)
				assert.Less(t, others[len(others)-1].at.Sub(began), 5*time.Second, "the other endpoint does not wait")
				by := map[int]int{}
				for _, s := range sent {
					by[s.rig]++
				}
				t.Logf("%d requests, by process %v", len(sent), by)
			})
		})
	}
}

func TestRetriesCountForARate(t *testing.T) {
	inTime(t, func(t *testing.T) {
		f := newFleet(t, 2, func(c *webhook.Config) { c.Health = noCircuits })
		f.rigs[0].endpoint("rated", rated(5, 0))
		began := time.Now()
		f.rigs[0].emitMany(20) // each is retried after a second, again and again
		pass(time.Minute - time.Nanosecond)
		synctest.Wait()
		sent, _ := f.to("rated", began)
		assert.InEpsilon(t, 300, len(sent), 0.05)
		assert.LessOrEqual(t, len(sent), 301)
	})
}

func TestADeliveryWithinTheRateDoesNotWait(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.endpoint("rated", rated(0.01, 2))
		r.run()
		synctest.Wait()
		for n, want := range []int{1, 2, 2} {
			began := time.Now()
			r.emit(fmt.Sprint("evt", n))
			pass(20 * time.Millisecond)
			synctest.Wait()
			require.Len(t, r.net.Sent(), want, "after %v", time.Since(began))
		}
		pass(100 * time.Second)
		synctest.Wait()
		assert.Len(t, r.net.Sent(), 3, "the third came when the rate allowed it")
	})
}

func TestTestSendsDoNotCountForARate(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.endpoint("rated", rated(0.001, 1))
		r.run()
		for range 3 {
			_, err := r.Tenant(acme).Test(t.Context(), "rated")
			require.NoError(t, err)
			pass(time.Minute) // test sends have a rate of their own
		}
		r.emit("evt")
		pass(time.Second)
		synctest.Wait()
		assert.Len(t, r.net.Sent(), 4)
	})
}

func TestAChangeOfARateActsOnTheNextClaim(t *testing.T) {
	inTime(t, func(t *testing.T) {
		f := newFleet(t, 2, nil)
		f.answers(answer(200))
		f.rigs[0].endpoint("rated", rated(0.001, 1))
		began := time.Now()
		f.rigs[0].emitMany(100)
		pass(time.Minute)
		synctest.Wait()
		sent, _ := f.to("rated", began)
		require.Len(t, sent, 1)

		change := func(edit func(*webhook.Endpoint)) {
			e := f.get("rated")
			edit(&e)
			_, err := f.rigs[1].Tenant(acme).UpdateEndpoint(t.Context(), e)
			require.NoError(t, err)
			began = time.Now()
		}
		change(rated(10, 1))
		pass(2*time.Second - time.Millisecond)
		synctest.Wait()
		sent, _ = f.to("rated", began)
		assert.InDelta(t, 20, len(sent), 1)

		change(rated(0, 0))
		pass(time.Second)
		synctest.Wait()
		sent, _ = f.to("rated", began)
		assert.InDelta(t, 79, len(sent), 1, "all that were left")
	})
}

// A stream of events for an endpoint beyond its rate must not make claims follow each other
// without pause.
func TestEventsBeyondARateAskForFewClaims(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		var claims atomic.Int64
		r.store.claim = func(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
			claims.Add(1)
			return r.store.Store.Claim(ctx, req)
		}
		r.endpoint("rated", rated(1, 1))
		r.run()
		synctest.Wait()
		began := claims.Load()
		for range 2000 {
			r.emit("")
			pass(time.Millisecond)
		}
		assert.LessOrEqual(t, claims.Load()-began, int64(2*110), "claims in two seconds")
		assert.LessOrEqual(t, len(r.net.Sent()), 3)
	})
}

// Of a round with several claims, each knows only what it has visited.
func TestTheEarliestTimeOfARoundIsTheNext(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) { c.PollInterval = time.Minute })
		began := time.Now()
		var claims []time.Duration
		r.store.claim = func(_ context.Context, req webhook.ClaimRequest) (c webhook.Claimed, err error) {
			claims = append(claims, time.Since(began))
			switch len(claims) {
			case 1:
				c.Next, c.NextDue = "more", req.Now.Add(3*time.Second)
			case 2:
				c.Next, c.NextDue = "more", req.Now.Add(9*time.Second)
			}
			return c, nil
		}
		r.run()
		pass(10 * time.Second)
		synctest.Wait()
		assert.Equal(t, []time.Duration{0, 0, 0, 3 * time.Second}, claims)
	})
}

func TestABacklogBeyondARateIsHeld(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.endpoint("rated", rated(0.1, 1))
		r.run()
		r.emitMany(5)
		pass(time.Second)
		synctest.Wait()
		stats, err := r.Stats(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []int{4, 4, 0}, []int{stats.Pending, stats.Held, stats.Due})
	})
}
