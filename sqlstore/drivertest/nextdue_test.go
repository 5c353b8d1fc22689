package drivertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// lockedClaim claims while another transaction holds a row, and returns the next due time.
func (s *scene) lockedClaim(d database, dsn, lock string) time.Time {
	s.Helper()
	tx, err := d.open(s, dsn).BeginTx(s.Context(), nil)
	require.NoError(s, err)
	defer tx.Rollback()
	var found int64
	require.NoError(s, tx.QueryRowContext(s.Context(), lock+" FOR UPDATE").Scan(&found), "the lock")
	c, err := s.store.Claim(s.Context(), webhook.ClaimRequest{
		Now: s.now, LeaseUntil: s.now.Add(time.Minute), Max: 10, MaxBytes: 1 << 20, Room: 10,
	})
	require.NoError(s, err)
	require.Empty(s, c.Deliveries)
	require.Empty(s, c.Next)
	return c.NextDue
}

// Otherwise every process claims without pause until the other transaction ends.
func TestWhatAnotherTransactionHoldsIsNotDueNext(t *testing.T) {
	onlyWithoutRaceDetector(t)
	eachServer(t, func(t *testing.T, d database) {
		for name, table := range map[string]string{"a retry": "webhook_queue", "the outbox": "webhook_outbox"} {
			t.Run(name, func(t *testing.T) {
				dsn := d.dsn(t)
				s := newScene(t, d.store(t, dsn, sqlstore.Options{}))
				require.NoError(t, s.store.Migrate(t.Context()))
				s.endpoint("acme", "ep1")
				soon := s.now.Add(time.Second)
				e := s.event("acme", "evt1", "ep1")
				e.Deliveries[0].DueAt = soon
				if table == "webhook_outbox" {
					e.Deliveries, e.NotBefore = nil, soon
				}
				s.publish(e)
				s.now = s.now.Add(2 * time.Second)
				lock := fmt.Sprintf("SELECT due_at FROM %s WHERE due_at = %d", table, soon.UnixMicro())
				assert.Zero(t, s.lockedClaim(d, dsn, lock), "the next poll finds it")

				later := s.event("acme", "evt2", "ep1")
				later.Deliveries[0].DueAt = s.now.Add(time.Hour)
				s.publish(later)
				assert.Equal(t, later.Deliveries[0].DueAt, s.lockedClaim(d, dsn, lock))
				assert.Len(t, s.claim(), 1, "the other transaction has ended")
			})
		}
	})
}

// The times of two processes differ by some milliseconds, and a claim that takes nothing may
// not be followed by another for a whole PollInterval.
func TestADeliveryIsClaimedThoughItsPublishersClockIsAhead(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := newScene(t, d.migrated(t))
		s.endpoint("acme", "ep1")
		claimers := s.now
		s.now = s.now.Add(30 * time.Millisecond)
		s.publish(s.event("acme", "evt1", "ep1"))
		later := s.event("acme", "evt2", "ep1")
		later.Deliveries[0].DueAt = s.now.Add(time.Second)
		s.publish(later)
		s.now = claimers
		assert.Len(t, s.claim(), 1, "and nothing that is due later")
	})
}
