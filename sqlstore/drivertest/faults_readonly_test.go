package drivertest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// A switchover is a connector whose connections lead to a server that takes no writes, while
// it says so.
type switchover struct {
	driver   driver.Driver
	dsn      string
	readOnly string // the dsn
	demoted  atomic.Bool
	made     atomic.Int64
}

func (s *switchover) Driver() driver.Driver { return s.driver }

func (s *switchover) Connect(context.Context) (driver.Conn, error) {
	s.made.Add(1)
	if s.demoted.Load() {
		return s.driver.Open(s.readOnly)
	}
	return s.driver.Open(s.dsn)
}

const pooled = 5

// demoted returns a store with a pool of idle connections to a server that takes no writes.
func (d database) demoted(t *testing.T) (*sqlstore.Store, *switchover) {
	t.Helper()
	dsn := d.dsn(t)
	require.NoError(t, d.store(t, dsn, sqlstore.Options{}).Migrate(t.Context()))
	param := "?tx_read_only=1"
	if d.name == postgres.name {
		param = "&default_transaction_read_only=on"
	}
	c := &switchover{driver: d.open(t, dsn).Driver(), dsn: dsn, readOnly: dsn + param}
	db := sql.OpenDB(c)
	t.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(2 * pooled)
	db.SetMaxIdleConns(pooled)
	store, err := sqlstore.New(db, d.dialect, sqlstore.Options{})
	require.NoError(t, err)
	c.demoted.Store(true)
	var conns []*sql.Conn
	for range pooled {
		conn, err := db.Conn(t.Context())
		require.NoError(t, err)
		conns = append(conns, conn)
	}
	for _, conn := range conns {
		require.NoError(t, conn.Close())
	}
	return store, c
}

// After a switch-over that keeps connections they lead to a server that takes no writes. The
// first call that writes finds the primary all the same.
func TestConnectionsToAServerThatTakesNoWritesLeaveThePool(t *testing.T) {
	onlyWithoutRaceDetector(t)
	eachServer(t, func(t *testing.T, d database) {
		var leased []webhook.Leased
		for name, call := range map[string]func(*scene) error{
			"Publish": func(s *scene) error {
				e := s.event("acme", "evt2", "ep1")
				e.ID, e.NewID = e.UID.String(), true
				_, err := s.store.Publish(s.Context(), s.request(e))
				return err
			},
			"Publish of a given id": func(s *scene) error {
				_, err := s.store.Publish(s.Context(), s.request(s.event("acme", "evt3", "ep1")))
				return err
			},
			"Claim": func(s *scene) error {
				n, err := claimOnce(s)
				assert.Equal(t, 1, n)
				return err
			},
			"CreateEndpoint": func(s *scene) error {
				return s.store.CreateEndpoint(s.Context(), webhook.Endpoint{
					Tenant: "acme", ID: "ep2", URL: "https://example.com", Events: []string{"*"}, State: webhook.EndpointActive, Version: 1,
				}, 0)
			},
			"Settle": func(s *scene) error {
				_, err := s.store.Settle(s.Context(), s.now, []webhook.Settlement{failed(s, leased[0])})
				return err
			},
		} {
			store, c := d.demoted(t)
			c.demoted.Store(false)
			there := newScene(t, d.store(t, c.dsn, sqlstore.Options{}))
			there.endpoint("acme", "ep1")
			there.publish(there.event("acme", "evt1", "ep1"))
			if name == "Settle" {
				leased = there.claim()
			}
			s := newScene(t, store)
			s.seq = 100
			require.NoError(t, call(s), name)
			assert.LessOrEqual(t, c.made.Load(), int64(pooled+2), "%s: connections that were made", name)
		}
	})
}

// If there is no primary, each call learns so from one new connection.
func TestAServerThatTakesNoWritesIsAskedOnceMore(t *testing.T) {
	onlyWithoutRaceDetector(t)
	eachServer(t, func(t *testing.T, d database) {
		store, c := d.demoted(t)
		s := newScene(t, store)
		for _, calls := range []int64{1, 2, 3} {
			_, err := store.Publish(t.Context(), s.request(s.event("acme", "evt1")))
			require.ErrorContains(t, err, "the database is read-only")
			assert.LessOrEqual(t, c.made.Load(), pooled+2*calls)
		}
		assert.Zero(t, store.DB().Stats().Idle, "no connection to it is kept")
	})
}
