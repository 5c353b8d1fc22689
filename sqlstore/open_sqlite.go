package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/gowebhook/webhook/sqlstore/internal/engine"
)

const (
	// sqliteReaders is the number of connections that read for the Dispatcher, beside the one
	// that writes.
	sqliteReaders = 4

	// sqliteListers is the number of connections that read lists. Lists have connections of
	// their own, so that callers of lists cannot keep the Dispatcher waiting for one.
	sqliteListers = 4
)

// OpenSQLite returns a Store on a file, which is created if it is missing. driverName names a
// driver that your program imports: "sqlite" for modernc.org/sqlite, or "sqlite3" for
// github.com/mattn/go-sqlite3.
//
// SQLite has one writer at a time. So the Store writes through a single connection, which
// [Store.DB] shares with you. Four other connections read for the Dispatcher, and four more
// read lists. All use WAL mode and wait up to 5 seconds for transactions of other processes.
// Committed data survives a loss of power (synchronous = FULL).
func OpenSQLite(driverName, file string, o Options) (*Store, error) {
	if file == "" || strings.Contains(file, ":memory:") {
		return nil, errors.New("sqlstore: OpenSQLite needs the name of a file; package memstore keeps webhooks in memory")
	}
	if strings.HasPrefix(file, "file:") || strings.ContainsAny(file, "?#") {
		return nil, fmt.Errorf("sqlstore: %q is not the plain name of a file; OpenSQLite sets the options itself", file)
	}
	if err := o.check(&sqlite); err != nil {
		return nil, err
	}
	known, err := sql.Open(driverName, "")
	if err != nil {
		return nil, fmt.Errorf("sqlstore: %w; import the driver, such as _ \"modernc.org/sqlite\"", err)
	}
	d := known.Driver()
	if err := known.Close(); err != nil {
		return nil, fmt.Errorf("sqlstore: %w", err)
	}
	writer := sql.OpenDB(&sqliteConnector{driver: d, file: file})
	writer.SetMaxOpenConns(1)
	readers := func(n int) *sql.DB {
		db := sql.OpenDB(&sqliteConnector{driver: d, file: file, reads: true})
		db.SetMaxOpenConns(n)
		db.SetMaxIdleConns(n)
		return db
	}
	s, err := newStore(engine.Config{
		Writer: writer, Reader: readers(sqliteReaders), Lister: readers(sqliteListers), OneConnection: true,
	}, &sqlite, o)
	if err != nil {
		return nil, err
	}
	s.owned = true
	return s, nil
}

// A sqliteConnector opens connections with the right settings. It does not depend on
// the options that a driver understands in the name of the file.
type sqliteConnector struct {
	driver driver.Driver
	file   string
	reads  bool
}

func (c *sqliteConnector) Driver() driver.Driver { return c.driver }

func (c *sqliteConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.driver.Open(sqliteURI(c.file))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", c.file, err)
	}
	settings := []string{
		fmt.Sprintf("PRAGMA busy_timeout = %d", engine.BusyTimeout.Milliseconds()),
		"PRAGMA journal_mode = WAL",
		"PRAGMA synchronous = FULL",
		"PRAGMA foreign_keys = ON",
		"PRAGMA temp_store = MEMORY",
	}
	if c.reads {
		settings = append(settings, "PRAGMA query_only = ON")
	}
	for _, one := range settings {
		// The first connections of a new file change it to WAL mode. SQLite does not wait
		// for each other then, whatever busy_timeout is, because two that wait could
		// deadlock.
		err := engine.WhileBusy(ctx, func() error { return execDriver(ctx, conn, one) })
		if err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("open %s: %s: %w", c.file, one, err)
		}
	}
	return conn, nil
}

// sqliteURI returns the URI of a file. It escapes the path, so that no character of it is taken
// for an option.
func sqliteURI(file string) string {
	p := filepath.ToSlash(file)
	if runtime.GOOS == "windows" && filepath.VolumeName(file) != "" {
		p = "/" + p
	}
	return "file:" + (&url.URL{Path: p}).EscapedPath() + "?_txlock=immediate" // a transaction that will write waits when it begins
}

// execDriver runs a statement on a driver's connection.
func execDriver(ctx context.Context, conn driver.Conn, query string) error {
	if x, ok := conn.(driver.ExecerContext); ok {
		_, err := x.ExecContext(ctx, query, nil)
		return err
	}
	stmt, err := conn.Prepare(query)
	if err != nil {
		return err
	}
	defer stmt.Close()
	x, ok := stmt.(driver.StmtExecContext)
	if !ok {
		return errors.New("the driver does not run statements with a context")
	}
	_, err = x.ExecContext(ctx, nil)
	return err
}
