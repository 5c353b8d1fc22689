package drivertest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// A Shop is the application. Its orders are in the database that the Store is on.
type Shop struct {
	db         *sql.DB
	store      *sqlstore.Store
	dispatcher *webhook.Dispatcher
}

// PlaceOrder stores an order and the event "order.placed". When it returns nil, both are
// stored. Otherwise neither is.
func (s *Shop) PlaceOrder(ctx context.Context, customer, order string) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, "INSERT INTO orders (id, customer) VALUES ($1, $2)", order, customer); err != nil {
		return err
	}
	_, err = s.dispatcher.EmitTx(ctx, s.store.Tx(tx), webhook.Event{
		Tenant: customer, Type: "order.placed", Data: map[string]string{"order_id": order},
	})
	if err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	s.dispatcher.Wake() // a hint: without it the event waits for the next poll
	return nil
}

// An order and its event are committed together, or vanish together. The Example of sqlstore
// needs a database, so this test runs its code.
func TestTheShopOfTheExampleKeepsOrdersAndEventsTogether(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		h := newHost(t, d)
		h.exec(t, h.db, "ALTER TABLE orders ADD COLUMN customer VARCHAR(64)")
		dispatcher := h.worker(t, soon)
		acme := newCustomer(t, dispatcher)
		shop := &Shop{db: h.db, store: h.store, dispatcher: dispatcher}
		if d.name == mysql.name {
			shop.db = sql.OpenDB(dollars{h.db.Driver(), h.url})
			t.Cleanup(func() { assert.NoError(t, shop.db.Close()) })
		}

		require.NoError(t, shop.PlaceOrder(t.Context(), acme.tenant, "ord_1"))
		assert.True(t, h.ordered(t, "ord_1"))
		acme.got(1)
		assert.Contains(t, string(acme.Received()[0].Body), `{"order_id":"ord_1"}`)

		require.Error(t, shop.PlaceOrder(t.Context(), acme.tenant, "ord_1"), "the order is there")
		require.ErrorIs(t, shop.PlaceOrder(t.Context(), "", "ord_2"), webhook.ErrInvalid)
		assert.False(t, h.ordered(t, "ord_2"), "without its event")
		assert.Len(t, acme.stored(), 1, "without its order")
		assert.Equal(t, 1, h.count(t, "SELECT count(*) FROM webhook_events"))
	})
}

func TestTheShopIsThatOfTheExample(t *testing.T) {
	onlyWithoutRaceDetector(t)
	shop := func(file string) string {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		_, body, found := strings.Cut(string(text), "// A Shop is")
		require.True(t, found, file)
		body, _, found = strings.Cut(body, "// An order and its event")
		require.True(t, found, file)
		return body
	}
	assert.Equal(t, shop("../example_tx_test.go"), shop("example_shop_test.go"))
}

// dollars connects to MariaDB for an application that writes $1 for the first value, in the
// style of PostgreSQL and SQLite.
type dollars struct {
	driver driver.Driver
	dsn    string
}

func (d dollars) Driver() driver.Driver { return d.driver }

func (d dollars) Connect(context.Context) (driver.Conn, error) {
	conn, err := d.driver.Open(d.dsn)
	return dollarConn{conn}, err
}

// A dollarConn hides the methods that let database/sql run a statement without preparing it.
type dollarConn struct{ driver.Conn }

var dollar = regexp.MustCompile(`\$\d+`)

func (c dollarConn) Prepare(query string) (driver.Stmt, error) {
	return c.Conn.Prepare(dollar.ReplaceAllString(query, "?"))
}
