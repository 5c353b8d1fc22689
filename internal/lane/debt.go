package lane

// debt is how many results of one lane may wait to be stored; with so many it gives nothing more.
const debt = 32

// Owe says that the result of an item could not be stored. It counts against its lane until Repay. The item counts as out no
// longer, in place of Free, unless out says that it still does.
func (s *Set[K, T]) Owe(t Ticket[K, T], out bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.lane.owed++
	if !out {
		s.inFlight--
	}
}

// Repay ends what Owe began, and reports whether this is a time to claim: the lane may give again, and has run low.
func (s *Set[K, T]) Repay(t Ticket[K, T], out bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := t.lane
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
