package drivertest

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// An interrupted Execer fails its n-th statement, from 0, and all that follow.
type interrupted struct {
	sqlstore.Execer
	n int
}

func (i *interrupted) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	i.n--
	if i.n < 0 {
		return nil, errStopped
	}
	return i.Execer.ExecContext(ctx, query, args...)
}

// PostgreSQL keeps nothing of a transaction with a failed statement. The others do, so an
// application that commits after an error must not leave an event that is a duplicate for ever
// and that nobody delivers.
func TestAnEventThatIsStoredIsDeliveredThoughTheApplicationCommitsAfterAnError(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		store := d.migrated(t)
		for name, events := range map[string]func(*scene, string) []webhook.EventRecord{
			"one": func(s *scene, id string) []webhook.EventRecord {
				return []webhook.EventRecord{s.event("acme", id)}
			},
			"two": func(s *scene, id string) []webhook.EventRecord {
				return []webhook.EventRecord{s.event("acme", id), s.event("acme", id+"b")}
			},
			"new": func(s *scene, id string) []webhook.EventRecord {
				list := []webhook.EventRecord{s.event("acme", id), s.event("acme", id+"b")}
				list[0].NewID, list[1].NewID = true, true
				return list
			},
			"the last is refused": func(s *scene, id string) []webhook.EventRecord {
				refused := s.event("acme", "known")
				refused.Data = []byte("2")
				return []webhook.EventRecord{s.event("acme", id), refused}
			},
			"that is known": func(s *scene, _ string) []webhook.EventRecord {
				return []webhook.EventRecord{s.event("acme", "known")}
			},
		} {
			empty(t, store.DB(), "webhook_")
			s := newScene(t, store)
			s.endpoint("acme", "ep1")
			s.publish(s.event("acme", "known", "ep1"))
			s.deliver()
			inTransaction := func(list []webhook.EventRecord, n int) error {
				t.Helper()
				for i := range list {
					list[i].Deliveries = nil
				}
				req := s.request(list...)
				req.Atomic = true
				tx, err := store.DB().BeginTx(t.Context(), nil)
				require.NoError(t, err)
				_, err = store.Tx(&interrupted{tx, n}).Publish(t.Context(), req)
				require.NoError(t, tx.Commit())
				return err
			}
			for n, failed := 0, true; failed; n++ {
				require.Less(t, n, 20)
				list := events(s, fmt.Sprint("evt", n))
				failed = inTransaction(list, n) != nil
				s.deliver()
				assert.Zero(t, s.rowsOf("queue"), name)
				assert.Zero(t, s.rowsOf("outbox"), "a row without an event is removed")
				assert.Equal(t, s.rowsOf("events"), s.rowsOf("deliveries"), "%s, statement %d: each event is delivered once", name, n)
				stats, err := store.Stats(t.Context(), s.now)
				require.NoError(t, err)
				assert.Zero(t, stats.Outbox, name)
			}
			s.now = s.now.Add(100 * day)
			s.prune(webhook.Retention{})
			assert.Zero(t, s.rowsOf("events"), name)
		}
	})
}
