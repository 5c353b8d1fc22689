// Package batch groups concurrent calls into one. It has no timers and no goroutines: a batch is whatever gathered while
// the batches before it were running, and one of its callers runs it. A lone caller is never delayed.
package batch

import (
	"context"
	"errors"
	"sync"
)

// Limits bound a batch. All must be positive.
type Limits struct {
	Running int // batches at once
	Items   int // of one batch
	Bytes   int // of one batch, as Size says; a single item may be larger
}

// errPanicked is what the other members of a batch get when running it panicked.
var errPanicked = errors.New("the batch panicked")

// A Group runs items of type T in batches, with a result of type R for each. It is safe for concurrent use.
type Group[T, R any] struct {
	limits Limits
	size   func(T) int
	run    func([]T) ([]R, error)

	mu      sync.Mutex
	queue   []*call[T, R] // waits only while limits.Running batches run
	running int
}

// New returns a group. run gets the items in the order of the calls and returns a result for each, or an error for all of
// them; it must not keep the slice.
func New[T, R any](limits Limits, size func(T) int, run func([]T) ([]R, error)) *Group[T, R] {
	return &Group[T, R]{limits: limits, size: size, run: run}
}

type state int

const (
	waiting   state = iota
	taken           // part of a batch
	abandoned       // its caller has left the queue
)

// call is one caller. Its fields belong to the group's mutex until it is taken, and to the batch's leader afterwards, until
// news is sent.
type call[T, R any] struct {
	item   T
	state  state
	news   chan []*call[T, R] // a batch to lead, or nil when the result is there
	result R
	err    error
}

// Do runs item with whatever else is waiting and returns its result.
//
// When ctx ends while item waits for its batch, it is not run; when its batch is being run by another caller, Do returns at
// once and the outcome is unknown. In both cases the error is ctx.Err(). A caller that runs the batch itself returns when
// that ends, whatever becomes of ctx.
func (g *Group[T, R]) Do(ctx context.Context, item T) (R, error) {
	c := &call[T, R]{item: item}
	if err := ctx.Err(); err != nil {
		return c.result, err
	}
	g.mu.Lock()
	if g.running < g.limits.Running {
		g.running++
		g.mu.Unlock()
		c.state = taken
		g.lead([]*call[T, R]{c})
		return c.result, c.err
	}
	c.news = make(chan []*call[T, R], 1)
	g.queue = append(g.queue, c)
	g.mu.Unlock()

	select {
	case batch := <-c.news:
		if batch != nil {
			g.lead(batch)
		}
		return c.result, c.err
	case <-ctx.Done():
		return g.leave(c, ctx.Err())
	}
}

// leave takes c out of the queue, if it is still there. A caller that was made leader in the meantime still leads.
func (g *Group[T, R]) leave(c *call[T, R], err error) (R, error) {
	g.mu.Lock()
	isWaiting := c.state == waiting
	if isWaiting {
		c.state = abandoned
	}
	g.mu.Unlock()
	var none R
	if isWaiting {
		return none, err
	}
	select {
	case batch := <-c.news:
		if batch != nil {
			g.lead(batch)
		}
		return c.result, c.err
	default:
		return none, err
	}
}

// lead runs a batch, hands out its results, and passes the turn on.
func (g *Group[T, R]) lead(batch []*call[T, R]) {
	self := batch[0]
	items := make([]T, len(batch))
	for i, c := range batch {
		items[i] = c.item
	}
	results, err := []R(nil), errPanicked
	defer func() {
		for i, c := range batch {
			c.err = err
			if err == nil {
				c.result = results[i]
			}
			if c != self {
				c.news <- nil
			}
		}
		g.next()
	}()
	results, err = g.run(items)
	if err == nil && len(results) != len(items) {
		err = errors.New("the batch returned a wrong number of results")
	}
}

// next makes the first waiting caller the leader of the next batch, or ends this turn.
func (g *Group[T, R]) next() {
	g.mu.Lock()
	batch := g.take()
	if batch == nil {
		g.running--
	}
	g.mu.Unlock()
	if batch != nil {
		batch[0].news <- batch
	}
}

// take removes the next batch from the queue; nil if nobody waits.
func (g *Group[T, R]) take() []*call[T, R] {
	var batch []*call[T, R]
	bytes, n := 0, 0
	for _, c := range g.queue {
		if c.state == abandoned {
			n++
			continue
		}
		bytes += g.size(c.item)
		if len(batch) == g.limits.Items || (len(batch) > 0 && bytes > g.limits.Bytes) {
			break
		}
		c.state = taken
		batch = append(batch, c)
		n++
	}
	rest := copy(g.queue, g.queue[n:])
	clear(g.queue[rest:])
	g.queue = g.queue[:rest]
	return batch
}
