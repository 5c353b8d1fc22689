package lane

import "time"

// learn adapts a lane to the result of an item.
func (s *Set[K, T]) learn(l *lane[K, T], result Result, took time.Duration) {
	l.pace(result, took)
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

// setLimit applies the endpoint's own limit. 0 means no limit.
func (l *lane[K, T]) setLimit(start, most int) {
	l.start, l.top = start, start*growth
	if most > 0 {
		l.start, l.top = min(start, most), most
	}
	l.cap = min(l.cap, l.top)
}

// pace adapts a lane's cap. A quick answer raises it by one, and at least to the start. A slow
// answer lowers it by one, but not below the start. Two timeouts in a row lower it to one. So
// one answer brings the cap to the start: the first answer of all, the first after timeouts,
// and the first after the endpoint's own limit was raised.
func (l *lane[K, T]) pace(result Result, took time.Duration) {
	took = max(took, time.Microsecond)
	if l.took == 0 {
		l.took = took
	}
	l.took += (took - l.took) / 8
	switch result {
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
