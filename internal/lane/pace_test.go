package lane

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCapOfALane(t *testing.T) {
	type step struct {
		result Result
		took   time.Duration
		times  int
		limit  int // the cap afterwards
	}
	for name, steps := range map[string][]step{
		"begins at Cap and grows by one for each quick answer": {
			{Unsent, 0, 1, 4}, {Answered, quickly, 1, 5}, {Answered, quickly, 1, 6}, {Answered, time.Second - 1, 1, 7},
		},
		"grows to four times Cap": {{Answered, quickly, 11, 15}, {Answered, quickly, 1, 16}, {Answered, quickly, 50, 16}},
		"does not grow by slow answers": {
			{Answered, slowly, 10, 4},
			{Answered, time.Second, 1, 4},
			{Answered, quickly, 3, 7},
			{Answered, slowly, 1, 6},
			{Answered, slowly, 1, 5},
			{Answered, slowly, 10, 4},
		},
		"stays after one timeout":                {{Answered, quickly, 3, 7}, {TimedOut, slowly, 1, 7}},
		"falls to 1 after two timeouts in a row": {{Answered, quickly, 3, 7}, {TimedOut, slowly, 2, 1}, {TimedOut, slowly, 5, 1}},
		"falls to 1 from where it began":         {{TimedOut, slowly, 1, 4}, {TimedOut, slowly, 1, 1}},
		"returns at the first quick answer":      {{TimedOut, slowly, 9, 1}, {Answered, quickly, 1, 4}, {Answered, quickly, 1, 5}},
		"returns at the first slow answer":       {{TimedOut, slowly, 2, 1}, {Answered, slowly, 1, 4}, {TimedOut, slowly, 1, 4}},
		"counts timeouts anew after an answer": {
			{TimedOut, slowly, 1, 4}, {Answered, slowly, 1, 4}, {TimedOut, slowly, 1, 4}, {Answered, quickly, 1, 5}, {TimedOut, slowly, 1, 5},
		},
		"does not change by other failures": {
			{Failed, quickly, 10, 4}, {Failed, slowly, 10, 4}, {Answered, quickly, 1, 5}, {Failed, quickly, 10, 5},
		},
		"does not return by other failures": {{TimedOut, slowly, 2, 1}, {Failed, quickly, 10, 1}, {Unsent, 0, 10, 1}},
		"falls though other failures come between timeouts": {
			{TimedOut, slowly, 1, 4}, {Failed, quickly, 1, 4}, {Unsent, 0, 1, 4}, {TimedOut, slowly, 1, 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, nil)
			for i, s := range steps {
				f.history("a", s.result, s.took, s.times)
				assert.Equal(t, s.limit, f.capOf("a"), "step %d", i)
			}
			f.claimed("a", 50)
			assert.Len(t, f.takeAll(), steps[len(steps)-1].limit, "so many go out")
		})
	}
}

func TestLaneThatWasNotAnsweredYetBeginsAtUntested(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.Cap, l.Untested = 8, 2 })
	f.claimed("a", 50)
	assert.Equal(t, 4, f.offerRoom(true).PerLane, "and with twice that in room")
	items := f.takeAll()
	assert.Len(t, items, 2)
	f.end(Failed, quickly, items[0])
	assert.Equal(t, 2, f.capOf("a"), "that was no answer")
	f.end(Answered, slowly, items[1])
	assert.Equal(t, 8, f.capOf("a"))

	f = newFixture(t, func(l *Limits) { l.Cap, l.Untested = 8, 2 })
	f.history("a", TimedOut, slowly, 2)
	assert.Equal(t, 1, f.capOf("a"))
	f.claimedWith("b", 1)
	assert.Equal(t, 1, f.capOf("b"), "an own limit below it holds")
}

func TestCapThatGrewLetsMoreOutAtOnce(t *testing.T) {
	f := newFixture(t, nil)
	f.claimed("a", 50)
	items := f.takeAll()
	assert.Len(t, items, 4)
	f.end(Answered, quickly, items[0])
	assert.Len(t, f.takeAll(), 2, "one for the answer, one for the cap")
	f.end(TimedOut, slowly, items[1:3]...)
	assert.Empty(t, f.takeAll(), "3 are out, 1 may be")
	f.end(Answered, slowly, items[3])
	assert.Len(t, f.takeAll(), 2, "2 are out, 4 may be")
}

func TestOwnLimitOfAnEndpoint(t *testing.T) {
	for name, c := range map[string]struct {
		most        int
		start, full int // with Cap 4
	}{
		"none":               {0, 4, 16},
		"below Cap":          {2, 2, 2},
		"one":                {1, 1, 1},
		"at Cap":             {4, 4, 4},
		"above Cap":          {9, 4, 9},
		"above four times":   {40, 4, 40},
		"negative, as if 0":  {-1, 4, 16},
		"as high as it goes": {math.MaxInt, 4, 54}, // by 50 answers
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, nil)
			for range 50 {
				f.claimedWith("a", c.most)
			}
			items := f.takeAll()
			assert.Len(t, items, c.start)
			f.end(Answered, quickly, items...)
			for range 50 - c.start {
				f.end(Answered, quickly, f.one())
			}
			assert.Equal(t, c.full, f.capOf("a"))
			assert.GreaterOrEqual(t, f.roomOf("a"), 1)
		})
	}
}

func TestOwnLimitThatIsEdited(t *testing.T) {
	for name, edit := range map[string]func(f *fixture, most int){
		"before a claim": func(f *fixture, most int) { f.claimedWith("a", most) },
		"before an emit": func(f *fixture, most int) {
			require.True(f.t, f.Reserve("a", most, 1))
			f.Push("a", f.parcel("a"))
		},
		"before a refusal": func(f *fixture, most int) {
			f.Behind("a")
			require.False(f.t, f.Reserve("a", most, 1))
			f.claimedWith("a", most)
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, nil)
			f.history("a", Answered, quickly, 20)
			f.round()
			for _, c := range []struct{ most, before, after int }{
				{7, 7, 7},  // lower: in effect at once
				{3, 3, 3},  // lower again: at once
				{0, 3, 4},  // higher: it grows from the next answer on
				{0, 4, 5},  // it grows on from there
				{9, 5, 6},  // higher than the cap
				{1, 1, 1},  //
				{2, 1, 2},  //
				{40, 2, 4}, //
			} {
				edit(f, c.most)
				assert.Equal(t, c.before, f.capOf("a"), "%+v", c)
				f.end(Answered, quickly, f.one())
				assert.Equal(t, c.after, f.capOf("a"), "%+v", c)
			}
		})
	}
}

func TestLimitBelowWhatIsOutHoldsBackUntilEnoughCameBack(t *testing.T) {
	f := newFixture(t, nil)
	f.claimed("a", 20)
	items := f.takeAll()
	assert.Len(t, items, 4)
	f.claimedWith("a", 2)
	f.end(Answered, slowly, items[:2]...)
	assert.Empty(t, f.takeAll())
	f.end(Answered, slowly, items[2])
	assert.Len(t, f.takeAll(), 1)
}

func TestRoomOfALaneFollowsItsPace(t *testing.T) {
	for name, c := range map[string]struct {
		result Result
		took   time.Duration
		times  int
		room   int // with Cap 4, Wait 10 s, Queue 1000
	}{
		"nothing is known: twice Cap":         {Unsent, 0, 1, 8},
		"cap × Wait / average":                {Answered, 2 * time.Second, 1, 20},
		"a cap that grew":                     {Answered, 500 * time.Millisecond, 2, 120},
		"at most a fourth of Queue":           {Answered, time.Millisecond, 1, 250},
		"no time at all":                      {Answered, 0, 1, 250},
		"a negative time":                     {Answered, -time.Hour, 1, 250},
		"one that takes as long as Wait":      {Failed, 10 * time.Second, 1, 4},
		"one that hangs":                      {TimedOut, 30 * time.Second, 2, 1},
		"one that hangs for ever: at least 1": {TimedOut, 24 * time.Hour, 10, 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, nil)
			f.history("a", c.result, c.took, c.times)
			f.round()
			assert.Equal(t, c.room, f.emits("a"))
			assert.LessOrEqual(t, f.roomOf("a"), 0)
		})
	}
}

func TestRoomOfALaneThatIsNotKnownIsTwiceCapButNotMoreThanAFourthOfTheQueue(t *testing.T) {
	for _, c := range []struct{ limit, queue, room int }{{4, 1000, 8}, {4, 32, 8}, {4, 31, 7}, {4, 4, 1}, {4, 3, 1}, {1, 1, 1}} {
		f := newFixture(t, func(l *Limits) { l.Cap, l.Queue = c.limit, c.queue })
		assert.Equal(t, c.room, f.offerRoom(true).PerLane)
		assert.Equal(t, c.room, f.emits("a"), "%+v", c)
	}
}

func TestPaceIsAMovingAverage(t *testing.T) {
	f := newFixture(t, nil)
	f.history("a", Answered, 800*time.Millisecond, 1)
	assert.Equal(t, 800*time.Millisecond, f.lanes["a"].took)
	f.history("a", Answered, 0, 1)
	assert.InDelta(t, 700*time.Millisecond, f.lanes["a"].took, float64(time.Microsecond))
	f.history("a", Unsent, time.Hour, 9)
	assert.InDelta(t, 700*time.Millisecond, f.lanes["a"].took, float64(time.Microsecond), "nothing was sent")
	f.history("a", Answered, 0, 1000)
	assert.Positive(t, f.lanes["a"].took, "zero means that nothing is known")
}
