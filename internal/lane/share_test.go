package lane

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOneClaimBringsAnEighthOfTheQueueAtMost(t *testing.T) {
	for _, c := range []struct{ queue, items int }{{1000, 125}, {16, 2}, {8, 1}, {7, 1}, {1, 1}} {
		f := newFixture(t, func(l *Limits) { l.Queue = c.queue })
		assert.Equal(t, c.items, f.offerRoom(true).Items, "of %d", c.queue)
	}
}

func TestSlowAndUnprovenLanesHoldHalfOfTheQueueAndByFirstItemsThreeQuarters(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.Queue = 40 })
	for n := range 100 {
		f.emits(fmt.Sprint(n))
	}
	assert.Equal(t, 30, f.queued)
	assert.LessOrEqual(t, f.offerRoom(true).PerLane, 0, "claims bring no more of those")
	f.quick("q")
	assert.Equal(t, 8, f.emits("q"), "a quick lane does not notice")

	f = newFixture(t, func(l *Limits) { l.Queue = 40 })
	for _, key := range []string{"a", "b"} { // 8 items each
		f.emits(key)
	}
	assert.Equal(t, 4, f.emits("c"), "up to half")
	assert.Equal(t, 1, f.emits("d"), "and one more each")
}

func TestOneClaimBringsAnEighthOfTheBytesAtMostAndNoMoreThanThereIsRoomFor(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.Bytes = 400 })
	assert.Equal(t, 50, f.offerRoom(true).Bytes)
	f.Add("a", 0, f.parcel("a"), 380)
	assert.Equal(t, 20, f.offerRoom(true).Bytes)
}

func TestSlowAndUnprovenLanesHoldHalfOfTheBytesAndByFirstItemsThreeQuarters(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.Bytes, l.Lanes = 400, 1000 })
	for n := range 100 {
		for f.Reserve(fmt.Sprint(n), 0, 10) {
			f.Push(fmt.Sprint(n), f.parcel(fmt.Sprint(n)))
		}
	}
	assert.Equal(t, 300, f.bytes)
	assert.Zero(t, f.offerRoom(true).PerLane, "claims bring no more of those")
	f.quick("q")
	for range 8 {
		assert.True(t, f.Reserve("q", 0, 10), "a quick lane does not notice")
		f.Push("q", f.parcel("q"))
	}

	f = newFixture(t, func(l *Limits) { l.Bytes = 400 })
	require.True(t, f.Reserve("a", 0, 90))
	require.True(t, f.Reserve("b", 0, 90))
	require.True(t, f.Reserve("c", 0, 10))
	assert.False(t, f.Reserve("c", 0, 11), "above half")
	assert.True(t, f.Reserve("d", 0, 100), "the first of a lane")
	assert.False(t, f.Reserve("e", 0, 20), "above three quarters")
	assert.True(t, f.Reserve("e2", 0, 10))
}

func TestEventOfManyLanesIsCountedOnceUntilTheLastItemLeaves(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.Bytes = 400 })
	event := weight(300)
	keys := []string{"a", "b", "c", "d", "e", "f"}
	f.quick("a", "b", "c", "d")
	for _, key := range keys[:4] {
		require.True(t, f.reserve(key, 0, event))
	}
	f.Set.add("e", 0, f.parcel("e"), event)
	f.Set.add("f", 0, f.parcel("f"), event)
	assert.Equal(t, []int{300, 300}, []int{f.bytes, f.slowBytes}, "reserved, claimed")
	f.Unreserve("a")
	for _, key := range keys[1:4] {
		f.Push(key, f.parcel(key))
	}
	f.Exclude("e")
	f.Flush("f")
	assert.Equal(t, []int{300, 0}, []int{f.bytes, f.slowBytes}, "the slow ones gave theirs back")
	f.Flush("d")
	items := f.take(1)
	assert.Equal(t, 300, f.bytes, "one still waits")
	items = append(items, f.take(1)...)
	assert.Zero(t, f.bytes)
	f.end(Answered, quickly, items...)
}

func TestLaneThatChangesItsPaceTakesItsBytesWithIt(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.Bytes = 400 })
	one, other := weight(50), weight(30)
	f.Set.add("a", 0, f.parcel("a"), weight(1))
	it := f.one()
	f.Set.add("a", 0, f.parcel("a"), one)
	require.True(t, f.reserve("a", 0, other))
	f.quick("b")
	f.Set.add("b", 0, f.parcel("b"), one)
	assert.Equal(t, 80, f.slowBytes)
	f.end(Answered, quickly, it)
	assert.Equal(t, 30, f.slowBytes, "the reservation is counted as before")
	f.check()
	f.Push("a", f.parcel("a"))
	assert.Zero(t, f.slowBytes)
	f.take(1)
	f.end(Answered, slowly, f.take(1)...)
	f.FlushAll()
	assert.Zero(t, f.slowBytes+f.bytes)
}

// Slow lanes may hold their part of the queue for long.
func TestQuickLanesAreClaimedForWhenHalfOfWhatSlowOnesLeaveIsFree(t *testing.T) {
	for name, weigh := range map[string]int{"items": 0, "bytes": 10} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, func(l *Limits) {
				l.Queue, l.Bytes, l.Lanes = 1000, 400, 1000
				if weigh == 0 {
					l.Queue = 40
				}
			})
			f.prove("q", "r")
			for n := range 30 {
				require.True(t, f.Reserve(fmt.Sprint(n), 0, weigh))
			}
			for range 5 {
				f.Add("q", 0, f.parcel("q"), weigh)
				f.Add("r", 0, f.parcel("r"), weigh)
			}
			items := f.take(4)
			for range 4 {
				f.Add("r", 0, f.parcel("r"), weigh)
			}
			f.quick("s")
			require.False(t, f.Reserve("s", 0, weigh), "it is full")
			assert.False(t, f.end(Answered, quickly, items...))
			items = f.take(4)
			assert.False(t, f.end(Answered, quickly, items...), "six wait, of ten")
			assert.True(t, f.end(Answered, quickly, f.take(1)...), "five wait")
		})
	}
}

func TestIdleLaneThatIsSlowIsOfferedItsOwnRoom(t *testing.T) {
	f := newFixture(t, nil)
	f.history("a", TimedOut, 30*time.Second, 2)
	assert.Equal(t, 1, f.offerRoom(true).Lanes["a"])
	f.history("a", Answered, quickly, 1)
	assert.Empty(t, f.tight)
}

func TestOneLaneHoldsAFourthOfTheBytesAtMostOrASingleItem(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.Bytes = 400 })
	reserve := func(key string, size int) (n int) {
		for f.Reserve(key, 0, size) {
			n++
		}
		for range n {
			f.Unreserve(key)
		}
		return n
	}
	f.quick("a", "b", "c", "d")
	assert.Equal(t, 2, reserve("a", 50))
	assert.Equal(t, 1, reserve("b", 51))
	assert.Equal(t, 1, reserve("c", 400))
	assert.Zero(t, reserve("d", 401))

	f = newFixture(t, func(l *Limits) { l.Bytes = 400 })
	f.history("a", Answered, time.Millisecond, 1)
	f.round()
	f.Add("a", 0, f.parcel("a"), 30)
	f.end(Answered, time.Millisecond, f.one())
	f.Behind("a")
	assert.Equal(t, 25, f.roomOf("a"), "a claim is told how many items of its usual size have room")

	f = newFixture(t, func(l *Limits) { l.Bytes = 400 })
	require.True(t, f.Reserve("a", 0, 10))
	assert.False(t, f.Reserve("a", 0, 100), "an unusual one")
	f.Unreserve("a")
}

func TestLaneThatIsExcludedGetsNothingUntilReadmit(t *testing.T) {
	f := newFixture(t, nil)
	f.claimed("a", 6)
	items := f.takeAll()
	assert.Len(t, f.Exclude("a"), 2)
	assert.Zero(t, f.offerRoom(true).Lanes["a"])
	f.endRound(false)
	assert.False(t, f.emit("a"))
	assert.False(t, f.Behind("a"), "no time to claim")
	assert.False(t, f.end(Answered, quickly, items...), "nor is this")
	f.Exclude("unknown")
	assert.Zero(t, f.offerRoom(true).Lanes["unknown"])
	f.endRound(false)
	f.Readmit("a")
	f.Readmit("never seen")
	f.round()
	assert.True(t, f.emit("a"))
}

func TestIdleQuickLanesAreOfferedTheirRoomWhileUnknownOnesAreOfferedNone(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.Queue = 40 })
	f.prove("q")
	f.history("slow", Answered, slowly, 1)
	f.round()
	for n := range 50 {
		f.emits(fmt.Sprint(n))
	}
	room := f.offerRoom(true)
	assert.Zero(t, room.PerLane)
	assert.Positive(t, room.Lanes["q"])
	assert.Zero(t, room.Lanes["slow"])
}

// A claim may offer an unknown lane less room than the lane has once it is quick or other
// lanes have gone.
func TestLaneIsBehindWhenAClaimBringsTheLittleThatItWasOffered(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.Queue = 40 })
	f.prove("b")
	for n := 0; f.queued < 20; n++ {
		f.emits(fmt.Sprint(n))
	}
	require.Equal(t, 1, f.offerRoom(true).PerLane)
	f.claimed("a", 1)
	f.endRound(false)
	assert.True(t, f.isBehind("a"))

	require.Equal(t, 1, f.offerRoom(true).PerLane)
	f.claimed("b", 1)
	f.endRound(false)
	assert.True(t, f.isBehind("b"))
}
