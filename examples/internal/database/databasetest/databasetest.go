// Package databasetest makes databases for the tests of examples.
package databasetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"strings"
	"testing"

	_ "github.com/go-sql-driver/mysql" // the driver "mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// Postgres makes a database on this machine's PostgreSQL and returns its URL. The test is
// skipped if the server asks for a password.
func Postgres(t *testing.T) string {
	t.Helper()
	return create(t, "pgx", map[string]string{
		"postgres://root@127.0.0.1:5432/postgres?sslmode=disable":     "postgres://root@127.0.0.1:5432/%s?sslmode=disable",
		"postgres://postgres@127.0.0.1:5432/postgres?sslmode=disable": "postgres://postgres@127.0.0.1/%s?sslmode=disable",
	})
}

// MySQL makes a database on this machine's MariaDB or MySQL, as Postgres does.
func MySQL(t *testing.T) string {
	t.Helper()
	return create(t, "mysql", map[string]string{"root@tcp(127.0.0.1:3306)/": "mysql://root@127.0.0.1/%s"})
}

// create makes a database. servers has the addresses to try, each with the URL of a database
// there.
func create(t *testing.T, driver string, servers map[string]string) string {
	t.Helper()
	name := "webhook_test_" + strings.ToLower(rand.Text())
	for dsn, url := range servers {
		db, err := sql.Open(driver, dsn)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		if _, err := db.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
			t.Log(err)
			continue
		}
		t.Cleanup(func() {
			if _, err := db.ExecContext(context.WithoutCancel(t.Context()), "DROP DATABASE "+name); err != nil {
				t.Error(err)
			}
		})
		return fmt.Sprintf(url, name)
	}
	t.Skip("no server on the standard port lets us in without a password")
	return ""
}
