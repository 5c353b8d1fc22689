package drivertest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing/fstest"

	"github.com/pressly/goose/v3"

	"github.com/gowebhook/webhook/sqlstore"
)

// gooseFiles returns the library's migrations as files of goose. The number of a file is first
// plus the version of the migration.
func gooseFiles(dialect sqlstore.Dialect, first int) (fstest.MapFS, error) {
	steps, err := sqlstore.Migrations(dialect, sqlstore.Options{})
	if err != nil {
		return nil, err
	}
	files := make(fstest.MapFS)
	for _, step := range steps {
		name := fmt.Sprintf("%05d_webhook_%s.sql", first+step.Version, step.Name)
		files[name] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + step.Up + "\n-- +goose Down\n" + step.Down)}
	}
	return files, nil
}

// newSQLite returns a store on a new file without tables, and a function that removes the file.
func newSQLite() (*sqlstore.Store, func(), error) {
	folder, err := os.MkdirTemp("", "webhook-goose-")
	if err != nil {
		return nil, nil, err
	}
	store, err := sqlstore.OpenSQLite("sqlite", filepath.Join(folder, "app.db"), sqlstore.Options{})
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(folder))
	}
	return store, func() { _ = errors.Join(store.Close(), os.RemoveAll(folder)) }, nil
}

// gooseUp brings a database up to date and prints the migrations that it applied.
func gooseUp(ctx context.Context, db *sql.DB, files fstest.MapFS, options ...goose.ProviderOption) {
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files, options...)
	if err != nil {
		fmt.Println(err)
		return
	}
	applied, err := provider.Up(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("applied:", len(applied))
	for _, one := range applied {
		fmt.Println("-", one.Source.Path)
	}
}

// The library's migrations are numbered 1, 2, 3 and so on. In a history table of their own, these
// numbers never meet the application's numbers. This is the simplest way.
//
// Until version 0.1.0 of the library, migration 1 is edited in place: after an update, drop the
// tables and the history table.
func Example_goose() {
	ctx := context.Background()
	store, remove, err := newSQLite()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer remove()
	files, err := gooseFiles(sqlstore.SQLite, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	history := goose.WithTableName("webhook_goose")
	gooseUp(ctx, store.DB(), files, history)
	gooseUp(ctx, store.DB(), files, history) // the next start
	fmt.Println("check:", store.Check(ctx))
	// Output:
	// applied: 1
	// - 00001_webhook_init.sql
	// applied: 0
	// check: <nil>
}

// In one sequence with the application's migrations, add an offset to the library's numbers.
// goose refuses a number below one that was applied, for example after two branches were
// merged. The option goose.WithAllowOutofOrder applies it. That is safe for the library's
// migrations, because they touch only the library's tables.
func Example_gooseOutOfOrder() {
	ctx := context.Background()
	store, remove, err := newSQLite()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer remove()
	files := fstest.MapFS{
		"00001_orders.sql":   {Data: []byte("-- +goose Up\nCREATE TABLE orders (id TEXT PRIMARY KEY);")},
		"00003_invoices.sql": {Data: []byte("-- +goose Up\nCREATE TABLE invoices (id TEXT PRIMARY KEY);")},
	}
	gooseUp(ctx, store.DB(), files)

	webhooks, err := gooseFiles(sqlstore.SQLite, 1) // from another branch, as number 2
	if err != nil {
		fmt.Println(err)
		return
	}
	maps.Copy(files, webhooks)
	gooseUp(ctx, store.DB(), files)
	gooseUp(ctx, store.DB(), files, goose.WithAllowOutofOrder(true))
	fmt.Println("check:", store.Check(ctx))
	// Output:
	// applied: 2
	// - 00001_orders.sql
	// - 00003_invoices.sql
	// detected 1 missing (out-of-order) migration lower than database version (3): version 2
	// applied: 1
	// - 00002_webhook_init.sql
	// check: <nil>
}
