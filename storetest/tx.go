package storetest

import (
	"context"
	"testing"

	"github.com/gowebhook/webhook"
)

// A TxStore is a Store that takes part in transactions of the application.
type TxStore interface {
	webhook.Store

	// Begin begins a transaction, as an application would.
	Begin(ctx context.Context) (Tx, error)
}

// A Tx is a transaction of the application. Its Publisher is for [webhook.Dispatcher.EmitTx].
type Tx interface {
	webhook.Publisher
	Commit() error
	Rollback() error
}

// RunTx runs the cases about transactions of the application, one subtest for each. newStore
// works as for [Run]. RunTx needs a Store that other callers can write to while such a
// transaction is open. An SQLite file is no such Store.
func RunTx(t *testing.T, newStore func(t *testing.T) TxStore) {
	t.Helper()
	for _, c := range txCases {
		t.Run(c.name, func(t *testing.T) { c.check(t, newStore(t)) })
	}
}
