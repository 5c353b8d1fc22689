package lane

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// stalled returns a fixture with four quick lanes. They have filled the queue, and they have
// as many items out as the limits allow.
func stalled(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t, func(l *Limits) { l.Queue = 400 })
	keys := []string{"a", "b", "c", "d"}
	f.prove(append(keys, "e")...)
	for _, key := range keys {
		f.claimed(key, 110)
	}
	require.NotEmpty(t, f.takeAll())
	require.Zero(t, f.emits("e"))
	f.round()
	return f
}

func TestQuickLanesThatCeaseToAnswerMakeRoomAfterTwoLooks(t *testing.T) {
	f := stalled(t)
	assert.Empty(t, f.Relieve(10*time.Second))
	assert.Empty(t, f.Relieve(11*time.Second-1), "too soon for a look")
	waited := f.queued
	back := f.Relieve(11 * time.Second)
	assert.NotEmpty(t, back)
	assert.Equal(t, waited-len(back), f.queued)
	assert.LessOrEqual(t, f.slowQueued, 200, "half")
	assert.Greater(t, f.slowQueued, 100, "and not all")
	assert.Empty(t, f.Relieve(12*time.Second), "once is enough")

	behind := 0
	for _, key := range []string{"a", "b", "c", "d"} {
		assert.LessOrEqual(t, f.roomOf(key), 50, "an eighth")
		if f.lanes[key].queue.len() == 0 {
			assert.True(t, f.isBehind(key), key)
			behind++
		}
	}
	assert.GreaterOrEqual(t, behind, 2)
	f.round()
	assert.NotZero(t, f.emits("e"))
}

func TestALaneThatAnswersIsNotStalled(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.Queue = 400 })
	f.prove("a")
	f.claimed("a", 90)
	hangs := f.one()
	for now := range 5 { // one request hangs, the others do not
		f.Relieve(time.Minute + time.Duration(now)*2*time.Second)
		assert.True(t, f.lanes["a"].quick, "look %d", now)
		f.end(Answered, quickly, f.one())
	}
	for now := range 2 {
		f.Relieve(time.Hour + time.Duration(now)*2*time.Second)
	}
	assert.False(t, f.lanes["a"].quick)
	f.end(Answered, quickly, hangs)
	assert.True(t, f.lanes["a"].quick, "the next quick answer is believed")
	assert.Zero(t, f.slowQueued)
}

func TestSlowLanesWithinTheirSharesKeepTheirQueues(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.Queue, l.Lanes = 400, 1000 })
	for n := range 300 {
		f.history(fmt.Sprint(n), Answered, slowly, 1)
	}
	f.round()
	for n := range 300 {
		f.emits(fmt.Sprint(n))
	}
	f.Relieve(time.Minute)
	assert.Empty(t, f.Relieve(2*time.Minute))
	assert.Greater(t, f.slowQueued, 200)
}

func TestALargeItemAloneIsKept(t *testing.T) {
	f := newFixture(t, func(l *Limits) { l.Bytes = 400 })
	f.prove("a")
	f.claimed("a", 1)
	f.one()
	f.Add("a", 0, f.parcel("a"), 390)
	f.Relieve(time.Minute)
	assert.Empty(t, f.Relieve(2*time.Minute))
	assert.False(t, f.lanes["a"].quick, "the lane is stalled")
	assert.True(t, f.isCrowded(), "by its item")
}
