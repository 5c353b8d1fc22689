package lane

// A Round is a series of claims that visits every endpoint once. One round runs at a time. For
// example, with a queue of 1,000 items and 200 due deliveries in the store:
//
//	round := set.Begin()
//	room := round.Room()  // 125 items, an eighth of the queue, and 4 of each untested lane
//	round.Add(…)          // 80 times; the store has visited half of the endpoints
//	room = round.Room()   // 125 items again, and no more of the lanes that got their 4
//	round.Add(…)          // 60 times; it has visited the others
//	round.End(false)      // 60 deliveries wait in the store, of lanes that are behind
type Round[K comparable, T any] struct {
	set   *Set[K, T]
	begun bool // Room was called
}

// Begin begins a round.
func (s *Set[K, T]) Begin() *Round[K, T] { return &Round[K, T]{set: s} }

// Room returns the room for the next claim.
func (r *Round[K, T]) Room() Room[K] {
	first := !r.begun
	r.begun = true
	return r.set.offerRoom(first)
}

// Add adds a claimed item. If a claim fills all the room that it was offered for a lane, the
// lane is behind, because the store may have more.
func (r *Round[K, T]) Add(key K, most int, value T, w *Weight) { r.set.add(key, most, value, w) }

// End says that the round has visited all endpoints, and whether a claim was full, bounded by
// Items or Bytes. If none was, some lanes have caught up: those with room in all claims that got
// less than their room. A round that fails has no End.
func (r *Round[K, T]) End(full bool) { r.set.endRound(full) }
