package drivertest

import (
	"context"
	"database/sql"
	"slices"
	"testing"

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

// failed is what a failed attempt without a retry leads to.
func (s *scene) failed(l webhook.Leased) webhook.Settlement {
	item := s.succeeded(l)
	item.State, item.Reason, item.Attempt.Class, item.Attempt.Status = webhook.DeliveryFailed, webhook.ReasonGivenUp, webhook.ClassStatus, 500
	return item
}

func TestAFailureOfOneEndpointDoesNotLockTheStatusOfAHealthyOne(t *testing.T) {
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
