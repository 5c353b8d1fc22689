package drivertest

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

// hold makes somebody else's transaction change these rows. It ends with the test.
func hold(t *testing.T, db *sql.DB, query string, args ...any) *sql.Tx {
	t.Helper()
	tx, err := db.BeginTx(context.WithoutCancel(t.Context()), &sql.TxOptions{Isolation: sql.LevelReadCommitted}) // it locks these rows alone
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback() })
	_, err = tx.ExecContext(t.Context(), query, args...)
	require.NoError(t, err)
	return tx
}

// failed is the settlement of a failed attempt without a retry.
func (s *scene) failed(l webhook.Leased) webhook.Settlement {
	item := s.succeeded(l)
	item.State, item.Reason, item.Attempt.Class, item.Attempt.Status = webhook.DeliveryFailed, webhook.ReasonExhausted, webhook.ClassStatus, 500
	return item
}

func TestAFailureOfOneEndpointDoesNotLockTheStatusOfAHealthyOne(t *testing.T) {
	onlyWithoutRaceDetector(t)
	eachServer(t, func(t *testing.T, d database) {
		store, sab := d.sabotaged(t)
		s := newScene(t, store)
		s.endpoint("acme", "sick")
		s.endpoint("acme", "well")
		s.publish(s.event("acme", "evt1", "sick", "well"))
		var items []webhook.Settlement
		for _, l := range s.claim() {
			if l.Endpoint.ID == "sick" {
				items = append(items, s.failed(l))
			} else {
				items = append(items, s.succeeded(l))
			}
		}
		require.Len(t, items, 2)
		hold(t, store.DB(), "UPDATE webhook_status SET updated_at = updated_at + 1 WHERE id = 'well'")
		sab.sabotage(func(string) fault { return fault{} })
		out, err := store.Settle(t.Context(), s.now, items)
		assert.False(t, slices.Contains(sab.taken(), "ROLLBACK"), "it waited for a lock in vain")
		require.NoError(t, err)
		assert.Empty(t, out.Lost)
		assert.Equal(t, 2, s.rowsOf("deliveries"))
	})
}

// rowLocks are rows that somebody else may hold while results are stored, and the endpoints
// whose results need them.
var rowLocks = []struct {
	name, query string
	fail        []string
}{
	{"status of a failing endpoint", "UPDATE webhook_status SET updated_at = updated_at + 1 WHERE id = 'sick'", []string{"sick"}},
	{"status of an endpoint that recovers", "UPDATE webhook_status SET updated_at = updated_at + 1 WHERE id = 'better'", []string{"better"}},
	{"status of several", "UPDATE webhook_status SET updated_at = updated_at + 1 WHERE id <> 'well2'", []string{"sick", "better"}},
	{"a delivery", "UPDATE webhook_queue SET reason = 'held' WHERE endpoint_id = 'well'", []string{"well"}},
	{"a delivery that is being settled", "DELETE FROM webhook_queue WHERE endpoint_id = 'well'", []string{"well"}},
	{"the event", "UPDATE webhook_events SET dup = dup + 1", nil},
}

func TestAHeldRowFailsOnlyTheItemsThatNeedIt(t *testing.T) {
	onlyWithoutRaceDetector(t)
	eachServer(t, func(t *testing.T, d database) {
		store := d.migrated(t)
		ids := []string{"sick", "better", "well", "well2"}
		s := newScene(t, store)
		for _, id := range ids {
			s.endpoint("acme", id)
		}
		for n, lock := range rowLocks {
			s.publish(s.event("acme", fmt.Sprintf("before%d", n), "better"))
			out, err := store.Settle(t.Context(), s.now, []webhook.Settlement{s.failed(s.claim()[0])})
			require.NoError(t, err)
			require.Empty(t, out.Failed)
			s.now = s.now.Add(time.Second)
			s.publish(s.event("acme", fmt.Sprintf("evt%d", n), ids...))
			leased := s.claim()
			require.Len(t, leased, len(ids))
			items := make([]webhook.Settlement, len(leased))
			for i, l := range leased {
				if items[i] = s.succeeded(l); l.Endpoint.ID == "sick" {
					items[i] = s.failed(l)
				}
			}
			before := s.rowsOf("attempts")

			tx := hold(t, store.DB(), lock.query)
			began := time.Now()
			out, err = store.Settle(t.Context(), s.now, items)
			t.Logf("%s: %v", lock.name, time.Since(began))
			require.NoError(t, err, lock.name)
			var failed []string
			for i, err := range out.Failed {
				require.ErrorContains(t, err, "another transaction holds", lock.name)
				failed = append(failed, items[i].Endpoint.ID)
			}
			require.ElementsMatch(t, lock.fail, failed, lock.name)
			require.Empty(t, out.Lost, lock.name)
			require.Empty(t, out.Already, lock.name)
			require.GreaterOrEqual(t, len(out.Endpoints), len(ids)-len(lock.fail), lock.name)
			require.NoError(t, tx.Rollback())
			assert.Equal(t, before+len(ids)-len(lock.fail), s.rowsOf("attempts"), lock.name)

			out, err = store.Settle(t.Context(), s.now, items)
			require.NoError(t, err, lock.name)
			require.Empty(t, out.Failed, lock.name)
			require.Empty(t, out.Lost, lock.name)
			require.Len(t, out.Already, len(ids)-len(lock.fail), lock.name)
			assert.Equal(t, before+len(ids), s.rowsOf("attempts"), lock.name)
		}
	})
}
