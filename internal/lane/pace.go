package lane

import "time"

// Restart lets a lane begin anew, with one item out at a time. Call it when the receiver may
// have changed, for example when it was down or held back for a while.
//
// The lane then grows by one with each answer, quick or slow, until its cap has reached its
// start, which is normally Limits.Cap. Items that were out at the call count neither as out nor
// as answered, because they may hang. For example, with a start of 8 and 100 items:
//
//	0.0 s  8 items are out when the lane restarts, and 1 item goes out
//	0.1 s  the 8 come back, and nothing changes
//	0.2 s  the 1 is answered: 2 may be out now, then 3 and 4 when these are answered, and so on
func (s *Set[K, T]) Restart(key K) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lane(key, false)
	if l == nil {
		return
	}
	l.cap, l.careful, l.timeouts, l.stale = 1, true, 0, l.inFlight
	l.era++
	s.wake(l)
	s.rest(l)
}

// learn adapts a lane to the result of an item.
func (s *Set[K, T]) learn(t Ticket[K, T], result Result, took time.Duration) {
	l := t.lane
	if t.era == l.era {
		l.pace(result, took)
	}
	s.setQuick(l, took < slow)
}

// setQuick records whether a lane is quick, after one of its items was sent.
func (s *Set[K, T]) setQuick(l *lane[K, T], quick bool) {
	if l.quick != quick {
		l.quick = quick
		for it := range l.queue.all() {
			s.countSlow(it.weight, !quick)
		}
	}
	if quick {
		delete(s.tight, l)
	} else {
		s.tight[l] = struct{}{}
	}
}

// setLimit sets the start and the top of a lane. most is the endpoint's own limit. If it is 0, the
// top is growth times the start.
func (l *lane[K, T]) setLimit(start, most int) {
	l.start, l.top = start, start*growth
	if most > 0 {
		l.start, l.top = min(start, most), most
	}
	l.cap = min(l.cap, l.top)
}

// pace adapts a lane's cap. A quick answer raises it by one, and at least to the start. A
// slow answer lowers it by one, but not below the start. Two timeouts in a row lower it to
// one. So one answer brings the cap to the start: the first answer of all, the first after
// timeouts, and the first after the endpoint's own limit was raised. After Restart, each
// answer raises the cap by one until it has reached the start.
func (l *lane[K, T]) pace(result Result, took time.Duration) {
	took = max(took, time.Microsecond)
	if l.took == 0 {
		l.took = took
	}
	l.took += (took - l.took) / 8
	switch result {
	case Answered:
		if l.careful {
			l.cap = min(l.cap+1, l.start)
			l.careful = l.cap < l.start
		} else if took < slow {
			l.cap = min(max(l.cap+1, l.start), l.top)
		} else {
			l.cap = max(l.cap-1, l.start)
		}
		l.timeouts = 0
	case TimedOut:
		l.timeouts++
		if l.timeouts >= 2 {
			l.cap = 1
		}
	case Failed, Unsent:
	}
}
