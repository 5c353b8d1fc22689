package memstore

// expand makes the deliveries of the due events in the outbox. It works as long as budget
// lasts, and reports whether it has made all deliveries that there is room for.
//
// An event with more deliveries than that goes on in later calls. Such wide events have a
// budget of their own and take turns, so that no event waits until a large fan-out ends.
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

// advance makes deliveries of one event, and moves the event to the heap that fits its
// progress. It reports whether there is no room for more deliveries.
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
	case !full && ev.isWide: // the next call serves another wide event
		s.wide.remove(&ev.queued)
		s.seq++
		s.wide.push(0, s.seq, &ev.queued)
	}
	return full
}

// unmake takes an event out of its heap.
func (s *Store) unmake(ev *event) {
	if ev.isWide {
		s.wide.remove(&ev.queued)
	} else {
		s.outbox.remove(&ev.queued)
	}
}

// expandEvent makes deliveries of one event. complete reports whether the event has all of
// them. If not, full reports whether room was lacking.
func (s *Store) expandEvent(ev *event, now int64, budget *int) (complete, full bool) {
	*budget-- // also for an event that no endpoint receives
	due := max(micros(ev.CreatedAt), micros(ev.NotBefore))
	for e := range merged(s.subscribed(nil, ev.Tenant, ev.Channel, ev.Patterns(), ev.after)) {
		if e.ID == ev.About {
			continue
		}
		if *budget <= 0 {
			return false, false
		}
		if !ev.begun {
			s.unfinished-- // the first delivery takes the event's place
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

// made ends the making of an event's deliveries.
func (s *Store) made(ev *event) {
	if len(ev.deliveries) == 0 && !ev.Keep && (ev.About != "" || s.dormant(ev.Tenant, ev.Channel, ev.Patterns()) == nil) {
		s.drop(ev)
		return
	}
	s.takeOut(ev)
}

// takeOut takes an event out of the outbox. No more deliveries of it are made.
func (s *Store) takeOut(ev *event) {
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
