package batch

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

const slow = 50 * time.Millisecond

func pass(d time.Duration) { time.Sleep(d) } //nolint:forbidigo // only with a fake clock

func TestCallsGatherBesideABatchUntilItIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Limits{Running: 2, Items: 10, Bytes: 100, Slow: slow})
		b.call(t.Context(), 1, 2)
		pass(slow / 2)
		b.call(t.Context(), 3)
		assert.Equal(t, [][]int{{1}}, b.begun())
		pass(slow/2 - time.Nanosecond)
		assert.Empty(t, b.begun(), "it is not slow yet")
		pass(time.Nanosecond)
		assert.Equal(t, [][]int{{2, 3}}, b.begun(), "nobody has to call for that")
		b.call(t.Context(), 4)
		pass(slow)
		assert.Empty(t, b.begun(), "there are as many as may be")
		b.drain()
	})
}

func TestACallBeginsAtOnceBesideABatchThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		g := New(Limits{Running: 2, Items: 10, Bytes: 100, Slow: slow}, func(int) int { return 1 }, func(items []int) ([]int, error) {
			if items[0] == 0 {
				<-hang
			}
			return twice(items)
		})
		go func() { _, _ = g.Do(t.Context(), 0) }()
		pass(slow)
		for item := 1; item < 10; item++ {
			began := time.Now()
			result, err := g.Do(t.Context(), item)
			assert.NoError(t, err)
			assert.Equal(t, 2*item, result)
			assert.Zero(t, time.Since(began))
		}
		close(hang)
	})
}

func TestACallBeginsBesideABatchWhenAWholeOneWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Limits{Running: 2, Items: 3, Bytes: 100, Slow: slow})
		b.call(t.Context(), 1, 2, 3)
		assert.Equal(t, [][]int{{1}}, b.begun())
		b.call(t.Context(), 4)
		assert.Equal(t, [][]int{{2, 3, 4}}, b.begun())
		b.drain()
	})
}

func TestBatchesThatEndBesideAnotherLeaveTheirTurnToIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Limits{Running: 2, Items: 2, Bytes: 100, Slow: slow})
		b.call(t.Context(), 1, 2, 3, 4)
		assert.Equal(t, [][]int{{1}, {2, 3}}, b.begun(), "a whole one waited")
		assert.Empty(t, b.finish(twice), "4 waits for what comes")
		b.call(t.Context(), 5)
		assert.Equal(t, [][]int{{4, 5}}, b.begun())
		b.drain()
	})
}

func TestACallerWhoseContextEndsBesideASlowBatchIsNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Limits{Running: 2, Items: 10, Bytes: 100, Slow: slow})
		ctx, cancel := context.WithCancel(t.Context())
		b.call(t.Context(), 1)
		b.begun()
		b.call(ctx, 2)
		cancel()
		pass(2 * slow)
		assert.Empty(t, b.begun())
		b.drain()
	})
}
