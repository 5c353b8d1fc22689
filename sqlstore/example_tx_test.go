package sqlstore_test

import (
	"context"
	"database/sql"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// Orders is a part of the application, with a table of its own.
type Orders struct {
	db         *sql.DB
	store      *sqlstore.Store // on the same database
	dispatcher *webhook.Dispatcher
}

// Place stores an order and the event that tells of it: both are there when it returns nil, and neither otherwise.
func (o *Orders) Place(ctx context.Context, customer, order string) error {
	tx, err := o.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, "INSERT INTO orders (id, customer) VALUES ($1, $2)", order, customer); err != nil {
		return err
	}
	_, err = o.dispatcher.EmitTx(ctx, o.store.Tx(tx), webhook.Event{
		Tenant: customer,
		Type:   "order.placed",
		ID:     "order-placed-" + order, // so that it is emitted once, whatever is repeated
		Data:   map[string]string{"order_id": order},
	})
	if err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	o.dispatcher.Wake() // optional: without it, the event is found by the next poll
	return nil
}

// An order and its event are committed together, or vanish together.
func ExampleStore_Tx() { //nolint:testableexamples // it needs a database
	var orders Orders
	_ = orders.Place(context.Background(), "acme", "ord_1")
}
