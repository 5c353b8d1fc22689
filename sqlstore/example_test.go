package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// PostgreSQL, on the pool that the application has anyway. Every process does this when it
// starts. One of them migrates, and the others wait for it.
func ExampleNew() { //nolint:testableexamples // it needs a server
	ctx := context.Background()
	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL")) // with import _ "github.com/jackc/pgx/v5/stdlib"
	if err != nil {
		fmt.Println(err)
		return
	}
	store, err := sqlstore.New(db, sqlstore.Postgres, sqlstore.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := store.Migrate(ctx); err != nil { // or Check, if a tool of your own applies sqlstore.Migrations
		fmt.Println(err)
		return
	}
	dispatcher, err := webhook.New(store, webhook.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(dispatcher.Run(ctx)) // until ctx ends
}

// An SQLite file, for an application on one machine.
func ExampleOpenSQLite() { //nolint:testableexamples // it needs a driver
	ctx := context.Background()
	store, err := sqlstore.OpenSQLite("sqlite", "webhooks.db", sqlstore.Options{}) // with import _ "modernc.org/sqlite"
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
	if err := store.Migrate(ctx); err != nil {
		fmt.Println(err)
		return
	}
	dispatcher, err := webhook.New(store, webhook.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(dispatcher.Run(ctx)) // until ctx ends
}

// Migrations as files, for example for golang-migrate.
func ExampleMigrations() {
	steps, err := sqlstore.Migrations(sqlstore.Postgres, sqlstore.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	files := make(map[string]string)
	for _, step := range steps {
		name := fmt.Sprintf("%06d_webhook_%s", step.Version, step.Name)
		files[name+".up.sql"] = step.Up
		files[name+".down.sql"] = step.Down
	}
	fmt.Println(files["000001_webhook_init.up.sql"] != "")
	// Output: true
}
