package drivertest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

// Open transactions hold ids that are emitted again, over and over. While each of those Emits
// waits, everybody else emits.
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
					emitWhileOthersWait(t, api, emitting(t, api, waiting), func(i, n int) webhook.Event {
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

// On MariaDB a transaction that emits an id again locks the gap in front of it in an index,
// and so does one that waits for such an id. New ids never go there, with any ids of any tenant.
func TestNoNewIDWaitsForAnIDThatAnOpenTransactionHolds(t *testing.T) {
	for _, name := range []string{"0", "order1", "~", "newest"} {
		t.Run(name, func(t *testing.T) {
			eachServer(t, func(t *testing.T, d database) {
				h := newHost(t, d)
				api := h.dispatcher(t, h.store, never)
				customers := []*customer{newCustomer(t, api), newCustomer(t, api), newCustomer(t, api)}
				held := name
				for _, c := range customers {
					for _, id := range []string{"", name, ""} {
						receipt, err := api.Emit(t.Context(), c.event(id, "1"))
						require.NoError(t, err)
						if name == "newest" {
							held = receipt.EventID
						}
					}
				}
				holder := customers[2]
				open := beginSQL(t, h)
				defer func() { _ = open.rollback() }() // when the test fails
				for _, id := range []string{held, "first"} {
					_, err := api.EmitTx(t.Context(), h.store.Tx(open), holder.event(id, "1"))
					require.NoError(t, err)
				}
				waiting, waiter := beginSQL(t, h), make(chan error, 1)
				go func() {
					_, err := api.EmitTx(t.Context(), h.store.Tx(waiting), holder.event(held, "1"))
					waiter <- errors.Join(err, waiting.rollback())
				}()
				require.Eventually(t, func() bool { return h.count(t, lockWaits[d.name]) == 1 }, long, 50*time.Millisecond)
				emitNewIDs(t, h, api, customers)
				assert.Empty(t, waiter, "it waits until the other ends")
				require.NoError(t, open.rollback())
				require.NoError(t, <-waiter)
			})
		})
	}
}

// lockWaits count the transactions that wait for others. (MariaDB's innodb_trx stays as it is
// while several ask for it; a statement that has run for so long waits.)
var lockWaits = map[string]string{
	"postgres": "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
	"mysql": `SELECT count(*) FROM information_schema.processlist
		WHERE db = database() AND info LIKE 'INSERT INTO _webhook_events%' AND time_ms > 300`,
}

// emitNewIDs emits events with new ids in each way. A call that waited for an open
// transaction would fail.
func emitNewIDs(t *testing.T, h *host, api *webhook.Dispatcher, customers []*customer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	for _, c := range customers {
		_, err := api.Emit(ctx, c.event("", "2"))
		require.NoError(t, err)
		_, err = api.EmitBatch(ctx, []webhook.Event{c.event("", "3"), c.event("", "4")})
		require.NoError(t, err)
		tx := beginSQL(t, h)
		_, err = api.EmitTx(ctx, h.store.Tx(tx), c.event("", "5"), c.event("", "6"))
		require.NoError(t, errors.Join(err, tx.commit()))
	}
}

// An EmitBatch that waits for an id holds no other of its ids, and on MariaDB not the gap
// in front of it.
func TestAnEmitBatchThatWaitsDelaysNoOtherEmit(t *testing.T) {
	eachServer(t, func(t *testing.T, d database) {
		h := newHost(t, d)
		api := h.dispatcher(t, h.store, never)
		acme := newCustomer(t, api)
		open := beginSQL(t, h)
		defer func() { _ = open.rollback() }() // when the test fails
		_, err := api.EmitTx(t.Context(), h.store.Tx(open), acme.event("held", "1"))
		require.NoError(t, err)
		var batches [][]webhook.Event
		var waiting []func() error
		for i := range 3 {
			batch := []webhook.Event{
				acme.event("", "1"), acme.event(fmt.Sprint("free", i), "1"), acme.event("held", "1"), acme.event(fmt.Sprint("last", i), "1"),
			}
			batches = append(batches, batch)
			waiting = append(waiting, func() error {
				_, err := api.EmitBatch(t.Context(), batch)
				assert.ErrorContains(t, err, `events[2]: event id "held"`)
				return err
			})
		}
		emitWhileOthersWait(t, api, waiting, func(i, n int) webhook.Event {
			return acme.event([]string{"", fmt.Sprintf("gone%d-%d", i, n), fmt.Sprintf("other%d-%d", i, n)}[i%3], "1")
		})
		require.NoError(t, open.rollback())
		receipts, err := api.EmitBatch(t.Context(), batches[0])
		require.NoError(t, err)
		for _, r := range receipts {
			assert.Equal(t, 1, r.Deliveries, "nothing of it was stored before: %s", r.EventID)
		}
	})
}

func TestAnEmitBatchThatIsLockedOutForAMomentSucceeds(t *testing.T) {
	locked := map[string]error{"postgres": &pgconn.PgError{Code: "55P03"}, "mysql": &mysqldriver.MySQLError{Number: 1205}}
	eachServer(t, func(t *testing.T, d database) {
		store, sab := d.sabotaged(t)
		h := &host{database: d, store: store}
		api := h.dispatcher(t, store, never)
		acme := newCustomer(t, api)
		for _, table := range []string{"events", "queue"} {
			lock := fault{err: locked[d.name]}
			sab.sabotage(failing("_"+table, lock, lock, lock))
			receipts, err := api.EmitBatch(t.Context(), []webhook.Event{acme.event("", "1"), acme.event(table, "1"), acme.event(table+"2", "1")})
			require.NoError(t, err, table)
			for _, r := range receipts {
				assert.Equal(t, 1, r.Deliveries)
			}
		}
	})
}

// emitting are the Emits of events.
func emitting(t *testing.T, api *webhook.Dispatcher, events []webhook.Event) (calls []func() error) {
	t.Helper()
	for _, e := range events {
		calls = append(calls, func() error {
			_, err := api.Emit(t.Context(), e)
			return err
		})
	}
	return calls
}

// emitWhileOthersWait makes calls that must wait until they fail. Beside them eight goroutines
// emit events of their own. An emitter that waits for the call is through once or never before
// the call fails. So each call is repeated until all emitters were through several times in
// two of its waits. On a quick machine those are the first two.
func emitWhileOthersWait(t *testing.T, api *webhook.Dispatcher, waiting []func() error, own func(i, n int) webhook.Event) {
	t.Helper()
	const emitters, least, times, most = 8, 3, 2, 20
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
	for _, wait := range waiting {
		waiters.Go(func() {
			good := 0
			for waits := 0; good < times && waits < most; waits++ {
				var before [emitters]int64
				for i := range counts {
					before[i] = counts[i].Load()
				}
				assert.ErrorContains(t, wait(), "EmitTx")
				fewest := int64(math.MaxInt64)
				for i := range counts {
					fewest = min(fewest, counts[i].Load()-before[i])
				}
				if fewest >= least {
					good++
				}
			}
			assert.Equal(t, times, good, "waits in which each emitter was through %d times, of %d", least, most)
		})
	}
	waiters.Wait()
	over.Store(true)
	others.Wait()
}
