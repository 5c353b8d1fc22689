package batch

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

const gather = 5 * time.Millisecond

// newCrowd returns a bench just after the end of a crowd, a batch of three calls. Two more
// calls, 5 and 6, wait for the next batch.
func newCrowd(t *testing.T, limits Limits) *bench {
	t.Helper()
	limits.Gather, limits.Crowd = gather, 3
	b := newBench(t, limits)
	b.call(t.Context(), 1, 2, 3, 4)
	assert.Equal(t, [][]int{{1}}, b.begun())
	assert.Equal(t, [][]int{{2, 3, 4}}, b.finish(twice), "a single call is no crowd")
	b.call(t.Context(), 5, 6)
	assert.Empty(t, b.finish(twice), "three have ended, two wait")
	return b
}

func TestAfterACrowdCallsGatherForATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newCrowd(t, Limits{Running: 1, Items: 10, Bytes: 100})
		pass(gather - time.Nanosecond)
		b.call(t.Context(), 7)
		assert.Empty(t, b.begun())
		pass(time.Nanosecond)
		assert.Equal(t, [][]int{{5, 6, 7}}, b.begun(), "nobody has to call for that")
		b.drain()
	})
}

func TestAfterACrowdABatchBeginsWhenAsManyHaveCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newCrowd(t, Limits{Running: 1, Items: 10, Bytes: 100})
		b.call(t.Context(), 7, 8)
		assert.Empty(t, b.begun(), "three were in it, and two beside it")
		b.call(t.Context(), 9)
		assert.Equal(t, [][]int{{5, 6, 7, 8, 9}}, b.begun())
		b.drain()
	})
}

func TestAfterACrowdThatHasComeTheNextDoesNotBeginBesideIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newCrowd(t, Limits{Running: 2, Items: 10, Bytes: 1000, Slow: slow})
		b.call(t.Context(), 7, 8, 9)
		assert.Equal(t, [][]int{{5, 6, 7, 8, 9}}, b.begun())
		b.call(t.Context(), 10, 11, 12, 13, 14, 15)
		pass(gather)
		assert.Empty(t, b.begun(), "it is not slow yet")
		pass(slow - gather)
		assert.Equal(t, [][]int{{10, 11, 12, 13, 14, 15}}, b.begun())
		b.drain()
	})
}

func TestAfterACrowdAWholeBatchBeginsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newCrowd(t, Limits{Running: 1, Items: 3, Bytes: 100})
		b.call(t.Context(), 7)
		assert.Equal(t, [][]int{{5, 6, 7}}, b.begun())
		b.drain()
	})
}

func TestAfterACrowdThatHasGoneALoneCallerWaitsOnceAndThenNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Limits{Running: 1, Items: 10, Bytes: 100, Gather: gather, Crowd: 2}, func(int) int { return 1 }, func(items []int) ([]int, error) {
			pass(time.Millisecond)
			return twice(items)
		})
		crowd := newCallers(t, g, 1, 2, 3)
		synctest.Wait()
		crowd()
		for _, want := range []time.Duration{gather + time.Millisecond, time.Millisecond} {
			began := time.Now()
			result, err := g.Do(t.Context(), 4)
			assert.NoError(t, err)
			assert.Equal(t, 8, result)
			assert.Equal(t, want, time.Since(began))
		}
		assert.Zero(t, g.crowd)
	})
}

// newCallers calls Do for all items at once. It returns a function that waits for the calls.
func newCallers(t *testing.T, g *Group[int, int], items ...int) (wait func()) {
	t.Helper()
	done := make(chan struct{}, len(items))
	for _, item := range items {
		go func() {
			_, _ = g.Do(t.Context(), item)
			done <- struct{}{}
		}()
	}
	return func() {
		for range items {
			<-done
		}
	}
}

func TestACallerThatLeavesWhileOthersGatherIsNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newCrowd(t, Limits{Running: 1, Items: 10, Bytes: 100})
		ctx, leave := context.WithCancel(t.Context())
		left := b.call(ctx, 7)
		leave()
		assert.Equal(t, []answer{{err: context.Canceled, returned: true}}, b.values(left))
		pass(gather)
		assert.Equal(t, [][]int{{5, 6}}, b.begun())
		b.drain()
	})
}
