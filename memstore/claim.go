package memstore

import (
	"context"
	"time"

	"github.com/gowebhook/webhook"
)

const (
	// claimWork bounds the work of one Claim besides leasing: the deliveries and endpoints that
	// it wakes, and the deliveries that it makes from the outbox. The next Claim goes on.
	claimWork = 1024

	// claimVisits bounds the endpoints that one Claim visits.
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
	case at.again: // endpoints that woke up since the round began were not visited
		c.out.Next = round{restart: true}.String()
	}
	c.out.NextDue = s.nextDue()
	return c.out, nil
}

// A claim is a call of Claim in progress.
type claim struct {
	*Store
	req        *webhook.ClaimRequest
	now        int64
	leaseUntil int64
	bytes      int // of the events in out
	out        webhook.Claimed
}

// goRound visits the endpoints of the ring that have not been visited since start. It returns
// true when it has visited all of them.
//
// The ring is in the order of the last visits. A new endpoint joins at the tail, as if visited
// just now. So each round goes on where the last round, of any caller, ended.
func (c *claim) goRound(start uint64) bool {
	for visits := 0; ; visits++ {
		e := c.ring.First()
		if e == nil || e.visited > start {
			return true
		}
		if visits == claimVisits || len(c.out.Deliveries) >= c.req.Max || !c.visit(e) {
			return false
		}
		c.tick++
		if e.laneState == laneReady {
			e.visited = c.tick
			c.ring.Remove(e)
			c.ring.Push(e)
		}
	}
}

// visit leases deliveries of one endpoint, as many as the request allows. It returns false if
// an event is too large for the rest of this call. Then the endpoint keeps its turn.
func (c *claim) visit(e *endpoint) bool {
	if e.opensAt() > c.now { // a caller with a later time put it into the ring
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
	limit := e.limit()
	if limit.IsSet() {
		room = min(room, limit.Allowed(e.rateAt, c.now))
	}
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
	if limit.IsSet() {
		e.rateAt = limit.Take(e.rateAt, c.now, leased)
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

// expected estimates the number of deliveries that the call will lease, so that the reply is
// allocated once.
func (c *claim) expected() int {
	n := 0
	for e := c.ring.First(); e != nil && n < c.req.Max; e = e.Next() {
		n += max(min(e.ready.len(), c.req.Room), 1)
	}
	return max(min(n, c.req.Max), 1)
}

// lease leases the first delivery of an endpoint's lane to the caller. It does not place the
// endpoint; visit does.
func (c *claim) lease(d *delivery, probe bool) {
	e := d.endpoint
	c.leaveLane(d)
	d.waited += max(c.now-d.dueFrom(), 0)
	c.lend(d, c.leaseUntil)
	if v := d.made; v.number != e.Version && v.mark != c.gen {
		v.mark = c.gen
		c.out.Snapshots = append(c.out.Snapshots, v.snapshot(e))
	}
	c.out.Deliveries = append(c.out.Deliveries, webhook.Leased{
		UID: d.event.UID, Endpoint: e.key(), Version: d.version, LeaseNo: d.leaseNo, LeaseUntil: c.req.LeaseUntil,
		Attempts: d.logged, Failures: d.failures, Since: fromMicros(d.since),
		Waited: time.Duration(d.waited) * time.Microsecond, Probe: probe,
	})
}

// nextDue returns the time when the next waiting delivery may be leased, or the next outbox
// event is due.
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
	if s.outbox.len() > 0 && s.outbox.items[0].at > s.now { // events that are due wait for room, not for a time
		sooner(s.outbox.items[0].at)
	}
	if !known {
		return time.Time{}
	}
	return fromMicros(next)
}
