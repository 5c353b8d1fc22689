package drivertest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"sync/atomic"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// A crowded server takes no new connections. Events one by one would only ask for more of them.
func TestAGroupThatGetsNoConnectionIsNotTriedOneByOne(t *testing.T) {
	crowded := map[string]error{
		postgres.name: &pgconn.PgError{Severity: "FATAL", Code: "53300", Message: "sorry, too many clients already"},
		mysql.name:    &mysqldriver.MySQLError{Number: 1040, Message: "Too many connections"},
	}
	eachServer(t, func(t *testing.T, d database) {
		dsn := d.dsn(t)
		connector := &crowd{driver: d.open(t, dsn).Driver(), dsn: dsn, err: crowded[d.name]}
		db := sql.OpenDB(connector)
		t.Cleanup(func() { _ = db.Close() })
		db.SetMaxIdleConns(0)
		store, err := sqlstore.New(db, d.dialect, sqlstore.Options{})
		require.NoError(t, err)
		require.NoError(t, store.Migrate(t.Context()))
		s := newScene(t, store)
		var events []webhook.EventRecord
		for i := range 100 {
			events = append(events, s.event("acme", fmt.Sprintf("evt%d", i), "ep1"))
		}
		connector.on.Store(true)
		_, err = store.Publish(t.Context(), s.request(events...))
		require.ErrorIs(t, err, crowded[d.name])
		require.LessOrEqual(t, connector.asked.Load(), int64(2))
	})
}

// A crowd takes the connections, while it is on.
type crowd struct {
	driver driver.Driver
	dsn    string
	err    error
	on     atomic.Bool
	asked  atomic.Int64
}

func (c *crowd) Connect(context.Context) (driver.Conn, error) {
	if c.on.Load() {
		c.asked.Add(1)
		return nil, c.err
	}
	return c.driver.Open(c.dsn)
}

func (c *crowd) Driver() driver.Driver { return c.driver }
