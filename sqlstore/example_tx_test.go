package sqlstore_test //nolint:testableexamples // it needs a database

import (
	"context"
	"database/sql"
	"fmt"

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

// An order and its event are committed together, or vanish together.
func ExampleStore_Tx() {
	var shop Shop // made when the program starts
	if err := shop.PlaceOrder(context.Background(), "acme", "ord_1"); err != nil {
		fmt.Println(err)
	}
}
