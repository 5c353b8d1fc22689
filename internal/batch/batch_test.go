package batch

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var errRun = errors.New("it failed")

// A bench is a Group of ints under a test's control. The test sees each batch begin, and
// decides its result.
type bench struct {
	*Group[int, int]
	t     *testing.T
	began chan []int
	end   chan func([]int) ([]int, error)
	calls sync.WaitGroup
	mu    sync.Mutex // guards the answers
}

// newBench returns a bench. The size of an item is its value.
func newBench(t *testing.T, limits Limits) *bench {
	t.Helper()
	b := &bench{t: t, began: make(chan []int, 100), end: make(chan func([]int) ([]int, error))}
	b.Group = New(limits, func(item int) int { return item }, func(items []int) ([]int, error) {
		b.began <- append([]int(nil), items...)
		return (<-b.end)(items)
	})
	return b
}

// An answer is the result of one call of Do.
type answer struct {
	result   int
	err      error
	panicked any
	returned bool
}

// call calls Do for each item, in order. The answers are complete when the calls have
// returned; read them with values.
func (b *bench) call(ctx context.Context, items ...int) []*answer {
	b.t.Helper()
	answers := make([]*answer, len(items))
	for i, item := range items {
		a := &answer{}
		answers[i] = a
		b.calls.Go(func() {
			var got answer
			defer func() {
				got.panicked, got.returned = recover(), true
				b.mu.Lock()
				defer b.mu.Unlock()
				*a = got
			}()
			got.result, got.err = b.Do(ctx, item)
		})
		synctest.Wait()
	}
	return answers
}

// begun returns the batches that have begun since the last call of begun.
func (b *bench) begun() [][]int {
	synctest.Wait()
	var all [][]int
	for {
		select {
		case items := <-b.began:
			all = append(all, items)
		default:
			return all
		}
	}
}

// finish ends the longest running batch, and returns the batches that began then.
func (b *bench) finish(how func([]int) ([]int, error)) [][]int {
	b.end <- how
	return b.begun()
}

// twice is the result of most batches: each item doubled.
func twice(items []int) ([]int, error) {
	results := make([]int, len(items))
	for i, item := range items {
		results[i] = 2 * item
	}
	return results, nil
}

func fail([]int) ([]int, error) { return nil, errRun }

// drain ends all remaining batches.
func (b *bench) drain() {
	done := make(chan struct{})
	go func() {
		b.calls.Wait()
		close(done)
	}()
	for {
		select {
		case b.end <- twice:
		case <-done:
			b.begun()
			assert.Empty(b.t, b.running, "turns that were never given back")
			assert.Empty(b.t, b.queue, "callers that were forgotten")
			return
		}
	}
}

// values waits until nothing more happens, and returns copies of the answers so far.
func (b *bench) values(answers []*answer) []answer {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]answer, len(answers))
	for i, a := range answers {
		all[i] = *a
	}
	return all
}

func TestLoneCallerIsNotDelayedAndRunsItsOwnBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stack string
		g := New(Limits{Running: 1, Items: 10, Bytes: 10}, func(int) int { return 1 }, func(items []int) ([]int, error) {
			buf := make([]byte, 1<<16)
			stack = string(buf[:runtime.Stack(buf, false)])
			return twice(items)
		})
		began := time.Now()
		for i := range 10 {
			result, err := g.Do(t.Context(), i)
			require.NoError(t, err)
			assert.Equal(t, 2*i, result)
			assert.Contains(t, stack, t.Name(), "the caller's goroutine")
		}
		assert.Zero(t, time.Since(began))
	})
}

func TestNoGoroutineIsStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// goroutines of earlier tests may still end
		before := runtime.NumGoroutine()
		b := newBench(t, Limits{Running: 2, Items: 2, Bytes: 100})
		ctx, cancel := context.WithCancel(t.Context())
		b.call(ctx, 1, 2, 3, 4, 5, 6, 7)
		assert.LessOrEqual(t, runtime.NumGoroutine(), before+7, "the callers")
		b.finish(twice)
		assert.LessOrEqual(t, runtime.NumGoroutine(), before+6)
		cancel()
		synctest.Wait()
		assert.LessOrEqual(t, runtime.NumGoroutine(), before+2, "those that run a batch")
		b.drain()
	})
}

func TestWhatGathersWhileABatchRunsIsTheNextBatchInTheOrderOfTheCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Limits{Running: 1, Items: 10, Bytes: 100})
		b.call(t.Context(), 9)
		b.call(t.Context(), 5, 3, 8, 1)
		assert.Equal(t, [][]int{{9}}, b.begun(), "one runs, the others gather")
		assert.Equal(t, [][]int{{5, 3, 8, 1}}, b.finish(twice))
		b.call(t.Context(), 7, 2)
		assert.Empty(t, b.begun())
		assert.Equal(t, [][]int{{7, 2}}, b.finish(twice))
		b.drain()
	})
}

func TestAtMostSoManyBatchesRunAtOnce(t *testing.T) {
	for running := 1; running <= 3; running++ {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, Limits{Running: running, Items: 10, Bytes: 100})
			for n := range running {
				b.call(t.Context(), n)
				assert.Equal(t, [][]int{{n}}, b.begun(), "below the limit a caller runs at once")
			}
			b.call(t.Context(), 11, 12)
			assert.Empty(t, b.begun(), "at the limit they gather")
			assert.Equal(t, [][]int{{11, 12}}, b.finish(twice))
			b.call(t.Context(), 13)
			assert.Empty(t, b.begun(), "the turn was passed on, not doubled")
			b.drain()

			for n := range running {
				b.call(t.Context(), n)
				assert.Equal(t, [][]int{{n}}, b.begun(), "all turns are free again")
			}
			b.drain()
		})
	}
}

func TestLimitsOfABatch(t *testing.T) {
	limits := Limits{Running: 1, Items: 3, Bytes: 20}
	for name, c := range map[string]struct {
		queued  []int
		batches [][]int
	}{
		"fewer items than the limit":          {[]int{1, 2}, [][]int{{1, 2}}},
		"as many items as the limit":          {[]int{1, 2, 3}, [][]int{{1, 2, 3}}},
		"more items than the limit":           {[]int{1, 2, 3, 4}, [][]int{{1, 2, 3}, {4}}},
		"many more items than the limit":      {[]int{1, 2, 3, 4, 5, 6, 7}, [][]int{{1, 2, 3}, {4, 5, 6}, {7}}},
		"fewer bytes than the limit":          {[]int{10, 9}, [][]int{{10, 9}}},
		"as many bytes as the limit":          {[]int{10, 10}, [][]int{{10, 10}}},
		"more bytes than the limit":           {[]int{10, 11, 9}, [][]int{{10}, {11, 9}}},
		"a single item of the limit":          {[]int{20, 1}, [][]int{{20}, {1}}},
		"a single item above the limit":       {[]int{21}, [][]int{{21}}},
		"an item above the limit goes first":  {[]int{21, 1, 2}, [][]int{{21}, {1, 2}}},
		"an item above the limit in between":  {[]int{1, 50, 2}, [][]int{{1}, {50}, {2}}},
		"one that does not fit is not passed": {[]int{15, 6, 1}, [][]int{{15}, {6, 1}}},
		"items without a size":                {[]int{0, 0, 0, 0}, [][]int{{0, 0, 0}, {0}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, limits)
				b.call(t.Context(), 99)
				b.begun()
				b.call(t.Context(), c.queued...)
				var batches [][]int
				for next := b.finish(twice); len(next) > 0; next = b.finish(twice) {
					require.Len(t, next, 1)
					batches = append(batches, next...)
				}
				assert.Equal(t, c.batches, batches)
				b.drain()
			})
		})
	}
}

func TestEachCallerGetsItsOwnResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Limits{Running: 1, Items: 10, Bytes: 100})
		first := b.call(t.Context(), 1)
		others := b.call(t.Context(), 7, 3, 5)
		b.finish(twice)
		assert.Equal(t, []answer{{result: 2, returned: true}}, b.values(first))
		assert.Equal(t, make([]answer, 3), b.values(others), "their batch runs")
		b.finish(twice)
		assert.Equal(t, []answer{{result: 14, returned: true}, {result: 6, returned: true}, {result: 10, returned: true}}, b.values(others))
	})
}

func TestErrorOfABatchReachesAllItsMembersAndNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Limits{Running: 1, Items: 3, Bytes: 100})
		lone := b.call(t.Context(), 1)
		failing := b.call(t.Context(), 2, 3, 4)
		next := b.call(t.Context(), 5, 6)
		b.finish(fail)
		assert.Equal(t, []answer{{err: errRun, returned: true}}, b.values(lone))
		b.finish(fail)
		failed := answer{err: errRun, returned: true}
		assert.Equal(t, []answer{failed, failed, failed}, b.values(failing))
		b.finish(twice)
		assert.Equal(t, []answer{{result: 10, returned: true}, {result: 12, returned: true}}, b.values(next))
	})
}

func TestWrongNumberOfResultsIsAnErrorForAll(t *testing.T) {
	for name, how := range map[string]func([]int) ([]int, error){
		"none":         func([]int) ([]int, error) { return nil, nil },
		"one too few":  func(items []int) ([]int, error) { return items[1:], nil },
		"one too many": func(items []int) ([]int, error) { return append(items, 1), nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, Limits{Running: 1, Items: 10, Bytes: 100})
				callers := append(b.call(t.Context(), 1), b.call(t.Context(), 2, 3)...)
				b.finish(how)
				b.finish(how)
				for _, a := range b.values(callers) {
					assert.ErrorContains(t, a.err, "wrong number of results")
					assert.Zero(t, a.result)
				}
				b.drain()
			})
		})
	}
}

func TestPanicReachesTheLeaderAndTheOthersGetAnError(t *testing.T) {
	explode := func([]int) ([]int, error) { panic("boom") }
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Limits{Running: 1, Items: 3, Bytes: 100})
		lone := b.call(t.Context(), 1)
		members := b.call(t.Context(), 2, 3, 4)
		next := b.call(t.Context(), 5, 6)
		b.finish(explode)
		assert.Equal(t, []answer{{panicked: "boom", returned: true}}, b.values(lone))
		assert.Equal(t, [][]int{{5, 6}}, b.finish(explode), "the group goes on")
		other := answer{err: errPanicked, returned: true}
		assert.Equal(t, []answer{{panicked: "boom", returned: true}, other, other}, b.values(members))
		b.finish(twice)
		assert.Equal(t, []answer{{result: 10, returned: true}, {result: 12, returned: true}}, b.values(next))
		b.drain()
	})
}

func TestGoexitInABatchIsAnErrorForTheOthers(t *testing.T) {
	leave := func([]int) ([]int, error) {
		runtime.Goexit()
		return nil, nil
	}
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Limits{Running: 1, Items: 3, Bytes: 100})
		b.call(t.Context(), 1)
		members := b.call(t.Context(), 2, 3)
		b.finish(leave)
		b.finish(leave)
		assert.Equal(t, answer{err: errPanicked, returned: true}, b.values(members)[1])
		b.drain()
	})
}

func TestContextThatHasEndedBeforeTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Limits{Running: 1, Items: 10, Bytes: 100})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		want := []answer{{err: context.Canceled, returned: true}}
		assert.Equal(t, want, b.values(b.call(ctx, 1)), "when nothing runs")
		b.call(t.Context(), 2)
		assert.Equal(t, want, b.values(b.call(ctx, 3)), "when a batch runs")
		assert.Equal(t, [][]int{{2}}, b.begun())
		assert.Empty(t, b.finish(twice), "neither was run")
		b.drain()
	})
}

func TestCallerWhoseContextEndsInTheQueueIsNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Limits{Running: 1, Items: 3, Bytes: 100})
		b.call(t.Context(), 1)
		b.begun()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		ahead := b.call(ctx, 2, 3)
		stay := b.call(t.Context(), 4)
		between := b.call(ctx, 5, 6, 7, 8)
		stay = append(stay, b.call(t.Context(), 9, 10, 11)...)
		left := slices.Concat(ahead, between)
		assert.Equal(t, make([]answer, 6), b.values(left))

		<-ctx.Done()
		for _, a := range b.values(left) {
			assert.Equal(t, answer{err: context.DeadlineExceeded, returned: true}, a)
		}
		assert.Equal(t, [][]int{{4, 9, 10}}, b.finish(twice), "who left takes no place in a batch")
		assert.Equal(t, [][]int{{11}}, b.finish(twice))
		b.drain()
		for _, a := range b.values(stay) {
			assert.NoError(t, a.err)
		}
	})
}

func TestTurnEndsWhenAllThatWaitedHaveLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Limits{Running: 1, Items: 2, Bytes: 100})
		b.call(t.Context(), 1)
		b.begun()
		ctx, cancel := context.WithCancel(t.Context())
		b.call(ctx, 2, 3, 4, 5)
		cancel()
		synctest.Wait()
		assert.Empty(t, b.finish(twice))
		b.call(t.Context(), 6)
		assert.Equal(t, [][]int{{6}}, b.begun(), "a lone caller runs at once")
		b.drain()
	})
}

func TestItemOfACallerThatLeftIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		g := New(Limits{Running: 1, Items: 2, Bytes: 100}, func(*[1 << 10]byte) int { return 1 }, func(items []*[1 << 10]byte) ([]int, error) {
			<-end
			return make([]int, len(items)), nil
		})
		go func() { _, _ = g.Do(t.Context(), nil) }()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		var item weak.Pointer[[1 << 10]byte]
		go func() {
			data := new([1 << 10]byte)
			item = weak.Make(data)
			_, _ = g.Do(ctx, data)
		}()
		synctest.Wait()
		runtime.GC()
		assert.NotNil(t, item.Value())
		cancel()
		synctest.Wait()
		runtime.GC()
		assert.Nil(t, item.Value(), "a store that hangs does not pile up what was given up")
		close(end)
	})
}

func TestCallerWhoseContextEndsWhileAnotherRunsItsBatchReturnsAtOnceAndTheItemIsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Limits{Running: 1, Items: 10, Bytes: 100})
		b.call(t.Context(), 1)
		ctx, cancel := context.WithCancel(t.Context())
		leader := b.call(t.Context(), 2)
		left := b.call(ctx, 3)
		stay := b.call(t.Context(), 4)
		b.finish(twice)
		cancel()
		assert.Equal(t, []answer{{err: context.Canceled, returned: true}}, b.values(left), "while the batch runs")
		assert.Equal(t, []answer{{}, {}}, b.values(append(leader, stay...)))
		ran := []int(nil)
		b.finish(func(items []int) ([]int, error) {
			ran = append(ran, items...)
			return twice(items)
		})
		assert.Equal(t, []int{2, 3, 4}, ran)
		assert.Equal(t, []answer{{result: 4, returned: true}, {result: 8, returned: true}}, b.values(append(leader, stay...)))
		b.drain()
	})
}

func TestLeaderStaysUntilItsBatchHasEndedWhateverBecomesOfItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Limits{Running: 1, Items: 10, Bytes: 100})
		ctx, cancel := context.WithCancel(t.Context())
		leaders := append(b.call(ctx, 1), b.call(ctx, 2)...)
		follower := b.call(t.Context(), 3)
		assert.Equal(t, [][]int{{1}}, b.begun())
		assert.Equal(t, [][]int{{2, 3}}, b.finish(twice))
		cancel()
		assert.Equal(t, answer{}, b.values(leaders)[1])
		b.finish(twice)
		assert.Equal(t, []answer{{result: 2, returned: true}, {result: 4, returned: true}}, b.values(leaders))
		assert.Equal(t, []answer{{result: 6, returned: true}}, b.values(follower))
	})
}

// A caller's context may end at the moment that makes the caller a leader. It must still
// find its batch, because nobody else will run it.
func TestCallerWhoseContextEndsWhileItIsAppointedLeads(t *testing.T) {
	for range 2000 {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			begin, ran := make(chan struct{}), atomic.Int32{}
			size := func(item int) int {
				if item == 1 { // the item is being taken
					cancel()
					for range 100 {
						runtime.Gosched()
					}
				}
				return 1
			}
			g := New(Limits{Running: 1, Items: 10, Bytes: 100}, size, func(items []int) ([]int, error) {
				<-begin
				ran.Add(int32(len(items)))
				return twice(items)
			})
			var calls sync.WaitGroup
			for item := range 3 {
				calls.Go(func() {
					c := t.Context()
					if item == 1 {
						c = ctx
					}
					result, err := g.Do(c, item)
					assert.NoError(t, err)
					assert.Equal(t, 2*item, result)
				})
				synctest.Wait()
			}
			close(begin)
			calls.Wait() // or synctest reports a deadlock
			assert.Equal(t, int32(3), ran.Load())
		})
		if t.Failed() {
			return
		}
	}
}
