package servers

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// StartPgBouncer starts a PgBouncer in transaction mode in front of that database, and returns
// the URL that leads through it. It is removed at the end of the test. Clients must use the
// simple protocol: in pgx, default_query_exec_mode=simple_protocol.
func StartPgBouncer(tb testing.TB, postgresURL string) string {
	tb.Helper()
	p, dsn, err := launchPgBouncer(postgresURL)
	if err != nil {
		unavailable(tb, "PgBouncer", "install it (Debian: apt-get install pgbouncer)", err)
	}
	tb.Cleanup(func() {
		p.explain(tb)
		if err := p.remove(); err != nil {
			tb.Error(err)
		}
	})
	return dsn
}

func launchPgBouncer(postgresURL string) (server *process, dsn string, err error) {
	program := find("pgbouncer", "/usr/sbin")
	if program == "" {
		return nil, "", errNotInstalled
	}
	behind, err := pgx.ParseConfig(postgresURL)
	if err != nil {
		return nil, "", err
	}
	p, err := newProcess("PgBouncer", syscall.SIGTERM, syscall.SIGKILL, "postgres", "nobody")
	if err != nil {
		return nil, "", err
	}
	dsn = "postgres://any@127.0.0.1:" + p.port + "/" + behind.Database + "?sslmode=disable"
	config := filepath.Join(p.folder.data(), "pgbouncer.ini")
	p.args = []string{program, config}
	p.ready = func(ctx context.Context) error {
		db, err := sql.Open("pgx", dsn+"&default_query_exec_mode=simple_protocol")
		if err != nil {
			return err
		}
		defer db.Close()
		return db.PingContext(ctx)
	}
	return p, dsn, p.launch(func() error {
		if err := os.WriteFile(config, []byte(pgBouncerConfig(behind, p.port)), 0o600); err != nil {
			return err
		}
		return give(config, p.user)
	})
}

func pgBouncerConfig(behind *pgx.ConnConfig, port string) string {
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	password := ""
	if behind.Password != "" { // quotes with nothing between are a syntax error
		password = "password=" + quote(behind.Password)
	}
	return fmt.Sprintf(`[databases]
%s = host=%s port=%d dbname=%s user=%s %s

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %s
unix_socket_dir =
auth_type = any
pool_mode = transaction
`, behind.Database, quote(behind.Host), behind.Port, quote(behind.Database), quote(behind.User), password, port)
}
