package main

import (
	"crypto/rand"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestASecondRunShowsTheLogOfTheFirst(t *testing.T) {
	for name, where := range map[string]func(*testing.T) string{
		"SQLite": func(t *testing.T) string { return filepath.Join(t.TempDir(), "quickstart.db") },
		"PostgreSQL": func(t *testing.T) string {
			return newDatabase(t, "pgx", map[string]string{
				"postgres://root@127.0.0.1:5432/postgres?sslmode=disable":     "postgres://root@127.0.0.1:5432/%s?sslmode=disable",
				"postgres://postgres@127.0.0.1:5432/postgres?sslmode=disable": "postgres://postgres@127.0.0.1/%s?sslmode=disable",
			})
		},
		"MariaDB": func(t *testing.T) string {
			return newDatabase(t, "mysql", map[string]string{"root@tcp(127.0.0.1:3306)/": "mysql://root@127.0.0.1/%s"})
		},
	} {
		t.Run(name, func(t *testing.T) { runTwice(t, where(t)) })
	}
}

// newDatabase makes a database on a server of this machine that lets us in without a password, and returns its URL: servers are what
// the driver connects to, and the URL of a database there.
func newDatabase(t *testing.T, driver string, servers map[string]string) string {
	t.Helper()
	name := "webhook_test_" + strings.ToLower(rand.Text())
	for dsn, url := range servers {
		db, err := sql.Open(driver, dsn)
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, db.Close()) })
		if _, err := db.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
			t.Log(err)
			continue
		}
		t.Cleanup(func() {
			_, err := db.Exec("DROP DATABASE " + name)
			assert.NoError(t, err)
		})
		return fmt.Sprintf(url, name)
	}
	t.Skip("no server on the standard port lets us in without a password")
	return ""
}

func runTwice(t *testing.T, database string) {
	t.Helper()
	for runs := 1; runs <= 2; runs++ {
		var out strings.Builder
		require.NoError(t, run(t.Context(), &out, database))
		_, log, found := strings.Cut(out.String(), "RESULT\n")
		require.True(t, found, out.String())
		assert.Equal(t, 4*runs, strings.Count(log, "delivered"), out.String())
		assert.Equal(t, 2*runs, strings.Count(log, "retry in"), out.String())
		assert.Contains(t, log, "All 4 deliveries arrived.")
	}
}

func TestItRunsInMemoryToo(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run(t.Context(), &out, "memory"))
	assert.Contains(t, out.String(), "All 4 deliveries arrived.")
}

func TestAnUnknownDatabaseIsRefused(t *testing.T) {
	var out strings.Builder
	err := run(t.Context(), &out, "redis://localhost")
	assert.ErrorContains(t, err, "use a file name, postgres://…, mysql://… or memory")
}
