package lane

import "time"

// learn adapts a lane to what became of an item.
func (s *Set[K, T]) learn(l *lane[K, T], outcome Outcome, took time.Duration) {
	l.pace(outcome, took)
	s.setQuick(l, took < slow)
}

// setQuick notes whether a lane that has been tried is quick.
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

// setLimit applies the endpoint's own limit; 0 is none.
func (l *lane[K, T]) setLimit(start, most int) {
	l.start, l.top = start, start*growth
	if most > 0 {
		l.start, l.top = min(start, most), most
	}
	l.cap = min(l.cap, l.top)
}

// pace adapts a lane's cap: one more for each quick answer, one less for a slow one, but not below the start, and down to one
// after two timeouts in a row. So the first answer, also the first after timeouts, or after the endpoint's own limit was
// raised, brings it to the start.
func (l *lane[K, T]) pace(outcome Outcome, took time.Duration) {
	took = max(took, time.Microsecond)
	if l.took == 0 {
		l.took = took
	}
	l.took += (took - l.took) / 8
	switch outcome {
	case Answered:
		if took < slow {
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
