package acceptance

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/webhooktest"
)

// clockedStore is a Store with a clock ahead of the process's clock.
type clockedStore struct {
	webhook.Store
	ahead atomic.Int64
	down  atomic.Bool
	asked atomic.Int64
	slow  func(ctx context.Context) // a reading takes as long as this function
	lost  atomic.Bool               // all leases are lost
}

func (s *clockedStore) Now(ctx context.Context) (time.Time, error) {
	s.asked.Add(1)
	if s.slow != nil {
		s.slow(ctx)
	}
	if s.down.Load() {
		return time.Time{}, errStore
	}
	return time.Now().Add(time.Duration(s.ahead.Load())), nil
}

func (s *clockedStore) Settle(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
	settled, err := s.Store.Settle(ctx, now, items)
	if s.lost.Load() {
		settled.Lost = append(settled.Lost, 0)
	}
	return settled, err
}

func newClocked(t *testing.T, c webhook.Config) (*webhook.Dispatcher, *clockedStore) {
	t.Helper()
	store := &clockedStore{Store: memstore.New(memstore.Options{})}
	store.ahead.Store(int64(time.Hour))
	c.Transport, c.Logger, c.KeepUnmatched = &webhooktest.Transport{}, quiet, true
	d, err := webhook.New(store, c)
	require.NoError(t, err)
	return d, store
}

// emittedAt emits an event. It returns the time from now to the event's CreatedAt.
func emittedAt(t *testing.T, d *webhook.Dispatcher, store webhook.Store) time.Duration {
	t.Helper()
	receipt, err := d.Emit(t.Context(), webhook.Event{Tenant: acme, Type: "a.b"})
	require.NoError(t, err)
	page, err := store.Events(t.Context(), webhook.Query{Tenant: acme, EventID: receipt.EventID})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	return time.Until(page.Items[0].CreatedAt)
}

func TestTimesAreTheStoresFromTheFirstEmitOn(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d, store := newClocked(t, webhook.Config{})
		assert.Equal(t, time.Hour, emittedAt(t, d, store))
		assert.Equal(t, time.Hour, emittedAt(t, d, store))
		assert.EqualValues(t, 1, store.asked.Load())
	})
}

func TestTheStoresClockIsReadAgainAfter30Seconds(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d, store := newClocked(t, webhook.Config{})
		emittedAt(t, d, store)
		store.ahead.Store(int64(2 * time.Hour))
		pass(29 * time.Second)
		assert.Equal(t, time.Hour, emittedAt(t, d, store))
		pass(time.Second)
		assert.Equal(t, 2*time.Hour, emittedAt(t, d, store))
	})
}

func TestRunReadsTheStoresClockEvery30Seconds(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d, store := newClocked(t, webhook.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()
		pass(95 * time.Second)
		assert.EqualValues(t, 4, store.asked.Load())
		cancel()
		require.NoError(t, <-done)
	})
}

func TestAStoresClockThatFailsLeavesTheTimeAsItWas(t *testing.T) {
	inTime(t, func(t *testing.T) {
		var told atomic.Int64
		d, store := newClocked(t, webhook.Config{Observer: webhook.Observer{Error: func(err error) {
			if errors.Is(err, errStore) {
				told.Add(1)
			}
		}}})
		assert.Equal(t, time.Hour, emittedAt(t, d, store))
		store.down.Store(true)
		pass(time.Minute)
		assert.Equal(t, time.Hour, emittedAt(t, d, store))
		assert.EqualValues(t, 1, told.Load())
		assert.Equal(t, time.Hour, emittedAt(t, d, store))
		assert.EqualValues(t, 2, store.asked.Load(), "it is not asked again at once")
	})
}

func TestNothingIsEmittedOrChangedBeforeTheStoresClockWasRead(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d, store := newClocked(t, webhook.Config{})
		store.down.Store(true)
		ctx, event := t.Context(), webhook.Event{Tenant: acme, Type: "a.b", ID: "one"}
		receipt, err := d.Emit(ctx, event)
		require.ErrorIs(t, err, errStore)
		assert.Equal(t, "one", receipt.EventID)
		_, err = d.EmitBatch(ctx, []webhook.Event{event})
		require.ErrorIs(t, err, errStore)
		_, err = d.EmitTx(ctx, store, event)
		require.ErrorIs(t, err, errStore)
		_, err = d.Tenant(acme).Retry(ctx, webhook.Query{All: true})
		require.ErrorIs(t, err, errStore)
		page, err := store.Events(ctx, webhook.Query{Tenant: acme})
		require.NoError(t, err)
		assert.Empty(t, page.Items)
		store.down.Store(false)
		assert.Equal(t, time.Hour, emittedAt(t, d, store), "the next call reads again")
	})
}

func TestNoLeaseOfOthersIsTakenBeforeTheStoresClockWasRead(t *testing.T) {
	inTime(t, func(t *testing.T) {
		shared := memstore.New(memstore.Options{})
		sent := &webhooktest.Transport{Answer: hang}
		start := func(store *clockedStore, now func() time.Time) (stop func()) {
			d, err := webhook.New(store, webhook.Config{Transport: sent, Logger: quiet, Now: now, DrainTimeout: -1})
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- d.Run(ctx) }()
			return func() {
				cancel()
				<-done //nolint:errcheck // Run fails because it cuts requests
			}
		}
		d, err := webhook.New(shared, webhook.Config{Logger: quiet})
		require.NoError(t, err)
		_, err = d.Tenant(acme).CreateEndpoint(t.Context(), webhook.Endpoint{URL: "https://a.example", Events: []string{"*"}})
		require.NoError(t, err)
		for range 2 {
			_, err = d.Emit(t.Context(), webhook.Event{Tenant: acme, Type: "a.b"})
			require.NoError(t, err)
		}
		defer start(&clockedStore{Store: shared}, nil)()
		pass(time.Second)
		late := &clockedStore{Store: shared}
		late.down.Store(true)
		defer start(late, func() time.Time { return time.Now().Add(10 * time.Minute) })()
		pass(5 * time.Second)
		late.down.Store(false)
		pass(7 * time.Second)
		assert.Len(t, sent.Sent(), 2)
	})
}

func TestAReadingOfTheStoresClockGoesOnWhenItsCallerLeaves(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d, store := newClocked(t, webhook.Config{})
		store.slow = func(context.Context) { pass(time.Second) }
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		began := time.Now()
		_, err := d.Emit(ctx, webhook.Event{Tenant: acme, Type: "a.b"})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Millisecond, time.Since(began))
		emittedAt(t, d, store)
		assert.EqualValues(t, 1, store.asked.Load())
	})
}

func TestASlowReadingOfTheStoresClockIsRefused(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d, store := newClocked(t, webhook.Config{})
		store.slow = func(context.Context) {
			if store.asked.Load() == 1 {
				pass(8 * time.Second) // the connection pool connects
			}
		}
		assert.Equal(t, time.Hour, emittedAt(t, d, store))
		assert.EqualValues(t, 2, store.asked.Load())
		pass(time.Minute)
		store.slow = func(context.Context) { pass(1999 * time.Millisecond); store.ahead.Add(int64(time.Minute)) }
		emittedAt(t, d, store)
		assert.Equal(t, time.Hour+time.Minute+time.Second, emittedAt(t, d, store).Round(time.Second), "just quick enough")

		d, store = newClocked(t, webhook.Config{})
		store.slow = func(context.Context) { pass(2001 * time.Millisecond) }
		_, err := d.Emit(t.Context(), webhook.Event{Tenant: acme, Type: "a.b"})
		require.ErrorContains(t, err, "longer than 2s")
	})
}

func TestAMachineThatWasSuspendedReadsTheStoresClockAtOnce(t *testing.T) {
	inTime(t, func(t *testing.T) {
		var suspended atomic.Int64 // time that the monotonic clock does not count
		d, store := newClocked(t, webhook.Config{Now: func() time.Time { return time.Now().Add(-time.Duration(suspended.Load())) }})
		emittedAt(t, d, store)
		pass(20 * time.Second)
		suspended.Store(int64(20 * time.Second))
		assert.Equal(t, time.Hour, emittedAt(t, d, store))
		assert.EqualValues(t, 2, store.asked.Load())
		store.down.Store(true)
		suspended.Store(int64(30 * time.Second))
		_, err := d.Emit(t.Context(), webhook.Event{Tenant: acme, Type: "a.b"})
		require.ErrorIs(t, err, errStore, "the time is unknown again")
	})
}

func TestTheStoresClockIsReadAgainWhenLeasesAreLost(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d, store := newClocked(t, webhook.Config{})
		_, err := d.Tenant(acme).CreateEndpoint(t.Context(), webhook.Endpoint{URL: "https://a.example", Events: []string{"*"}})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()
		pass(5 * time.Second)
		before := store.asked.Load()
		store.lost.Store(true)
		for range 5 {
			emittedAt(t, d, store)
		}
		pass(500 * time.Millisecond)
		assert.Equal(t, before+1, store.asked.Load(), "once a second at most")
		cancel()
		require.NoError(t, <-done)
	})
}

func TestAClockThatMovesIsReadMoreOften(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d, store := newClocked(t, webhook.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()
		pass(45 * time.Second)
		store.ahead.Add(int64(time.Minute))
		before := store.asked.Load()
		pass(31500 * time.Millisecond) // the move is seen at 60 s; readings follow at 61, 63, 67 and 75 s
		assert.Equal(t, before+5, store.asked.Load())
		cancel()
		require.NoError(t, <-done)
	})
}

func TestOnlyWhatPassesIsTakenFromNowBesideAStoresClock(t *testing.T) {
	inTime(t, func(t *testing.T) {
		wrong := func() time.Time { return time.Now().Add(-10 * time.Minute) }
		d, store := newClocked(t, webhook.Config{Now: wrong})
		assert.Equal(t, time.Hour, emittedAt(t, d, store))
		pass(10 * time.Second)
		assert.Equal(t, time.Hour, emittedAt(t, d, store))
	})
}

// clockedTx is a transaction's Publisher with a clock.
type clockedTx struct {
	webhook.Publisher
	clock clockedStore
}

func (tx *clockedTx) Now(ctx context.Context) (time.Time, error) { return tx.clock.Now(ctx) }

// newClockedTx returns a transaction on a Store. The Store's own clock never answers.
func newClockedTx(store *clockedStore) *clockedTx {
	store.slow = func(ctx context.Context) { <-ctx.Done() }
	store.down.Store(true)
	tx := &clockedTx{Publisher: store.Store}
	tx.clock.ahead.Store(int64(time.Hour))
	return tx
}

func TestEmitTxReadsTheClockThroughItsTransaction(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d, store := newClocked(t, webhook.Config{})
		tx := newClockedTx(store)
		began := time.Now()
		emit := func() time.Duration {
			t.Helper()
			_, err := d.EmitTx(t.Context(), tx, webhook.Event{Tenant: acme, Type: "a.b"})
			require.NoError(t, err)
			page, err := store.Events(t.Context(), webhook.Query{Tenant: acme})
			require.NoError(t, err)
			return time.Until(page.Items[0].CreatedAt)
		}
		assert.Equal(t, time.Hour, emit())
		assert.Equal(t, time.Hour, emit())
		assert.EqualValues(t, 1, tx.clock.asked.Load())
		pass(29 * time.Second)
		emit()
		assert.EqualValues(t, 1, tx.clock.asked.Load())
		pass(2 * time.Second)
		emit()
		emit()
		assert.EqualValues(t, 2, tx.clock.asked.Load(), "when the reading is old")
		pass(31 * time.Second)
		tx.clock.down.Store(true)
		assert.Equal(t, time.Hour, emit(), "by the reading before")
		emit()
		assert.EqualValues(t, 3, tx.clock.asked.Load(), "it is not asked again at once")
		assert.Zero(t, store.asked.Load())
		assert.Equal(t, time.Minute+2*time.Second, time.Since(began), "nobody waits")
	})
}

func TestEmitTxRefusesASlowReadingThroughItsTransaction(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d, store := newClocked(t, webhook.Config{})
		tx := newClockedTx(store)
		tx.clock.slow = func(context.Context) { pass(2001 * time.Millisecond) }
		_, err := d.EmitTx(t.Context(), tx, webhook.Event{Tenant: acme, Type: "a.b"})
		require.ErrorContains(t, err, "longer than 2s")
		page, err := store.Events(t.Context(), webhook.Query{Tenant: acme})
		require.NoError(t, err)
		assert.Empty(t, page.Items)
		tx.clock.slow = func(context.Context) { pass(time.Second) }
		_, err = d.EmitTx(t.Context(), tx, webhook.Event{Tenant: acme, Type: "a.b"})
		require.NoError(t, err)
	})
}
