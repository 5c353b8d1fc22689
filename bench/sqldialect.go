package main

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"

	_ "github.com/go-sql-driver/mysql" // the driver "mysql"
)

// A sqlDialect is the difference between PostgreSQL and MariaDB as servers.
type sqlDialect struct {
	store   string
	driver  string // of database/sql
	account string // runs the server if bench runs as root
	quit    string // the signal that ends the server soon

	prefix, suffix, options string // of a DSN: before the port, after it, and after the database
	initial                 string // a database that exists; may be empty

	durable  string // query: does a commit wait for the disk?
	analyze  string // query for the statement that gives the planner fresh statistics
	flush    string // statement that writes changed pages to the disk
	sessions string // query for the number of sessions of senders

	wal, syncs, statements string // queries for the counters
}

var postgresDialect = sqlDialect{
	store: storePostgres, driver: "pgx", account: "postgres", quit: "INT",
	prefix: "postgres://postgres@127.0.0.1:", suffix: "/", options: "?sslmode=disable", initial: "postgres",
	durable: `SELECT current_setting('fsync') = 'on' AND current_setting('synchronous_commit') = 'on'
		AND current_setting('full_page_writes') = 'on'`,
	analyze:    "SELECT 'VACUUM ANALYZE'",
	flush:      "CHECKPOINT",
	sessions:   "SELECT count(*) FROM pg_stat_activity WHERE datname LIKE 'bench%' AND backend_type = 'client backend'",
	wal:        "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint",
	syncs:      "SELECT wal_sync FROM pg_stat_wal",
	statements: "SELECT 0", // the senders count them
}

func startPostgres(ctx context.Context, dir string) (server, error) {
	initdb, err := program("initdb", "/usr/lib/postgresql/*/bin")
	if err != nil {
		return nil, err
	}
	return postgresDialect.start(ctx, dir, func(data, port string) (install, run []string) {
		return []string{initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"},
			[]string{
				filepath.Join(filepath.Dir(initdb), "postgres"), "-D", data,
				"-c", "port=" + port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
			}
	})
}

var mariadbDialect = sqlDialect{
	store: storeMariaDB, driver: "mysql", account: "mysql", quit: "TERM",
	prefix: "root@tcp(127.0.0.1:", suffix: ")/",
	durable: "SELECT @@innodb_flush_log_at_trx_commit = 1 AND @@innodb_doublewrite",
	analyze: `SELECT CONCAT('ANALYZE TABLE ', GROUP_CONCAT(table_name))
		FROM information_schema.tables WHERE table_schema = DATABASE()`,
	flush:      "DO 0", // it has none that ends soon
	sessions:   "SELECT count(*) FROM information_schema.processlist WHERE db LIKE 'bench%'",
	wal:        mariadbStatus("innodb_os_log_written"),
	syncs:      mariadbStatus("innodb_data_fsyncs"),
	statements: mariadbStatus("questions"),
}

func mariadbStatus(name string) string {
	return "SELECT variable_value FROM information_schema.global_status WHERE variable_name = '" + name + "'"
}

func startMariaDB(ctx context.Context, dir string) (server, error) {
	install, err := program("mariadb-install-db")
	if err != nil {
		return nil, err
	}
	daemon, err := program("mariadbd", "/usr/sbin", "/usr/libexec")
	if err != nil {
		return nil, err
	}
	return mariadbDialect.start(ctx, dir, func(data, port string) ([]string, []string) {
		return []string{install, "--no-defaults", "--datadir=" + data, "--auth-root-authentication-method=normal", "--skip-test-db"},
			[]string{
				daemon, "--no-defaults", "--datadir=" + data, "--bind-address=127.0.0.1", "--port=" + port, "--tmpdir=" + data,
				"--socket=" + filepath.Join(data, "socket"), "--pid-file=" + filepath.Join(data, "pid"),
			}
	})
}

// start starts a server and waits until it answers.
func (d sqlDialect) start(ctx context.Context, dir string, commands func(data, port string) (install, run []string)) (server, error) {
	p, err := launch(ctx, dir, d.account, d.quit, commands)
	if err != nil {
		return nil, err
	}
	s := &sqlServer{sqlDialect: d, process: p}
	if s.admin, err = sql.Open(d.driver, s.dsn(d.initial)); err == nil {
		err = p.await(ctx, func() error { return s.admin.PingContext(ctx) })
	}
	var durable bool
	if err == nil {
		err = s.admin.QueryRowContext(ctx, d.durable).Scan(&durable)
	}
	if err == nil && !durable {
		err = errors.New("a commit does not wait for the disk")
	}
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}
