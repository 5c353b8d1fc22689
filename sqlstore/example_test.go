package sqlstore_test

import (
	"context"
	"database/sql"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// PostgreSQL, on the pool that the application has already. Each process does this when it starts; one of them migrates, and the
// others wait for it.
func ExampleNew() { //nolint:testableexamples // it needs a database
	serve := func(ctx context.Context, db *sql.DB) error { // from sql.Open("pgx", url), say
		store, err := sqlstore.New(db, sqlstore.Postgres, sqlstore.Options{})
		if err != nil {
			return err
		}
		if err := store.Migrate(ctx); err != nil { // or store.Check, if a tool of your own applies sqlstore.Migrations
			return err
		}
		dispatcher, err := webhook.New(store, webhook.Config{})
		if err != nil {
			return err
		}
		return dispatcher.Run(ctx) // delivers until ctx ends
	}
	_ = serve
}

// A file, for one machine.
func ExampleOpenSQLite() { //nolint:testableexamples // it needs a driver
	serve := func(ctx context.Context) error {
		store, err := sqlstore.OpenSQLite("sqlite", "webhooks.db", sqlstore.Options{}) // with import _ "modernc.org/sqlite"
		if err != nil {
			return err
		}
		defer store.Close()
		if err := store.Migrate(ctx); err != nil {
			return err
		}
		dispatcher, err := webhook.New(store, webhook.Config{})
		if err != nil {
			return err
		}
		return dispatcher.Run(ctx)
	}
	_ = serve
}
