package acceptance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhooktest"
)

// markKey is the context key by which these tests recognize the context of a hook.
type markKey struct{}

// mark returns a context with a mark.
func mark(ctx context.Context, text string) context.Context {
	return context.WithValue(ctx, markKey{}, text)
}

// markOf returns the mark of a context, or "".
func markOf(ctx context.Context) string {
	text, _ := ctx.Value(markKey{}).(string)
	return text
}

// emissions records the calls of Observer.BeginEmit.
type emissions struct {
	mu   sync.Mutex
	list []string
}

func (e *emissions) add(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, fmt.Sprintf(format, args...))
}

func (e *emissions) begin(ctx context.Context, events []webhook.Event) (context.Context, func([]webhook.Receipt, error)) {
	ids := make([]string, len(events))
	for i := range events {
		ids[i] = events[i].ID
	}
	e.add("begin %s %v", markOf(ctx), ids)
	return mark(ctx, "inside"), func(receipts []webhook.Receipt, err error) { e.add("end %v %v", receipts, err) }
}

// A markedPublisher is a transaction that notes the mark of the context that it gets.
type markedPublisher struct {
	webhook.Publisher
	mark string
}

func (p *markedPublisher) Publish(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
	p.mark = markOf(ctx)
	return p.Publisher.Publish(ctx, req)
}

func TestAnObserverSeesTheBeginningAndTheEndOfEachEmission(t *testing.T) {
	inTime(t, func(t *testing.T) {
		var seen emissions
		r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) { c.Observer.BeginEmit = seen.begin })
		r.endpoint("one")
		ctx := mark(t.Context(), "outside")
		event := func(id string) webhook.Event { return webhook.Event{Tenant: acme, Type: "a.b", ID: id} }

		_, err := r.Emit(ctx, event("e1"))
		require.NoError(t, err)
		var batch string
		r.store.match = func(ctx context.Context, reqs []webhook.MatchRequest) ([][]webhook.EndpointStatus, error) {
			batch = markOf(ctx)
			return r.store.Store.Match(ctx, reqs)
		}
		_, err = r.EmitBatch(ctx, []webhook.Event{event("e2"), event("e3")})
		require.NoError(t, err)
		assert.Equal(t, "inside", batch, "the Store gets the context that BeginEmit returned")
		tx := &markedPublisher{Publisher: r.store}
		_, err = r.EmitTx(ctx, tx, event("e4"))
		require.NoError(t, err)
		assert.Equal(t, "inside", tx.mark, "the transaction gets the context that BeginEmit returned")
		_, err = r.Emit(ctx, webhook.Event{Type: "a.b", ID: "e5"})
		require.Error(t, err)

		assert.Equal(t, []string{
			"begin outside [e1]", "end [{e1 1 false}] <nil>",
			"begin outside [e2 e3]", "end [{e2 1 false} {e3 1 false}] <nil>",
			"begin outside [e4]", "end [{e4 -1 false}] <nil>",
			"begin outside [e5]", "end [{e5 0 false}] " + err.Error(),
		}, seen.list)
	})
}

func TestAnObserverMayReturnNothing(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) {
			c.Observer.BeginEmit = func(context.Context, []webhook.Event) (context.Context, func([]webhook.Receipt, error)) {
				return nil, nil
			}
			c.Observer.BeginAttempt = func(context.Context, *webhook.Request) (context.Context, func(webhook.Attempt, webhook.Verdict)) {
				return nil, nil
			}
		})
		r.endpoint("one")
		r.run()
		r.emit("evt")
		synctest.Wait()
		assert.Equal(t, webhook.DeliverySucceeded, r.delivery("evt", "one").State)
	})
}

func TestAnObserverThatPanicsStopsNothing(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) {
			c.Observer.BeginEmit = func(ctx context.Context, _ []webhook.Event) (context.Context, func([]webhook.Receipt, error)) {
				return ctx, func([]webhook.Receipt, error) { panic("end of emit") }
			}
			c.Observer.BeginAttempt = func(context.Context, *webhook.Request) (context.Context, func(webhook.Attempt, webhook.Verdict)) {
				panic("begin")
			}
			c.Observer.Store = func(webhook.StoreCall) { panic("store") }
		})
		r.endpoint("one")
		r.run()
		r.emit("evt")
		synctest.Wait()
		assert.Equal(t, webhook.DeliverySucceeded, r.delivery("evt", "one").State)
	})
}

// attemptsSeen records the calls of Observer.BeginAttempt and of Observer.Attempt.
type attemptsSeen struct {
	emissions
	since atomic.Pointer[time.Time]
}

func (s *attemptsSeen) configure(c *webhook.Config) {
	c.Observer.BeginAttempt = func(ctx context.Context, r *webhook.Request) (context.Context, func(webhook.Attempt, webhook.Verdict)) {
		since := r.Since
		s.since.Store(&since)
		s.add("begin %s %d", r.Message.Event.ID, r.Attempt)
		return mark(ctx, "attempt"), func(a webhook.Attempt, v webhook.Verdict) { s.add("end %d %d %q", a.Number, a.Status, v) }
	}
	c.Observer.Attempt = func(a webhook.Attempt, v webhook.Verdict) { s.add("attempt %d %d %q", a.Number, a.Status, v) }
}

func TestAnObserverSeesTheBeginningAndTheEndOfEachAttempt(t *testing.T) {
	inTime(t, func(t *testing.T) {
		var seen attemptsSeen
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			seen.configure(c)
			net.Answer = func(ctx context.Context, req *webhook.Request) (*webhook.Response, error) {
				assert.Equal(t, "attempt", markOf(ctx), "the transport gets the context that BeginAttempt returned")
				if _, limited := ctx.Deadline(); !limited {
					t.Error("the context has no deadline")
				}
				return response([]int{500, 204}[req.Attempt-1]), nil
			}
		})
		r.endpoint("one")
		r.run()
		emitted := time.Now()
		r.emit("evt")
		pass(time.Minute)
		synctest.Wait()
		assert.Equal(t, []string{
			"begin evt 1", `attempt 1 500 "retry"`, `end 1 500 "retry"`,
			"begin evt 2", `attempt 2 204 "success"`, `end 2 204 "success"`,
		}, seen.list)
		assert.WithinDuration(t, emitted, *seen.since.Load(), time.Millisecond, "the age of a delivery counts from its emission")
	})
}

func TestAnAttemptThatWasCutEndsWithoutAVerdict(t *testing.T) {
	inTime(t, func(t *testing.T) {
		var seen attemptsSeen
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			seen.configure(c)
			c.DrainTimeout = time.Second
			net.Answer = hang
		})
		r.endpoint("one")
		r.run()
		r.emit("evt")
		synctest.Wait()
		require.Error(t, r.stop())
		assert.Equal(t, []string{"begin evt 1", `end 1 0 ""`}, seen.list)
	})
}

func TestAnAttemptWithoutARequestDoesNotBegin(t *testing.T) {
	inTime(t, func(t *testing.T) {
		var seen attemptsSeen
		r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) {
			seen.configure(c)
			broken := webhook.Profile{Encode: func(*webhook.Message) ([]byte, error) { return nil, errors.New("cannot") }}
			c.Profiles, c.Profile = map[string]webhook.Profile{"broken": broken}, "broken"
		})
		r.endpoint("one")
		r.run()
		r.emit("evt")
		synctest.Wait()
		assert.Equal(t, []string{`attempt 1 0 "retry"`}, seen.list)
	})
}

func TestATestSendBeginsAndEndsInTheContextOfItsCaller(t *testing.T) {
	inTime(t, func(t *testing.T) {
		var outside string
		ended := 0
		r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) {
			c.Observer.BeginAttempt = func(ctx context.Context, _ *webhook.Request) (context.Context, func(webhook.Attempt, webhook.Verdict)) {
				outside = markOf(ctx)
				return ctx, func(a webhook.Attempt, _ webhook.Verdict) {
					ended++
					assert.True(t, a.Test)
				}
			}
		})
		r.endpoint("one")
		_, err := r.Tenant(acme).Test(mark(t.Context(), "caller"), "one")
		require.NoError(t, err)
		assert.Equal(t, "caller", outside)
		assert.Equal(t, 1, ended)
	})
}

// storeCalls records the calls of Observer.Store.
type storeCalls struct {
	mu   sync.Mutex
	list []webhook.StoreCall
}

func (s *storeCalls) add(c webhook.StoreCall) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, c)
}

// of returns the calls of one operation.
func (s *storeCalls) of(operation string) []webhook.StoreCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.list), func(c webhook.StoreCall) bool { return c.Operation != operation })
}

func TestAnObserverSeesTheCallsOfTheStore(t *testing.T) {
	inTime(t, func(t *testing.T) {
		var seen storeCalls
		r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) { c.Observer.Store = seen.add })
		r.store.settle = func(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
			pass(30 * time.Millisecond)
			return r.store.Store.Settle(ctx, now, items)
		}
		r.endpoint("one")
		_, err := r.EmitBatch(t.Context(), []webhook.Event{{Tenant: acme, Type: "a.b"}, {Tenant: acme, Type: "a.b"}})
		require.NoError(t, err)
		_, err = r.EmitTx(t.Context(), r.store, webhook.Event{Tenant: acme, Type: "a.b"})
		require.NoError(t, err)
		r.run()
		pass(2 * time.Second)
		r.emit("evt")
		pass(time.Second)
		synctest.Wait()
		_, err = r.Tenant(acme).Endpoint(t.Context(), "one")
		require.NoError(t, err)

		items := func(operation string) (total int) {
			for _, call := range seen.of(operation) {
				assert.NoError(t, call.Err, operation)
				total += call.Items
			}
			return total
		}
		assert.Equal(t, 4, items("publish"), "two of a batch, one in a transaction, and one alone")
		assert.Equal(t, 2, items("match"), "the events of the batch are of one kind")
		assert.Equal(t, 3, items("claim"), "the last event was handed over")
		assert.Equal(t, 4, items("settle"))
		assert.NotEmpty(t, seen.of("prune"))
		assert.Equal(t, 1, items("refresh"), "one endpoint was read")
		assert.Equal(t, 30*time.Millisecond, seen.of("settle")[0].Duration)
	})
}

func TestAnObserverSeesTheErrorsOfTheStore(t *testing.T) {
	inTime(t, func(t *testing.T) {
		var seen storeCalls
		r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) { c.Observer.Store = seen.add })
		r.endpoint("one")
		r.store.down.Store(true)
		_, err := r.Emit(t.Context(), webhook.Event{Tenant: acme, Type: "a.b"})
		require.ErrorIs(t, err, errStore)
		calls := seen.of("match")
		require.Len(t, calls, 1)
		assert.ErrorIs(t, calls[0].Err, errStore)
	})
}

func TestAnObserverSeesLostLeases(t *testing.T) {
	inTime(t, func(t *testing.T) {
		var lost atomic.Int64
		r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) {
			c.Observer.LeaseLost = func(n int) { lost.Add(int64(n)) }
		})
		r.store.settle = func(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
			for i := range items {
				items[i].LeaseNo += 7 // as if others had claimed the deliveries since
			}
			return r.store.Store.Settle(ctx, now, items)
		}
		r.endpoint("one")
		r.run()
		r.emit("evt")
		synctest.Wait()
		assert.EqualValues(t, 1, lost.Load())
	})
}

// localCounts is the result of Dispatcher.Local.
type localCounts = struct{ InFlight, Queued, Unsettled int }

func TestLocalCountsTheWorkOfThisProcess(t *testing.T) {
	inTime(t, func(t *testing.T) {
		release := make(chan struct{})
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			net.Answer = func(context.Context, *webhook.Request) (*webhook.Response, error) {
				<-release
				return response(204), nil
			}
		})
		assert.Zero(t, r.Local(), "without Run")
		r.endpoint("one")
		r.run()
		for i := range 5 {
			r.emit(fmt.Sprint("evt", i))
		}
		synctest.Wait()
		assert.Equal(t, localCounts{InFlight: 2, Queued: 3}, r.Local(), "a new endpoint gets two requests at once")

		r.store.down.Store(true)
		close(release)
		pass(3 * time.Second)
		synctest.Wait()
		assert.Equal(t, localCounts{Unsettled: r.Local().Unsettled}, r.Local(), "owed results are not in flight")
		assert.Positive(t, r.Local().Unsettled)

		r.store.down.Store(false)
		pass(10 * time.Second)
		synctest.Wait()
		assert.Zero(t, r.Local())
		require.NoError(t, r.stop())
		assert.Zero(t, r.Local(), "after Run")
	})
}

func TestStatsHaveTheStoreTime(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d, store := newClocked(t, webhook.Config{})
		emittedAt(t, d, store) // reads the clock
		stats, err := d.Stats(t.Context())
		require.NoError(t, err)
		assert.WithinDuration(t, time.Now().Add(time.Hour), stats.At, time.Second)
	})
}
