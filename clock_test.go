package webhook_test

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

// clockedStore is a Store whose clock is ahead of the process's.
type clockedStore struct {
	webhook.Store
	ahead atomic.Int64
	down  atomic.Bool
	asked atomic.Int64
}

func (s *clockedStore) Now(context.Context) (time.Time, error) {
	s.asked.Add(1)
	if s.down.Load() {
		return time.Time{}, errStore
	}
	return time.Now().Add(time.Duration(s.ahead.Load())), nil
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

// emittedAt emits an event and returns its CreatedAt, after now.
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
		store.down.Store(true)
		assert.Zero(t, emittedAt(t, d, store), "the process's own time")
		assert.EqualValues(t, 1, told.Load())
		assert.Zero(t, emittedAt(t, d, store))
		assert.EqualValues(t, 1, store.asked.Load(), "it is not asked again at once")
		store.down.Store(false)
		pass(2 * time.Second)
		assert.Equal(t, time.Hour, emittedAt(t, d, store))
		store.down.Store(true)
		pass(time.Minute)
		assert.Equal(t, time.Hour, emittedAt(t, d, store))
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
