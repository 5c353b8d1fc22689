package webhookhttp

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// visits are the requests whose turns began, in that order.
type visits struct {
	mu    sync.Mutex
	names []string
}

func (v *visits) add(name string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.names = append(v.names, name)
}

// enterAll lets n requests of a tenant ask for a turn, one after the other. Each ends its turn
// when release is closed or sent to.
func enterAll(g *gate, tenant string, n int, order *visits, release <-chan struct{}) {
	for i := range n {
		go func() {
			leave, ok := g.enter(context.Background(), tenant)
			if !ok {
				order.add(fmt.Sprintf("%s%d refused", tenant, i))
				return
			}
			order.add(fmt.Sprintf("%s%d", tenant, i))
			<-release
			leave()
		}()
		synctest.Wait()
	}
}

func TestTenantsTakeTurnsHoweverManyRequestsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(2, 2)
		var order visits
		release := make(chan struct{})
		enterAll(g, "a", 8, &order, release)
		enterAll(g, "b", 3, &order, release)
		enterAll(g, "c", 1, &order, release)
		assert.Equal(t, []string{"a0", "a1"}, order.names)
		for range 12 {
			release <- struct{}{}
			synctest.Wait()
		}
		assert.Equal(t, []string{"a0", "a1", "a2", "b0", "c0", "a3", "b1", "a4", "b2", "a5", "a6", "a7"}, order.names)
		assert.Zero(t, g.serving)
		assert.Zero(t, g.waiting)
		assert.Empty(t, g.queues)
		assert.Empty(t, g.turns)
	})
}

func TestATenantIsServedOnlySoManyRequestsAtOnceAlthoughThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(8, 2)
		var order visits
		release := make(chan struct{})
		enterAll(g, "a", 5, &order, release)
		assert.Equal(t, []string{"a0", "a1"}, order.names)
		enterAll(g, "b", 2, &order, release)
		assert.Equal(t, []string{"a0", "a1", "b0", "b1"}, order.names, "others find room at once")
		close(release)
		synctest.Wait()
		assert.Len(t, order.names, 7)
	})
}

func TestARequestThatMayNotWaitIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1, 1)
		var order visits
		release := make(chan struct{})
		enterAll(g, "a", 2+waitersPerTurn, &order, release)
		assert.Equal(t, []string{"a0", fmt.Sprintf("a%d refused", 1+waitersPerTurn)}, order.names)
		close(release)
		synctest.Wait()

		g = newGate(1, 1)
		release = make(chan struct{})
		order = visits{}
		for i := range 1 + maxWaiters {
			enterAll(g, fmt.Sprint("t", i, "-"), 1, &order, release)
		}
		enterAll(g, "more", 1, &order, release)
		assert.Equal(t, []string{"t0-0", "more0 refused"}, order.names, "over all tenants")
		assert.Len(t, g.queues, 1+maxWaiters, "nothing is kept of a tenant that is refused")
		close(release)
		synctest.Wait()
		assert.Empty(t, g.queues)
	})
}

func TestARequestWaitsSoLongAndLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1, 1)
		leave, ok := g.enter(t.Context(), "a")
		require.True(t, ok)
		began := time.Now()
		_, ok = g.enter(t.Context(), "b")
		assert.False(t, ok)
		assert.Equal(t, maxWait, time.Since(began))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, ok = g.enter(ctx, "b")
		assert.False(t, ok)
		assert.Len(t, g.queues, 1)
		assert.Zero(t, g.waiting)
		leave()
		assert.Empty(t, g.queues)
		leave, ok = g.enter(t.Context(), "b")
		require.True(t, ok)
		leave()
	})
}
