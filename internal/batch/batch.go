// Package batch groups concurrent calls into one. Calls gather while a batch runs, and form
// the next batch. One of its callers runs it, so the package has no goroutines of its own.
//
// A lone caller is not delayed, unless it comes right after a large batch. Calls may gather a
// little longer then. No call waits for a slow batch, as long as another one may run. For
// example, with Running 2, Slow 50 ms, Gather 3 ms and Crowd 8:
//
//	 0 ms  A comes alone, and runs a batch of one at once
//	 1 ms  B and 18 others come while it runs, and gather
//	 4 ms  A's batch ends; B runs a batch of the 19
//	 5 ms  U comes, and waits
//	 9 ms  B's batch ends; it was a crowd, so the next batch waits for 20 calls, up to 12 ms
//	10 ms  the 19 have called again; U, the first of the 20, runs a batch of them
//	20 ms  V and W come, and wait
//	60 ms  U's batch has run for 50 ms and is slow; V runs a batch of two beside it
//	61 ms  X comes, and waits: two batches run
//	64 ms  V's batch ends; X runs a batch of one, because U's batch is slow and V's was small
package batch

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Limits bound a batch. All but Slow, Gather and Crowd must be positive.
type Limits struct {
	Running int // batches that run at once
	Items   int // items of one batch
	Bytes   int // bytes of one batch, as size counts them; a single item may be larger

	// Slow is the time after which other batches begin beside a running one. Until then calls
	// gather, because two small batches cost nearly twice as much as a large one. But a batch
	// begins as soon as Items calls wait.
	Slow time.Duration

	// Gather is the longest time that calls gather after the end of a batch of at least Crowd
	// calls. The callers of that batch have their results and are about to call again. So the
	// next batch waits for as many calls as were in the last one or waited beside it. A batch
	// of fewer than Crowd calls is followed at once.
	Gather time.Duration
	Crowd  int
}

// errPanicked is the error for the other members of a batch whose run panicked.
var errPanicked = errors.New("the batch panicked")

// A Group runs items of type T in batches, with a result of type R for each. It is safe for
// concurrent use.
type Group[T, R any] struct {
	limits Limits
	size   func(T) int
	run    func([]T) ([]R, error)

	mu      sync.Mutex
	queue   []*call[T, R] // waits only while no batch may begin
	running []*turn[T, R]
	crowd   int           // calls that the next batch waits for; 0 for none
	gathers *time.Timer   // ends that wait
	turns   []*turn[T, R] // ended ones, for reuse
	calls   []*call[T, R] // ended ones, for reuse
}

// A turn is a batch that runs, or that one of its callers is about to run.
type turn[T, R any] struct {
	calls []*call[T, R] // the first leads; none if a caller runs its item alone
	began time.Time
	timer *time.Timer // calls passBy when the batch is slow
}

// New returns a group. run gets the items in the order of the calls. It returns a result for
// each, or an error for all of them. It must not keep the slice.
func New[T, R any](limits Limits, size func(T) int, run func([]T) ([]R, error)) *Group[T, R] {
	return &Group[T, R]{limits: limits, size: size, run: run}
}

type state int

const (
	waiting   state = iota
	leading         // its caller runs a batch, or is about to be told to
	following       // part of a batch that another caller runs
	abandoned       // its caller has left the queue
)

// call is one caller. The group's mutex guards its fields until it is taken. Afterwards they
// belong to the batch's leader, until news is sent.
type call[T, R any] struct {
	item   T
	state  state
	news   chan *turn[T, R] // a batch to lead, or nil when the result is ready
	result R
	err    error
}

// Do runs item together with the other waiting items and returns its result.
//
// If ctx ends while item waits for its batch, it is not run. If another caller is running its
// batch, Do returns at once and the outcome is unknown. In both cases the error is ctx.Err().
// A caller that runs the batch itself returns when the batch ends, even if ctx has ended.
func (g *Group[T, R]) Do(ctx context.Context, item T) (R, error) {
	if err := ctx.Err(); err != nil {
		var none R
		return none, err
	}
	g.mu.Lock()
	if len(g.queue) == 0 && g.mayBegin(1) {
		t := g.begin(nil)
		g.mu.Unlock()
		return g.alone(t, item)
	}
	c := g.newCall(item)
	g.queue = append(g.queue, c)
	next := g.beginNext()
	g.mu.Unlock()
	next.tell()
	select {
	case batch := <-c.news:
		return g.heed(c, batch)
	case <-ctx.Done():
		return g.leave(c, ctx.Err())
	}
}

// newCall returns a call that waits with an item; mu is held.
func (g *Group[T, R]) newCall(item T) *call[T, R] {
	n := len(g.calls)
	if n == 0 {
		return &call[T, R]{item: item, news: make(chan *turn[T, R], 1)}
	}
	c := g.calls[n-1]
	g.calls = g.calls[:n-1]
	c.item = item
	return c
}

// keptCalls bounds the calls that are kept for reuse.
const keptCalls = 1000

// end returns the result of a call and recycles it. Its caller has had the news, so that
// nobody else knows the call.
func (g *Group[T, R]) end(c *call[T, R]) (R, error) {
	result, err := c.result, c.err
	*c = call[T, R]{news: c.news}
	g.mu.Lock()
	if len(g.calls) < keptCalls {
		g.calls = append(g.calls, c)
	}
	g.mu.Unlock()
	return result, err
}

// mayBegin reports whether a batch may begin when this number of calls waits.
func (g *Group[T, R]) mayBegin(calls int) bool {
	switch {
	case len(g.running) == g.limits.Running:
		return false
	case calls >= g.limits.Items:
		return true
	case calls < g.crowd:
		return false
	case len(g.running) == 0:
		return true
	}
	now := time.Now()
	return !slices.ContainsFunc(g.running, func(t *turn[T, R]) bool { return now.Sub(t.began) < g.limits.Slow })
}

func (g *Group[T, R]) begin(calls []*call[T, R]) *turn[T, R] {
	if g.crowd > 0 {
		g.crowd = 0
		g.gathers.Stop()
	}
	t := new(turn[T, R])
	if n := len(g.turns); n > 0 {
		t, g.turns = g.turns[n-1], g.turns[:n-1]
	}
	t.calls, t.began = calls, time.Now()
	switch {
	case g.limits.Slow == 0 || g.limits.Running == 1:
	case t.timer == nil:
		t.timer = time.AfterFunc(g.limits.Slow, g.passBy)
	default:
		t.timer.Reset(g.limits.Slow)
	}
	g.running = append(g.running, t)
	return t
}

// passBy begins a batch of the calls that wait beside a slow batch.
func (g *Group[T, R]) passBy() {
	g.mu.Lock()
	next := g.beginNext()
	g.mu.Unlock()
	next.tell()
}

// gathered begins a batch of the calls that have gathered.
func (g *Group[T, R]) gathered() {
	g.mu.Lock()
	g.crowd = 0
	next := g.beginNext()
	g.mu.Unlock()
	next.tell()
}

// beginNext begins a batch of waiting calls. It returns nil if none may begin.
func (g *Group[T, R]) beginNext() *turn[T, R] {
	if len(g.queue) == 0 || !g.mayBegin(len(g.queue)) {
		return nil
	}
	calls := g.take()
	if calls == nil {
		return nil
	}
	return g.begin(calls)
}

// tell makes the batch's first caller its leader.
func (t *turn[T, R]) tell() {
	if t != nil {
		t.calls[0].news <- t
	}
}

// heed leads the batch, unless it is nil, and returns c's result.
func (g *Group[T, R]) heed(c *call[T, R], batch *turn[T, R]) (R, error) {
	if batch != nil {
		g.lead(batch)
	}
	return g.end(c)
}

// leave takes c out of the queue, if it is still there. A caller that has become leader
// meanwhile still leads.
func (g *Group[T, R]) leave(c *call[T, R], err error) (R, error) {
	var none R
	switch g.abandon(c) {
	case leading: // no other caller would run the batch
		return g.heed(c, <-c.news)
	case following:
		select {
		case <-c.news:
			return g.end(c)
		default:
		}
	}
	return none, err
}

// abandon keeps c from being taken, unless it has been taken already. It returns the state of
// c before the call.
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
func (g *Group[T, R]) alone(t *turn[T, R], item T) (R, error) {
	defer g.next(t)
	results, err := g.runAll([]T{item})
	if err != nil {
		var none R
		return none, err
	}
	return results[0], nil
}

// lead runs a batch, hands out its results, and passes the turn on.
func (g *Group[T, R]) lead(batch *turn[T, R]) {
	items := make([]T, len(batch.calls))
	for i, c := range batch.calls {
		items[i] = c.item
	}
	results, err := []R(nil), errPanicked
	defer func() {
		for i, c := range batch.calls {
			c.err = err
			if err == nil {
				c.result = results[i]
			}
			if i > 0 { // the first is the caller
				c.news <- nil
			}
		}
		g.next(batch)
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

// next ends a turn. It makes the first waiting caller the leader of the next batch, if a batch
// may begin beside the running ones.
func (g *Group[T, R]) next(t *turn[T, R]) {
	if t.timer != nil {
		t.timer.Stop()
	}
	g.mu.Lock()
	g.running = slices.DeleteFunc(g.running, func(other *turn[T, R]) bool { return other == t })
	if g.limits.Gather > 0 && len(t.calls) >= g.limits.Crowd && g.crowd == 0 {
		g.crowd = len(t.calls) + len(g.queue)
		if g.gathers == nil {
			g.gathers = time.AfterFunc(g.limits.Gather, g.gathered)
		} else {
			g.gathers.Reset(g.limits.Gather)
		}
	}
	t.calls = nil
	g.turns = append(g.turns, t)
	next := g.beginNext()
	g.mu.Unlock()
	next.tell()
}

// take removes the next batch from the queue. It returns nil if no call waits.
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
