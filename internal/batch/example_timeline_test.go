package batch

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestTheExampleOfThePackageComment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Limits{
			Running: 2, Items: 500, Bytes: 1 << 20, Slow: 50 * time.Millisecond, Gather: 3 * time.Millisecond, Crowd: 8,
		})
		began := time.Now()
		at := func(ms int) { pass(time.Until(began.Add(time.Duration(ms) * time.Millisecond))) }
		numbers := func(from, to int) (all []int) {
			for n := from; n <= to; n++ {
				all = append(all, n)
			}
			return all
		}
		const a, u, v, w, x = 1, 21, 41, 42, 43
		ctx := t.Context()
		b.call(ctx, a)
		assert.Equal(t, [][]int{{a}}, b.begun(), "0 ms")
		at(1)
		b.call(ctx, numbers(2, 20)...)
		assert.Empty(t, b.begun(), "1 ms")
		at(4)
		assert.Equal(t, [][]int{numbers(2, 20)}, b.finish(twice), "4 ms")
		at(5)
		b.call(ctx, u)
		at(9)
		assert.Empty(t, b.finish(twice), "9 ms")
		at(10)
		b.call(ctx, numbers(22, 39)...)
		assert.Empty(t, b.begun(), "19 of 20 have come")
		b.call(ctx, 40)
		assert.Equal(t, [][]int{numbers(u, 40)}, b.begun(), "10 ms")
		at(20)
		b.call(ctx, v, w)
		at(59)
		assert.Empty(t, b.begun())
		at(60)
		assert.Equal(t, [][]int{{v, w}}, b.begun(), "60 ms")
		at(61)
		b.call(ctx, x)
		held := make(chan struct{})
		assert.Empty(t, b.finish(func(items []int) ([]int, error) {
			<-held // U's batch goes on
			return twice(items)
		}))
		at(64)
		assert.Equal(t, [][]int{{x}}, b.finish(twice), "64 ms")
		close(held)
		b.drain()
	})
}
