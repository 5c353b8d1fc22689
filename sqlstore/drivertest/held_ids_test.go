package drivertest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

// Open transactions hold ids that are emitted again, over and over. While each of those Emits waits, everybody else
// emits.
func TestIDsThatOpenTransactionsHoldDelayNoOtherEmit(t *testing.T) {
	for _, held := range []int{1, 2, 6} {
		for _, given := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d held, others given %t", held, given), func(t *testing.T) {
				eachServer(t, func(t *testing.T, d database) {
					h := newHost(t, d)
					api := h.dispatcher(t, h.store, never)
					acme := newCustomer(t, api)
					var open []transaction
					var waiting []webhook.Event
					for i := range held {
						tx := beginSQL(t, h)
						t.Cleanup(func() { _ = tx.rollback() }) // when the test fails
						waiting = append(waiting, acme.event(fmt.Sprint("held", i), "1"))
						_, err := api.EmitTx(t.Context(), h.store.Tx(tx), waiting[i])
						require.NoError(t, err)
						open = append(open, tx)
					}
					emitWhileOthersWait(t, api, waiting, func(i, n int) webhook.Event {
						if given {
							return acme.event(fmt.Sprintf("own%d-%d", i, n), "1")
						}
						return acme.event("", "1")
					})
					for i, tx := range open {
						end, want := tx.commit, webhook.Receipt{EventID: waiting[i].ID, Duplicate: true}
						if i%2 == 1 {
							end, want.Duplicate, want.Deliveries = tx.rollback, false, 1
						}
						require.NoError(t, end())
						receipt, err := api.Emit(t.Context(), waiting[i])
						require.NoError(t, err)
						assert.Equal(t, want, receipt)
					}
				})
			})
		}
	}
}

// A transaction that emits an id again holds the gap before it in MariaDB's index. A tenant's new ids sort there. They
// wait, and no other tenant's do.
func TestANewIDThatWaitsForAGapDelaysNoOtherEmit(t *testing.T) {
	eachOf(t, []database{mysql}, func(t *testing.T, d database) {
		h := newHost(t, d)
		api := h.dispatcher(t, h.store, never)
		acme, other := newCustomer(t, api), newCustomer(t, api)
		for _, id := range []string{"", "order1"} {
			_, err := api.Emit(t.Context(), acme.event(id, "1"))
			require.NoError(t, err)
		}
		open := beginSQL(t, h)
		defer func() { _ = open.rollback() }() // when the test fails
		_, err := api.EmitTx(t.Context(), h.store.Tx(open), acme.event("order1", "1"))
		require.NoError(t, err)
		emitWhileOthersWait(t, api, []webhook.Event{acme.event("", "2"), acme.event("", "3")}, func(int, int) webhook.Event {
			return other.event("", "1")
		})
		require.NoError(t, open.commit())
		receipt, err := api.Emit(t.Context(), acme.event("", "4"))
		require.NoError(t, err)
		assert.Equal(t, 1, receipt.Deliveries)
	})
}

// emitWhileOthersWait emits events that must wait until they fail, each twice. Beside them eight goroutines emit events
// of their own, and each must be through several times while any of the others waits.
func emitWhileOthersWait(t *testing.T, api *webhook.Dispatcher, waiting []webhook.Event, own func(i, n int) webhook.Event) {
	t.Helper()
	const emitters, least, times = 8, 3, 2
	var counts [emitters]atomic.Int64
	var over atomic.Bool
	var others, waiters sync.WaitGroup
	for i := range emitters {
		others.Go(func() {
			for n := 0; !over.Load(); n++ {
				receipt, err := api.Emit(t.Context(), own(i, n))
				if !assert.NoError(t, err) {
					return
				}
				assert.Equal(t, 1, receipt.Deliveries)
				counts[i].Add(1)
			}
		})
	}
	for _, e := range waiting {
		waiters.Go(func() {
			for range times {
				var before [emitters]int64
				for i := range counts {
					before[i] = counts[i].Load()
				}
				_, err := api.Emit(t.Context(), e)
				assert.ErrorContains(t, err, "EmitTx")
				for i := range counts {
					assert.GreaterOrEqual(t, counts[i].Load()-before[i], int64(least), "Emits while one waits")
				}
			}
		})
	}
	waiters.Wait()
	over.Store(true)
	others.Wait()
}
