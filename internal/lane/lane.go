// Package lane decides which delivery is sent next. It keeps a lane for each endpoint: a short
// queue with a limit on the number of its items that are out at once. It goes round the lanes,
// so that no endpoint delays another by a backlog, by hanging or by answering slowly.
//
// It starts no goroutines and keeps no clock. The caller pushes work in, takes it out with
// Next, and reports the result with Done. For example, an endpoint that is new, with Cap 8 and
// Untested 2:
//
//	 0.00 s  10 items come: 2 go out, 4 are queued, and 4 find no room; the lane is behind
//	 0.02 s  the first answer comes: 8 may be out now, so the 4 go out; Done asks for a claim
//	 0.03 s  the claim brings the 4 that found no room; the lane has caught up
//	 1.00 s  100 quick answers later, 32 may be out: four times Cap, the most
//	 5.00 s  the receiver begins to hang; within two seconds, Relieve makes the lane a slow one
//	20.00 s  two requests in a row time out: 1 may be out
//	35.00 s  that one times out, too, and another goes out
//	36.00 s  it is answered quickly: 8 may be out again
package lane

import (
	"sync"
	"time"

	"github.com/gowebhook/webhook/internal/linked"
)

// Limits bound a Set. All must be positive.
type Limits struct {
	InFlight int           // items out at once
	Cap      int           // items of one lane out at once: a lane starts here, and grows to at most four times as many
	Untested int           // items out at once of a lane that has not been answered yet
	Queue    int           // items that wait in all lanes
	Bytes    int           // size of the items that wait; see Weight
	Lanes    int           // lanes remembered
	Wait     time.Duration // how long an item may have to wait in its lane
}

const (
	growth = 4           // a lane's cap grows to this many times Limits.Cap
	slow   = time.Second // a lane whose last item took this long is slow
	share  = 4           // one lane may hold a fourth of the queue; a fourth of the queue is kept for claims
	tardy  = 8           // a lane known to be slow may hold an eighth
	claims = 8           // one claim may bring an eighth of the queue, and of its bytes
	tries  = 8           // lanes that choose looks at for one with few items out; the others get another item when theirs are done
)

// A Result is the result of an item, as far as it concerns the pace of its lane.
type Result int

// Outcomes.
const (
	Unsent   Result = iota // no request was made
	Failed                 // no response, for another reason than time
	TimedOut               // the receiver did not answer in time
	Answered               // a response came, with any status
)

// A Set has the lanes of all endpoints. It is safe for concurrent use.
type Set[K comparable, T any] struct {
	limits Limits

	mu       sync.Mutex
	lanes    map[K]*lane[K, T]
	active   list[K, T]               // lanes with queued, reserved, out or owed items
	idle     list[K, T]               // the others, the longest idle first
	rings    [kinds]ring[K, T]        // lanes that may give an item
	turns    [2]int                   // next turn, quick or slow: of lanes with nothing out, and of lanes with items out
	behind   map[*lane[K, T]]struct{} // see lane.behind
	claim    uint64                   // number of calls of Round.Room
	perLane  int                      // Room.PerLane of the last claim
	full     bool                     // room was lacking when it was wanted
	backlog  bool                     // claims come back full
	queued   int                      // items in queues and reservations
	bytes    int                      // size of queued; see Weight
	inFlight int                      // items out
	slowOut  int                      // items out from lanes that were slow

	looked     time.Duration            // time of the last look of Relieve at the lanes
	slowQueued int                      // part of queued in slow lanes
	slowBytes  int                      // part of bytes: weights that a slow lane holds
	tight      map[*lane[K, T]]struct{} // lanes known to be slow; they must not get the room of unknown lanes
}

// A lane belongs to one endpoint.
type lane[K comparable, T any] struct {
	key      K
	queue    fifo[item[T]]
	reserved int
	bytes    int // of queue and reservations; each item counts in full
	size     int // moving average of an item's size
	inFlight int
	excluded bool // see Exclude
	owed     int  // see Owe

	start, top, cap int           // see pace
	careful         bool          // see Restart
	era             int           // number of calls of Restart
	stale           int           // items out from before the last Restart
	timeouts        int           // in a row
	took            time.Duration // moving average; 0 until something was sent
	quick           bool          // the last item took less than slow
	stuck           bool          // items were out at the last look of Relieve, and none came back since

	// behind says that deliveries of this endpoint wait in the store. Newer ones must not
	// overtake them.
	behind bool
	unsure bool   // this round of claims cannot show that none wait
	claim  uint64 // the claim that left belongs to
	left   int    // rest of the room that this claim was offered

	ringed [kinds]bool // the rings that the lane is in
	idle   bool        // in the list of idle lanes, otherwise in the list of active ones
	linked.Links[lane[K, T]]
}

// A list is a list of lanes.
type list[K comparable, T any] = linked.List[lane[K, T], *lane[K, T]]

type item[T any] struct {
	value  T
	weight *Weight
}

// A Weight is the memory that the items of one event share. The Set counts it once, while any
// of them is reserved or queued. Only the Set reads and writes it.
type Weight struct {
	size  int
	items int // number of items that wait
	slow  int // number of items that wait in slow lanes
}

// NewWeight returns a Weight of size bytes. It must not be copied after a Set has seen it.
func NewWeight(size int) Weight { return Weight{size: size} }

// A Reservation is room for one item. It ends with Push or Unreserve.
type Reservation[K comparable, T any] struct {
	lane   *lane[K, T]
	weight *Weight
	slow   bool // the lane was slow when the room was reserved
}

// A Ticket stands for an item that is out.
type Ticket[K comparable, T any] struct {
	lane *lane[K, T]
	slow bool
	era  int
}

// New returns an empty Set.
func New[K comparable, T any](limits Limits) *Set[K, T] {
	s := &Set[K, T]{
		limits: limits, lanes: make(map[K]*lane[K, T]),
		behind: make(map[*lane[K, T]]struct{}), tight: make(map[*lane[K, T]]struct{}),
	}
	s.perLane = s.firstRoom(limits.Cap)
	return s
}

// Reserve asks for room for one new item of an endpoint. most is the endpoint's own limit of
// items out at once, or 0 for none. Reserve returns false if there is no room, or if older
// items wait in the store. Then the item must be claimed later, and the lane is behind until
// claims have caught up.
func (s *Set[K, T]) Reserve(key K, most int, w *Weight) (Reservation[K, T], bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lane(key, false)
	if l == nil {
		return Reservation[K, T]{}, false
	}
	l.setLimit(s.limits.Cap, most)
	isFull := s.isFull(w)
	if isFull || l.behind || s.room(l) < 1 || !s.fits(l, w) {
		s.full = s.full || isFull
		s.miss(l)
		s.rest(l)
		return Reservation[K, T]{}, false
	}
	r := Reservation[K, T]{l, w, !l.quick}
	l.reserved++
	s.enter(l, w, r.slow)
	return r, true
}

// Unreserve gives a reservation back.
func (s *Set[K, T]) Unreserve(r Reservation[K, T]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.lane.reserved--
	s.leave(r.lane, r.weight, r.slow)
	s.rest(r.lane)
}

// Push adds an item to its reserved room.
func (s *Set[K, T]) Push(r Reservation[K, T], value T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := r.lane
	l.reserved--
	l.queue.push(item[T]{value, r.weight})
	if slow := !l.quick; slow != r.slow { // the lane has changed since
		s.countSlow(r.weight, slow)
	}
	s.wake(l)
}

// add is Round.Add.
func (s *Set[K, T]) add(key K, most int, value T, w *Weight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lane(key, true)
	l.setLimit(s.limits.Cap, most)
	if l.claim != s.claim { // the claim had no number for this lane
		l.claim, l.left = s.claim, s.perLane
	}
	if l.left--; l.left <= 0 {
		s.setBehind(l)
	}
	l.queue.push(item[T]{value, w})
	s.enter(l, w, !l.quick)
	s.wake(l)
}

// Next takes out the next item, if one may go. Report its result with Done, and then call
// Free.
func (s *Set[K, T]) Next() (T, Ticket[K, T], bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var none T
	if s.inFlight >= s.limits.InFlight {
		return none, Ticket[K, T]{}, false
	}
	for i, busy := range [...]int{0, busyKind} {
		for range 2 {
			kind := busy | s.turns[i]
			s.turns[i] ^= slowKind
			if kind&slowKind != 0 && s.slowOut >= s.slowLimit(busy) {
				continue
			}
			if l := s.choose(kind); l != nil {
				value := s.out(l, kind)
				return value, Ticket[K, T]{l, kind&slowKind != 0, l.era}, true
			}
		}
	}
	return none, Ticket[K, T]{}, false
}

// slowLimit bounds the items out of slow lanes and of lanes not yet known to be quick. They
// may have half of all items out, and up to three quarters if the lane has none out. So the
// other lanes keep the rest, no matter how many receivers are slow. And no lane waits for
// another's timeout before its own first item.
func (s *Set[K, T]) slowLimit(busy int) int {
	limit := s.limits.InFlight / 2
	if busy == 0 {
		limit = s.limits.InFlight * 3 / 4
	}
	return max(limit, 1)
}

// choose takes the next lane out of a ring. A lane with items out gets another only while it
// has fewer out than half of the free places. So there is always room for other lanes, even if
// many quick lanes cease to answer at one moment.
func (s *Set[K, T]) choose(kind int) *lane[K, T] {
	for range tries {
		l := s.rings[kind].pop(kind)
		if l == nil || l.inFlight == 0 || l.inFlight < (s.limits.InFlight-s.inFlight+1)/2 {
			return l
		}
		s.rings[kind].push(l, kind)
	}
	return nil
}

// out takes out the first item of a lane.
func (s *Set[K, T]) out(l *lane[K, T], kind int) T {
	it := l.queue.pop()
	s.leave(l, it.weight, !l.quick)
	l.inFlight++
	s.inFlight++
	if kind&slowKind != 0 {
		s.slowOut++
	}
	s.wake(l)
	return it.value
}

// Done reports the result of an item and the time of its request. Its lane may then give
// another item, although this item counts as out until Free. Done returns true if the caller
// should claim: the lane is behind and has run low, or there is room again after there was
// none.
func (s *Set[K, T]) Done(t Ticket[K, T], result Result, took time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := t.lane
	l.inFlight--
	if t.era != l.era {
		l.stale--
	}
	l.stuck = false
	if t.slow {
		s.slowOut--
	}
	if result != Unsent {
		s.learn(t, result, took)
	}
	s.wake(l)
	wants := l.runsLow()
	if s.full && s.hasEmptied() {
		s.full, wants = false, true
	}
	s.rest(l)
	return wants
}

// Flush empties an endpoint's queue and returns its items. If there were any, the endpoint is
// then behind.
func (s *Set[K, T]) Flush(key K) []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lanes[key]
	if l == nil {
		return nil
	}
	values := s.flush(l, nil)
	if values != nil {
		s.setBehind(l)
	}
	s.rest(l)
	return values
}

// FlushAll empties all queues and returns their items.
func (s *Set[K, T]) FlushAll() []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	var values []T
	for _, l := range s.lanes {
		values = s.flush(l, values)
		s.rest(l)
	}
	return values
}

func (s *Set[K, T]) flush(l *lane[K, T], values []T) []T {
	for l.queue.len() > 0 {
		it := l.queue.pop()
		s.leave(l, it.weight, !l.quick)
		values = append(values, it.value)
	}
	return values
}

// Free ends the time that a done item counts as out.
func (s *Set[K, T]) Free() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight--
}

// InFlight returns the number of items out.
func (s *Set[K, T]) InFlight() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inFlight
}

// Queued returns the number of items that wait, with reservations.
func (s *Set[K, T]) Queued() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queued
}

// lane returns the lane of key. If there are too many lanes, a new one replaces the lanes that
// have been idle the longest. If none is idle, lane makes a new one only if must is true, and
// otherwise returns nil.
func (s *Set[K, T]) lane(key K, must bool) *lane[K, T] {
	l := s.lanes[key]
	if l == nil {
		for len(s.lanes) >= s.limits.Lanes && s.idle.First() != nil {
			s.forget(s.idle.First())
		}
		if len(s.lanes) >= s.limits.Lanes && !must {
			return nil
		}
		l = &lane[K, T]{key: key, claim: s.claim, left: s.perLane}
		l.setLimit(s.limits.Cap, 0)
		l.cap = min(s.limits.Untested, l.start)
		s.lanes[key] = l
		s.active.Push(l)
		return l
	}
	if l.idle {
		l.idle = false
		s.idle.Remove(l)
		s.active.Push(l)
	}
	return l
}

func (s *Set[K, T]) forget(l *lane[K, T]) {
	s.idle.Remove(l)
	delete(s.behind, l)
	delete(s.tight, l)
	delete(s.lanes, l.key)
}

// rest moves a lane with nothing to do to the idle lanes.
func (s *Set[K, T]) rest(l *lane[K, T]) {
	if l.queue.len() == 0 && l.reserved == 0 && l.inFlight == 0 && l.owed == 0 && !l.idle {
		l.idle = true
		s.active.Remove(l)
		s.idle.Push(l)
	}
}

// wake puts a lane that may give an item into the ring of its kind. It is called after every
// change that lets a lane give one or changes its kind, so that no lane waits in vain.
func (s *Set[K, T]) wake(l *lane[K, T]) {
	if kind := l.kind(); l.mayGive() && !l.ringed[kind] {
		s.rings[kind].push(l, kind)
	}
}

// enter and leave count an item that waits, or a reservation.
func (s *Set[K, T]) enter(l *lane[K, T], w *Weight, slow bool) {
	if l.size == 0 {
		l.size = w.size
	}
	l.size += (w.size - l.size) / 8
	l.bytes += w.size
	s.queued++
	if w.items++; w.items == 1 {
		s.bytes += w.size
	}
	if slow {
		s.countSlow(w, true)
	}
}

func (s *Set[K, T]) leave(l *lane[K, T], w *Weight, slow bool) {
	if slow {
		s.countSlow(w, false)
	}
	if w.items--; w.items == 0 {
		s.bytes -= w.size
	}
	s.queued--
	l.bytes -= w.size
}

// countSlow counts an item into the slow lanes, or out of them.
func (s *Set[K, T]) countSlow(w *Weight, slow bool) {
	if slow {
		s.slowQueued++
		if w.slow++; w.slow == 1 {
			s.slowBytes += w.size
		}
		return
	}
	s.slowQueued--
	if w.slow--; w.slow == 0 {
		s.slowBytes -= w.size
	}
}

func (l *lane[K, T]) waiting() int { return l.queue.len() + l.reserved }

func (l *lane[K, T]) mayGive() bool {
	return l.queue.len() > 0 && l.inFlight-l.stale < l.cap && !l.inDebt()
}

// kind returns the ring that a lane belongs to.
func (l *lane[K, T]) kind() int {
	kind := 0
	if !l.quick {
		kind |= slowKind
	}
	if l.inFlight > 0 {
		kind |= busyKind
	}
	return kind
}
