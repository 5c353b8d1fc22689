package servers

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"net/url"
	"path/filepath"
	"syscall"
	"testing"
)

// A Pair is a throwaway PostgreSQL primary with a standby that follows it. Both are removed at
// the end of the test.
type Pair struct {
	Primary, Standby *Server
}

// StartPostgresPair starts a primary and a standby. If the standby is synchronous, the primary
// acknowledges no commit before the standby has it on disk.
func StartPostgresPair(tb testing.TB, synchronous bool) *Pair {
	tb.Helper()
	primary := StartPostgres(tb)
	process, err := launchStandby(primary.process)
	if err != nil {
		unavailable(tb, "PostgreSQL with pg_basebackup", postgres.remedy, err)
	}
	tb.Cleanup(func() {
		process.explain(tb)
		if err := process.remove(); err != nil {
			tb.Error(err)
		}
	})
	dsn, err := url.Parse(primary.dsn)
	if err != nil {
		tb.Fatal(err)
	}
	dsn.Host = net.JoinHostPort(dsn.Hostname(), process.port)
	p := &Pair{Primary: primary, Standby: &Server{tb: tb, dsn: dsn.String(), process: process}}
	p.must(p.await(primary.dsn, "SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming'"))
	if synchronous {
		p.must(alter(primary.dsn, "synchronous_standby_names = '*'"))
		p.must(p.await(primary.dsn, "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'"))
	}
	return p
}

// DSN names both servers, and leads to the one that takes writes.
func (p *Pair) DSN() string {
	primary, err := url.Parse(p.Primary.dsn)
	p.must(err)
	standby, err := url.Parse(p.Standby.dsn)
	p.must(err)
	primary.Host += "," + standby.Host
	return primary.String() + "&target_session_attrs=read-write"
}

// CaughtUp waits until the standby has all that the primary has at this moment.
func (p *Pair) CaughtUp() {
	p.Primary.tb.Helper()
	var at string
	p.must(connected("pgx", p.Primary.dsn, func(ctx context.Context, db *sql.DB) error {
		return db.QueryRowContext(ctx, "SELECT pg_current_wal_lsn()::text").Scan(&at)
	}))
	p.must(p.await(p.Standby.dsn, "SELECT pg_last_wal_replay_lsn() >= '"+at+"'::pg_lsn"))
}

// Detach lets the standby follow no more. Commits of the primary from now on are lost if the
// standby is promoted.
func (p *Pair) Detach() {
	p.Primary.tb.Helper()
	p.must(alter(p.Standby.dsn, "primary_conninfo = ''"))
	p.must(p.await(p.Standby.dsn, "SELECT count(*) = 0 FROM pg_stat_wal_receiver"))
}

// Promote makes the standby a primary, and returns when it takes writes.
func (p *Pair) Promote() {
	p.Primary.tb.Helper()
	p.must(p.await(p.Standby.dsn, "SELECT pg_promote()"))
	p.must(p.await(p.Standby.dsn, "SELECT NOT pg_is_in_recovery()"))
}

func (p *Pair) must(err error) {
	p.Primary.tb.Helper()
	p.Primary.must(err)
}

// await returns when the answer to a query is true.
func (p *Pair) await(dsn, query string) error {
	return connected("pgx", dsn, func(ctx context.Context, db *sql.DB) error {
		for {
			var is bool
			err := db.QueryRowContext(ctx, query).Scan(&is)
			if err == nil && is {
				return nil
			}
			if !pause(ctx) {
				return errors.Join(errors.New("not true in time: "+query), err)
			}
		}
	})
}

// alter changes a setting of a server.
func alter(dsn, setting string) error {
	if err := execute("pgx", dsn, "ALTER SYSTEM SET "+setting); err != nil {
		return err
	}
	return execute("pgx", dsn, "SELECT pg_reload_conf()")
}

func launchStandby(primary *process) (*process, error) {
	program := primary.args[0]
	backup := filepath.Join(filepath.Dir(program), "pg_basebackup")
	if found, _ := filepath.Glob(backup); len(found) == 0 {
		return nil, errNotInstalled
	}
	p, err := newProcess("PostgreSQL standby", syscall.SIGINT, syscall.SIGQUIT, "postgres", "nobody")
	if err != nil {
		return nil, err
	}
	dsn := "postgres://postgres@127.0.0.1:" + p.port + "/postgres?sslmode=disable"
	p.args = []string{
		program, "-D", p.folder.data(),
		"-c", "listen_addresses=127.0.0.1", "-c", "port=" + p.port, "-c", "unix_socket_directories=",
	}
	p.ready = func(ctx context.Context) error { return owns(ctx, "pgx", dsn, "SHOW data_directory", p.folder.data()) }
	return p, p.launch(func() error {
		return p.run(backup, "-h", "127.0.0.1", "-p", primary.port, "-U", "postgres", "-D", p.folder.data(),
			"-R", "-X", "stream", "-c", "fast", "--no-sync")
	})
}
