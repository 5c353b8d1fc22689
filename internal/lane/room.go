package lane

import "time"

// Behind says that deliveries of an endpoint wait in the store. It reports whether the caller
// should claim, because the lane has run low.
func (s *Set[K, T]) Behind(key K) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lane(key, false)
	if l == nil {
		return false
	}
	s.miss(l)
	s.rest(l)
	return l.runsLow()
}

func (l *lane[K, T]) runsLow() bool {
	return l.behind && !l.excluded && !l.inDebt() && l.queue.len() <= l.cap/2
}

// Exclude keeps items from an endpoint until Readmit, and returns the items of its queue.
func (s *Set[K, T]) Exclude(key K) []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lane(key, true)
	l.excluded = true
	values := s.flush(l, nil)
	s.setBehind(l)
	s.rest(l)
	return values
}

// Readmit ends an Exclude.
func (s *Set[K, T]) Readmit(key K) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.lanes[key]; l != nil {
		l.excluded = false
	}
}

// A Room bounds the deliveries of a claim.
type Room[K comparable] struct {
	Items, Bytes int
	PerLane      int       // for lanes that are not in Lanes
	Lanes        map[K]int // zero or less means none
}

// offerRoom returns the room for the next claim. begin says that the claim begins a round.
func (s *Set[K, T]) offerRoom(begin bool) Room[K] {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.claim++
	s.full = s.queued >= s.limits.Queue || s.bytes >= s.limits.Bytes
	s.perLane = s.slowRoom(s.firstRoom(s.limits.Cap), 0)
	r := Room[K]{
		Items:   min(s.limits.Queue-s.queued, max(s.limits.Queue/claims, 1)),
		Bytes:   min(s.limits.Bytes-s.bytes, max(s.limits.Bytes/claims, 1)),
		PerLane: s.perLane, Lanes: make(map[K]int),
	}
	for l := s.active.First(); l != nil; l = l.Next() {
		r.Lanes[l.key] = s.offer(l, begin)
	}
	for l := range s.behind {
		r.Lanes[l.key] = s.offer(l, begin)
	}
	for l := range s.tight {
		r.Lanes[l.key] = s.offer(l, begin)
	}
	if s.perLane < 1 { // it is meant for unknown lanes, not for idle quick ones
		for l := s.idle.First(); l != nil; l = l.Next() {
			if l.quick {
				r.Lanes[l.key] = s.offer(l, begin)
			}
		}
	}
	return r
}

// offer returns the room of a lane for the next claim.
func (s *Set[K, T]) offer(l *lane[K, T], begin bool) int {
	l.claim, l.left = s.claim, s.room(l)
	l.unsure = l.left < 1 || l.unsure && !begin
	return l.left
}

// endRound is Round.End.
func (s *Set[K, T]) endRound(full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.backlog = full
	if full {
		return
	}
	for l := range s.behind {
		if !l.unsure {
			l.behind = false
			delete(s.behind, l)
		}
	}
}

// miss records that an item has to be claimed. It does not change a lane that is behind
// already. Otherwise a stream of new items would keep the lane from ever catching up.
func (s *Set[K, T]) miss(l *lane[K, T]) {
	if !l.behind {
		s.setBehind(l)
	}
}

func (s *Set[K, T]) setBehind(l *lane[K, T]) {
	l.behind = true
	l.unsure = true // the current round may have passed the lane already
	s.behind[l] = struct{}{}
}

// share returns n if a lane may hold an nth of the queue and of its bytes.
func (l *lane[K, T]) share() int {
	if l.took > 0 && !l.quick {
		return tardy
	}
	return share
}

// room returns how many more items may wait in a lane. A lane may hold as many as it sends
// within Limits.Wait, within its share of the queue and of its bytes.
func (s *Set[K, T]) room(l *lane[K, T]) int {
	if l.excluded || l.inDebt() {
		return 0
	}
	most := s.firstRoom(l.start)
	if l.took > 0 {
		most = int(min(time.Duration(l.cap)*s.limits.Wait/l.took, time.Duration(s.limits.Queue/l.share())))
	}
	if l.size > 0 {
		most = min(most, s.limits.Bytes/l.share()/l.size)
	}
	room := max(most, 1) - l.waiting()
	if !l.quick {
		return s.slowRoom(room, l.waiting())
	}
	return room
}

// slowRoom returns the part of room that one slow or untested lane may use. Together, such
// lanes hold at most half of the queue and half of its bytes, and up to three quarters with
// one item each. So the other lanes always find room, no matter how many receivers hang.
func (s *Set[K, T]) slowRoom(room, waiting int) int {
	switch {
	case s.slowQueued < max(s.limits.Queue/2, 1) && s.slowBytes < max(s.limits.Bytes/2, 1):
		return room
	case waiting == 0 && s.slowQueued < s.limits.Queue*3/4 && s.slowBytes < s.limits.Bytes*3/4:
		return min(room, 1)
	default:
		return min(room, 0)
	}
}

// isFull reports whether the Set has no room for an item. While claims come back full, a
// fourth of the room that slow lanes leave is kept for claims.
func (s *Set[K, T]) isFull(w *Weight) bool {
	queue, bytes := s.limits.Queue, s.limits.Bytes
	if s.backlog {
		queue -= max(queue-s.slowQueued, 0) / share
		bytes -= max(bytes-s.slowBytes, 0) / share
	}
	return s.queued >= queue || s.bytes+w.added(w.items) > bytes
}

// hasEmptied reports whether half of the room that slow lanes leave is free. The part of the
// slow lanes does not count, because it may stay for a long time.
func (s *Set[K, T]) hasEmptied() bool {
	slowQueued, slowBytes := min(s.slowQueued, s.limits.Queue*3/4), min(s.slowBytes, s.limits.Bytes*3/4)
	return s.queued <= (s.limits.Queue+slowQueued)/2 && s.bytes <= (s.limits.Bytes+slowBytes)/2
}

// fits reports whether an item leaves room for the items of other lanes. One lane may hold its
// share of the bytes, or a single item. The slow lanes share as in slowRoom.
func (s *Set[K, T]) fits(l *lane[K, T], w *Weight) bool {
	if l.waiting() > 0 && l.bytes+w.size > s.limits.Bytes/l.share() {
		return false
	}
	limit := s.limits.Bytes / 2
	if l.waiting() == 0 {
		limit = s.limits.Bytes * 3 / 4
	}
	return l.quick || s.slowBytes+w.added(w.slow) <= max(limit, 1)
}

// added returns the growth of a sum of weights in bytes if one more item holds w. holders is
// the number of items that hold it already.
func (w *Weight) added(holders int) int {
	if holders > 0 {
		return 0
	}
	return w.size
}

// firstRoom returns the room of a lane with this limit that has not been tried.
func (s *Set[K, T]) firstRoom(limit int) int {
	return max(min(2*min(limit, s.limits.Untested), s.limits.Queue/share), 1)
}
