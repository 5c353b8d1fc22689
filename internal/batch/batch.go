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
	leading         // its caller runs a batch, or is about to be sent it
	following       // part of a batch that another caller runs
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
	if err := ctx.Err(); err != nil {
		var none R
		return none, err
	}
	g.mu.Lock()
	if g.running < g.limits.Running {
		g.running++
		g.mu.Unlock()
		return g.alone(item)
	}
	c := &call[T, R]{item: item, news: make(chan []*call[T, R], 1)}
	g.queue = append(g.queue, c)
	g.mu.Unlock()

	select {
	case batch := <-c.news:
		return g.heed(c, batch)
	case <-ctx.Done():
		return g.leave(c, ctx.Err())
	}
}

// heed leads the batch that c was sent, if it was, and returns c's result.
func (g *Group[T, R]) heed(c *call[T, R], batch []*call[T, R]) (R, error) {
	if batch != nil {
		g.lead(batch)
	}
	return c.result, c.err
}

// leave takes c out of the queue, if it is still there. A caller that was made leader in the meantime still leads.
func (g *Group[T, R]) leave(c *call[T, R], err error) (R, error) {
	var none R
	switch g.abandon(c) {
	case leading: // nobody else will run the batch
		return g.heed(c, <-c.news)
	case following:
		select {
		case <-c.news:
			return c.result, c.err
		default:
		}
	}
	return none, err
}

// abandon sees to it that c is not taken, unless it has been, and returns what it was before.
func (g *Group[T, R]) abandon(c *call[T, R]) state {
	g.mu.Lock()
	defer g.mu.Unlock()
	was := c.state
	if was == waiting {
		var none T
		c.state, c.item = abandoned, none
	}
	return was
}

// alone runs a single item.
func (g *Group[T, R]) alone(item T) (R, error) {
	defer g.next()
	results, err := g.runAll([]T{item})
	if err != nil {
		var none R
		return none, err
	}
	return results[0], nil
}

// lead runs a batch, hands out its results, and passes the turn on.
func (g *Group[T, R]) lead(batch []*call[T, R]) {
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
			if i > 0 { // the first is the caller
				c.news <- nil
			}
		}
		g.next()
	}()
	results, err = g.runAll(items)
}

func (g *Group[T, R]) runAll(items []T) ([]R, error) {
	results, err := g.run(items)
	if err == nil && len(results) != len(items) {
		return nil, errors.New("the batch returned a wrong number of results")
	}
	return results, err
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
		c.state = following
		batch = append(batch, c)
		n++
	}
	if len(batch) > 0 {
		batch[0].state = leading
	}
	rest := copy(g.queue, g.queue[n:])
	clear(g.queue[rest:])
	g.queue = g.queue[:rest]
	return batch
}
