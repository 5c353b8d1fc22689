package memstore

// expand makes the deliveries of the events in the outbox that are due. It does a part of the work that budget allows, and
// reports whether that was all there is room for.
func (s *Store) expand(now int64, budget *int) bool {
	for s.outbox.due(now) {
		if *budget <= 0 {
			return false
		}
		ev := s.outbox.top()
		complete, full := s.expandEvent(ev, now, budget)
		if full {
			break // what is not made now is made when deliveries have finished
		}
		if complete {
			s.made(ev)
		}
	}
	s.shed()
	return true
}

// expandEvent makes deliveries of one event, and reports whether they are all that it gets, and if not, whether that is for
// want of room.
func (s *Store) expandEvent(ev *event, now int64, budget *int) (complete, full bool) {
	*budget-- // also for an event that no endpoint receives
	due := max(micros(ev.CreatedAt), micros(ev.NotBefore))
	for e := range merged(s.subscribed(nil, ev.Tenant, ev.Channel, ev.Patterns(), ev.after)) {
		if *budget <= 0 {
			return false, false
		}
		if !ev.begun {
			s.unfinished-- // its place is that of its first delivery
		} else if !s.fits(load{pending: 1}) {
			return false, true
		}
		ev.begun, ev.after = true, e.ID
		d := &ev.one
		if len(ev.deliveries) == 0 {
			ev.deliveries = ev.only[:0]
		} else {
			d = &delivery{}
		}
		s.attach(ev, d, e.ID)
		d.version = e.Version
		s.open(d)
		d.due, d.since = due, due
		s.park(d, now)
		*budget--
	}
	return true, false
}

// made takes an event out of the outbox.
func (s *Store) made(ev *event) {
	if len(ev.deliveries) == 0 && !ev.Keep {
		s.drop(ev)
		return
	}
	s.outbox.remove(&ev.queued)
	ev.unmade = false
	if !ev.begun {
		s.unfinished--
		s.finished++
	}
	if ev.open == 0 {
		s.close(ev)
	}
}
