package memstore

// expand makes the deliveries of the events in the outbox that are due. It does a part of the work, which takes from budget,
// and reports whether that was all there is room for.
//
// Events with more deliveries than that go on in calls to come, in a part of the work that is their own: so those that came
// later do not wait until a large fan-out ends.
func (s *Store) expand(now int64, budget *int) (all bool) {
	defer s.shed()
	begun, full := s.wide.len(), false
	for all = true; s.outbox.due(now); {
		if all = *budget > 0; !all {
			break
		}
		full = s.advance(s.outbox.top(), now, budget) || full
	}
	for part := claimWork; begun > 0 && part > 0 && !full; begun-- {
		full = s.advance(s.wide.top(), now, &part)
	}
	return all && (full || s.wide.len() == 0) // the rest is made when deliveries have finished
}

// advance makes deliveries of one event and puts it where it belongs then. It reports whether there is no room for more.
func (s *Store) advance(ev *event, now int64, budget *int) (full bool) {
	complete, full := s.expandEvent(ev, now, budget)
	switch {
	case complete:
		s.made(ev)
	case ev.begun && !ev.isWide:
		s.unmake(ev)
		ev.isWide = true
		s.seq++
		s.wide.push(0, s.seq, &ev.queued)
	case !full && ev.isWide: // the next call is another one's
		s.wide.remove(&ev.queued)
		s.seq++
		s.wide.push(0, s.seq, &ev.queued)
	}
	return full
}

// unmake takes an event out of the heap that it waits in.
func (s *Store) unmake(ev *event) {
	if ev.isWide {
		s.wide.remove(&ev.queued)
	} else {
		s.outbox.remove(&ev.queued)
	}
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
	s.unmake(ev)
	ev.unmade = false
	if !ev.begun {
		s.unfinished--
		s.finished++
	}
	if ev.open == 0 {
		s.close(ev)
	}
}
