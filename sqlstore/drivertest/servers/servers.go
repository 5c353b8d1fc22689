// Package servers gives tests a database of their own in a real server.
//
// The tests of a process share one throwaway server of each kind, started from the installed
// programs. WEBHOOK_TEST_POSTGRES (a postgres:// URL) and WEBHOOK_TEST_MYSQL (a DSN of
// github.com/go-sql-driver/mysql) name servers to use instead, by users who may create
// databases. No other server is touched. A test without a server is skipped; it fails if
// WEBHOOK_TEST_REQUIRED is 1.
//
// It needs Unix. Pausing or killing PostgreSQL needs Linux or the program pgrep.
package servers

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// patience is how long a server may take to start, to stop, or to make or drop a database.
// A MariaDB on a busy machine was seen to need 55 seconds to start.
const patience = 3 * time.Minute

// Postgres returns the URL of a new, empty PostgreSQL database, which is dropped at the end of
// the test with all its connections.
func Postgres(tb testing.TB) string {
	tb.Helper()
	return postgres.database(tb)
}

// MySQL returns the go-sql-driver DSN of a new, empty MariaDB or MySQL database, which is
// dropped at the end of the test. Its connections must hold no locks then.
func MySQL(tb testing.TB) string {
	tb.Helper()
	return mariadb.database(tb)
}

// SQLite returns the path of a database file that does not exist yet, in a folder that goes
// with the test.
func SQLite(tb testing.TB) string {
	tb.Helper()
	folder, err := os.MkdirTemp(base(), "webhook-test-") //nolint:usetesting // its TempDir may be on a disk
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(folder); err != nil {
			tb.Error(err)
		}
	})
	return filepath.Join(folder, "webhook.db")
}

// StopShared stops the servers that Postgres and MySQL started, for a TestMain that counts
// goroutines. It removes what new servers are copied from, too. Without it all this goes when
// the process ends or crashes. The next call of Postgres or MySQL starts new servers.
func StopShared() error {
	return errors.Join(postgres.reset(), mariadb.reset(), postgresData.remove(), mariadbData.remove())
}

// unavailable ends a test that has no server.
func unavailable(tb testing.TB, name, remedy string, err error) {
	tb.Helper()
	switch {
	case !errors.Is(err, errNotInstalled):
		tb.Fatalf("%s: %v", name, err)
	case os.Getenv("WEBHOOK_TEST_REQUIRED") == "1":
		tb.Fatalf("no %s, and WEBHOOK_TEST_REQUIRED is 1: %s", name, remedy)
	default:
		tb.Skipf("no %s: %s", name, remedy)
	}
}

func withPatience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}
