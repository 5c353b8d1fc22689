package lane

import "time"

// Behind says that deliveries of an endpoint wait in the store, and reports whether this is a time to claim: its lane has run low.
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
	return l.behind && !l.held && !l.inDebt() && l.queue.len() <= l.cap/2
}

// Hold keeps an endpoint from getting anything more until Unhold, and returns what was in its queue.
func (s *Set[K, T]) Hold(key K) []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lane(key, true)
	l.held = true
	values := s.flush(l, nil)
	s.setBehind(l)
	s.rest(l)
	return values
}

// Unhold ends a Hold.
func (s *Set[K, T]) Unhold(key K) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.lanes[key]; l != nil {
		l.held = false
	}
}

// Room says how much a claim may bring.
type Room[K comparable] struct {
	Items, Bytes int
	PerLane      int       // of a lane that is not in Lanes
	Lanes        map[K]int // zero or less for none
}

// Room returns the room for the next claim; begin says that it begins a round.
func (s *Set[K, T]) Room(begin bool) Room[K] {
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
	for l := s.active.first; l != nil; l = l.next {
		r.Lanes[l.key] = s.offer(l, begin)
	}
	for l := range s.behind {
		r.Lanes[l.key] = s.offer(l, begin)
	}
	for l := range s.tight {
		r.Lanes[l.key] = s.offer(l, begin)
	}
	if s.perLane < 1 { // that is for unknown lanes, not for quick ones that happen to be idle
		for l := s.idle.first; l != nil; l = l.next {
			if l.quick {
				r.Lanes[l.key] = s.offer(l, begin)
			}
		}
	}
	return r
}

// offer returns the room of a lane for the claim that is about to be made.
func (s *Set[K, T]) offer(l *lane[K, T], begin bool) int {
	l.claim, l.left = s.claim, s.room(l)
	l.unsure = l.left < 1 || l.unsure && !begin
	return l.left
}

// EndRound says that a round of claims has visited all endpoints, and whether any claim was cut short by Items or Bytes.
// If none was, lanes that had room in all of them, and got less than that, have caught up.
func (s *Set[K, T]) EndRound(cut bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.backlog = cut
	if cut {
		return
	}
	for l := range s.behind {
		if !l.unsure {
			l.behind = false
			delete(s.behind, l)
		}
	}
}

// miss notes that an item has to be claimed. It says nothing new of a lane that is behind: if it did, items that keep coming
// would keep the lane from ever catching up.
func (s *Set[K, T]) miss(l *lane[K, T]) {
	if !l.behind {
		s.setBehind(l)
	}
}

func (s *Set[K, T]) setBehind(l *lane[K, T]) {
	l.behind = true
	l.unsure = true // the round that is under way may have passed it already
	s.behind[l] = struct{}{}
}

// share is the part of the queue and of its bytes that a lane may hold.
func (l *lane[K, T]) share() int {
	if l.took > 0 && !l.quick {
		return tardy
	}
	return share
}

// room is how many more items may wait in a lane: as many as it sends within Limits.Wait, in its share of the queue and of its
// bytes.
func (s *Set[K, T]) room(l *lane[K, T]) int {
	if l.held || l.inDebt() {
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

// slowRoom is the room that slow and untested lanes leave to one of them, which has room for itself. Together they hold at
// most half of the queue and half of its bytes, and up to three quarters with one item each. So the others always find
// room, however many receivers hang.
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

// isFull reports whether the Set has no room for an item. While claims come back full, a fourth of what slow lanes leave is
// kept for claims.
func (s *Set[K, T]) isFull(w *Weight) bool {
	queue, bytes := s.limits.Queue, s.limits.Bytes
	if s.backlog {
		queue -= max(queue-s.slowQueued, 0) / share
		bytes -= max(bytes-s.slowBytes, 0) / share
	}
	return s.queued >= queue || s.bytes+w.added(w.held) > bytes
}

// hasEmptied reports whether half of what slow lanes leave is free. Their part may stay as it is for a long time.
func (s *Set[K, T]) hasEmptied() bool {
	slowQueued, slowBytes := min(s.slowQueued, s.limits.Queue*3/4), min(s.slowBytes, s.limits.Bytes*3/4)
	return s.queued <= (s.limits.Queue+slowQueued)/2 && s.bytes <= (s.limits.Bytes+slowBytes)/2
}

// fits reports whether an item leaves room for those of others. One lane may hold its share of the bytes, or a single item.
// The slow lanes share as slowRoom says.
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

// added is by how many bytes a sum of weights grows with an item more, when so many hold it already.
func (w *Weight) added(holders int) int {
	if holders > 0 {
		return 0
	}
	return w.size
}

// firstRoom is the room of a lane of which nothing is known but the limit that it will have.
func (s *Set[K, T]) firstRoom(limit int) int {
	return max(min(2*min(limit, s.limits.Probe), s.limits.Queue/share), 1)
}
