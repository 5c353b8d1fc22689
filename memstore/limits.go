package memstore

import (
	"github.com/gowebhook/webhook"
)

// A load is the amount that an event adds to the counts against the limits.
type load struct {
	pending  int
	finished int
	bytes    int64
}

func (l *load) add(o load) {
	l.pending += o.pending
	l.finished += o.finished
	l.bytes += o.bytes
}

func weigh(r *webhook.EventRecord) load {
	l := load{bytes: eventBytes(r)}
	switch {
	case r.Deliveries == nil:
		l.pending = 1
		return l
	case len(r.Deliveries) == 0:
		l.finished = 1
		return l
	}
	for i := range r.Deliveries {
		if !final(r.Deliveries[i].State) {
			l.pending++
			continue
		}
		l.finished++
		if a := r.Deliveries[i].Attempt; a != nil {
			l.bytes += attemptBytes(a)
		}
	}
	return l
}

func eventBytes(r *webhook.EventRecord) int64 {
	n := len(r.Data) + len(r.Tenant) + len(r.ID) + len(r.Type) + len(r.Channel)
	for k, v := range r.Header {
		n += len(k) + len(v)
	}
	return int64(n)
}

// fits reports whether there is room for l, or would be if all closed events were dropped.
func (s *Store) fits(l load) bool {
	kept := s.unfinished + s.finished - s.closed.rows
	return (l.pending == 0 || l.pending <= s.maxPending-s.unfinished) &&
		l.pending+l.finished <= s.maxRows-kept &&
		l.bytes <= s.maxBytes-(s.bytes-s.closed.bytes)
}

// makeRoom drops closed events until there is room for the rows and bytes, or no closed event
// is left.
func (s *Store) makeRoom(rows int, bytes int64) {
	for s.closed.events.First() != nil && (rows > s.maxRows-s.unfinished-s.finished || bytes > s.maxBytes-s.bytes) {
		s.drop(s.closed.events.First())
	}
}

// shed drops closed events while there are more finished deliveries than allowed.
func (s *Store) shed() {
	for s.finished > s.maxFinished && s.closed.events.First() != nil {
		s.drop(s.closed.events.First())
	}
}

// drop removes an event with its deliveries and attempts.
func (s *Store) drop(ev *event) {
	if ev.closed {
		s.closed.remove(ev)
	}
	if ev.unmade {
		s.unmake(ev)
		if !ev.begun {
			s.unfinished--
		}
	} else if len(ev.deliveries) == 0 {
		s.finished--
	}
	for _, d := range ev.deliveries {
		e := d.endpoint
		if d.state == webhook.DeliveryPending {
			s.unpark(d, s.now)
			s.pending--
			s.unfinished--
			e.unfinished--
			e.unbind(d)
		} else {
			s.finished--
		}
		for _, a := range d.attempts {
			s.unlist(a)
		}
		e.deliveries.remove(ev.key)
		s.forget(e)
	}
	s.bytes -= ev.bytes
	s.timeline.remove(ev.key)
	ev.tenant.events.remove(ev.key)
	delete(s.events, ev.eventKey())
	delete(s.uids, ev.UID)
	s.release(ev.tenant)
}
