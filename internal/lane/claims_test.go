package lane

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReserveUpToTheLimitsOfTheSet(t *testing.T) {
	for name, c := range map[string]struct {
		queue, bytes, size int
		reserved           int // reservations before a refusal
	}{
		"items below bytes":           {5, 100, 1, 5},
		"bytes below the limit":       {100, 30, 7, 4},
		"bytes at the limit":          {100, 30, 10, 3},
		"bytes just above the limit":  {100, 29, 10, 2},
		"one as large as the limit":   {100, 30, 30, 1},
		"one larger than the limit":   {100, 30, 31, 0},
		"one item":                    {1, 100, 1, 1},
		"items without a size":        {5, 1, 0, 5},
		"items that are all the room": {3, 3, 1, 3},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, func(l *Limits) { l.Queue, l.Bytes = c.queue, c.bytes })
			f.quick("another")
			for n := range c.reserved {
				f.quick(fmt.Sprint(n))
				require.True(t, f.Reserve(fmt.Sprint(n), 0, c.size), "%d", n)
			}
			assert.False(t, f.Reserve("another", 0, c.size))
			assert.True(t, f.isBehind("another"))
			for n := range c.reserved {
				f.Unreserve(fmt.Sprint(n))
			}
			f.round()
			assert.Equal(t, c.reserved > 0, f.Reserve("another", 0, c.size), "when there is room again")
			if c.reserved > 0 {
				f.Unreserve("another")
			}
		})
	}
}

func TestReservationsQueuesAndNothingElseTakeRoom(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.Bytes = 400 })
	require.True(t, f.Reserve("a", 0, 100))
	require.True(t, f.Reserve("b", 0, 100))
	assert.Equal(t, 2, f.queued)
	assert.Equal(t, 200, f.bytes)

	f.Push("a", f.parcel("a"))
	assert.Equal(t, 2, f.queued, "pushed instead of reserved")
	f.Unreserve("b")
	assert.Equal(t, 1, f.queued)
	it := f.one()
	assert.Zero(t, f.queued, "out is no longer waiting")
	assert.Zero(t, f.bytes)
	f.end(Answered, quickly, it)
}

func TestClaimedItemsAreTakenInEvenWithoutRoom(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.Queue = 4 })
	f.claimed("a", 20)
	assert.Equal(t, -16, f.offerRoom(true).Items)
	assert.False(t, f.emit("b"))
	for n := 0; n < 20; {
		items := f.takeAll()
		require.NotEmpty(t, items)
		f.end(Answered, quickly, items...)
		n += len(items)
	}
}

func TestLaneHasRoomForReservationsAndQueueTogether(t *testing.T) {
	f := newFixture(t, nil) // an unknown lane has room for 8
	f.claimed("a", 3)
	for range 4 {
		require.True(t, f.Reserve("a", 0, 1))
	}
	assert.True(t, f.emit("a"))
	assert.False(t, f.emit("a"))
	for range 4 {
		f.Unreserve("a")
	}
}

func TestOneLaneCannotFillTheQueue(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.Cap, l.Queue = 500, 100 })
	f.history("a", Answered, time.Millisecond, 1)
	f.round()
	assert.Equal(t, 25, f.emits("a"), "a fourth")
	assert.Equal(t, 25, f.emits("b"))
	assert.True(t, f.emit("c"))
}

func TestBacklogKeepsAFourthOfTheRoomForClaims(t *testing.T) {
	for name, limits := range map[string]Limits{
		"items": {Queue: 100, Bytes: 1000},
		"bytes": {Queue: 1000, Bytes: 100},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, func(l *Limits) { l.Queue, l.Bytes, l.Lanes = limits.Queue, limits.Bytes, 1000 })
			reserve := func() (n int) {
				for f.quick(fmt.Sprint(n)); f.Reserve(fmt.Sprint(n), 0, 1); f.quick(fmt.Sprint(n)) {
					n++
				}
				for i := range n {
					f.Unreserve(fmt.Sprint(i))
				}
				f.offerRoom(true)
				return n
			}
			assert.Equal(t, 100, reserve())
			f.endRound(true)
			f.round()
			f.offerRoom(true)
			f.endRound(true)
			assert.Equal(t, 75, reserve(), "claims come back full")
			f.endRound(false)
			assert.Equal(t, 100, reserve(), "and no longer")
		})
	}
}

func TestRoomReports(t *testing.T) {
	f := newFixture(t, nil)
	assert.Equal(t, Room[string]{Items: 125, Bytes: 1 << 17, PerLane: 8, Lanes: map[string]int{}}, f.offerRoom(true))
	f.prove("idle")
	f.history("hangs", TimedOut, 30*time.Second, 2)
	f.round()
	f.claimed("hangs", 3)
	f.take(1)
	f.claimed("a", 2)
	require.True(t, f.Reserve("b", 0, 1))
	f.Behind("behind")
	assert.Equal(t, Room[string]{
		Items: 125, Bytes: 1 << 17, PerLane: 8,
		Lanes: map[string]int{"hangs": 1 - 2, "a": 6, "b": 7, "behind": 8},
	}, f.offerRoom(false), "idle ones that are not behind are not listed")
	f.Unreserve("b")
}

func TestLaneThatWasRefusedGetsNoHandOffUntilClaimsHaveCaughtUp(t *testing.T) {
	f := newFixture(t, nil)
	require.Equal(t, 8, f.emits("a"))
	drain := func() {
		for items := f.takeAll(); len(items) > 0; items = f.takeAll() {
			f.end(Failed, quickly, items...)
		}
	}
	drain()
	assert.False(t, f.emit("a"), "there is room, but older ones wait in the store")
	assert.True(t, f.emit("b"), "others are not concerned")

	room := f.offerRoom(true).Lanes["a"]
	f.claimed("a", room)
	f.endRound(false)
	drain()
	assert.False(t, f.emit("a"), "a claim that brought all that was asked for")

	room = f.offerRoom(true).Lanes["a"]
	f.claimed("a", room-1)
	assert.False(t, f.emit("a"), "before the round ends")
	f.endRound(true)
	assert.False(t, f.emit("a"), "a round that was cut shows nothing")
	drain()

	f.offerRoom(true)
	f.endRound(false)
	assert.True(t, f.emit("a"))
}

func TestLaneThatIsFoundBehindDuringARoundHasNotCaughtUpAtItsEnd(t *testing.T) {
	f := newFixture(t, nil)
	f.offerRoom(true)
	f.Behind("a")
	f.endRound(false)
	assert.False(t, f.emit("a"), "the round may have passed it before")

	f.offerRoom(true)
	f.Behind("b")
	f.offerRoom(false)
	f.endRound(false)
	assert.True(t, f.emit("a"))
	assert.False(t, f.emit("b"), "the first claim of the round may have passed it before")
	f.round()
	assert.True(t, f.emit("b"))
}

func TestLaneCatchesUpThoughItsItemsKeepComing(t *testing.T) {
	f := newFixture(t, nil)
	f.Behind("a")
	f.offerRoom(true)
	assert.False(t, f.emit("a"))
	f.claimed("a", 1)
	f.Behind("a") // after the commit
	f.endRound(false)
	assert.True(t, f.emit("a"))
}

func TestFlushedLaneHasNotCaughtUpAtTheEndOfTheRound(t *testing.T) {
	f := newFixture(t, nil)
	f.claimed("a", 2)
	f.Behind("a")
	f.offerRoom(true)
	f.Flush("a")
	f.endRound(false)
	assert.False(t, f.emit("a"))
}

func TestBehindSaysWhetherThisIsATimeToClaim(t *testing.T) {
	f := newFixture(t, nil)
	assert.True(t, f.Behind("a"), "it is empty")
	f.claimed("a", 2)
	assert.True(t, f.Behind("a"), "2 wait, half of the cap")
	f.claimed("a", 1)
	assert.False(t, f.Behind("a"), "3 wait")
}

func TestLaneWithoutRoomInARoundHasNotCaughtUp(t *testing.T) {
	f := newFixture(t, nil)
	f.emits("a")
	assert.Equal(t, 0, f.offerRoom(true).Lanes["a"])
	f.endRound(false)
	items := f.takeAll()
	assert.False(t, f.emit("a"), "the store was not asked")
	f.offerRoom(true)
	f.endRound(false)
	assert.True(t, f.emit("a"))
	f.end(Answered, quickly, items...)
}

// A round has many claims. The lane's turn may come in any of them.
func TestLaneThatLosesItsRoomDuringARoundHasNotCaughtUp(t *testing.T) {
	f := newFixture(t, nil)
	f.claimed("a", 5)
	items := f.takeAll()
	require.Len(t, items, 4)
	f.Behind("a")
	assert.Equal(t, 7, f.offerRoom(true).Lanes["a"])
	f.end(TimedOut, 15*time.Second, items...)
	assert.Equal(t, 0, f.offerRoom(false).Lanes["a"], "one waits, and no more than one may")
	f.endRound(false)
	assert.False(t, f.emit("a"))
	assert.True(t, f.isBehind("a"))
}

func TestLaneThatGetsAllOfASmallerRoomHasNotCaughtUp(t *testing.T) {
	f := newFixture(t, nil)
	f.claimed("a", 4)
	items := f.takeAll()
	f.Behind("a")
	assert.Equal(t, 8, f.offerRoom(true).Lanes["a"])
	f.end(TimedOut, 15*time.Second, items...)
	assert.Equal(t, 1, f.offerRoom(false).Lanes["a"])
	f.claimed("a", 1)
	f.endRound(false)
	assert.True(t, f.isBehind("a"), "it got one of the one it was offered")
}

func TestLaneThatWasVisitedEarlyInARoundCatchesUpAtItsEnd(t *testing.T) {
	f := newFixture(t, nil)
	f.Behind("a")
	assert.Equal(t, 8, f.offerRoom(true).Lanes["a"])
	f.claimed("a", 5)
	assert.Equal(t, 3, f.offerRoom(false).Lanes["a"])
	f.endRound(false)
	assert.True(t, f.emit("a"))
}

// Items that a claim leaves in the store are a backlog. It does not matter which process
// stored them; it may be an earlier one.
func TestLaneIsBehindWhenAClaimBringsAllThatItWasOffered(t *testing.T) {
	for name, known := range map[string]bool{"unknown": false, "idle": true} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, nil)
			if known {
				f.history("a", Answered, slowly, 1)
				f.round()
			}
			perLane := f.offerRoom(true).PerLane
			f.claimed("a", perLane-1)
			assert.False(t, f.isBehind("a"))
			f.endRound(false)
			f.end(Answered, quickly, f.takeAll()...)
			require.True(t, f.emit("a"), "a claim that brought less leaves nothing")
			f.end(Answered, quickly, f.takeAll()...)

			f.claimed("a", f.offerRoom(true).PerLane)
			f.endRound(false)
			assert.False(t, f.emit("a"))
			items := f.takeAll()
			assert.False(t, f.emit("a"), "though there is room again")
			wants := false
			for len(items) > 0 {
				wants = f.end(Answered, quickly, items...)
				items = f.takeAll()
			}
			assert.True(t, wants, "there is something to claim")
			f.round()
			assert.True(t, f.emit("a"))
		})
	}
}

func TestLaneThatOnlySomeClaimsWereToldOfIsJudgedByTheClaimThatMetIt(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.Cap = 10 })
	f.history("a", Answered, 400*time.Millisecond, 1)
	f.round()
	f.claimed("a", 1)
	it := f.one()
	assert.Equal(t, 250, f.offerRoom(true).Lanes["a"])
	f.end(Answered, 400*time.Millisecond, it)
	room := f.offerRoom(false)
	assert.NotContains(t, room.Lanes, "a", "it is idle now")
	f.claimed("a", room.PerLane)
	f.endRound(false)
	assert.True(t, f.isBehind("a"))
}

func TestBehindLaneOfUnknownEndpoint(t *testing.T) {
	f := newFixture(t, nil)
	f.Behind("a")
	f.Behind("a")
	assert.False(t, f.emit("a"))
	assert.Equal(t, 8, f.offerRoom(true).Lanes["a"])
	f.endRound(false)
	assert.True(t, f.emit("a"))
}

func TestEndRoundWithoutRoomClearsNothing(t *testing.T) {
	f := newFixture(t, nil)
	f.Behind("a")
	f.endRound(false)
	assert.True(t, f.isBehind("a"))
}

func TestDoneSaysWhenALaneThatIsBehindHasRunLow(t *testing.T) {
	f := newFixture(t, nil)
	f.claimed("a", 6)
	items := f.takeAll()
	require.Len(t, items, 4)
	assert.False(t, f.end(Failed, quickly, items[0]), "nothing waits in the store")
	f.Behind("a")
	assert.True(t, f.end(Failed, quickly, items[1]), "2 wait, half of the cap")
	f.claimed("a", 1)
	assert.False(t, f.end(Failed, quickly, items[2]), "3 wait")
	f.round()
	f.claimed("b", 1)
	assert.False(t, f.end(Failed, quickly, f.one()), "b is not behind")
}

func TestDoneSaysThatALaneAtCapOneIsEmpty(t *testing.T) {
	f := newFixture(t, nil)
	f.history("a", TimedOut, slowly, 2)
	f.claimed("a", 2)
	f.Behind("a")
	assert.False(t, f.end(TimedOut, slowly, f.one()))
	assert.True(t, f.end(TimedOut, slowly, f.one()))
}

func TestDoneSaysOnceThatThereIsRoomAgain(t *testing.T) {
	for name, limits := range map[string]struct{ queue, bytes int }{"items": {8, 1000}, "bytes": {1000, 8}} {
		for _, asked := range []string{"by a claim", "by an emit"} {
			t.Run(name+" "+asked, func(t *testing.T) {
				f := newFixture(t, func(l *Limits) { l.Queue, l.Bytes, l.Cap = limits.queue, limits.bytes, 1 })
				f.quick("7", "x")
				for n := range 7 {
					f.quick(fmt.Sprint(n))
					f.claimed(fmt.Sprint(n), 1)
				}
				f.offerRoom(true)
				f.endRound(false)
				assert.True(t, f.Reserve("7", 0, 1))
				f.Push("7", f.parcel("7"))
				if asked == "by a claim" {
					f.offerRoom(true)
				} else {
					assert.False(t, f.emit("x"))
				}
				for n := range 3 {
					assert.False(t, f.end(Answered, slowly, f.one()), "%d wait", 7-n)
				}
				assert.True(t, f.end(Answered, slowly, f.one()), "4 wait")
				assert.False(t, f.end(Answered, slowly, f.one()), "that was said")
			})
		}
	}
}

func TestClaimThatHasRoomTakesTheHintBack(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.Queue = 8 })
	f.claimed("a", 8)
	f.offerRoom(true)
	items := f.take(4)
	f.offerRoom(true)
	f.round()
	assert.False(t, f.end(Answered, quickly, items[0]), "it has been asked for since")
}

func TestFlushReturnsWhatWaitsInOrder(t *testing.T) {
	f := newFixture(t, nil)
	require.True(t, f.Reserve("a", 0, 1))
	f.claimed("a", 6)
	f.claimed("b", 1)
	require.False(t, f.isBehind("a"))
	items := f.take(1)
	var want []parcel
	for n := 1; n < 6; n++ {
		want = append(want, parcel{"a", n})
	}
	assert.Equal(t, want, f.Flush("a"))
	assert.Equal(t, 2, f.queued, "the reservation, and b's")
	assert.False(t, f.emit("a"), "it is behind")
	assert.Equal(t, "b", keysOf(f.takeAll()))

	f.Push("a", f.parcel("a"))
	assert.Equal(t, "a", keysOf(f.takeAll()), "the reservation still holds")
	f.end(Answered, quickly, items...)
}

func TestFlushOfALaneWithoutItemsChangesNothing(t *testing.T) {
	f := newFixture(t, nil)
	assert.Empty(t, f.Flush("a"))
	assert.Empty(t, f.lanes)
	f.claimed("a", 1)
	items := f.takeAll()
	assert.Empty(t, f.Flush("a"))
	assert.False(t, f.isBehind("a"))
	f.end(Answered, quickly, items...)
	assert.True(t, f.emit("a"))
}

func TestFlushAllReturnsEverything(t *testing.T) {
	f := newFixture(t, nil)
	for _, key := range []string{"a", "b", "c"} {
		f.claimed(key, 5)
	}
	require.True(t, f.Reserve("c", 0, 1))
	items := f.take(2)
	assert.Len(t, f.FlushAll(), 13)
	assert.Empty(t, f.takeAll())
	assert.Empty(t, f.FlushAll())
	assert.Equal(t, 1, f.queued)
	f.Unreserve("c")
	f.end(Answered, quickly, items...)
	assert.Zero(t, f.InFlight())
	assert.Zero(t, f.bytes)
}

func TestLaneThatWasFlushedTakesTurnsAgain(t *testing.T) {
	f := newFixture(t, nil)
	f.claimed("a", 3)
	f.claimed("b", 3)
	f.Flush("a")
	f.claimed("a", 1)
	assert.Equal(t, "abbb", keysOf(f.takeAll()))
}

func TestLongestIdleLaneIsForgotten(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.Lanes = 3 })
	for _, key := range []string{"a", "b", "c"} {
		f.history(key, Answered, quickly, 2)
	}
	f.history("a", Answered, quickly, 1)
	f.history("d", Answered, quickly, 1)
	assert.Len(t, f.lanes, 3)
	assert.NotContains(t, f.lanes, "b")
	assert.Equal(t, 7, f.capOf("a"), "the others keep their pace")
	f.Behind("e")
	assert.NotContains(t, f.lanes, "c")
	f.Behind("a")
	f.Behind("f")
	assert.NotContains(t, f.lanes, "d")
	assert.Len(t, f.behind, 3)
	f.history("g", Answered, quickly, 1)
	assert.Len(t, f.behind, 2, "what is forgotten is not behind")
	f.history("b", Unsent, 0, 1)
	assert.Equal(t, 4, f.capOf("b"), "it begins anew")
}

func TestBusyLaneIsNotForgotten(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.Lanes = 3 })
	f.claimed("out", 1)
	items := f.takeAll()
	f.claimed("waiting", 1)
	require.True(t, f.Reserve("reserved", 0, 1))

	assert.False(t, f.Reserve("x", 0, 1))
	f.Behind("x")
	assert.Len(t, f.lanes, 3)
	f.claimed("claimed", 1)
	f.claimed("also", 1)
	assert.Len(t, f.lanes, 5, "what is claimed must go somewhere")
	for _, key := range []string{"out", "waiting", "reserved", "claimed", "also"} {
		assert.Contains(t, f.lanes, key)
	}

	f.end(Answered, quickly, items...)
	f.end(Answered, quickly, f.takeAll()...)
	f.Unreserve("reserved")
	assert.True(t, f.emit("x"))
	assert.Len(t, f.lanes, 3, "no more than necessary")
}

func TestForgottenLaneInARingGivesNothing(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.Lanes = 1 })
	f.claimed("a", 2)
	f.Flush("a")
	f.Behind("b")
	require.NotContains(t, f.lanes, "a")
	f.claimed("a", 2)
	assert.Equal(t, "aa", keysOf(f.takeAll()))
}
