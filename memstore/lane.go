package memstore

import "github.com/gowebhook/webhook/internal/linked"

// A laneState says where the lane of an endpoint waits for Claim. Claim looks only at the ring,
// whose endpoints may be sent to.
type laneState uint8

const (
	laneEmpty   laneState = iota
	laneReady             // in Store.ring
	laneBlocked           // in Store.blocked, until a time
	laneOff               // nowhere, until the endpoint is changed
)

// A ring has the endpoints that may be sent to. Claim takes them from the head and puts them at
// the tail. So each waits for at most one visit of every other.
type ring = linked.List[endpoint, *endpoint]

// park puts a delivery that is not leased into the heap where it waits.
func (s *Store) park(d *delivery, now int64) {
	d.endpoint.unleased.Push(d)
	if d.due > now {
		d.in = inWaiting
		s.waiting.push(d.due, d.seq, &d.slot)
		return
	}
	s.makeReady(d, now)
}

// lend leases a delivery. The delivery must be in no heap.
func (s *Store) lend(d *delivery, until int64) {
	d.leaseNo++
	d.leased = true
	d.due = until
	d.in = inLeased
	s.leased.push(until, d.seq, &d.slot)
}

// makeReady puts a delivery into its endpoint's lane. The delivery may be leased, and is
// linked.
func (s *Store) makeReady(d *delivery, now int64) {
	e := d.endpoint
	d.in = inReady
	e.ready.push(d.due, d.seq, &d.slot)
	if e.laneState == laneEmpty {
		s.place(e, now)
	} else {
		s.count(e, 1)
	}
}

// unpark takes a delivery out of its heap.
func (s *Store) unpark(d *delivery, now int64) {
	switch d.in {
	case inWaiting:
		s.waiting.remove(&d.slot)
		d.endpoint.unleased.Remove(d)
	case inLeased:
		s.leased.remove(&d.slot)
	case inReady:
		e := d.endpoint
		s.leaveLane(d)
		if e.ready.len() == 0 {
			s.place(e, now)
		}
	case nowhere:
	}
	d.in = nowhere
}

// leaveLane takes a ready delivery out of its endpoint's lane. The lane may be empty then, so
// the caller must place the endpoint.
func (s *Store) leaveLane(d *delivery) {
	e := d.endpoint
	e.ready.remove(&d.slot)
	e.unleased.Remove(d)
	s.count(e, -1)
}

// count adds n to the number of ready deliveries of the state of the endpoint's lane.
func (s *Store) count(e *endpoint, n int) {
	switch e.laneState {
	case laneReady:
		s.readyNow += n
	case laneBlocked, laneOff:
		s.readyOff += n
	case laneEmpty:
	}
}

// place moves the lane of an endpoint to the place of its state. It is called after its ready
// heap was filled or emptied, or its state, block or rate changed.
func (s *Store) place(e *endpoint, now int64) {
	to := laneReady
	switch {
	case e.ready.len() == 0:
		to = laneEmpty
	case e.isOff():
		to = laneOff
	case e.opensAt() > now:
		to = laneBlocked
	}
	if to == e.laneState && to != laneBlocked {
		return
	}
	s.count(e, -e.ready.len())
	switch e.laneState {
	case laneReady:
		s.ring.Remove(e)
	case laneBlocked:
		s.blocked.remove(&e.slot)
	case laneEmpty, laneOff:
	}
	e.laneState = to
	switch to {
	case laneReady:
		e.visited = s.tick
		s.ring.Push(e)
	case laneBlocked:
		s.seq++
		s.blocked.push(e.opensAt(), s.seq, &e.slot)
	case laneEmpty, laneOff:
	}
	s.count(e, e.ready.len())
}

// wake moves due deliveries into the lanes, and endpoints whose block has ended into the ring.
// It works as long as budget lasts, and reports whether it has moved all.
func (s *Store) wake(now int64, budget *int) bool {
	for s.blocked.due(now) {
		if *budget--; *budget < 0 {
			return false
		}
		s.place(s.blocked.top(), now)
	}
	for s.waiting.due(now) {
		if *budget--; *budget < 0 {
			return false
		}
		s.makeReady(s.waiting.pop(), now)
	}
	for s.leased.due(now - leaseGrace) {
		if *budget--; *budget < 0 {
			return false
		}
		d := s.leased.pop()
		d.endpoint.unleased.Push(d)
		s.makeReady(d, now)
	}
	return true
}
