// Package lane decides which delivery is sent next. It keeps a lane for each endpoint, a short queue with a limit on how
// many of its items are out at once, and goes round the lanes, so that no endpoint delays another: not by its backlog, not
// by hanging, not by answering slowly.
//
// It starts no goroutines and keeps no clock. The caller pushes work in, takes it out with Next, and reports with Done.
package lane

import (
	"sync"
	"time"
)

// Limits bound a Set. All must be positive.
type Limits struct {
	InFlight int           // items out at once
	Cap      int           // items of one lane out at once: where a lane starts, and at most four times as many
	Probe    int           // the same of a lane that has not been answered yet
	Queue    int           // items waiting in all lanes
	Bytes    int           // size of those
	Lanes    int           // lanes remembered
	Wait     time.Duration // how long an item may have to wait in its lane
}

const (
	growth = 4           // a lane's cap grows to this many times Limits.Cap
	slow   = time.Second // a lane whose last item took this long is slow
	share  = 4           // one lane may hold a fourth of the queue; a fourth of the queue is kept for claims
	claims = 8           // one claim may bring an eighth of the queue
	tries  = 8           // lanes that are looked at for one that has little out; the others get another item when theirs are done
)

// An Outcome is what became of an item, as far as the pace of its lane is concerned.
type Outcome int

// Outcomes.
const (
	Unsent   Outcome = iota // no request was made
	Failed                  // no response, but not for want of time
	TimedOut                // the receiver did not answer in time
	Answered                // a response came, whatever it said
)

// A Set is the lanes of all endpoints. It is safe for concurrent use.
type Set[K comparable, T any] struct {
	limits Limits

	mu       sync.Mutex
	lanes    map[K]*lane[K, T]
	active   list[K, T]               // lanes with something to do
	idle     list[K, T]               // the others, the longest idle first
	rings    [kinds]ring[K, T]        // lanes that may give an item
	turns    [2]int                   // whether it is the quick lanes' turn, or the slow ones': of idle and of busy kinds
	behind   map[*lane[K, T]]struct{} // see lane.behind
	claim    uint64                   // calls of Room
	perLane  int                      // what the last of them said
	full     bool                     // there was no room when some was wanted
	backlog  bool                     // claims come back full
	queued   int                      // items in queues and reservations
	bytes    int                      // size of those
	inFlight int                      // items out
	slowOut  int                      // of those, from lanes that were slow

	slowQueued int                      // of queued, in lanes that are slow
	tight      map[*lane[K, T]]struct{} // lanes known to be slow, which must not get the room of an unknown one
}

// A lane is one endpoint's.
type lane[K comparable, T any] struct {
	key      K
	queue    fifo[item[T]]
	reserved int
	bytes    int // of queue and reservations
	size     int // of an item, a moving average
	inFlight int
	held     bool // see Hold

	start, top, cap int           // see pace
	timeouts        int           // in a row
	took            time.Duration // moving average; 0 until something was sent
	quick           bool          // the last item took less than slow
	known           bool          // it has been answered

	// behind says that deliveries of this endpoint wait in the store, so that newer ones must not overtake them.
	behind bool
	unsure bool   // this round of claims cannot show that none wait any more
	claim  uint64 // the claim that left belongs to
	left   int    // of the room which that claim was offered

	ringed     [kinds]bool // in which rings
	idle       bool        // in the list of idle lanes, else in that of active ones
	prev, next *lane[K, T]
}

type item[T any] struct {
	value T
	size  int
}

// A Ticket stands for an item that is out.
type Ticket[K comparable, T any] struct {
	lane *lane[K, T]
	slow bool
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

// Reserve asks for room for one new item of an endpoint whose own limit of items out at once is most (0 for none). If there
// is none, or older ones wait in the store, the item has to be claimed later, and the lane is behind until claims have
// caught up.
func (s *Set[K, T]) Reserve(key K, most, size int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lane(key, false)
	if l == nil {
		return false
	}
	l.setLimit(s.limits.Cap, most)
	queue, bytes := s.limits.Queue, s.limits.Bytes
	if s.backlog {
		queue, bytes = queue-queue/share, bytes-bytes/share
	}
	isFull := s.queued >= queue || s.bytes+size > bytes
	if isFull || l.behind || s.room(l) < 1 || !s.fits(l, size) {
		s.full = s.full || isFull
		if !l.behind { // or refusals without end would keep it from ever catching up
			s.setBehind(l)
		}
		s.rest(l)
		return false
	}
	l.reserved++
	s.enter(l, size)
	return true
}

// Unreserve gives a reservation back.
func (s *Set[K, T]) Unreserve(key K, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lane(key, true)
	l.reserved--
	s.leave(l, size)
	s.rest(l)
}

// Push adds an item for which room was reserved.
func (s *Set[K, T]) Push(key K, value T, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lane(key, true)
	l.reserved--
	l.queue.push(item[T]{value, size})
	s.wake(l)
}

// Add adds a claimed item. A lane for which a claim brings as much as it was offered is behind: the store may have more.
func (s *Set[K, T]) Add(key K, most int, value T, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lane(key, true)
	l.setLimit(s.limits.Cap, most)
	if l.claim != s.claim { // the claim was not told of this lane
		l.claim, l.left = s.claim, s.perLane
	}
	if l.left--; l.left <= 0 {
		s.setBehind(l)
	}
	l.queue.push(item[T]{value, size})
	s.enter(l, size)
	s.wake(l)
}

// Behind says that deliveries of an endpoint wait in the store.
func (s *Set[K, T]) Behind(key K) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.lane(key, false); l != nil {
		s.setBehind(l)
		s.rest(l)
	}
}

// Next takes the next item out, if one may go. Report what became of it with Done and then Free.
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
				return value, Ticket[K, T]{l, kind&slowKind != 0}, true
			}
		}
	}
	return none, Ticket[K, T]{}, false
}

// slowLimit is how many items of slow lanes, and of those not yet known to be quick, may be out: half of all, and up to three
// quarters for lanes that have none out. However many receivers are slow, the others keep the rest, and none waits for
// another's timeout before its own first item.
func (s *Set[K, T]) slowLimit(busy int) int {
	limit := s.limits.InFlight / 2
	if busy == 0 {
		limit = s.limits.InFlight * 3 / 4
	}
	return max(limit, 1)
}

// choose takes the next lane out of a ring. A lane that has items out gets more only while it has less out than half of what
// is free: so if any number of quick lanes cease to answer at one moment, there is always room for the others.
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

// out takes the first item of a lane out.
func (s *Set[K, T]) out(l *lane[K, T], kind int) T {
	it := l.queue.pop()
	s.leave(l, it.size)
	l.inFlight++
	s.inFlight++
	if kind&slowKind != 0 {
		s.slowOut++
	}
	s.wake(l)
	return it.value
}

// Done reports what became of an item and how long its request took: its lane may give another one, though the item counts as
// out until Free. It returns whether this is a time to claim: the lane is behind and has run low, or there is room again after
// there was none.
func (s *Set[K, T]) Done(t Ticket[K, T], outcome Outcome, took time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := t.lane
	l.inFlight--
	if t.slow {
		s.slowOut--
	}
	if outcome != Unsent {
		s.learn(l, outcome, took)
	}
	s.wake(l)
	wants := l.runsLow()
	if s.full && s.queued <= s.limits.Queue/2 && s.bytes <= s.limits.Bytes/2 {
		s.full, wants = false, true
	}
	s.rest(l)
	return wants
}

// Stored says that an item for which there was no room waits in the store now, and reports whether this is a time to claim: its
// lane may have run dry meanwhile.
func (s *Set[K, T]) Stored(key K) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lane(key, false)
	if l == nil {
		return false
	}
	s.setBehind(l)
	s.rest(l)
	return l.runsLow()
}

func (l *lane[K, T]) runsLow() bool { return l.behind && !l.held && l.queue.len() <= l.cap/2 }

// Flush empties an endpoint's queue and returns what was in it. The endpoint is behind then.
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

// FlushAll empties all queues and returns what was in them.
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
		s.leave(l, it.size)
		values = append(values, it.value)
	}
	return values
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
		Items: min(s.limits.Queue-s.queued, max(s.limits.Queue/claims, 1)), Bytes: s.limits.Bytes - s.bytes,
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

// Free says that an item which is done is out no longer.
func (s *Set[K, T]) Free() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight--
}

// InFlight returns how many items are out.
func (s *Set[K, T]) InFlight() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inFlight
}

// lane returns the lane of key. When there are too many, a new one is made in place of those that have been idle the longest;
// if none is idle, only when must.
func (s *Set[K, T]) lane(key K, must bool) *lane[K, T] {
	l := s.lanes[key]
	if l == nil {
		for len(s.lanes) >= s.limits.Lanes && s.idle.first != nil {
			s.forget(s.idle.first)
		}
		if len(s.lanes) >= s.limits.Lanes && !must {
			return nil
		}
		l = &lane[K, T]{key: key, claim: s.claim, left: s.perLane}
		l.setLimit(s.limits.Cap, 0)
		l.cap = min(s.limits.Probe, l.start)
		s.lanes[key] = l
		s.active.push(l)
		return l
	}
	if l.idle {
		l.idle = false
		s.idle.remove(l)
		s.active.push(l)
	}
	return l
}

func (s *Set[K, T]) forget(l *lane[K, T]) {
	s.idle.remove(l)
	delete(s.behind, l)
	delete(s.tight, l)
	delete(s.lanes, l.key)
}

// rest makes a lane with nothing to do one of the idle ones.
func (s *Set[K, T]) rest(l *lane[K, T]) {
	if l.queue.len() == 0 && l.reserved == 0 && l.inFlight == 0 && !l.idle {
		l.idle = true
		s.active.remove(l)
		s.idle.push(l)
	}
}

// wake puts a lane that may give an item into the ring of its kind. It is called after whatever lets a lane give one, or
// changes its kind, so that no lane waits in vain.
func (s *Set[K, T]) wake(l *lane[K, T]) {
	if kind := l.kind(); l.mayGive() && !l.ringed[kind] {
		s.rings[kind].push(l, kind)
	}
}

func (s *Set[K, T]) setBehind(l *lane[K, T]) {
	l.behind = true
	l.unsure = true // the round that is under way may have passed it already
	s.behind[l] = struct{}{}
}

// enter and leave count what waits.
func (s *Set[K, T]) enter(l *lane[K, T], size int) {
	if l.size == 0 {
		l.size = size
	}
	l.size += (size - l.size) / 8
	l.bytes += size
	s.bytes += size
	s.queued++
	if !l.quick {
		s.slowQueued++
	}
}

func (s *Set[K, T]) leave(l *lane[K, T], size int) {
	l.bytes -= size
	s.bytes -= size
	s.queued--
	if !l.quick {
		s.slowQueued--
	}
}

func (l *lane[K, T]) waiting() int { return l.queue.len() + l.reserved }

// learn adapts a lane to what became of an item.
func (s *Set[K, T]) learn(l *lane[K, T], outcome Outcome, took time.Duration) {
	wasQuick := l.quick
	l.pace(outcome, took)
	switch {
	case l.quick && !wasQuick:
		s.slowQueued -= l.waiting()
		delete(s.tight, l)
	case !l.quick && wasQuick:
		s.slowQueued += l.waiting()
	}
	if !l.quick {
		s.tight[l] = struct{}{}
	}
}

// room is how many more items may wait in a lane: as many as it sends within Limits.Wait, in a fourth of the queue and of its
// bytes.
func (s *Set[K, T]) room(l *lane[K, T]) int {
	if l.held {
		return 0
	}
	most := s.firstRoom(l.start)
	if l.took > 0 {
		most = int(min(time.Duration(l.cap)*s.limits.Wait/l.took, time.Duration(s.limits.Queue/share)))
	}
	if l.size > 0 {
		most = min(most, s.limits.Bytes/share/l.size)
	}
	room := max(most, 1) - l.waiting()
	if !l.quick {
		return s.slowRoom(room, l.waiting())
	}
	return room
}

// slowRoom is what the slow lanes, and those not yet known to be quick, leave to one of them that has room for itself: together
// they hold half of the queue at most, and up to three quarters by one item in each. So the others always find room, however
// many receivers hang.
func (s *Set[K, T]) slowRoom(room, waiting int) int {
	switch {
	case s.slowQueued < max(s.limits.Queue/2, 1):
		return room
	case waiting == 0 && s.slowQueued < s.limits.Queue*3/4:
		return min(room, 1)
	default:
		return min(room, 0)
	}
}

// fits reports whether an item leaves room for those of others: a lane may hold a fourth of the bytes, or a single item.
func (s *Set[K, T]) fits(l *lane[K, T], size int) bool {
	return l.waiting() == 0 || l.bytes+size <= s.limits.Bytes/share
}

// firstRoom is the room of a lane of which nothing is known but the limit that it will have.
func (s *Set[K, T]) firstRoom(limit int) int {
	return max(min(2*min(limit, s.limits.Probe), s.limits.Queue/share), 1)
}

// setLimit applies the endpoint's own limit; 0 is none.
func (l *lane[K, T]) setLimit(start, most int) {
	l.start, l.top = start, start*growth
	if most > 0 {
		l.start, l.top = min(start, most), most
	}
	l.cap = min(l.cap, l.top)
}

// pace adapts a lane's cap: to the start with the first answer, one more for each quick one after that, down to one after two
// timeouts in a row, back to the start when one is answered, or when the endpoint's own limit was raised.
func (l *lane[K, T]) pace(outcome Outcome, took time.Duration) {
	took = max(took, time.Microsecond)
	if l.took == 0 {
		l.took = took
	}
	l.took += (took - l.took) / 8
	l.quick = took < slow
	switch outcome {
	case Answered:
		switch {
		case !l.known && l.cap < l.start, l.timeouts >= 2:
			l.cap = l.start
		case l.quick:
			l.cap = min(max(l.cap+1, l.start), l.top)
		default:
			l.cap = max(l.cap-1, l.start)
		}
		l.timeouts, l.known = 0, true
	case TimedOut:
		l.timeouts++
		if l.timeouts >= 2 {
			l.cap = 1
		}
	case Failed, Unsent:
	}
}

func (l *lane[K, T]) mayGive() bool { return l.queue.len() > 0 && l.inFlight < l.cap }

// kind says which ring a lane belongs to.
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
