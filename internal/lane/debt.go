package lane

// debt bounds the unstored results of one lane. A lane at the bound gives no items.
const debt = 32

// Owe says that the result of an item could not be stored. The item counts against its lane
// until Repay. If out is true, it also still counts as out. Otherwise Owe takes the place of
// Free.
func (s *Set[K, T]) Owe(t Ticket[K, T], out bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lane(t.lane.key, true).owed++ // the lane may have become idle since its item was done
	if !out {
		s.inFlight--
	}
}

// Repay ends an Owe. It reports whether the caller should claim, because the lane may give
// again and has run low.
func (s *Set[K, T]) Repay(t Ticket[K, T], out bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lane(t.lane.key, true)
	full := l.inDebt()
	l.owed--
	if out {
		s.inFlight--
	}
	s.wake(l)
	s.rest(l)
	return full && l.runsLow()
}

func (l *lane[K, T]) inDebt() bool { return l.owed >= debt }
