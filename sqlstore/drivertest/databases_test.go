package drivertest

import (
	"database/sql"
	"flag"
	"fmt"
	"os"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/gowebhook/webhook/sqlstore"
	"github.com/gowebhook/webhook/sqlstore/drivertest/servers"
)

func TestMain(m *testing.M) {
	runWorkerIfAsked()
	flag.Parse()
	parallel := "8" // they wait for servers and leases, most of the time
	if raceDetector {
		parallel = "6" // it keeps the cores busy
	}
	if err := flag.Set("test.parallel", parallel); err != nil {
		panic(err)
	}
	if err := mysqldriver.SetLogger(&mysqldriver.NopLogger{}); err != nil { // it says that connections are cut, as tests do
		panic(err)
	}
	code := m.Run()
	if err := servers.StopShared(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// A database is where a store may be.
type database struct {
	name    string
	dialect sqlstore.Dialect
	dsn     func(testing.TB) string // of a new, empty database, or the name of a file
	driver  string
	suffix  string // of the dsn
}

var (
	postgres = database{name: "postgres", dialect: sqlstore.Postgres, dsn: servers.Postgres, driver: "pgx"}
	mysql    = database{name: "mysql", dialect: sqlstore.MySQL, dsn: servers.MySQL, driver: "mysql"}
	sqlite   = database{name: "sqlite", dialect: sqlstore.SQLite, dsn: servers.SQLite, driver: "sqlite"}

	databases = []database{postgres, mysql, sqlite}
)

// each runs a test on every database, in parallel, and in parallel with other tests. Those
// that measure do so alone.
func each(t *testing.T, test func(t *testing.T, d database)) {
	t.Helper()
	eachOf(t, databases, test)
}

func eachOf(t *testing.T, on []database, test func(t *testing.T, d database)) {
	t.Helper()
	parallel := func(t *testing.T) {
		if !soaking() {
			t.Parallel()
		}
	}
	parallel(t)
	for _, d := range on {
		t.Run(d.name, func(t *testing.T) {
			parallel(t)
			test(t, d)
		})
	}
}

// onlyInCI skips a test of whole processes or servers, which takes tens of seconds, unless
// WEBHOOK_TEST_LONG is 1, as it is in make ci. It runs without the race detector.
func onlyInCI(t *testing.T) {
	t.Helper()
	onlyWithoutRaceDetector(t)
	if os.Getenv("WEBHOOK_TEST_LONG") != "1" && !soaking() {
		t.Skip("it takes tens of seconds; run make ci, or set WEBHOOK_TEST_LONG=1")
	}
}

// onlyWithoutRaceDetector skips a test in which one goroutine calls the store, and no
// Dispatcher runs: it has no races, and the detector makes it slow. It also skips a test that
// takes long and is about other processes, servers or plans. Other tests run the same code of
// ours with the detector.
func onlyWithoutRaceDetector(t *testing.T) {
	t.Helper()
	if raceDetector {
		t.Skip("runs without the race detector")
	}
}

// open returns a database, which is closed after the test.
func (d database) open(tb testing.TB, dsn string) *sql.DB {
	tb.Helper()
	db, err := sql.Open(d.driver, dsn+d.suffix)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = db.Close() })
	return db
}

// store returns a store on a database, which may have tables already.
func (d database) store(tb testing.TB, dsn string, o sqlstore.Options) *sqlstore.Store {
	tb.Helper()
	var (
		s   *sqlstore.Store
		err error
	)
	if d.dialect == sqlstore.SQLite {
		s, err = sqlstore.OpenSQLite(d.driver, dsn, o)
	} else {
		db := d.open(tb, dsn)
		db.SetMaxOpenConns(20)
		db.SetMaxIdleConns(20)
		s, err = sqlstore.New(db, d.dialect, o)
	}
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

// again returns another store on the same database, with the connections of the first where
// that is possible.
func (d database) again(tb testing.TB, first *sqlstore.Store, dsn string) *sqlstore.Store {
	tb.Helper()
	if d.dialect == sqlstore.SQLite {
		return d.store(tb, dsn, sqlstore.Options{})
	}
	s, err := sqlstore.New(first.DB(), d.dialect, sqlstore.Options{})
	require.NoError(tb, err)
	return s
}

// migrated returns a store with empty tables in a database of its own.
func (d database) migrated(tb testing.TB) *sqlstore.Store {
	tb.Helper()
	s := d.store(tb, d.dsn(tb), sqlstore.Options{})
	require.NoError(tb, s.Migrate(tb.Context()))
	return s
}

// tables are all tables that have rows in use, without their prefix.
var tables = []string{
	"tenants", "endpoints", "status", "versions", "subscriptions", "events", "outbox", "queue", "deliveries", "attempts", "bodies", "removals", "replays",
}

// empty removes all rows, and lets any process prune.
func empty(tb testing.TB, db *sql.DB, prefix string) {
	tb.Helper()
	for _, table := range tables {
		_, err := db.ExecContext(tb.Context(), "DELETE FROM "+prefix+table)
		require.NoError(tb, err)
	}
	_, err := db.ExecContext(tb.Context(), "UPDATE "+prefix+"locks SET used_at = 0")
	require.NoError(tb, err)
}
