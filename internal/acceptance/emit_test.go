package acceptance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/webhooktest"
)

func TestTheSameEventAgainDoesNothing(t *testing.T) {
	r := newRig(t, nil)
	r.endpoint("one")
	assert.Equal(t, webhook.Receipt{EventID: "evt", Deliveries: 1}, r.emit("evt"))
	assert.Equal(t, webhook.Receipt{EventID: "evt", Duplicate: true}, r.emit("evt"))
	again, err := r.Emit(t.Context(), webhook.Event{
		Tenant: acme, Type: "a.b", ID: "evt", Data: []byte(`{"n":1}`), Time: time.Unix(1, 0), Header: map[string]string{"X-A": "b"},
	})
	require.NoError(t, err)
	assert.True(t, again.Duplicate, "time and headers are not compared")
}

func TestAnEventIDWithOtherContentIsAConflict(t *testing.T) {
	r := newRig(t, nil)
	r.endpoint("one")
	r.emit("evt")
	for name, e := range map[string]webhook.Event{
		"type":    {Type: "a.c", Data: []byte(`{"n":1}`)},
		"data":    {Type: "a.b", Data: []byte(`{"n":2}`)},
		"channel": {Type: "a.b", Data: []byte(`{"n":1}`), Channel: "x"},
	} {
		e.Tenant, e.ID = acme, "evt"
		receipt, err := r.Emit(t.Context(), e)
		require.ErrorIs(t, err, webhook.ErrConflict, name)
		assert.Equal(t, "evt", receipt.EventID)
	}
	other, err := r.Emit(t.Context(), webhook.Event{Tenant: "other", Type: "z", ID: "evt"})
	require.NoError(t, err)
	assert.False(t, other.Duplicate, "ids are the tenant's own")
}

func TestAnEventThatNobodyReceivesIsNotStored(t *testing.T) {
	for _, keep := range []bool{false, true} {
		r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) { c.KeepUnmatched = keep })
		r.endpoint("one", func(e *webhook.Endpoint) { e.Events = []string{"other.*"} })
		assert.Zero(t, r.emit("evt").Deliveries)
		page, err := r.Tenant(acme).Events(t.Context(), webhook.Query{})
		require.NoError(t, err)
		assert.Equal(t, keep, len(page.Items) == 1)
		_, err = r.Emit(t.Context(), webhook.Event{Tenant: acme, Type: "a.b", ID: "evt", Data: "other"})
		assert.Equal(t, keep, errors.Is(err, webhook.ErrConflict), "an event that was not stored leaves no id behind")
	}
}

func TestChannelsNarrowWhoReceivesAnEvent(t *testing.T) {
	r := newRig(t, nil)
	r.endpoint("any")
	r.endpoint("live", func(e *webhook.Endpoint) { e.Channel = "live" })
	for channel, want := range map[string]int{"": 1, "live": 2, "test": 1} {
		receipt, err := r.Emit(t.Context(), webhook.Event{Tenant: acme, Type: "a", Channel: channel})
		require.NoError(t, err)
		assert.Equal(t, want, receipt.Deliveries, "channel %q", channel)
	}
}

func TestBadEventsAreRefusedAndNothingIsStored(t *testing.T) {
	long := strings.Repeat("x", 256)
	good := webhook.Event{Tenant: acme, Type: "a.b"}
	for name, change := range map[string]func(*webhook.Event){
		"Event.Tenant empty":     func(e *webhook.Event) { e.Tenant = "" },
		"Event.Tenant long":      func(e *webhook.Event) { e.Tenant = long },
		"Event.Tenant control":   func(e *webhook.Event) { e.Tenant = "a\x00b" },
		"Event.Type empty":       func(e *webhook.Event) { e.Type = "" },
		"Event.Type long":        func(e *webhook.Event) { e.Type = long },
		"Event.Type alphabet":    func(e *webhook.Event) { e.Type = "a b" },
		"Event.Type unlisted":    func(e *webhook.Event) { e.Type = "a.c" },
		"Event.ID dot":           func(e *webhook.Event) { e.ID = "a.b" },
		"Event.ID space":         func(e *webhook.Event) { e.ID = "a b" },
		"Event.ID not ASCII":     func(e *webhook.Event) { e.ID = "é" },
		"Event.ID long":          func(e *webhook.Event) { e.ID = long },
		"Event.Channel long":     func(e *webhook.Event) { e.Channel = long },
		"Event.Data not JSON":    func(e *webhook.Event) { e.Data = []byte("{") },
		"Event.Data two values":  func(e *webhook.Event) { e.Data = []byte("1 2") },
		"Event.Data too large":   func(e *webhook.Event) { e.Data = strings.Repeat("x", 256<<10) },
		"Event.Data func":        func(e *webhook.Event) { e.Data = func() {} },
		"Event.Header reserved":  func(e *webhook.Event) { e.Header = map[string]string{"webhook-ID": "x"} },
		"Event.Header malformed": func(e *webhook.Event) { e.Header = map[string]string{"X": "a\r\nb"} },
		"Event.Time far":         func(e *webhook.Event) { e.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) {
				c.EventTypes = map[string]string{"a.b": "it"}
				c.KeepUnmatched = true
			})
			bad := good
			change(&bad)
			field, _, _ := strings.Cut(name, " ")
			check := func(err error) {
				var fe *webhook.FieldError
				require.ErrorAs(t, err, &fe)
				require.ErrorIs(t, err, webhook.ErrInvalid)
				assert.True(t, strings.HasPrefix(fe.Field, field), fe.Field)
				assert.NotEmpty(t, fe.Problem)
				assert.NotEmpty(t, fe.Cure)
			}
			_, err := r.Emit(t.Context(), bad)
			check(err)
			_, err = r.EmitBatch(t.Context(), []webhook.Event{good, bad})
			check(err)
			require.ErrorContains(t, err, "events[1]")
			_, err = r.EmitTx(t.Context(), r.store, good, bad)
			check(err)
			page, err := r.AllTenants().Events(t.Context(), webhook.Query{})
			require.NoError(t, err)
			assert.Empty(t, page.Items)
		})
	}
}

func TestAFullStoreRefusesAnEventAndTakesItLater(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.store.Store = memstore.New(memstore.Options{MaxPending: 1})
		r.endpoint("one")
		r.emit("first")
		receipt, err := r.Emit(t.Context(), webhook.Event{Tenant: acme, Type: "a", ID: "second"})
		require.ErrorIs(t, err, webhook.ErrFull)
		assert.Zero(t, receipt.Deliveries)
		require.NoError(t, webhooktest.Drain(t.Context(), r.Dispatcher))
		assert.Equal(t, 1, r.emit("second").Deliveries)
	})
}

func TestABatchIsEmittedWhollyOrNotAtAll(t *testing.T) {
	r := newRig(t, nil)
	r.endpoint("one")
	r.emit("taken")
	batch := []webhook.Event{
		{Tenant: acme, Type: "a", ID: "new"},
		{Tenant: acme, Type: "a", ID: "taken", Data: "other content"},
	}
	_, err := r.EmitBatch(t.Context(), batch)
	require.ErrorIs(t, err, webhook.ErrConflict)
	require.ErrorContains(t, err, "events[1]")
	assert.Equal(t, 1, r.count())

	batch[1].ID = "new2"
	receipts, err := r.EmitBatch(t.Context(), batch)
	require.NoError(t, err)
	assert.Equal(t, []webhook.Receipt{{EventID: "new", Deliveries: 1}, {EventID: "new2", Deliveries: 1}}, receipts)
	receipts, err = r.EmitBatch(t.Context(), batch)
	require.NoError(t, err)
	assert.True(t, receipts[0].Duplicate && receipts[1].Duplicate)

	receipts, err = r.EmitBatch(t.Context(), nil)
	require.NoError(t, err)
	assert.Empty(t, receipts)
	_, err = r.EmitBatch(t.Context(), make([]webhook.Event, 1001))
	require.ErrorIs(t, err, webhook.ErrInvalid)
}

// count returns the number of stored events.
func (r *rig) count() int {
	page, err := r.AllTenants().Events(context.Background(), webhook.Query{Limit: 1000})
	require.NoError(r.t, err)
	return len(page.Items)
}

func TestEmitTxOnlyInsertsAndIsDeliveredByPollingAlone(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.run()
		r.endpoint("one")
		r.store.match = func(context.Context, []webhook.MatchRequest) ([][]webhook.EndpointStatus, error) {
			panic("EmitTx reads nothing")
		}
		synctest.Wait()
		receipts, err := r.EmitTx(t.Context(), r.store, webhook.Event{Tenant: acme, Type: "a", ID: "evt"})
		require.NoError(t, err)
		assert.Equal(t, []webhook.Receipt{{EventID: "evt", Deliveries: -1}}, receipts)
		synctest.Wait()
		assert.Empty(t, r.net.Sent())
		pass(time.Second)
		synctest.Wait()
		assert.Len(t, r.net.Sent(), 1, "within one poll interval")

		receipts, err = r.EmitTx(t.Context(), r.store, webhook.Event{Tenant: acme, Type: "a", ID: "evt"})
		require.NoError(t, err)
		assert.True(t, receipts[0].Duplicate)
		_, err = r.EmitTx(t.Context(), r.store, webhook.Event{Tenant: acme, Type: "b", ID: "evt"})
		require.ErrorIs(t, err, webhook.ErrConflict)

		_, err = r.EmitTx(t.Context(), r.store, webhook.Event{Tenant: acme, Type: "a", ID: "hinted"})
		require.NoError(t, err)
		r.Wake()
		synctest.Wait()
		assert.Len(t, r.net.Sent(), 2, "at once after Wake")
	})
}

func TestAnEventOfATransactionThatNobodyReceivesIsDeleted(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		_, err := r.EmitTx(t.Context(), r.store, webhook.Event{Tenant: acme, Type: "a", ID: "evt"})
		require.NoError(t, err)
		assert.Equal(t, 1, r.count())
		require.NoError(t, webhooktest.Drain(t.Context(), r.Dispatcher))
		assert.Zero(t, r.count())
	})
}

func TestALargeFanOutIsExpandedByTheStore(t *testing.T) {
	for _, endpoints := range []int{1000, 1001} {
		inTime(t, func(t *testing.T) {
			r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) { c.MaxEndpoints = -1 })
			for i := range endpoints {
				r.endpoint(fmt.Sprintf("e%d", i))
			}
			want := endpoints
			if endpoints > 1000 {
				want = -1
			}
			assert.Equal(t, want, r.emit("evt").Deliveries)
			require.NoError(t, webhooktest.Drain(t.Context(), r.Dispatcher))
			assert.Len(t, r.net.Sent(), endpoints)
		})
	}
}

func TestConcurrentEmitsAreGroupedAndEachHasItsOwnResult(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.endpoint("one")
		r.emit("taken")
		var mu sync.Mutex
		var sizes []int
		r.store.publish = func(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
			mu.Lock()
			sizes = append(sizes, len(req.Events))
			mu.Unlock()
			pass(time.Second)
			return r.store.Store.Publish(ctx, req)
		}
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				id := fmt.Sprintf("evt%d", i)
				if i%10 == 9 {
					id = "taken"
				}
				receipt, err := r.Emit(t.Context(), webhook.Event{Tenant: acme, Type: "new", ID: id})
				assert.Equal(t, id, receipt.EventID)
				if id == "taken" {
					assert.ErrorIs(t, err, webhook.ErrConflict)
				} else {
					assert.NoError(t, err)
					assert.Equal(t, 1, receipt.Deliveries)
				}
			})
		}
		wg.Wait()
		assert.Less(t, len(sizes), 10, "%v", sizes)
		assert.Equal(t, 91, r.count())
	})
}

func TestAFollowerWhoseContextEndsReturnsAtOnceAndMayRepeat(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.endpoint("one")
		gate := make(chan struct{})
		r.store.publish = func(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
			<-gate
			return r.store.Store.Publish(ctx, req)
		}
		for i := range 2 { // two groups may run at once
			go func() {
				_, _ = r.Emit(t.Context(), webhook.Event{Tenant: acme, Type: "a", ID: fmt.Sprint("l", i)})
			}()
		}
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error, 1)
		go func() {
			receipt, err := r.Emit(ctx, webhook.Event{Tenant: acme, Type: "a.b", ID: "follower", Data: map[string]int{"n": 1}})
			assert.Equal(t, "follower", receipt.EventID)
			result <- err
		}()
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-result, context.Canceled)
		close(gate)
		synctest.Wait()
		receipt := r.emit("follower")
		assert.Equal(t, 1, receipt.Deliveries+b2i(receipt.Duplicate))
	})
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestEmitWithAnEndedContextDoesNothing(t *testing.T) {
	r := newRig(t, nil)
	r.endpoint("one")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := r.Emit(ctx, webhook.Event{Tenant: acme, Type: "a"})
	require.ErrorIs(t, err, context.Canceled)
	assert.Zero(t, r.count())
}

func TestEmitReturnsWhenTheStoreHangs(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.store.match = func(ctx context.Context, _ []webhook.MatchRequest) ([][]webhook.EndpointStatus, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		began := time.Now()
		_, err := r.Emit(t.Context(), webhook.Event{Tenant: acme, Type: "a"})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 10*time.Second, time.Since(began))
	})
}

func TestTheCallersDataMayChangeAfterEmit(t *testing.T) {
	r := newRig(t, nil)
	r.endpoint("one")
	data, header := []byte(`{"n":1}`), map[string]string{"X-A": "1"}
	_, err := r.Emit(t.Context(), webhook.Event{Tenant: acme, Type: "a", ID: "evt", Data: data, Header: header})
	require.NoError(t, err)
	copy(data, `[1,2,3]`)
	header["X-A"] = "2"
	require.NoError(t, webhooktest.Drain(t.Context(), r.Dispatcher))
	sent := r.net.Sent()
	require.Len(t, sent, 1)
	assert.Contains(t, string(sent[0].Body), `"data":{"n":1}}`)
	assert.Equal(t, "1", sent[0].Header.Get("X-A"))
}

func TestNewerEventsDoNotOvertakeTheBacklogOfTheirEndpoint(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(_ *webhook.Config, net *webhooktest.Transport) {
			net.Answer = func(context.Context, *webhook.Request) (*webhook.Response, error) {
				pass(10 * time.Millisecond)
				return response(200), nil
			}
		})
		r.endpoint("one", func(e *webhook.Endpoint) { e.MaxInFlight = 1 })
		const backlog = 200
		for i := range backlog {
			r.emit(fmt.Sprintf("old%03d", i))
			pass(time.Microsecond)
		}
		r.run()
		pass(5 * time.Millisecond)
		r.emit("new")
		pass(time.Minute)
		var order []string
		for _, req := range r.net.Sent() {
			order = append(order, req.Event.ID)
		}
		require.Len(t, order, backlog+1)
		assert.Equal(t, backlog, slices.Index(order, "new"))
	})
}

func TestAnErrorOfAWholeBatchNamesNoEvent(t *testing.T) {
	r := newRig(t, nil)
	r.endpoint("one")
	r.store.publish = func(context.Context, webhook.PublishRequest) ([]webhook.Published, error) { return nil, errStore }
	event := webhook.Event{Tenant: acme, Type: "a.b"}
	receipts, err := r.EmitBatch(t.Context(), []webhook.Event{event, event})
	require.EqualError(t, err, "webhook: emit batch: the database is away")
	assert.Len(t, receipts, 2)
}
