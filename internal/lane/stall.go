package lane

import "time"

// Relieve finds lanes that have ceased to answer. It makes room when slow lanes hold more than
// half of the queue. Call it now and then, and always before Room. It returns items for the
// caller to give back; their lanes are behind.
//
// A quick lane may hold a fourth of the queue. If four such receivers begin to hang at one
// moment, no result comes from them until their first timeout. Until then, other lanes would
// get no room.
//
// So Relieve looks at the lanes at intervals of at least a second, the longest time of a quick
// lane's answer. A lane is slow if it had items out at the last look and none came back since.
// A slow lane that holds more than its share gives back its queue:
//
//	0.0 s  a, b, c and d hang, with a fourth of the queue each; nothing fits in for e
//	0.4 s  a look: each of them has items out
//	1.4 s  a look: nothing has come back, so they are slow; a and b give back their items
//	1.4 s  half of the queue is free, for e
func (s *Set[K, T]) Relieve(now time.Duration) []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now-s.looked >= slow {
		s.looked = now
		for l := s.active.First(); l != nil; l = l.Next() {
			s.look(l)
		}
	}
	var values []T
	for l := range s.tight {
		if !s.isCrowded() {
			break
		}
		if l.holdsTooMuch(&s.limits) {
			values = s.flush(l, values)
			s.setBehind(l)
			s.rest(l)
		}
	}
	return values
}

// look makes a lane slow if it had items out at the last look and none came back since.
func (s *Set[K, T]) look(l *lane[K, T]) {
	if l.stuck && l.quick {
		s.setQuick(l, false)
		s.wake(l)
	}
	l.stuck = l.inFlight > 0
}

// isCrowded reports whether slow lanes hold more than half of the queue, or of its bytes.
func (s *Set[K, T]) isCrowded() bool {
	return s.slowQueued > max(s.limits.Queue/2, 1) || s.slowBytes > max(s.limits.Bytes/2, 1)
}

// holdsTooMuch reports whether more than the lane's share waits in it. A single item is never
// too much.
func (l *lane[K, T]) holdsTooMuch(limits *Limits) bool {
	return l.queue.len() > 1 && (l.queue.len() > limits.Queue/l.share() || l.bytes > limits.Bytes/l.share())
}
