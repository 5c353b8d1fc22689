package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	_ "github.com/go-sql-driver/mysql" // the driver "mysql"
)

// A sqlServer is a PostgreSQL or a MariaDB in a process.
type sqlServer struct {
	sqlDialect
	*process
	admin *sql.DB
	made  int // databases
}

// A sqlDialect is the difference between the servers.
type sqlDialect struct {
	store, driver    string
	account, quit    string // that the server runs as, and the signal that ends it
	prefix, suffix   string // of a DSN, around the port
	options          string // of a DSN, after the name of the database
	durable          string // query: does a commit wait for the disk?
	analyze          string // query for the statement that gives the planner fresh statistics
	flush            string // statement that writes changed pages to the disk
	sessions         string // query for the number of senders
	wal, syncs, sent string // queries for the counters; sent counts statements
}

var postgresDialect = sqlDialect{
	store: storePostgres, driver: "pgx", account: "postgres", quit: "INT",
	prefix: "postgres://postgres@127.0.0.1:", suffix: "/", options: "?sslmode=disable",
	durable: `SELECT current_setting('fsync') = 'on' AND current_setting('synchronous_commit') = 'on'
		AND current_setting('full_page_writes') = 'on'`,
	analyze:  "SELECT 'VACUUM ANALYZE'",
	flush:    "CHECKPOINT",
	sessions: "SELECT count(*) FROM pg_stat_activity WHERE datname LIKE 'bench%'",
	wal:      "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint",
	syncs:    "SELECT wal_sync FROM pg_stat_wal",
	sent:     "SELECT 0",
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
	flush:    "DO 0", // it has none that ends soon
	sessions: "SELECT count(*) FROM information_schema.processlist WHERE db LIKE 'bench%'",
	wal:      mariadbStatus("innodb_os_log_written"),
	syncs:    mariadbStatus("innodb_data_fsyncs"),
	sent:     mariadbStatus("questions"),
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
	if s.admin, err = sql.Open(d.driver, s.dsn(map[string]string{storePostgres: "postgres"}[d.store])); err == nil {
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

func (s *sqlServer) dsn(database string) string {
	return s.prefix + s.port + s.suffix + database + s.options
}

func (s *sqlServer) create(ctx context.Context, peer string, d *dataset, at addresses) (dsn string, err error) {
	s.made++
	name := fmt.Sprintf("bench%d", s.made)
	if _, err := s.admin.ExecContext(ctx, "CREATE DATABASE "+name); err != nil {
		return "", err
	}
	dsn = s.dsn(name)
	if peer == peerRiver {
		err = d.fillRiver(ctx, dsn, at)
	} else {
		err = d.fillStore(ctx, s.store, dsn, at)
	}
	if err != nil {
		return "", err
	}
	db, err := sql.Open(s.driver, dsn)
	if err != nil {
		return "", err
	}
	defer db.Close()
	var analyze string
	if err = db.QueryRowContext(ctx, s.analyze).Scan(&analyze); err == nil {
		_, err = db.ExecContext(ctx, analyze)
	}
	return dsn, err
}

func (s *sqlServer) drop(ctx context.Context, dsn string) error {
	name := strings.TrimSuffix(dsn[strings.LastIndexByte(dsn, '/')+1:], s.options)
	_, err := s.admin.ExecContext(ctx, "DROP DATABASE "+name)
	return err
}

func (s *sqlServer) checkpoint(ctx context.Context) error {
	_, err := s.admin.ExecContext(ctx, s.flush)
	return err
}

func (s *sqlServer) counters(ctx context.Context) (c counters, err error) {
	if c.cpu, err = familyCPU(s.pid); err != nil {
		return c, err
	}
	for query, value := range map[string]*int64{s.wal: &c.wal, s.syncs: &c.syncs, s.sent: &c.statements} {
		if err := s.admin.QueryRowContext(ctx, query).Scan(value); err != nil {
			return c, fmt.Errorf("%s: %w", query, err)
		}
	}
	return c, nil
}

func (s *sqlServer) idle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for sessions := 1; sessions > 0; time.Sleep(time.Millisecond) {
		if err := s.admin.QueryRowContext(ctx, s.sessions).Scan(&sessions); err != nil {
			return fmt.Errorf("wait for %d sessions to end: %w", sessions, err)
		}
	}
	return nil
}

func (s *sqlServer) stop() error {
	return errors.Join(s.admin.Close(), s.process.stop())
}
