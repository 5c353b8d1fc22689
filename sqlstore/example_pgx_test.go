package sqlstore_test //nolint:testableexamples // it needs a database

import (
	"context"
	"fmt"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// PgxTx is here instead of pgx.Tx, because this module does not require pgx.
type PgxTx interface {
	Exec(ctx context.Context, sql string, args ...any) (CommandTag, error)
	QueryRow(ctx context.Context, sql string, args ...any) Row
}

// CommandTag is here instead of pgconn.CommandTag.
type CommandTag interface{ RowsAffected() int64 }

// Row is here instead of pgx.Row.
type Row interface{ Scan(dest ...any) error }

// Orders emits through pgx.
type Orders struct {
	store      *sqlstore.Store // on stdlib.OpenDBFromPool(pool)
	dispatcher *webhook.Dispatcher
}

// Place takes part in a transaction of its caller, who begins and ends it, for example with
// pgx.BeginFunc(ctx, pool, …).
func (o *Orders) Place(ctx context.Context, tx PgxTx, customer, order string) error {
	if _, err := tx.Exec(ctx, "INSERT INTO orders (id, customer) VALUES ($1, $2)", order, customer); err != nil {
		return err
	}
	_, err := o.dispatcher.EmitTx(ctx, o.store.Tx(sqlstore.Pgx(tx)), webhook.Event{
		Tenant: customer, Type: "order.placed", Data: map[string]string{"order_id": order},
	})
	return err
}

// EmitTx within a transaction of pgx.
func ExamplePgx() {
	var (
		orders Orders // made when the program starts
		tx     PgxTx
	)
	if err := orders.Place(context.Background(), tx, "acme", "ord_1"); err != nil {
		fmt.Println(err)
	}
}
