package drivertest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// Each circuit that is open yields one probe, also when processes that begin anywhere in the
// round claim at once.
func TestProcessesThatProbeAtOnceDoNotLockEachOtherOut(t *testing.T) {
	eachServer(t, func(t *testing.T, d database) {
		const endpoints, rounds = 200, 8
		dsn := d.dsn(t)
		s := newScene(t, d.store(t, dsn, sqlstore.Options{}))
		require.NoError(t, s.store.Migrate(t.Context()))
		f := d.fill(t, s.store.DB(), s.now)
		f.endpoints(endpoints, 1)
		var events []webhook.EventRecord
		for i := range endpoints {
			key := keyOf(i, 1)
			for n := range rounds {
				events = append(events, s.event(key.Tenant, fmt.Sprintf("evt%d-%d", i, n), key.ID))
			}
		}
		s.publish(events...)
		stores := []*sqlstore.Store{s.store, d.store(t, dsn, sqlstore.Options{}), d.store(t, dsn, sqlstore.Options{}), d.store(t, dsn, sqlstore.Options{})}
		for round := range rounds {
			f.exec(fmt.Sprintf("UPDATE webhook_status SET circuit = 1, blocked_until = %d", s.now.Add(-time.Second).UnixMicro()))
			probes, errs := make([]int, len(stores)), make([]error, len(stores))
			var wg sync.WaitGroup
			for i, store := range stores {
				wg.Go(func() {
					claimed, err := store.Claim(t.Context(), webhook.ClaimRequest{
						Now: s.now, LeaseUntil: s.now.Add(time.Hour), Max: 1000, MaxBytes: 1 << 20, Room: 10,
					})
					probes[i], errs[i] = len(claimed.Deliveries), err
				})
			}
			wg.Wait()
			sum := 0
			for i := range stores {
				require.NoError(t, errs[i], "round %d", round)
				sum += probes[i]
			}
			assert.Equal(t, endpoints, sum, "round %d", round)
		}
	})
}

// Retry finds the newest deliveries first, and Settle gets them in any order; both lock them
// in one. (MariaDB finds deadlocks at once, and they are retried.)
func TestRetryAndSettleOfTheSameDeliveriesDoNotLockEachOtherOut(t *testing.T) {
	const rows, times = 600, 5 // a statement takes 500
	s := newScene(t, postgres.migrated(t))
	s.endpoint("acme", "ep1")
	s.backlog("acme", "ep1", rows)
	leased := s.claim()
	require.Len(t, leased, rows)
	errs := make(chan error, 3*times)
	var wg sync.WaitGroup
	wg.Go(func() {
		for range times {
			_, err := s.store.Retry(t.Context(), webhook.Query{Tenant: "acme", State: webhook.DeliveryPending, Limit: rows}, s.now)
			errs <- err
		}
	})
	for range 2 {
		wg.Go(func() {
			for range times {
				var items []webhook.Settlement
				for _, i := range rand.Perm(rows)[:300] {
					l := leased[i]
					items = append(items, webhook.Settlement{
						UID: l.UID, Endpoint: l.Endpoint, LeaseNo: l.LeaseNo + 1, State: webhook.DeliveryPending, DueAt: s.now,
					})
				}
				_, err := s.store.Settle(t.Context(), s.now, items)
				errs <- err
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		assert.NoError(t, err)
	}
}

// An event that nobody receives is deleted when it is expanded, unless a transaction holds it
// that has emitted it again.
func TestATransactionThatHoldsAnEventStopsNoClaim(t *testing.T) {
	onlyWithoutRaceDetector(t)
	eachServer(t, func(t *testing.T, d database) {
		dsn := d.dsn(t)
		s := newScene(t, d.store(t, dsn, sqlstore.Options{}))
		require.NoError(t, s.store.Migrate(t.Context()))
		s.endpoint("acme", "ep1")
		unheard := s.event("nobody", "evt1")
		unheard.Deliveries = nil
		s.publish(unheard, s.event("acme", "evt2", "ep1"))
		tx, err := d.open(t, dsn).BeginTx(t.Context(), nil)
		require.NoError(t, err)
		defer tx.Rollback()
		repeated := s.event("nobody", "evt1")
		repeated.Deliveries = nil
		results, err := s.store.Tx(tx).Publish(t.Context(), s.request(repeated))
		require.NoError(t, err)
		require.True(t, results[0].Duplicate)
		assert.Len(t, s.claim(), 1)
		assert.Zero(t, s.rowsOf("outbox"))
		require.NoError(t, tx.Rollback())
		s.now = s.now.Add(100 * day)
		s.deliver()
		s.prune(webhook.Retention{})
		assert.Zero(t, s.rowsOf("events"), "retention removes the remaining rows")
	})
}

// Erase also removes the deliveries of an outbox row that another process is expanding.
func TestEraseLeavesNothingOfAnEventThatIsBeingExpanded(t *testing.T) {
	eachServer(t, func(t *testing.T, d database) {
		dsn := d.dsn(t)
		s := newScene(t, d.store(t, dsn, sqlstore.Options{}))
		require.NoError(t, s.store.Migrate(t.Context()))
		s.endpoint("acme", "ep1")
		e := s.event("acme", "evt1")
		e.Deliveries = nil
		s.publish(e)
		tx, err := d.open(t, dsn).BeginTx(t.Context(), nil) // the work of Claim, cut in two
		require.NoError(t, err)
		defer tx.Rollback()
		var locked any
		require.NoError(t, tx.QueryRowContext(t.Context(), "SELECT event_uid FROM webhook_outbox FOR UPDATE").Scan(&locked))
		for _, query := range []string{
			`INSERT INTO webhook_queue (event_uid, endpoint_id, ref, lane, due_at, lease_no, leased_until, settled_no, version, attempts,
				failures, pruned, since, size, fanout, reason)
				SELECT o.event_uid, s.id, s.ref, s.ref, 0, 0, 0, 0, 1, 0, 0, 0, 0, 8, 1, '' FROM webhook_outbox o, webhook_status s`,
			"DELETE FROM webhook_outbox",
		} {
			_, err := tx.ExecContext(t.Context(), query)
			require.NoError(t, err)
		}
		erased := make(chan error, 1)
		go func() { erased <- s.store.Erase(t.Context(), "acme") }()
		letPass(t.Context(), 200*time.Millisecond) // Erase waits for the rows that the other holds
		require.NoError(t, tx.Commit())
		require.NoError(t, <-erased)
		for table, rows := range s.rows() {
			assert.Zero(t, rows, table)
		}
	})
}
