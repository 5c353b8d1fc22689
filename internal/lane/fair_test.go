package lane

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLanesTakeTurns(t *testing.T) {
	for name, prove := range map[string]bool{"quick ones": true, "unproven ones": false} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, nil)
			if prove {
				f.prove("a", "b", "c", "d", "e")
			}
			f.claimed("a", 50)
			f.claimed("b", 3)
			for _, key := range []string{"c", "d", "e"} {
				f.claimed(key, 50)
			}
			assert.Equal(t, "abcde"+"abcde"+"abcde"+"acde", keysOf(f.takeAll()), "one each in a round, up to the cap of 4")
		})
	}
}

func TestTurnsGoOnWhereTheyWere(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.InFlight = 1 })
	f.prove("a", "b", "c")
	for _, key := range []string{"a", "b", "c"} {
		f.claimed(key, 4)
	}
	order := ""
	for items := f.takeAll(); len(items) > 0; items = f.takeAll() {
		order += keysOf(items)
		f.end(Answered, quickly, items...)
	}
	assert.Equal(t, "abcabcabcabc", order)
}

func TestLaneWithNothingOutGoesFirstAndThenTakesTurns(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.Cap = 50 })
	f.prove("a", "b", "c")
	f.claimed("a", 500)
	f.claimed("b", 500)
	f.take(21)
	f.claimed("c", 2)
	assert.Equal(t, "cbacba", keysOf(f.take(6)))
}

func TestLaneIsFirstInFirstOut(t *testing.T) {
	f := newFixture(t, nil)
	f.claimed("a", 200)
	for n := 0; n < 200; {
		items := f.takeAll()
		require.NotEmpty(t, items)
		for _, it := range items {
			assert.Equal(t, n, it.n)
			n++
		}
		f.end(Answered, quickly, items...)
	}
}

func TestLaneAtItsCapIsPassedOverUntilDone(t *testing.T) {
	f := newFixture(t, nil)
	f.claimed("a", 10)
	f.claimed("b", 10)
	items := f.takeAll()
	assert.Equal(t, "abababab", keysOf(items))
	f.Done(items[1].ticket, Failed, slowly)
	assert.Equal(t, "b", keysOf(f.takeAll()), "Done is enough for the lane")
	f.Free()
}

func TestInFlightCountsUntilFree(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.InFlight = 3 })
	f.prove("a", "b", "c")
	for _, key := range []string{"a", "b", "c"} {
		f.claimed(key, 10)
	}
	items := f.takeAll()
	assert.Len(t, items, 3)
	assert.Equal(t, 3, f.InFlight())
	for _, it := range items {
		f.Done(it.ticket, Answered, quickly)
	}
	assert.Empty(t, f.takeAll(), "their results are not stored yet")
	assert.Equal(t, 3, f.InFlight())
	f.Free()
	assert.Equal(t, 2, f.InFlight())
	assert.Len(t, f.takeAll(), 1)
}

func TestSlowAndUnprovenLanesShareHalfAndForFirstItemsThreeQuarters(t *testing.T) {
	for _, c := range []struct{ inFlight, lanes, out int }{
		{10, 10, 7}, {11, 10, 8}, {3, 10, 2}, {2, 10, 1}, {1, 10, 1}, // each item out is the first of its lane
		{20, 3, 10}, {21, 3, 10}, {22, 3, 11}, {40, 10, 20}, {40, 3, 12}, // some lanes have more items out
	} {
		f := newFixture(t, func(l *Limits) { l.InFlight = c.inFlight })
		f.history("a", Answered, slowly, 1)
		for _, key := range "abcdefghij"[:c.lanes] {
			f.claimed(string(key), 10)
		}
		require.Len(t, f.takeAll(), c.out, "%+v", c)

		f.Set.lane("q", true).quick = true // no item can go out to prove the lane quick
		f.claimed("q", 50)
		items := f.takeAll()
		assert.Equal(t, c.inFlight > c.out, len(items) > 0, "%+v: the rest is for quick ones", c)
	}
}

func TestSecondIsSlow(t *testing.T) {
	f := newFixture(t, nil)
	f.history("a", Answered, time.Second-1, 1)
	assert.Zero(t, f.lanes["a"].kind()&slowKind)
	f.history("a", Answered, time.Second, 1)
	assert.NotZero(t, f.lanes["a"].kind()&slowKind)
	f.history("a", Unsent, 0, 1)
	assert.NotZero(t, f.lanes["a"].kind()&slowKind, "nothing was learned")
	f.history("a", Failed, quickly, 1)
	assert.Zero(t, f.lanes["a"].kind()&slowKind, "a failure at once holds nobody up")
	f.history("a", TimedOut, slowly, 1)
	assert.NotZero(t, f.lanes["a"].kind()&slowKind)
}

func TestQuickLanesMayUseMoreThanSlowOnes(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.InFlight, l.Cap = 100, 40 })
	f.prove("q", "r", "s")
	for _, key := range []string{"q", "r", "s"} {
		f.claimed(key, 50)
	}
	assert.Greater(t, len(f.takeAll()), 50)
}

// Any number of quick lanes may cease to answer at one moment. Nothing shows yet that they
// are slow now.
func TestQuickLanesThatHangLeaveRoomForOthers(t *testing.T) {
	for _, lanes := range []int{1, 2, 10, 30} {
		f := newFixture(t, func(l *Limits) { l.InFlight, l.Cap, l.Queue = 100, 32, 10_000 })
		for i := range lanes {
			f.prove(string(rune('A' + i)))
		}
		for i := range lanes {
			f.claimed(string(rune('A'+i)), 100)
		}
		f.takeAll()
		assert.Less(t, f.InFlight(), 100, "%d lanes hang", lanes)
		f.Set.lane("q", true).quick = true
		f.claimed("q", 1)
		assert.Equal(t, "q", keysOf(f.takeAll()), "%d lanes hang", lanes)
	}
}

func TestLanesThatHangLeaveRoomForTheFirstItemOfAnUnprovenOne(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.InFlight = 40 })
	for _, key := range "abcdefghij" {
		f.claimed(string(key), 10)
	}
	assert.Len(t, f.takeAll(), 20)
	f.claimed("n", 10)
	assert.Equal(t, "n", keysOf(f.takeAll()))
}

func TestQuickLanesGoOnWhileSlowOnesHang(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.InFlight = 10 })
	f.prove("q", "r")
	for key := range strings.SplitSeq("abcdefgh", "") {
		f.claimed(key, 20)
	}
	assert.Len(t, f.takeAll(), 7, "they hang")
	for range 100 {
		f.claimed("q", 1)
		f.claimed("r", 1)
		items := f.takeAll()
		require.Len(t, items, 2)
		f.end(Answered, quickly, items...)
	}
}

func TestLaneThatTurnsOutQuickNoLongerWaitsForSlowOnes(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.InFlight = 4 })
	f.claimed("q", 1)
	first := f.one()
	f.claimed("a", 20)
	f.claimed("b", 20)
	f.claimed("q", 5)
	assert.Equal(t, "ab", keysOf(f.takeAll()), "and then the slow slots are out")

	f.end(Answered, quickly, first)
	assert.Equal(t, "q", keysOf(f.takeAll()))
}

func TestLaneThatTurnsOutSlowWaitsForSlowSlots(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.InFlight = 40 })
	f.prove("q")
	f.claimed("q", 10)
	items := f.take(1)
	for _, key := range "abcde" {
		f.claimed(string(key), 10)
	}
	f.takeAll()
	assert.Equal(t, 20, f.slowOut)
	assert.Equal(t, 4, f.lanes["q"].inFlight)
	f.end(Answered, slowly, items...)
	assert.Empty(t, f.takeAll(), "the slow half is out")
	assert.Equal(t, 20, f.slowOut, "what went out while the lane was quick does not count")
}

// The lane is still in the ring of quick lanes.
func TestLaneThatTurnsOutSlowWhileItsTurnIsNearWaitsForSlowSlots(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.InFlight = 40 })
	f.prove("q")
	for _, key := range "abcde" {
		f.claimed(string(key), 10)
	}
	f.takeAll()
	f.claimed("q", 10)
	items := f.take(2)
	require.Equal(t, "qq", keysOf(items))
	f.end(Answered, slowly, items[0])
	assert.Empty(t, f.takeAll())
	f.end(Answered, quickly, items[1])
	assert.NotEmpty(t, f.takeAll())
}

func TestSlotIsGivenBackAsItWasTaken(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.InFlight = 8 })
	f.claimed("a", 2)
	items := f.takeAll()
	assert.Equal(t, 2, f.slowOut)
	f.end(Answered, quickly, items[0])
	assert.Equal(t, 1, f.slowOut, "its lane was not proven when it went out")
	f.claimed("a", 1)
	items = append(items[1:], f.takeAll()...)
	assert.Equal(t, 1, f.slowOut)
	f.end(TimedOut, slowly, items[1])
	assert.Equal(t, 1, f.slowOut, "its lane was quick when it went out")
	f.end(TimedOut, slowly, items[0])
	assert.Zero(t, f.slowOut)
}

func TestQuickAndSlowLanesTakeTurns(t *testing.T) {
	for name, keys := range map[string][2]string{
		"few slow ones":  {"qrstuv", "a"},
		"few quick ones": {"q", "abcdef"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, func(l *Limits) { l.InFlight = 1 })
			f.prove(strings.Split(keys[0], "")...)
			for key := range strings.SplitSeq(keys[0]+keys[1], "") {
				f.claimed(key, 100)
			}
			slow := 0
			for range 100 {
				it := f.one()
				assert.Empty(t, f.takeAll(), "asking in vain takes no turn")
				took := quickly
				if strings.Contains(keys[1], it.key) {
					slow++
					took = slowly
				}
				f.end(Answered, took, it)
			}
			assert.Equal(t, 50, slow)
		})
	}
}

func TestKindWithoutWorkGivesItsTurnsAway(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.Cap = 50 })
	f.prove("q")
	f.claimed("q", 40)
	assert.Len(t, f.take(20), 20)
	f.claimed("a", 10)
	assert.Contains(t, []string{"qaqaqaqaq", "aqaqaqaqa"}, keysOf(f.take(10))[1:], "after a's first item: the turns do not add up")
}

// The first items of lanes take turns of their own. They do not decide whether a quick or a
// slow lane has the next turn among lanes with items out.
func TestFirstItemsTakeNoTurnsOfLanesThatHaveItemsOut(t *testing.T) {
	f := newFixture(t, nil)
	f.prove("p", "q")
	f.claimed("q", 50)
	f.claimed("s", 50)
	items := f.take(2) // the first items of q and s
	for range 2 {
		f.claimed("p", 1)
		items = append(items, f.take(2)...) // the first item of p, and one of q or s
		for i, it := range items {
			if it.key == "p" {
				f.end(Answered, quickly, it)
				items = append(items[:i], items[i+1:]...)
				break
			}
		}
	}
	assert.Equal(t, 2, strings.Count(keysOf(items), "q"), keysOf(items))
	assert.Equal(t, 2, strings.Count(keysOf(items), "s"), keysOf(items))
}

func TestLaneWithLittleOutIsFoundBehindOthersWithMore(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.InFlight, l.Cap = 30, 20 })
	hogs := "abcdefghijklmnop"[:tries-1]
	f.prove(append(strings.Split(hogs, ""), "q")...)
	for _, key := range hogs {
		f.claimed(string(key), 20)
	}
	assert.Equal(t, strings.Repeat(hogs, 3), keysOf(f.takeAll())[:3*len(hogs)])
	assert.Empty(t, f.takeAll(), "what is free is for lanes with less out")
	f.claimed("q", 20)
	assert.Equal(t, "qq", keysOf(f.takeAll()))
}
