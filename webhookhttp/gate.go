package webhookhttp

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// waitersPerTurn is the number of requests of a tenant that may wait, for each that may be
	// served at once.
	waitersPerTurn = 8

	// maxWaiters bounds the requests that wait, over all tenants.
	maxWaiters = 1024

	// maxWait is the longest time that a request waits for its turn.
	maxWait = 2 * time.Second
)

// A gate bounds the requests that are served at once, of each tenant and over all of them.
// Tenants with waiting requests take turns, so that a tenant with many cannot hold up one
// with few.
type gate struct {
	all  int // served at once over all tenants
	each int // served at once of one tenant

	mu      sync.Mutex
	serving int
	waiting int
	queues  map[string]*queue
	turns   []*queue // queues with waiting requests, in the order of their turns
}

// A queue has the requests of one tenant.
type queue struct {
	tenant  string
	serving int
	waiting []chan struct{} // closed at the request's turn
}

func newGate(all, each int) *gate {
	return &gate{all: all, each: each, queues: make(map[string]*queue)}
}

// enter waits for the tenant's turn and returns true, with a function that ends the turn. It
// returns false if too many requests wait, or maxWait has passed, or ctx has ended.
func (g *gate) enter(ctx context.Context, tenant string) (leave func(), ok bool) {
	q, turn := g.join(tenant)
	if q == nil {
		return nil, false
	}
	leave = func() { g.leave(q) }
	if turn == nil {
		return leave, true
	}
	timer := time.NewTimer(maxWait)
	defer timer.Stop()
	select {
	case <-turn:
		return leave, true
	case <-timer.C:
	case <-ctx.Done():
	}
	if g.giveUp(q, turn) {
		return nil, false
	}
	return leave, true // its turn came at the same moment
}

// join begins a turn and returns a nil channel, or joins the queue and returns the channel to
// wait for. The queue is nil if there is no room to wait.
func (g *gate) join(tenant string) (*queue, chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	q := g.queues[tenant]
	if q == nil {
		q = &queue{tenant: tenant}
	}
	free := g.serving < g.all && q.serving < g.each // if so, no request that waits could begin
	switch {
	case free:
		g.serving++
		q.serving++
	case len(q.waiting) >= waitersPerTurn*g.each, g.waiting >= maxWaiters:
		return nil, nil
	}
	g.queues[tenant] = q
	if free {
		return q, nil
	}
	if len(q.waiting) == 0 {
		g.turns = append(g.turns, q)
	}
	turn := make(chan struct{})
	q.waiting = append(q.waiting, turn)
	g.waiting++
	return q, turn
}

// giveUp takes a request out of its queue and returns true, or false if its turn has begun.
func (g *gate) giveUp(q *queue, turn chan struct{}) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(q.waiting, turn)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	g.waiting--
	if len(q.waiting) == 0 {
		g.turns = slices.DeleteFunc(g.turns, func(other *queue) bool { return other == q })
	}
	g.forget(q)
	return true
}

// leave ends a turn and begins the next one.
func (g *gate) leave(q *queue) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.serving--
	q.serving--
	g.forget(q)
	// One turn has ended, so at most one can begin.
	i := slices.IndexFunc(g.turns, func(q *queue) bool { return q.serving < g.each })
	if i < 0 {
		return
	}
	next := g.turns[i]
	g.turns = slices.Delete(g.turns, i, i+1)
	close(next.waiting[0])
	next.waiting = next.waiting[1:]
	g.waiting--
	g.serving++
	next.serving++
	if len(next.waiting) > 0 {
		g.turns = append(g.turns, next)
	}
}

// forget drops the queue of a tenant that has no requests.
func (g *gate) forget(q *queue) {
	if q.serving == 0 && len(q.waiting) == 0 {
		delete(g.queues, q.tenant)
	}
}
