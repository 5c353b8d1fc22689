package batch

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An order is an item that counts its runs.
type order struct{ ran atomic.Int32 }

func TestUnderStressNoCallIsForgottenAndNoItemIsRunTwice(t *testing.T) {
	for _, limits := range []Limits{
		{Running: 1, Items: 1, Bytes: 1},
		{Running: 1, Items: 7, Bytes: 100},
		{Running: 2, Items: 100, Bytes: 20},
		{Running: 5, Items: 3, Bytes: 1000},
		{Running: 2, Items: 10, Bytes: 100, Slow: 100 * time.Microsecond},
		{Running: 3, Items: 10, Bytes: 100, Slow: time.Second},
	} {
		var g *Group[*order, *order]
		var most, running, batches atomic.Int32
		run := func(items []*order) ([]*order, error) {
			if n := running.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer running.Add(-1)
			batches.Add(1)
			for _, o := range items {
				o.ran.Add(1)
			}
			for range rand.IntN(20) {
				runtime.Gosched()
			}
			switch rand.IntN(20) {
			case 0:
				return nil, errRun
			case 1:
				panic("boom")
			}
			return append([]*order(nil), items...), nil
		}
		g = New(limits, func(*order) int { return 1 + rand.IntN(5) }, run)

		one := func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			switch rand.IntN(4) {
			case 0:
				cancel()
			case 1, 2:
				go func() {
					for range rand.IntN(50) {
						runtime.Gosched()
					}
					cancel()
				}()
			}
			o := &order{}
			defer func() {
				if p := recover(); p != nil {
					assert.Equal(t, "boom", p)
					assert.Equal(t, int32(1), o.ran.Load())
				}
			}()
			result, err := g.Do(ctx, o)
			switch {
			case err == nil:
				assert.Same(t, o, result)
				assert.Equal(t, int32(1), o.ran.Load())
			case errors.Is(err, errRun), errors.Is(err, errPanicked):
				assert.Equal(t, int32(1), o.ran.Load())
			default:
				assert.ErrorIs(t, err, context.Canceled)
				assert.LessOrEqual(t, o.ran.Load(), int32(1))
			}
		}
		var callers sync.WaitGroup
		for range 32 {
			callers.Go(func() {
				for range 500 {
					one()
				}
			})
		}
		callers.Wait()
		assert.LessOrEqual(t, most.Load(), int32(limits.Running))
		assert.Positive(t, batches.Load())
		assert.Empty(t, g.running, "turns that were never given back")
		assert.Empty(t, g.queue)
	}
}

// Only callers that arrive while the test holds all turns leave. They are sure to have
// waited in the queue.
func TestUnderStressNoItemIsRunWhoseCallerLeftTheQueue(t *testing.T) {
	for range 300 {
		synctest.Test(t, func(t *testing.T) {
			limits := Limits{Running: 1 + rand.IntN(2), Items: 1 + rand.IntN(4), Bytes: 1 + rand.IntN(30)}
			b := newBench(t, limits)
			ran := map[int]int{}
			count := func(items []int) ([]int, error) {
				for _, item := range items {
					ran[item]++
				}
				return twice(items)
			}
			var stay, leave []*answer
			stays, item := map[int]bool{}, 0
			for range 5 {
				ctx, cancel := context.WithCancel(t.Context())
				for range 10 {
					item++
					if full := len(b.Group.running) == limits.Running; full && rand.IntN(2) == 0 {
						leave = append(leave, b.call(ctx, item)...)
						continue
					}
					stays[item] = true
					stay = append(stay, b.call(t.Context(), item)...)
				}
				cancel()
				synctest.Wait()
				b.finish(count)
			}
			for len(b.Group.running) > 0 {
				b.finish(count)
			}
			for _, a := range b.values(stay) {
				assert.NoError(t, a.err)
			}
			for _, a := range b.values(leave) {
				assert.ErrorIs(t, a.err, context.Canceled)
			}
			require.Len(t, ran, len(stays))
			for item, n := range ran {
				assert.True(t, stays[item] && n == 1, "item %d was run %d times", item, n)
			}
			assert.Empty(t, b.queue)
		})
	}
}

func newEcho(limits Limits) *Group[int, int] {
	results := make([]int, limits.Items)
	return New(limits, func(int) int { return 1 }, func(items []int) ([]int, error) { return results[:len(items)], nil })
}

func BenchmarkUncontended(b *testing.B) {
	g := newEcho(Limits{Running: 2, Items: 500, Bytes: 1 << 20})
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.Do(ctx, 1); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkContended(b *testing.B) {
	g := newEcho(Limits{Running: 2, Items: 500, Bytes: 1 << 20})
	ctx := b.Context()
	b.ReportAllocs()
	b.SetParallelism(max(32/runtime.GOMAXPROCS(0), 1))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := g.Do(ctx, 1); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
