package wire

import (
	"slices"
	"sync"
	"time"

	"github.com/gowebhook/webhook/internal/linked"
)

// A pool keeps the connections of each owner apart.
//
// An owner has a home while it has a request or a connection, so there are at
// most as many homes as requests and kept connections. When more than max
// connections have no request, those that had one the longest ago are closed.
type pool struct {
	max, maxPerOwner int

	mu    sync.Mutex
	homes map[homeKey]*home
	idle  linked.List[conn, *conn] // the one whose last request ended first is the first
	kept  int                      // length of idle
	open  int                      // connections and dials
	timer *time.Timer
	next  time.Time // when the timer calls sweep; zero if it does not
}

type homeKey struct{ tenant, endpoint string }

// A home has the connections of one owner. Its fields are guarded by pool.mu.
type home struct {
	key        homeKey
	version    int64
	superseded bool
	requests   int
	idle       []*conn // the latest last
}

// enter counts a request of an owner. It returns nil for one without an owner
// or with outdated settings: such a request has a connection of its own.
func (p *pool) enter(owner Owner) *home {
	if owner == (Owner{}) {
		return nil
	}
	key := homeKey{owner.Tenant, owner.Endpoint}
	p.mu.Lock()
	h := p.homes[key]
	var old []*conn
	switch {
	case h != nil && h.version > owner.Version:
		p.mu.Unlock()
		return nil
	case h != nil && h.version < owner.Version:
		old = p.supersede(h)
		h = nil
	}
	if h == nil {
		h = &home{key: key, version: owner.Version}
		if p.homes == nil {
			p.homes = make(map[homeKey]*home)
		}
		p.homes[key] = h
	}
	h.requests++
	p.mu.Unlock()
	closeAll(old)
	return h
}

// supersede takes a home out of use, and returns its connections to be closed;
// mu is held.
func (p *pool) supersede(h *home) []*conn {
	h.superseded = true
	delete(p.homes, h.key)
	old := h.idle
	h.idle = nil
	for _, c := range old {
		p.unlist(c)
	}
	p.open -= len(old)
	return old
}

// leave ends a request.
func (p *pool) leave(h *home) {
	if h == nil {
		return
	}
	p.mu.Lock()
	h.requests--
	p.forgetUnused(h)
	p.mu.Unlock()
}

// forgetUnused removes a home without requests and connections; mu is held.
func (p *pool) forgetUnused(h *home) {
	if h.requests == 0 && len(h.idle) == 0 && !h.superseded {
		delete(p.homes, h.key)
	}
}

// take returns a connection that is kept for the owner and goes to a place, or
// nil.
func (p *pool) take(h *home, to place) *conn {
	if h == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for i, c := range slices.Backward(h.idle) {
		// The timer may be late, and the receiver about to close.
		if c.to == to && c.until.After(now) {
			h.idle = slices.Delete(h.idle, i, i+1)
			p.unlist(c)
			return c
		}
	}
	return nil
}

// put ends the request of a connection, and reports whether it keeps the
// connection.
func (p *pool) put(c *conn) (kept bool) {
	h := c.home
	p.mu.Lock()
	h.requests--
	var old []*conn
	if kept = !h.superseded && c.keep > 0 && p.maxPerOwner > 0; !kept {
		p.open--
		old = append(old, c)
	} else {
		now := time.Now()
		c.kept, c.until = true, now.Add(c.keep)
		p.idle.Push(c)
		p.kept++
		h.idle = append(h.idle, c)
		if len(h.idle) > p.maxPerOwner {
			old = append(old, p.evict(h.idle[0]))
		}
		if p.kept > p.max {
			old = append(old, p.evict(p.idle.First()))
		}
		p.wake(now, c.until)
	}
	p.forgetUnused(h)
	p.mu.Unlock()
	closeAll(old)
	return kept
}

// unlist removes a connection from the list of idle ones; mu is held.
func (p *pool) unlist(c *conn) {
	p.idle.Remove(c)
	p.kept--
}

// evict takes out an idle connection, to be closed; mu is held.
func (p *pool) evict(c *conn) *conn {
	h := c.home
	i := slices.Index(h.idle, c)
	h.idle = slices.Delete(h.idle, i, i+1)
	p.unlist(c)
	p.open--
	p.forgetUnused(h)
	return c
}

// wake makes the timer call sweep at a time, or earlier; mu is held.
func (p *pool) wake(now, at time.Time) {
	if !p.next.IsZero() && !at.Before(p.next) {
		return
	}
	p.next = at
	if p.timer == nil {
		p.timer = time.AfterFunc(at.Sub(now), p.sweep)
	} else {
		p.timer.Reset(at.Sub(now))
	}
}

// sweep closes the connections that were kept for their time.
func (p *pool) sweep() {
	p.mu.Lock()
	now := time.Now()
	var old []*conn
	var first time.Time
	next := p.idle.First()
	for next != nil {
		c := next
		next = c.Next()
		switch {
		case !c.until.After(now):
			old = append(old, p.evict(c))
		case first.IsZero() || c.until.Before(first):
			first = c.until
		}
	}
	p.next = time.Time{}
	if !first.IsZero() {
		p.wake(now, first)
	}
	p.mu.Unlock()
	closeAll(old)
}

// closeIdle closes the connections without a request. The others are closed
// when their present requests end.
func (p *pool) closeIdle() {
	p.mu.Lock()
	var old []*conn
	for _, h := range p.homes {
		old = append(old, p.supersede(h)...)
	}
	if p.timer != nil {
		p.timer.Stop()
		p.next = time.Time{}
	}
	p.mu.Unlock()
	closeAll(old)
}

// dialing counts a dial, which becomes a connection.
func (p *pool) dialing() {
	p.mu.Lock()
	p.open++
	p.mu.Unlock()
}

// gone is called when a connection or a dial has ended.
func (p *pool) gone() {
	p.mu.Lock()
	p.open--
	p.mu.Unlock()
}

// drop closes a connection that is no use, within a request.
func (p *pool) drop(c *conn) {
	c.finish()
	c.abort()
	p.gone()
}

func (p *pool) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open
}

func (p *pool) countIdle() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.kept
}

func closeAll(conns []*conn) {
	for _, c := range conns {
		c.close()
	}
}
