package memstore

import (
	"context"
	"time"

	"github.com/gowebhook/webhook"
)

const (
	// claimWork bounds what one Claim does besides leasing: deliveries and endpoints that are woken, and deliveries that are
	// made from the outbox. The next Claim goes on.
	claimWork = 1024

	// claimVisits is how many endpoints one Claim visits.
	claimVisits = 1024
)

// Claim implements [webhook.Store].
func (s *Store) Claim(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
	if err := ctx.Err(); err != nil {
		return webhook.Claimed{}, err
	}
	at, err := parseRound(req.Cursor)
	if err != nil {
		return webhook.Claimed{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := claim{Store: s, req: &req, now: micros(req.Now), leaseUntil: micros(req.LeaseUntil)}
	s.now = max(s.now, c.now)
	s.gen++

	budget := claimWork
	if !s.expand(c.now, &budget) || !s.wake(c.now, &budget) {
		at.again = true
	}
	if req.Cursor == "" || at.restart || at.start > s.tick {
		at.start, at.restart = s.tick, false
	}
	done := c.goRound(at.start)
	switch {
	case !done:
		c.out.Next = at.String()
	case at.again: // what woke up since the round began has not been visited
		c.out.Next = round{restart: true}.String()
	}
	c.out.NextDue = s.nextDue()
	return c.out, nil
}

// A claim is one call of Claim at work.
type claim struct {
	*Store
	req        *webhook.ClaimRequest
	now        int64
	leaseUntil int64
	bytes      int // of the events in out
	out        webhook.Claimed
}

// goRound visits the endpoints of the ring that have not been visited since start, and reports whether that were all.
//
// The ring is in the order of the last visits: what comes in joins its tail as if visited just now. So each round goes on
// where the last one, of anybody, has ended.
func (c *claim) goRound(start uint64) bool {
	for visits := 0; ; visits++ {
		e := c.ring.head
		if e == nil || e.visited > start {
			return true
		}
		if visits == claimVisits || len(c.out.Deliveries) >= c.req.Max || !c.visit(e) {
			return false
		}
		c.tick++
		if e.lane == laneRing {
			e.visited = c.tick
			c.ring.remove(e)
			c.ring.push(e)
		}
	}
}

// visit leases what it can of one endpoint. It returns false if an event would be too much for this call: then the endpoint's
// turn has not come.
func (c *claim) visit(e *endpoint) bool {
	if e.blockedUntil > c.now { // at the time of a caller that is ahead of this one, it is not
		c.place(e, c.now)
		return true
	}
	room := c.req.Room
	if len(c.req.Rooms) > 0 {
		if own, named := c.req.Rooms[e.key()]; named {
			room = own
		}
	}
	room = min(room, c.req.Max-len(c.out.Deliveries))
	probe := e.Health.Circuit
	if probe {
		room = min(room, 1)
	}
	leased, fits := 0, true
	for ; leased < room && e.ready.len() > 0; leased++ {
		d := e.ready.top()
		if d.dueFrom() > c.now {
			break
		}
		if fits = c.take(d.event); !fits {
			break
		}
		c.lease(d, probe)
	}
	if leased == 0 {
		return fits
	}
	if probe {
		e.Health.BlockedUntil = c.req.LeaseUntil
		e.blockedUntil = c.leaseUntil
	}
	c.place(e, c.now)
	c.out.Endpoints = append(c.out.Endpoints, e.Endpoint)
	return fits
}

// take adds an event to the reply, and returns false if there is no room for it.
func (c *claim) take(ev *event) bool {
	if ev.mark == c.gen {
		return true
	}
	if len(c.out.Deliveries) > 0 && len(ev.Data) > c.req.MaxBytes-c.bytes {
		return false
	}
	ev.mark = c.gen
	c.bytes += len(ev.Data)
	if c.out.Events == nil {
		n := c.expected()
		c.out.Events = make([]webhook.EventRecord, 0, n)
		c.out.Deliveries = make([]webhook.Leased, 0, n)
	}
	c.out.Events = append(c.out.Events, ev.EventRecord)
	return true
}

// expected returns how many deliveries the call will lease, roughly, so that the reply is allocated once.
func (c *claim) expected() int {
	n := 0
	for e := c.ring.head; e != nil && n < c.req.Max; e = e.next {
		n += max(min(e.ready.len(), c.req.Room), 1)
	}
	return max(min(n, c.req.Max), 1)
}

// lease gives the first delivery of an endpoint's lane to the caller. visit places the endpoint.
func (c *claim) lease(d *delivery, probe bool) {
	e := d.endpoint
	c.leaveLane(d)
	c.lend(d, c.leaseUntil)
	if v := d.made; v.number != e.Version && v.mark != c.gen {
		v.mark = c.gen
		c.out.Snapshots = append(c.out.Snapshots, v.snapshot(e))
	}
	c.out.Deliveries = append(c.out.Deliveries, webhook.Leased{
		UID: d.event.UID, Endpoint: e.key(), Version: d.version, LeaseNo: d.leaseNo, LeaseUntil: c.req.LeaseUntil,
		Attempts: d.logged, Failures: d.failures, Since: fromMicros(d.since), Probe: probe,
	})
}

// nextDue is when something that waits may be leased.
func (s *Store) nextDue() time.Time {
	var next int64
	known := false
	sooner := func(at int64) {
		if !known || at < next {
			next, known = at, true
		}
	}
	if s.waiting.len() > 0 {
		sooner(s.waiting.items[0].at)
	}
	if s.leased.len() > 0 {
		sooner(s.leased.items[0].at + leaseGrace)
	}
	if s.blocked.len() > 0 {
		sooner(s.blocked.items[0].at)
	}
	if s.outbox.len() > 0 && s.outbox.items[0].at > s.now { // what is due already waits for room
		sooner(s.outbox.items[0].at)
	}
	if !known {
		return time.Time{}
	}
	return fromMicros(next)
}
