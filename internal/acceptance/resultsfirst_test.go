package acceptance

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhooktest"
)

// outage makes a Store unavailable for a while. It lists the calls that succeed afterwards.
type outage struct {
	r     *rig
	away  atomic.Bool
	begin sync.Once
	hangs bool // a call of the outage ends only at its timeout, even if the store is back

	mu    sync.Mutex
	calls []string
	again []uuid.UUID // deliveries claimed after the outage
}

// newOutage makes a rig. Its store becomes unavailable when the first requests are answered.
// The leases are short, so that they end during the outage.
func newOutage(t *testing.T) *outage {
	t.Helper()
	o := &outage{}
	o.r = newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
		c.MaxTimeout, c.Lease = time.Second, 21*time.Second
		net.Answer = func(context.Context, *webhook.Request) (*webhook.Response, error) {
			pass(500 * time.Millisecond) // until all requests are in flight
			o.begin.Do(func() { o.away.Store(true) })
			return response(200), nil
		}
	})
	o.r.store.claim = func(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
		if err := o.fails(ctx); err != nil {
			return webhook.Claimed{}, err
		}
		claimed, err := o.r.store.Store.Claim(ctx, req)
		o.note("claim", err)
		o.mu.Lock()
		defer o.mu.Unlock()
		for i := range claimed.Deliveries {
			o.again = append(o.again, claimed.Deliveries[i].UID)
		}
		return claimed, err
	}
	o.r.store.settle = o.settle(func(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
		return o.r.store.Store.Settle(ctx, now, items)
	})
	return o
}

type settleFunc = func(context.Context, time.Time, []webhook.Settlement) (webhook.Settled, error)

func (o *outage) settle(settle settleFunc) settleFunc {
	return func(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
		if err := o.fails(ctx); err != nil {
			return webhook.Settled{}, err
		}
		settled, err := settle(ctx, now, items)
		o.note("settle", err)
		return settled, err
	}
}

func (o *outage) fails(ctx context.Context) error {
	if !o.away.Load() {
		return nil
	}
	if o.hangs {
		<-ctx.Done()
	}
	return errStore
}

func (o *outage) note(call string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err == nil {
		o.calls = append(o.calls, call)
	}
}

// seen returns the calls that succeeded after the outage, and the deliveries that were
// claimed then.
func (o *outage) seen() (calls []string, again []uuid.UUID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.calls), slices.Clone(o.again)
}

// lasts sends an event to each endpoint. An outage follows, and lasts ends it after d.
func (o *outage) lasts(d time.Duration, endpoints ...string) {
	o.r.run()
	for _, id := range endpoints {
		o.r.endpoint(id)
	}
	synctest.Wait()
	o.r.emit("evt")
	pass(d)
	o.mu.Lock()
	o.calls, o.again = nil, nil
	o.mu.Unlock()
	o.away.Store(false)
}

func TestAfterAnOutageResultsAreStoredBeforeAnythingIsClaimed(t *testing.T) {
	for _, hangs := range []bool{false, true} {
		for n := range 20 { // retry intervals are random
			inTime(t, func(t *testing.T) {
				o := newOutage(t)
				o.hangs = hangs
				o.lasts(30*time.Second+time.Duration(n)*1300*time.Millisecond, "one", "two", "three")
				pass(40 * time.Second)
				calls, again := o.seen()
				require.NotEmpty(t, calls)
				assert.Equal(t, "settle", calls[0])
				assert.Contains(t, calls, "claim")
				assert.Empty(t, again, "deliveries of owed results that were claimed")
				assert.Len(t, o.r.net.Sent(), 3)
				assert.NoError(t, o.r.Ready())
				for _, id := range []string{"one", "two", "three"} {
					assert.Equal(t, webhook.DeliverySucceeded, o.r.delivery("evt", id).State)
				}
			})
		}
	}
}

func TestAfterAnOutageRefusedResultsHoldUpNobodysClaims(t *testing.T) {
	inTime(t, func(t *testing.T) {
		o := newOutage(t)
		var held atomic.Bool
		held.Store(true)
		o.r.refusing("sick", &held)
		o.r.store.settle = o.settle(o.r.store.settle)
		o.lasts(time.Minute, "sick", "well")
		o.r.emit("next")
		pass(10 * time.Second)
		assert.Equal(t, webhook.DeliverySucceeded, o.r.delivery("next", "well").State)
		calls, _ := o.seen()
		assert.Contains(t, calls, "claim")
		held.Store(false)
		require.NoError(t, o.r.stop())
	})
}

func TestAfterAnOutageAStoreThatTakesNoResultsIsStillClaimedFrom(t *testing.T) {
	inTime(t, func(t *testing.T) {
		o := newOutage(t)
		o.r.store.settle = func(context.Context, time.Time, []webhook.Settlement) (webhook.Settled, error) {
			return webhook.Settled{}, errStore
		}
		o.lasts(time.Minute, "one")
		pass(2 * time.Minute)
		calls, _ := o.seen()
		assert.Contains(t, calls, "claim")
	})
}

func TestAfterAnOutageManyResultsAreAllStoredBeforeAnythingIsClaimed(t *testing.T) {
	inTime(t, func(t *testing.T) {
		o := newOutage(t)
		const endpoints = 40
		var ids []string
		for n := range endpoints {
			ids = append(ids, fmt.Sprint("e", n))
		}
		o.r.store.settle = o.settle(func(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
			pass(time.Second)
			return o.r.store.Store.Settle(ctx, now, items)
		})
		o.lasts(45*time.Second, ids...)
		pass(time.Minute)
		calls, again := o.seen()
		require.NotEmpty(t, calls)
		assert.Equal(t, "settle", calls[0])
		assert.Empty(t, again, "deliveries of owed results that were claimed")
		assert.Len(t, o.r.net.Sent(), endpoints)
	})
}
