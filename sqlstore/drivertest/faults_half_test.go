package drivertest

import (
	"database/sql/driver"
	"io"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// changes are calls that write to several tables, with the rows of stage.
var changes = map[string]func(s *scene) error{
	"CreateEndpoint": func(s *scene) error {
		return s.store.CreateEndpoint(s.Context(), webhook.Endpoint{
			Tenant: "acme", ID: "ep2", URL: "https://example.com", Events: []string{"a", "b"}, State: webhook.EndpointActive, Version: 1,
			CreatedAt: s.now, UpdatedAt: s.now,
		}, 0)
	},
	"UpdateEndpoint": func(s *scene) error {
		_, err := s.store.UpdateEndpoint(s.Context(), webhook.Endpoint{
			Tenant: "acme", ID: "ep1", URL: "https://example.com", Events: []string{"a", "b"}, State: webhook.EndpointActive, Version: 1,
			UpdatedAt: s.now,
		})
		return err
	},
	"DeleteEndpoint": func(s *scene) error {
		return s.store.DeleteEndpoint(s.Context(), webhook.EndpointKey{Tenant: "acme", ID: "ep1"}, 0, s.now)
	},
	"Retry": func(s *scene) error {
		_, err := s.store.Retry(s.Context(), webhook.Query{Tenant: "acme", State: webhook.DeliverySucceeded}, s.now)
		return err
	},
	"Cancel": func(s *scene) error {
		_, err := s.store.Cancel(s.Context(), webhook.Query{Tenant: "acme"}, s.now)
		return err
	},
	"Settle": func(s *scene) error {
		failed := func(event webhook.EventRecord) webhook.Settlement {
			item := s.succeeded(webhook.Leased{UID: event.UID, Endpoint: webhook.EndpointKey{Tenant: "acme", ID: "ep1"}, LeaseNo: 1})
			item.State, item.Reason, item.Attempt.Class, item.Disable = webhook.DeliveryFailed, webhook.ReasonGone, webhook.ClassStatus, webhook.ReasonGone
			return item
		}
		_, err := s.store.Settle(s.Context(), s.now, []webhook.Settlement{failed(s.leased[0]), failed(s.leased[1])})
		return err
	},
	"Prune": func(s *scene) error {
		_, err := s.store.Prune(s.Context(), s.now.Add(100*24*time.Hour), webhook.Retention{})
		return err
	},
	"Claim": func(s *scene) error { // makes the deliveries of the outbox
		_, err := s.store.Claim(s.Context(), webhook.ClaimRequest{
			Now: s.now, LeaseUntil: s.now.Add(time.Minute), Max: 10, MaxBytes: 1 << 20, Room: 10,
		})
		return err
	},
}

// onServers are the changes that are tried on servers too.
var onServers = map[string]bool{"UpdateEndpoint": true, "Settle": true, "Claim": true}

// stage empties the tables and stores one of each kind of delivery, in few transactions. The
// n-th time the events are newer: Prune remembers how far it has come.
func stage(t *testing.T, store *sqlstore.Store, n int) *scene {
	t.Helper()
	tx, err := store.DB().BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback()
	for _, table := range tables {
		_, err := tx.ExecContext(t.Context(), "DELETE FROM webhook_"+table)
		require.NoError(t, err)
	}
	require.NoError(t, tx.Commit())
	s := newScene(t, store)
	s.seq = uint64(n) * 100
	s.endpoint("acme", "ep1")
	over, outbox := s.event("acme", "over", "ep1"), s.event("acme", "outbox")
	over.Deliveries[0].State, over.Deliveries[0].Attempt = webhook.DeliverySucceeded, &webhook.Attempt{StartedAt: s.now, ResponseBody: []byte("ok")}
	outbox.Deliveries = nil
	s.leased = []webhook.EventRecord{s.event("acme", "leased1", "ep1"), s.event("acme", "leased2", "ep1")}
	for i := range s.leased {
		s.leased[i].Deliveries[0].Leased = true
	}
	s.publish(over, outbox, s.event("acme", "due", "ep1"), s.leased[0], s.leased[1])
	return s
}

func TestALostConnectionLeavesNothingHalf(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		for name, change := range changes {
			if d.dialect != sqlstore.SQLite && !onServers[name] {
				continue // all that write do so in the same way, and a server syncs to disk
			}
			store, sab := d.sabotaged(t)
			s := stage(t, store, 0)
			before := s.rows()
			require.NoError(t, change(s), name)
			after := s.rows()
			require.NotEqual(t, before, after, name)
			for n, reached := 0, true; reached; n++ {
				require.Less(t, n, 100)
				s = stage(t, store, n+1)
				reached = false
				f := fault{err: io.ErrUnexpectedEOF, drop: true, then: func() { reached = true }}
				if n%2 == 1 {
					f.err = driver.ErrBadConn
				}
				sab.sabotage(failingNth(n, f))
				err := change(s)
				steps := sab.taken()
				rows := s.rows()
				if err == nil {
					assert.Equal(t, after, rows, "%s %d %s", name, n, steps)
					continue
				}
				if name != "Claim" { // its two transactions are apart
					assert.Equal(t, before, rows, "%s %d %s", name, n, steps)
				}
				// The server may need a moment to see that the connection is gone; as long,
				// its locks are held.
				require.Eventually(t, func() bool {
					return change(s) == nil && maps.Equal(after, s.rows())
				}, 20*time.Second, time.Millisecond, "%s %d: repeating it is safe", name, n)
			}
		}
	})
}
