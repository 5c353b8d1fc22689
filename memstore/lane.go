package memstore

// lane says where an endpoint with ready deliveries waits for Claim, so that Claim meets only those to which something may
// be sent.
type lane uint8

const (
	laneEmpty   lane = iota
	laneRing         // in Store.ring
	laneBlocked      // in Store.blocked, until a time
	laneHeld         // nowhere, until the endpoint is changed
)

// A ring has the endpoints that may be sent to. Claim takes them from the head and puts them at the tail, so that each
// waits for one visit of every other at most.
type ring struct {
	head, tail *endpoint
}

func (r *ring) push(e *endpoint) {
	e.prev = r.tail
	if r.tail == nil {
		r.head = e
	} else {
		r.tail.next = e
	}
	r.tail = e
}

func (r *ring) remove(e *endpoint) {
	if e.prev == nil {
		r.head = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		r.tail = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.prev, e.next = nil, nil
}

// park puts a delivery that is not leased where it waits.
func (s *Store) park(d *delivery, now int64) {
	d.endpoint.link(d)
	if d.due > now {
		d.in = inWaiting
		s.waiting.push(d.due, d.seq, &d.slot)
		return
	}
	s.makeReady(d, now)
}

// lend leases a delivery, which is in no heap.
func (s *Store) lend(d *delivery, until int64) {
	d.leaseNo++
	d.leased = true
	d.due = until
	d.in = inLeased
	s.leased.push(until, d.seq, &d.slot)
}

// makeReady puts a delivery that may be leased, and is linked, into its endpoint's lane.
func (s *Store) makeReady(d *delivery, now int64) {
	e := d.endpoint
	d.in = inReady
	e.ready.push(d.due, d.seq, &d.slot)
	if e.lane == laneEmpty {
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
		d.endpoint.unlink(d)
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

// leaveLane takes a ready delivery out of its endpoint's lane, which may be empty then: the caller places the endpoint.
func (s *Store) leaveLane(d *delivery) {
	e := d.endpoint
	e.ready.remove(&d.slot)
	e.unlink(d)
	s.count(e, -1)
}

// count notes that an endpoint has n more ready deliveries.
func (s *Store) count(e *endpoint, n int) {
	switch e.lane {
	case laneRing:
		s.readyNow += n
	case laneBlocked, laneHeld:
		s.readyOff += n
	case laneEmpty:
	}
}

// place puts an endpoint where it belongs, after its lane was filled or emptied, or its state or block has changed.
func (s *Store) place(e *endpoint, now int64) {
	to := laneRing
	switch {
	case e.ready.len() == 0:
		to = laneEmpty
	case e.heldBack():
		to = laneHeld
	case e.blockedUntil > now:
		to = laneBlocked
	}
	if to == e.lane && to != laneBlocked {
		return
	}
	s.count(e, -e.ready.len())
	switch e.lane {
	case laneRing:
		s.ring.remove(e)
	case laneBlocked:
		s.blocked.remove(&e.slot)
	case laneEmpty, laneHeld:
	}
	e.lane = to
	switch to {
	case laneRing:
		e.visited = s.tick
		s.ring.push(e)
	case laneBlocked:
		s.seq++
		s.blocked.push(e.blockedUntil, s.seq, &e.slot)
	case laneEmpty, laneHeld:
	}
	s.count(e, e.ready.len())
}

// wake moves what has become due into the lanes, and endpoints whose block has ended into the ring. It does a part of the
// work that budget allows, and reports whether that was all.
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
		d.endpoint.link(d)
		s.makeReady(d, now)
	}
	return true
}
