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
		assert.Equal(t, c.items, f.Room(true).Items, "of %d", c.queue)
	}
}

func TestSlowAndUnprovenLanesHoldHalfOfTheQueueAndByFirstItemsThreeQuarters(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.Queue = 40 })
	for n := range 100 {
		f.emits(fmt.Sprint(n))
	}
	assert.Equal(t, 30, f.queued)
	assert.LessOrEqual(t, f.Room(true).PerLane, 0, "claims bring no more of those")
	f.quick("q")
	assert.Equal(t, 8, f.emits("q"), "a quick lane does not notice")

	f = newFixture(t, func(l *Limits) { l.Queue = 40 })
	for _, key := range []string{"a", "b"} { // 8 each
		f.emits(key)
	}
	assert.Equal(t, 4, f.emits("c"), "up to half")
	assert.Equal(t, 1, f.emits("d"), "and one more each")
}

func TestIdleLaneThatIsSlowIsOfferedItsOwnRoom(t *testing.T) {
	f := newFixture(t, nil)
	f.history("a", TimedOut, 30*time.Second, 2)
	assert.Equal(t, 1, f.Room(true).Lanes["a"])
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
			f.Unreserve(key, size)
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
	f.Unreserve("a", 10)
}

func TestLaneThatIsHeldGetsNothingUntilUnhold(t *testing.T) {
	f := newFixture(t, nil)
	f.claimed("a", 6)
	items := f.takeAll()
	assert.Len(t, f.Hold("a"), 2)
	assert.Zero(t, f.Room(true).Lanes["a"])
	f.EndRound(false)
	assert.False(t, f.emit("a"))
	assert.False(t, f.Behind("a"), "no time to claim")
	assert.False(t, f.end(Answered, quickly, items...), "nor is this")
	f.Hold("unknown")
	assert.Zero(t, f.Room(true).Lanes["unknown"])
	f.EndRound(false)
	f.Unhold("a")
	f.Unhold("never seen")
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
	room := f.Room(true)
	assert.Zero(t, room.PerLane)
	assert.Positive(t, room.Lanes["q"])
	assert.Zero(t, room.Lanes["slow"])
}

// An unknown lane may be offered less than it has room for once it is quick, or others have gone.
func TestLaneIsBehindWhenAClaimBringsTheLittleThatItWasOffered(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.Queue = 40 })
	f.prove("b")
	for n := 0; f.queued < 20; n++ {
		f.emits(fmt.Sprint(n))
	}
	require.Equal(t, 1, f.Room(true).PerLane)
	f.claimed("a", 1)
	f.EndRound(false)
	assert.True(t, f.isBehind("a"))

	require.Equal(t, 1, f.Room(true).PerLane)
	f.claimed("b", 1)
	f.EndRound(false)
	assert.True(t, f.isBehind("b"))
}
