package lane

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	quickly = 50 * time.Millisecond // the duration of a quick request
	slowly  = 2 * time.Second
)

// A parcel is an item of the tests, the n-th of its lane.
type parcel struct {
	key string
	n   int
}

// A taken is an item that is out, with its ticket.
type taken struct {
	parcel
	ticket Ticket[string, parcel]
}

// A fixture is a Set under a test's control. Its items have size 1, unless the test sets
// size.
type fixture struct {
	*Set[string, parcel]
	t    *testing.T
	made map[string]int       // number of items made for each lane
	size func(key string) int // size of an item of the lane
	open map[string][]Reservation[string, parcel]
}

func newFixture(t *testing.T, change func(*Limits)) *fixture {
	t.Helper()
	limits := Limits{InFlight: 100, Cap: 4, Queue: 1000, Bytes: 1 << 20, Lanes: 100, Wait: 10 * time.Second}
	if change != nil {
		change(&limits)
	}
	if limits.Untested == 0 {
		limits.Untested = limits.Cap // by default, lanes begin at Cap
	}
	f := &fixture{
		Set: New[string, parcel](limits), t: t, made: map[string]int{}, size: func(string) int { return 1 },
		open: map[string][]Reservation[string, parcel]{},
	}
	t.Cleanup(f.check)
	return f
}

func (f *fixture) parcel(key string) parcel {
	p := parcel{key, f.made[key]}
	f.made[key]++
	return p
}

// Reserve reserves room for an item that shares its weight with no other item.
func (f *fixture) Reserve(key string, most, size int) bool { return f.reserve(key, most, weight(size)) }

func (f *fixture) reserve(key string, most int, w *Weight) bool {
	r, ok := f.Set.Reserve(key, most, w)
	if ok {
		f.open[key] = append(f.open[key], r)
	}
	return ok
}

// reservation takes the first reservation of a lane.
func (f *fixture) reservation(key string) Reservation[string, parcel] {
	f.t.Helper()
	require.NotEmpty(f.t, f.open[key])
	r := f.open[key][0]
	f.open[key] = f.open[key][1:]
	return r
}

// Unreserve gives the first reservation of a lane back.
func (f *fixture) Unreserve(key string) { f.Set.Unreserve(f.reservation(key)) }

// Push uses the first reservation of a lane.
func (f *fixture) Push(key string, p parcel) { f.Set.Push(f.reservation(key), p) }

// Add adds an item that shares its weight with no other item.
func (f *fixture) Add(key string, most int, p parcel, size int) {
	f.Set.add(key, most, p, weight(size))
}

func weight(size int) *Weight {
	w := NewWeight(size)
	return &w
}

// claimed adds n items, as a claim does.
func (f *fixture) claimed(key string, n int) {
	for range n {
		f.claimedWith(key, 0)
	}
}

// claimedWith adds an item of an endpoint with its own limit, as a claim does.
func (f *fixture) claimedWith(key string, most int) { f.Add(key, most, f.parcel(key), 1) }

// emit hands an item over if there is room, and reports whether there was.
func (f *fixture) emit(key string) bool {
	if !f.Reserve(key, 0, 1) {
		return false
	}
	f.Push(key, f.parcel(key))
	return true
}

// emits hands items over until there is no more room. It returns their number.
func (f *fixture) emits(key string) int {
	for n := 0; ; n++ {
		if !f.emit(key) {
			return n
		}
	}
}

// take takes out the items that may go, at most n.
func (f *fixture) take(n int) []taken {
	var all []taken
	for len(all) < n {
		p, ticket, ok := f.Next()
		if !ok {
			break
		}
		assert.Equal(f.t, p.key, ticket.lane.key)
		all = append(all, taken{p, ticket})
	}
	return all
}

func (f *fixture) takeAll() []taken { return f.take(1 << 30) }

// one takes out exactly one item.
func (f *fixture) one() taken {
	f.t.Helper()
	all := f.take(1)
	require.Len(f.t, all, 1)
	return all[0]
}

// end reports the result of items. It returns true if any Done asked for a claim.
func (f *fixture) end(result Result, took time.Duration, items ...taken) bool {
	wants := false
	for _, it := range items {
		wants = f.Done(it.ticket, result, took) || wants
		f.Free()
	}
	return wants
}

// history sends items through an otherwise empty lane, one after the other.
func (f *fixture) history(key string, result Result, took time.Duration, times int) {
	f.t.Helper()
	for range times {
		f.claimed(key, 1)
		it := f.one()
		require.Equal(f.t, key, it.key)
		f.end(result, took, it)
	}
}

// prove makes lanes quick. They have nothing to do, and their cap still has its first value.
func (f *fixture) prove(keys ...string) {
	f.t.Helper()
	for _, key := range keys {
		f.history(key, Failed, quickly, 1)
	}
	f.round()
}

// quick makes lanes quick. Nothing else is known of them.
func (f *fixture) quick(keys ...string) {
	for _, key := range keys {
		l := f.lane(key, true)
		l.quick = true
		f.rest(l)
	}
}

// round is a round of claims that brings no items.
func (f *fixture) round() {
	f.offerRoom(true)
	f.endRound(false)
}

// capOf returns the number of items of a lane that may be out at once.
func (f *fixture) capOf(key string) int { return f.lanes[key].cap }

// roomOf returns the room of a lane, as a claim would be told.
func (f *fixture) roomOf(key string) int {
	r := f.offerRoom(false)
	if room, listed := r.Lanes[key]; listed {
		return room
	}
	return r.PerLane
}

func (f *fixture) isBehind(key string) bool { return f.lanes[key] != nil && f.lanes[key].behind }

func keysOf(items []taken) string {
	keys := ""
	for _, it := range items {
		keys += it.key
	}
	return keys
}

// check counts everything again and compares the result with the counters of the Set.
func (f *fixture) check() {
	f.t.Helper()
	if problem := f.problem(); problem != "" {
		f.t.Error(problem)
	}
}

// problem describes the first inconsistency of a Set. It is empty if there is none.
func (f *fixture) problem() string {
	s := f.Set
	queued, out, behind, active, idle, slowQueued := 0, 0, 0, 0, 0, 0
	weights := map[*Weight]Weight{}
	holds := func(w *Weight, slow bool) {
		counted := weights[w]
		counted.size = w.size
		counted.items++
		if slow {
			slowQueued++
			counted.slow++
		}
		weights[w] = counted
	}
	places := [kinds]map[*lane[string, parcel]]int{}
	for kind := range s.rings {
		places[kind] = map[*lane[string, parcel]]int{}
		r := &s.rings[kind].lanes
		for i := range r.len() {
			places[kind][r.buf[(r.first+i)&(len(r.buf)-1)]]++
		}
		for l, n := range places[kind] {
			if n > 1 || !l.ringed[kind] {
				return "a lane is in a ring twice, or does not know it: " + l.key
			}
		}
	}
	for key, l := range s.lanes {
		if l.key != key {
			return "a lane under another's key: " + key
		}
		ofLane := 0
		for it := range l.queue.all() {
			holds(it.weight, !l.quick)
			ofLane += it.weight.size
		}
		for _, r := range f.open[key] {
			holds(r.weight, r.slow)
			ofLane += r.weight.size
		}
		queued += l.waiting()
		out += l.inFlight
		if l.bytes != ofLane || l.reserved != len(f.open[key]) {
			return "a lane's bytes or reservations are wrong: " + key
		}
		if l.reserved < 0 || l.inFlight < 0 || l.cap < 1 || l.cap > l.top {
			return "a lane's numbers are impossible: " + key
		}
		if l.mayGive() && places[l.kind()][l] != 1 {
			return "a lane may give an item and is not in its ring: " + key
		}
		for kind := range places {
			if l.ringed[kind] != (places[kind][l] == 1) {
				return "a lane is wrong about the rings it is in: " + key
			}
		}
		if l.idle != (l.queue.len() == 0 && l.reserved == 0 && l.inFlight == 0) {
			return "a lane is wrong about being idle: " + key
		}
		if _, listed := s.behind[l]; listed != l.behind {
			return "a lane is wrong about being behind: " + key
		}
		if l.behind {
			behind++
		}
	}
	for l, prev := s.active.First(), (*lane[string, parcel])(nil); l != nil; prev, l = l, l.Next() {
		if active++; l.idle || s.lanes[l.key] != l || l.Prev() != prev {
			return "the list of active lanes is broken at " + l.key
		}
	}
	for l, prev := s.idle.First(), (*lane[string, parcel])(nil); l != nil; prev, l = l, l.Next() {
		if idle++; !l.idle || s.lanes[l.key] != l || l.Prev() != prev {
			return "the list of idle lanes is broken at " + l.key
		}
	}
	size, slowSize := 0, 0
	for w, counted := range weights {
		if *w != counted {
			return "a weight is wrong about who holds it"
		}
		size += w.size
		if w.slow > 0 {
			slowSize += w.size
		}
	}
	switch {
	case active+idle != len(s.lanes):
		return "a lane is in no list"
	case behind != len(s.behind):
		return "a lane that is forgotten is still behind"
	case queued != s.queued:
		return "queued is not what is in the lanes"
	case slowQueued != s.slowQueued:
		return "slowQueued is not what is in slow lanes"
	case size != s.bytes:
		return "bytes is not what is in the lanes"
	case slowSize != s.slowBytes:
		return "slowBytes is not what is in slow lanes"
	case s.inFlight < out || s.inFlight > s.limits.InFlight:
		return "inFlight is not what is out, or above its limit"
	case s.slowOut < 0 || s.slowOut > out || s.slowOut > max(s.limits.InFlight*3/4, 1):
		return "slowOut is not what is out of slow lanes, or above its limit"
	}
	return ""
}

// A result may be refused after its item was done, when the lane has nothing else.
func TestALaneThatOwesResultsIsNotIdle(t *testing.T) {
	f := newFixture(t, nil)
	f.claimed("a", debt)
	var done []taken
	for len(done) < debt {
		for _, item := range f.takeAll() {
			f.Done(item.ticket, Answered, time.Millisecond)
			done = append(done, item)
		}
	}
	require.True(t, f.lanes["a"].idle)
	for _, item := range done {
		f.Owe(item.ticket, true)
	}
	require.False(t, f.lanes["a"].idle)
	require.Zero(t, f.roomOf("a"), "it is at the bound of its debt")
	for _, item := range done {
		f.Repay(item.ticket, true)
	}
	require.True(t, f.lanes["a"].idle)
}
