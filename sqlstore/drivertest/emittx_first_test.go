package drivertest

import (
	"context"
	"database/sql"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// The transaction holds the only connection of the pool, so every other question of EmitTx to
// the server would wait for it.
func TestTheFirstCallOfAProcessMayBeAnEmitTxThatHoldsTheOnlyConnection(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		h := newHost(t, d)
		acme := newCustomer(t, h.dispatcher(t, h.store, never))
		h.db.SetMaxOpenConns(1)
		for _, size := range []int{1, 200 << 10} { // of the larger one, MySQL's limit is asked
			store, err := sqlstore.New(h.db, d.dialect, sqlstore.Options{})
			require.NoError(t, err)
			first := h.dispatcher(t, store, never)
			tx, err := h.db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), tooLong())
			waits := h.db.Stats().WaitCount
			receipts, err := first.EmitTx(ctx, store.Tx(tx), acme.event("", strings.Repeat("x", size)))
			assert.NoError(t, err)
			cancel()
			assert.Equal(t, waits, h.db.Stats().WaitCount, "it takes no connection")
			require.NoError(t, tx.Commit())
			require.Len(t, receipts, 1)
			assert.Contains(t, acme.stored(), receipts[0].EventID)
		}
	})
}

// The other kinds of transactions are not on a pool of the Store's, which is why that pool
// is taken away.
func TestAnEmitTxReadsTheClockThroughEachKindOfTransaction(t *testing.T) {
	eachConcurrentWay(t, func(t *testing.T, h *host, begin func(*testing.T) transaction) {
		tx := begin(t)
		apart, err := sql.Open(h.driver, h.url+h.suffix)
		require.NoError(t, err)
		require.NoError(t, apart.Close())
		store, err := sqlstore.New(apart, h.dialect, sqlstore.Options{})
		require.NoError(t, err)
		clock, ok := store.Tx(tx.Execer).(webhook.Clock)
		require.True(t, ok)
		now, err := clock.Now(t.Context())
		require.NoError(t, err)
		assert.WithinDuration(t, time.Now(), now, time.Minute)
		_, err = h.dispatcher(t, store, never).EmitTx(t.Context(), store.Tx(tx.Execer), webhook.Event{Tenant: "acme", Type: "a.b"})
		require.NoError(t, err)
		require.NoError(t, tx.rollback())
	})
}

// Many transactions of a process that has just begun read the clock at the same time.
func TestFirstEmitTxsAtTheSameTimeDoNotDisturbEachOther(t *testing.T) {
	eachServer(t, func(t *testing.T, d database) {
		h := newHost(t, d)
		api := h.dispatcher(t, h.store, never)
		var all sync.WaitGroup
		for range 8 {
			tx, err := h.db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			all.Go(func() {
				_, err := api.EmitTx(t.Context(), h.store.Tx(tx), webhook.Event{Tenant: "acme", Type: "a.b"})
				assert.NoError(t, err)
				assert.NoError(t, tx.Commit())
			})
		}
		all.Wait()
		assert.Equal(t, 8, h.count(t, "SELECT count(*) FROM webhook_events"))
	})
}
