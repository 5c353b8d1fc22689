package lane

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A world is a Set, the store behind it, and a record of the place where every item must be.
type world struct {
	*fixture
	rand *rand.Rand
	keys []string
	most map[string]int // limits of the endpoints' own

	queues   map[string][]parcel // in the lanes
	reserved []string            // the key of each reservation
	out      []taken
	unfreed  int // items with Done but not yet Free

	store     map[string][]parcel // due items
	overtaken map[string]int      // items at the head of store that no hand-off may overtake
	met       map[string]bool     // claims have shown the number of items in store
	delivered map[parcel]int
	shared    *Weight // weight of the last item, if no other item shares it
	sharer    string  // the lane of that item
	forgets   bool    // lanes that are behind may be forgotten
	now       time.Duration

	round roundState
}

// roundState is the progress of a round of claims.
type roundState struct {
	under, cut bool
	visit      []string // endpoints still to be visited
	room       *Room[string]
	got        []parcel       // claimed, not yet added
	left       map[string]int // items of visited endpoints still in the store; -1 for unknown
}

func newWorld(t *testing.T, seed uint64, change func(*Limits)) *world {
	t.Helper()
	w := &world{
		fixture: newFixture(t, func(l *Limits) {
			*l = Limits{InFlight: 12, Cap: 3, Untested: 2, Queue: 60, Bytes: 120, Lanes: 100, Wait: 10 * time.Second}
			change(l)
		}),
		rand: rand.New(rand.NewPCG(seed, 1)), keys: strings.Split("abcdefghijkl", ""),
		most: map[string]int{}, queues: map[string][]parcel{}, store: map[string][]parcel{}, overtaken: map[string]int{},
		met: map[string]bool{}, delivered: map[parcel]int{},
	}
	w.size = func(key string) int { return 1 + int(key[0])%4 }
	for _, key := range w.keys[:4] { // items from before the test
		for range w.rand.IntN(40) {
			w.store[key] = append(w.store[key], w.parcel(key))
		}
	}
	return w
}

func (w *world) key() string { return w.keys[w.rand.IntN(len(w.keys))] }

func (w *world) emit() {
	key := w.key()
	l := w.lanes[key]
	wasBehind := l != nil && l.behind
	event := w.event(key)
	added := event.size
	if event.items > 0 {
		added = 0
	}
	queue, bytes := w.limits.Queue, w.limits.Bytes
	if w.backlog {
		queue -= max(queue-w.slowQueued, 0) / 4
		bytes -= max(bytes-w.slowBytes, 0) / 4
	}
	isFull := w.queued >= queue || w.bytes+added > bytes
	if w.reserve(key, w.most[key], event) {
		require.False(w.t, isFull || wasBehind, "a reservation that had to be refused")
		require.GreaterOrEqual(w.t, w.room(w.lanes[key]), 0)
		if w.met[key] && !w.forgets {
			require.Zero(w.t, w.overtaken[key], "a hand-off past what waits in the store for %s", key)
		}
		w.reserved = append(w.reserved, key)
		return
	}
	if l = w.lanes[key]; l == nil {
		require.GreaterOrEqual(w.t, len(w.lanes), w.limits.Lanes)
	} else {
		require.True(w.t, l.behind)
		require.True(w.t, isFull || wasBehind || w.room(l) < 1 || !w.fits(l, event), "a refusal without a reason")
	}
	w.store[key] = append(w.store[key], w.parcel(key))
	if !wasBehind && l != nil {
		w.overtaken[key] = len(w.store[key])
	}
}

// event returns the weight of an item. Half of the items share their weight with an item of
// another lane.
func (w *world) event(key string) *Weight {
	if w.shared != nil && w.sharer != key {
		event := w.shared
		w.shared = nil
		return event
	}
	w.sharer, w.shared = key, weight(w.size(key))
	return w.shared
}

// unreserved removes a random reservation.
func (w *world) unreserved() string {
	i := w.rand.IntN(len(w.reserved))
	key := w.reserved[i]
	w.reserved = slices.Delete(w.reserved, i, i+1)
	return key
}

func (w *world) push() {
	if len(w.reserved) > 0 {
		key := w.unreserved()
		p := w.parcel(key)
		w.Push(key, p)
		w.queues[key] = append(w.queues[key], p)
	}
}

func (w *world) unreserve() {
	if len(w.reserved) > 0 {
		key := w.unreserved()
		w.Unreserve(key)
	}
}

func (w *world) next() bool {
	p, ticket, ok := w.Next()
	if !ok {
		for key, l := range w.lanes {
			if len(w.queues[key]) > 0 && l.inFlight < l.cap {
				require.NotEmpty(w.t, w.reason(l), "%s was forgotten", key)
			}
		}
		return false
	}
	require.NotEmpty(w.t, w.queues[p.key])
	require.Equal(w.t, w.queues[p.key][0], p, "the first of its lane")
	w.queues[p.key] = w.queues[p.key][1:]
	require.LessOrEqual(w.t, ticket.lane.inFlight, ticket.lane.cap)
	w.out = append(w.out, taken{p, ticket})
	return true
}

// reason says why a lane that has an item to give must wait.
func (w *world) reason(l *lane[string, parcel]) string {
	free := w.limits.InFlight - w.inFlight
	slowLimit := max(w.limits.InFlight*3/4, 1)
	if l.inFlight > 0 {
		slowLimit = max(w.limits.InFlight/2, 1)
	}
	others := 0
	for _, other := range w.lanes {
		if other != l && other.kind() == l.kind() && other.mayGive() {
			others++
		}
	}
	switch {
	case free == 0:
		return "as much is out as may be"
	case !l.quick && w.slowOut >= slowLimit:
		return "as much is out of slow lanes as may be"
	case l.inFlight > 0 && l.inFlight >= (free+1)/2:
		return "what is free is for lanes with less out"
	case l.inFlight > 0 && others >= tries:
		return "others were looked at, and it will be when one of its own is done"
	}
	return ""
}

func (w *world) done() {
	if len(w.out) == 0 {
		return
	}
	i := w.rand.IntN(len(w.out))
	it := w.out[i]
	w.out = slices.Delete(w.out, i, i+1)
	result := []Result{Unsent, Failed, TimedOut, TimedOut, Answered, Answered, Answered}[w.rand.IntN(7)]
	took := []time.Duration{0, time.Millisecond, quickly, time.Second, slowly, time.Minute}[w.rand.IntN(6)]
	w.Done(it.ticket, result, took)
	w.delivered[it.parcel]++
	w.unfreed++
}

func (w *world) free() {
	if w.unfreed > 0 {
		w.Free()
		w.unfreed--
	}
}

func (w *world) flush() {
	key := w.key()
	flushed := w.Flush(key)
	require.True(w.t, slices.Equal(w.queues[key], flushed), "%v instead of %v", flushed, w.queues[key])
	w.queues[key] = nil
	w.store[key] = append(flushed, w.store[key]...)
	if len(flushed) > 0 {
		w.overtaken[key] += len(flushed)
	}
}

// relieve is flush for lanes that have ceased to answer and hold too many items.
func (w *world) relieve() {
	w.now += time.Duration(w.rand.IntN(3)) * slow
	given := map[string][]parcel{}
	for _, p := range w.Relieve(w.now) {
		given[p.key] = append(given[p.key], p)
	}
	for key, back := range given {
		require.True(w.t, slices.Equal(w.queues[key], back), "%v instead of %v", back, w.queues[key])
		w.queues[key] = nil
		w.store[key] = append(back, w.store[key]...)
		w.overtaken[key] += len(back)
	}
}

// hold is flush for an endpoint that cannot receive requests for a while.
func (w *world) hold() {
	key := w.key()
	flushed := w.Exclude(key)
	require.True(w.t, slices.Equal(w.queues[key], flushed), "%v instead of %v", flushed, w.queues[key])
	w.queues[key] = nil
	w.store[key] = append(flushed, w.store[key]...)
	w.overtaken[key] = len(w.store[key])
	w.met[key] = true // the lane is behind, even if the store has nothing for it
}

// cold is an emit for an endpoint that cannot receive requests at once.
func (w *world) cold() {
	key := w.key()
	l := w.lanes[key]
	wasBehind := l != nil && l.behind
	w.Behind(key)
	w.store[key] = append(w.store[key], w.parcel(key))
	if !wasBehind && w.lanes[key] != nil {
		w.overtaken[key] = len(w.store[key])
	}
}

// claim takes the next step of a round: Room, the store's answer, the items of the answer,
// and the end. All other operations happen between these steps.
func (w *world) claim() {
	r := &w.round
	switch {
	case !r.under || r.room == nil && r.got == nil && len(r.visit) > 0:
		if !r.under {
			*r = roundState{under: true, visit: slices.Clone(w.keys)}
			w.rand.Shuffle(len(r.visit), func(i, j int) { r.visit[i], r.visit[j] = r.visit[j], r.visit[i] })
		}
		room := w.offerRoom(len(r.visit) == len(w.keys))
		require.LessOrEqual(w.t, room.Items, w.limits.Queue-w.queued)
		if room.Items <= 0 || room.Bytes <= 0 {
			w.endRound(true)
			r.under = false
			return
		}
		r.room = &room
	case r.room != nil:
		w.answer()
	case r.got != nil:
		for _, p := range r.got {
			w.Set.add(p.key, w.most[p.key], p, w.event(p.key))
			w.queues[p.key] = append(w.queues[p.key], p)
		}
		for key, left := range r.left {
			w.met[key] = left >= 0
			w.overtaken[key] = max(w.overtaken[key], left)
		}
		r.got = nil
	default:
		w.endRound(r.cut)
		r.under = false
	}
}

// answer is the store's part of a claim. The store visits some of the endpoints.
func (w *world) answer() {
	r := &w.round
	if w.rand.IntN(20) == 0 {
		r.under, r.room = false, nil // the claim failed
		return
	}
	r.got, r.left = []parcel{}, map[string]int{}
	most, bytes, cut := min(r.room.Items, 20), r.room.Bytes, false
	for range 1 + w.rand.IntN(len(r.visit)) {
		if cut {
			break
		}
		key := r.visit[0]
		r.visit = r.visit[1:]
		room, told := r.room.Lanes[key]
		if !told {
			room = r.room.PerLane
		}
		if room < 1 {
			continue // the store passes the endpoint over
		}
		for ; room > 0 && len(w.store[key]) > 0; room-- {
			if cut = most == 0 || bytes < w.size(key) && len(r.got) > 0; cut {
				break
			}
			r.got = append(r.got, w.store[key][0])
			w.store[key] = w.store[key][1:]
			w.overtaken[key] = max(w.overtaken[key]-1, 0)
			most--
			bytes -= w.size(key)
		}
		r.left[key] = len(w.store[key])
		if l := w.lanes[key]; cut && (l == nil || !l.behind) {
			r.left[key] = -1 // the number of items left is unknown
		}
	}
	r.cut = r.cut || cut
	if cut && w.rand.IntN(2) == 0 {
		r.visit = nil
	}
	r.room = nil
}

func (w *world) step() {
	if w.rand.IntN(300) == 0 {
		w.most[w.key()] = []int{0, 1, 2, 5, 30}[w.rand.IntN(5)]
	}
	switch w.rand.IntN(20) {
	case 0, 1, 2, 3:
		w.emit()
	case 4, 5, 6:
		w.push()
	case 7:
		w.unreserve()
	case 8, 9, 10:
		w.next()
	case 11, 12, 13:
		w.done()
	case 14, 15, 16:
		w.free()
	case 17, 18:
		w.claim()
	default:
		switch w.rand.IntN(15) {
		case 0:
			w.flush()
		case 1:
			w.cold()
		case 2:
			w.hold()
		case 3, 4, 5:
			w.Readmit(w.key())
		case 6, 7, 8:
			w.relieve()
		}
	}
}

// settle delivers all items, without further emits.
func (w *world) settle() {
	for _, key := range w.keys {
		w.Readmit(key)
	}
	for range 10_000 {
		w.push()
		for w.next() {
		}
		for len(w.out) > 0 {
			w.done()
		}
		for w.unfreed > 0 {
			w.free()
		}
		w.claim()
		if w.waiting() == 0 && !w.round.under {
			return
		}
	}
}

// waiting counts the items that wait in reservations, claims, the store and queues.
func (w *world) waiting() int {
	n := len(w.reserved) + len(w.round.got)
	for _, key := range w.keys {
		n += len(w.store[key]) + len(w.queues[key])
	}
	return n
}

func TestAnythingMayHappenInAnyOrder(t *testing.T) {
	for name, change := range map[string]func(*Limits){
		"as usual":        func(*Limits) {},
		"one in flight":   func(l *Limits) { l.InFlight = 1 },
		"two in flight":   func(l *Limits) { l.InFlight = 2 },
		"much in flight":  func(l *Limits) { l.InFlight, l.Cap = 200, 8 },
		"a short queue":   func(l *Limits) { l.Queue, l.Bytes = 6, 1000 },
		"few bytes":       func(l *Limits) { l.Bytes = 12 },
		"hardly any wait": func(l *Limits) { l.Wait = time.Millisecond },
		"everything is minimal": func(l *Limits) {
			*l = Limits{InFlight: 1, Cap: 1, Untested: 1, Queue: 1, Bytes: 1, Lanes: 100, Wait: 1}
		},
	} {
		for range 10 {
			seed := rand.Uint64()
			t.Run(fmt.Sprintf("%s/%d", name, seed), func(t *testing.T) {
				w := newWorld(t, seed, change)
				w.play(3000)
				for range 2 {
					w.offerRoom(true)
					w.endRound(false)
				}
				assert.Empty(t, w.behind, "all have caught up")
			})
		}
	}
}

func TestAnythingMayHappenWithFewerLanesThanEndpoints(t *testing.T) {
	for range 20 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newWorld(t, seed, func(l *Limits) { l.Lanes = 5 })
			w.forgets = true
			w.play(3000)
		})
	}
}

func (w *world) play(steps int) {
	for i := range steps {
		before := len(w.lanes)
		w.step()
		require.Empty(w.t, w.problem(), "after step %d", i)
		if n := len(w.lanes); n > before && n > w.limits.Lanes {
			require.Same(w.t, w.idle.First(), w.idle.Last(), "there are too many lanes, and not for want of idle ones")
		}
	}
	w.settle()
	require.Empty(w.t, w.problem())
	assert.Zero(w.t, w.queued+w.bytes+w.inFlight+w.slowOut+w.slowQueued+w.slowBytes)
	total := 0
	for _, n := range w.made {
		total += n
	}
	require.Len(w.t, w.delivered, total, "lost in the end")
	for p, n := range w.delivered {
		require.Equal(w.t, 1, n, "%v", p)
	}
}

// The workers of this test work as in a Dispatcher. After Push and after Done, each looks for
// all items that may go. After Free, it looks for one item. Nothing else wakes a worker up.
func TestNothingIsForgottenByWorkersThatLookOnlyAfterAChange(t *testing.T) {
	for _, inFlight := range []int{1, 2, 7, 50} {
		s := New[int, int](Limits{InFlight: inFlight, Cap: 3, Untested: 2, Queue: 500, Bytes: 1 << 20, Lanes: 20, Wait: 10 * time.Second})
		var workers, emitters sync.WaitGroup
		var delivered, most atomic.Int64
		var work func(ticket Ticket[int, int])
		pump := func() {
			for {
				_, ticket, ok := s.Next()
				if !ok {
					return
				}
				workers.Go(func() { work(ticket) })
			}
		}
		work = func(ticket Ticket[int, int]) {
			for ok := true; ok; _, ticket, ok = s.Next() {
				result := []Result{TimedOut, Failed, Answered, Answered}[rand.IntN(4)]
				s.Done(ticket, result, []time.Duration{quickly, slowly}[rand.IntN(2)])
				pump()
				delivered.Add(1)
				if n := int64(s.InFlight()); n > most.Load() {
					most.Store(n)
				}
				s.Free()
			}
		}
		var accepted atomic.Int64
		workers.Go(func() { // keeps the WaitGroup above zero
			for range 8 {
				emitters.Go(func() {
					for range 2000 {
						switch key := rand.IntN(15); {
						case rand.IntN(20) == 0:
							s.add(key, rand.IntN(4), 1, weight(1))
							accepted.Add(1)
							pump()
						case rand.IntN(100) == 0:
							delivered.Add(int64(len(s.Flush(key))))
						case rand.IntN(50) == 0:
							s.offerRoom(true)
							s.endRound(rand.IntN(2) == 0)
						default:
							r, ok := s.Reserve(key, rand.IntN(4), weight(1))
							if !ok {
								continue
							}
							if rand.IntN(10) == 0 {
								s.Unreserve(r)
								continue
							}
							accepted.Add(1)
							s.Push(r, 1)
							pump()
						}
					}
				})
			}
			emitters.Wait()
		})
		workers.Wait()
		assert.Equal(t, accepted.Load(), delivered.Load())
		assert.Positive(t, most.Load())
		assert.LessOrEqual(t, most.Load(), int64(inFlight))
		assert.Zero(t, s.queued+s.bytes+s.inFlight+s.slowOut+s.slowQueued+s.slowBytes)
	}
}
