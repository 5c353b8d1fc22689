package wire

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A stubConn is a connection that records Close.
type stubConn struct {
	net.Conn
	closed atomic.Bool
}

func (c *stubConn) SetDeadline(time.Time) error { return nil }

func (c *stubConn) Close() error {
	c.closed.Store(true)
	return nil
}

// A poolModel uses a pool as Do does, and checks the pool's rules after each step.
type poolModel struct {
	t       *testing.T
	pool    pool
	running []*poolRequest
	owners  map[*conn]Owner
}

type poolRequest struct {
	home  *home
	conn  *conn
	owner Owner
}

func (m *poolModel) begin(owner Owner, to place) {
	r := &poolRequest{home: m.pool.enter(owner), owner: owner}
	if r.home != nil {
		require.Equal(m.t, owner.Version, r.home.version)
	}
	if r.conn = m.pool.take(r.home, to); r.conn == nil {
		m.pool.dialing()
		r.conn = newConn(new(stubConn), to, r.home)
		m.owners[r.conn] = owner
	}
	require.Equal(m.t, owner, m.owners[r.conn], "a connection of somebody else")
	require.Equal(m.t, to, r.conn.to)
	require.False(m.t, isClosed(r.conn), "a connection that is closed")
	for _, other := range m.running {
		require.NotSame(m.t, other.conn, r.conn, "a connection that is in use")
	}
	r.conn.begin(context.Background(), time.Time{})
	m.running = append(m.running, r)
}

func (m *poolModel) end(i int, keep bool, seconds int) {
	r := m.running[i]
	m.running = append(m.running[:i], m.running[i+1:]...)
	r.conn.finish()
	if r.home == nil || !keep {
		r.conn.abort()
		m.pool.gone()
		m.pool.leave(r.home)
		return
	}
	r.conn.keep = time.Duration(seconds) * time.Second
	m.pool.put(r.conn)
}

func isClosed(c *conn) bool { return c.socket.Conn.(*stubConn).closed.Load() }

// check asserts the rules that hold at every moment.
func (m *poolModel) check() {
	p := &m.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	require.LessOrEqual(m.t, p.kept, p.max)
	require.Equal(m.t, len(m.running)+p.kept, p.open)
	idle := 0
	for key, h := range p.homes {
		require.False(m.t, h.superseded)
		require.Positive(m.t, h.requests+len(h.idle), "%v has neither request nor connection", key)
		require.LessOrEqual(m.t, len(h.idle), p.maxPerOwner)
		idle += len(h.idle)
		for _, c := range h.idle {
			require.False(m.t, isClosed(c))
			require.Equal(m.t, h.version, m.owners[c].Version)
			require.True(m.t, c.until.After(time.Now()), "it is kept for too long")
		}
	}
	require.Equal(m.t, p.kept, idle)
	require.True(m.t, idle == 0 || !p.next.IsZero(), "the timer runs while connections are kept")
}

// runPool turns each pair of bytes into a step. The first byte is the operation, the second
// its operand.
func runPool(t *testing.T, steps []byte) {
	synctest.Test(t, func(t *testing.T) {
		m := &poolModel{t: t, pool: pool{max: 4, maxPerOwner: 3}, owners: make(map[*conn]Owner)}
		for i := 0; i+1 < len(steps); i += 2 {
			step, with := steps[i], int(steps[i+1])
			switch step % 8 {
			case 0, 1, 2:
				owner := Owner{fmt.Sprint("t", with%2), fmt.Sprint("e", with/2%2), int64(with / 4 % 3)}
				m.begin(owner, place{"http", fmt.Sprint("h", with/16%2)})
			case 3, 4:
				if len(m.running) > 0 {
					m.end(with%len(m.running), true, with%5)
				}
			case 5:
				if len(m.running) > 0 {
					m.end(with%len(m.running), false, 0)
				}
			case 6:
				time.Sleep(time.Duration(with) * 20 * time.Millisecond) //nolint:forbidigo // in fake time
				synctest.Wait()
			case 7:
				m.pool.closeIdle()
				require.Zero(t, m.pool.countIdle())
			}
			m.check()
		}
		m.pool.closeIdle()
		for len(m.running) > 0 {
			m.end(0, true, 4)
		}
		require.Zero(t, m.pool.count(), "what had a request at the end is not kept")
		require.Empty(t, m.pool.homes)
		for c := range m.owners {
			require.True(t, isClosed(c))
		}
	})
}

func FuzzPool(f *testing.F) {
	f.Add([]byte("000000333333"))
	f.Add([]byte{0, 0, 3, 4, 0, 4, 3, 4, 0, 0, 3, 4, 6, 200, 6, 200})
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 3, 4, 3, 4, 3, 4, 3, 4, 7, 0, 0, 16, 3, 4})
	f.Fuzz(func(t *testing.T, steps []byte) {
		if len(steps) <= 400 {
			runPool(t, steps)
		}
	})
}

func TestThePoolKeepsItsRulesWhateverHappens(t *testing.T) {
	for seed := range uint64(300) {
		steps := make([]byte, 300)
		state := seed*2654435761 + 1
		for i := range steps {
			state ^= state << 13
			state ^= state >> 7
			state ^= state << 17
			steps[i] = byte(state >> 11)
		}
		runPool(t, steps)
	}
}

// fill gives an owner n idle connections.
func fill(p *pool, owner Owner, n int) []*conn {
	var conns []*conn
	for range n {
		h := p.enter(owner)
		p.dialing()
		c := newConn(new(stubConn), place{"http", "h"}, h)
		conns = append(conns, c)
	}
	for _, c := range conns {
		p.put(c)
	}
	return conns
}

func TestIdleConnectionsAreBoundedInTotalAndForAnOwner(t *testing.T) {
	p := &pool{max: 5, maxPerOwner: 3}
	defer p.closeIdle()
	for n, want := range map[int]int{2: 2, 3: 3, 4: 3} {
		fill(p, one, n)
		assert.Equal(t, want, p.countIdle(), n)
		p.closeIdle()
	}
	first := fill(p, one, 3)
	second := fill(p, Owner{"acme", "two", 1}, 2)
	assert.Equal(t, 5, p.countIdle(), "at the limit")
	third := fill(p, Owner{"acme", "three", 1}, 1)
	assert.Equal(t, 5, p.countIdle())
	assert.True(t, isClosed(first[0]), "of the least recently used owner")
	assert.False(t, isClosed(first[1]))
	assert.False(t, isClosed(second[0]))
	assert.False(t, isClosed(third[0]))
	assert.Len(t, p.homes, 3)
}

func TestConnectionsOfOldSettingsAreClosed(t *testing.T) {
	p := &pool{max: 5, maxPerOwner: 3}
	defer p.closeIdle()
	old := fill(p, one, 2)
	busy := p.enter(one)
	inUse := p.take(busy, place{"http", "h"})
	require.NotNil(t, inUse)

	newer := p.enter(Owner{"acme", "one", 2})
	assert.True(t, isClosed(old[0]))
	assert.False(t, isClosed(inUse), "it has a request")
	assert.Nil(t, p.take(newer, place{"http", "h"}))
	assert.Nil(t, p.enter(one), "a late request has a connection of its own")
	p.put(inUse)
	assert.True(t, isClosed(inUse))
	p.leave(newer)
	assert.Empty(t, p.homes)
	assert.Zero(t, p.count())
}

func TestAConnectionIsKeptAsLongAsItsReceiverSays(t *testing.T) {
	for said, want := range map[string]time.Duration{
		"":                         4 * time.Second,
		"timeout=5":                4 * time.Second,
		"timeout=6":                4 * time.Second,
		"timeout=4":                3 * time.Second,
		"timeout=2, max=100":       time.Second,
		"max=100, Timeout = \"3\"": 2 * time.Second,
		"timeout=1":                0,
		"timeout=0":                0,
		"timeout=00000000000003":   2 * time.Second,
		"timeout=99999999999999":   4 * time.Second,
		"timeout=-1":               4 * time.Second,
		"timeout=2.9":              time.Second,
		"timeout=\"1.5\"":          0,
		"timeout=.5":               4 * time.Second,
		"timeout=x, timeout=2":     time.Second,
	} {
		keep, ok := keepAlive(map[string][]string{"Keep-Alive": {said}})
		if !ok {
			keep = idleTimeout
		}
		assert.Equal(t, want, keep, said)
		synctest.Test(t, func(t *testing.T) {
			p := &pool{max: 5, maxPerOwner: 3}
			h := p.enter(one)
			p.dialing()
			c := newConn(new(stubConn), place{"http", "h"}, h)
			c.keep = keep
			p.put(c)
			if want > 0 {
				time.Sleep(want - time.Millisecond) //nolint:forbidigo // in fake time
				synctest.Wait()
				assert.False(t, isClosed(c), said)
				time.Sleep(time.Millisecond) //nolint:forbidigo // in fake time
				synctest.Wait()
			}
			assert.True(t, isClosed(c), said)
			assert.Empty(t, p.homes)
		})
	}
}

// The timer is late in a process that gets no CPU.
func TestAConnectionIsNotUsedAfterItsTimeThoughTheTimerIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pool{max: 5, maxPerOwner: 3}
		defer p.closeIdle()
		to := place{"http", "h"}
		h := p.enter(one)
		p.dialing()
		p.put(newConn(new(stubConn), to, h))
		h = p.enter(one)
		p.timer.Stop()
		time.Sleep(idleTimeout) //nolint:forbidigo // in fake time
		assert.Nil(t, p.take(h, to))
		p.leave(h)
		assert.Equal(t, 1, p.countIdle())
	})
}

func TestATimerRunsOnlyWhileConnectionsAreKept(t *testing.T) {
	// synctest fails if a timer is left that never fires
	synctest.Test(t, func(t *testing.T) {
		p := &pool{max: 5, maxPerOwner: 3}
		assert.Nil(t, p.timer)
		fill(p, one, 2)
		assert.False(t, p.next.IsZero())
		p.closeIdle()
		assert.True(t, p.next.IsZero())
		assert.False(t, p.timer.Stop(), "it was running")
	})
}

func TestClosingTheIdleConnectionsHoldsForThoseWithARequestWhateverFollows(t *testing.T) {
	p := &pool{max: 5, maxPerOwner: 3}
	one := Owner{"acme", "one", 1}
	busy := p.enter(one)
	p.dialing()
	c := newConn(new(stubConn), place{"http", "h"}, busy)
	p.closeIdle()
	later := p.enter(one) // a later request of the same owner
	assert.False(t, p.put(c))
	assert.True(t, isClosed(c))
	p.leave(later)
	assert.Zero(t, p.count())
	assert.Empty(t, p.homes)
}
