package webhook

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// idleTimeout is how long a connection is kept without a request. Node's servers close
// after 5 s, and a request that meets a closing connection fails.
const idleTimeout = 4 * time.Second

// What a receiver says in Keep-Alive is remembered for a while, for so many endpoints.
const (
	keepAliveAge  = 10 * time.Minute
	maxKeepAlives = 4096
)

// A connOwner says whose connections a request may use: those of one endpoint, as long as
// its settings do not change.
type connOwner struct {
	endpoint EndpointKey
	version  int64
}

// connPools keeps the connections of each endpoint apart, so that an answer belongs to the
// endpoint whose request caused it. Two endpoints with one host, also of one tenant, have
// two connections.
//
// An endpoint has a pool while it has a request or a connection, so there are at most as
// many pools as requests in flight and kept connections. When more than maxIdle connections
// have no request, those of the least recently used endpoints are closed.
type connPools struct {
	transport func(dial dialFunc, keep time.Duration) *http.Transport
	dial      dialFunc
	maxIdle   int

	mu       sync.Mutex
	of       map[EndpointKey]*connPool
	heeded   map[EndpointKey]heededKeepAlive
	recent   list.List // of *connPool, the most recently used first
	requests int       // of all pools, also superseded ones
	open     int       // connections and dials of all pools
}

// A connPool has the connections of one endpoint. Its fields are guarded by connPools.mu.
type connPool struct {
	owner     connOwner
	keep      time.Duration // how long a connection is kept without a request
	transport *http.Transport
	place     *list.Element // nil when superseded: then nothing is kept
	requests  int
	open      int // connections and dials
}

// A heededKeepAlive is a receiver's wish to have connections kept for less than idleTimeout.
type heededKeepAlive struct {
	keep  time.Duration
	until time.Time
}

// acquire returns the pool of an endpoint for one request, to be released after the end of
// the response. It returns nil for a request without an owner, with outdated settings, or
// to a receiver that keeps no connections: such a request has a connection of its own.
func (p *connPools) acquire(owner connOwner) *connPool {
	if owner.endpoint == (EndpointKey{}) {
		return nil
	}
	p.mu.Lock()
	pool := p.of[owner.endpoint]
	var old *connPool
	switch {
	case pool != nil && pool.owner.version > owner.version:
		p.mu.Unlock()
		return nil
	case pool != nil && pool.owner.version < owner.version:
		old, pool = pool, nil
		p.supersede(old)
		delete(p.heeded, owner.endpoint)
	}
	if pool == nil {
		keep := p.keepFor(owner.endpoint)
		if keep == 0 {
			p.mu.Unlock()
			return nil
		}
		pool = p.add(owner, keep)
	}
	p.recent.MoveToFront(pool.place)
	pool.requests++
	p.requests++
	p.mu.Unlock()
	if old != nil {
		old.transport.CloseIdleConnections()
	}
	return pool
}

// keepFor returns how long connections of an endpoint are kept; mu is held.
func (p *connPools) keepFor(endpoint EndpointKey) time.Duration {
	heeded, ok := p.heeded[endpoint]
	switch {
	case !ok:
		return idleTimeout
	case time.Now().After(heeded.until):
		delete(p.heeded, endpoint)
		return idleTimeout
	default:
		return heeded.keep
	}
}

// add makes a pool; mu is held.
func (p *connPools) add(owner connOwner, keep time.Duration) *connPool {
	pool := &connPool{owner: owner, keep: keep}
	pool.transport = p.transport(p.dialer(pool), keep)
	if p.of == nil {
		p.of = make(map[EndpointKey]*connPool)
	}
	p.of[owner.endpoint] = pool
	pool.place = p.recent.PushFront(pool)
	return pool
}

// supersede takes a pool out of use; mu is held. The caller closes its idle connections
// afterwards, without mu.
func (p *connPools) supersede(pool *connPool) {
	if pool.place == nil {
		return
	}
	delete(p.of, pool.owner.endpoint)
	p.recent.Remove(pool.place)
	pool.place = nil
}

// release ends a request's use of its pool.
func (p *connPools) release(pool *connPool) {
	p.mu.Lock()
	pool.requests--
	p.requests--
	var idle []*connPool
	if pool.requests == 0 && pool.place == nil {
		idle = append(idle, pool)
	}
	p.forgetUnused(pool)
	excess := p.open - p.requests - p.maxIdle
	for e := p.recent.Back(); e != nil && excess > 0; e = e.Prev() {
		if other := e.Value.(*connPool); other.open > other.requests {
			excess -= other.open - other.requests
			idle = append(idle, other)
		}
	}
	p.mu.Unlock()
	for _, other := range idle {
		other.transport.CloseIdleConnections()
	}
}

// forgetUnused removes a pool that has neither requests nor connections; mu is held.
func (p *connPools) forgetUnused(pool *connPool) {
	if pool.requests == 0 && pool.open == 0 {
		p.supersede(pool)
	}
}

// shorten heeds that a receiver closes connections after a while without a request: the
// connections of the pool are closed, and the next ones are kept for less than that.
func (p *connPools) shorten(pool *connPool, keep time.Duration) {
	p.mu.Lock()
	if keep >= pool.keep || pool.place == nil {
		p.mu.Unlock()
		return
	}
	p.supersede(pool)
	if p.heeded == nil {
		p.heeded = make(map[EndpointKey]heededKeepAlive)
	}
	if len(p.heeded) >= maxKeepAlives {
		for other := range p.heeded { // any will do: its next response says it again
			delete(p.heeded, other)
			break
		}
	}
	p.heeded[pool.owner.endpoint] = heededKeepAlive{keep, time.Now().Add(keepAliveAge)}
	p.mu.Unlock()
	pool.transport.CloseIdleConnections()
}

// closeIdle closes the connections that have no request.
func (p *connPools) closeIdle() {
	p.mu.Lock()
	pools := make([]*connPool, 0, len(p.of))
	for _, pool := range p.of {
		pools = append(pools, pool)
	}
	p.mu.Unlock()
	for _, pool := range pools {
		pool.transport.CloseIdleConnections()
	}
}

// dialer returns a dial function that counts the connections of a pool.
func (p *connPools) dialer(pool *connPool) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		p.mu.Lock()
		if pool.place == nil && pool.requests == 0 {
			p.mu.Unlock()
			return nil, net.ErrClosed // its request has ended
		}
		pool.open++
		p.open++
		p.mu.Unlock()
		conn, err := p.dial(ctx, network, addr)
		if err != nil {
			p.closed(pool)
			return nil, err
		}
		return &countedConn{Conn: conn, closed: func() { p.closed(pool) }}, nil
	}
}

func (p *connPools) closed(pool *connPool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pool.open--
	p.open--
	p.forgetUnused(pool)
}

// count returns the number of connections and dials.
func (p *connPools) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open
}

// A countedConn tells once that it is closed.
type countedConn struct {
	net.Conn
	once   sync.Once
	closed func()
}

func (c *countedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.closed)
	return err
}

// keepAlive returns how long a receiver lets a connection be kept: its Keep-Alive header
// says after how many seconds without a request it closes, as in "timeout=5, max=100". A
// second is left for the way. It returns false if the header is missing or has no timeout.
func keepAlive(h http.Header) (time.Duration, bool) {
	for _, value := range h["Keep-Alive"] {
		for parameter := range strings.SplitSeq(value, ",") {
			name, digits, _ := strings.Cut(strings.TrimSpace(parameter), "=")
			if !strings.EqualFold(strings.TrimSpace(name), "timeout") {
				continue
			}
			digits = strings.Trim(digits, ` "`)
			if digits == "" || strings.Trim(digits, "0123456789") != "" {
				continue
			}
			digits = strings.TrimLeft(digits, "0")
			if len(digits) > 1 { // ten seconds or more
				return idleTimeout, true
			}
			seconds := 0
			if digits != "" {
				seconds = int(digits[0] - '0')
			}
			return max(time.Duration(seconds-1)*time.Second, 0), true
		}
	}
	return 0, false
}
