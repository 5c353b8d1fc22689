package servers

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"syscall"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

var postgres = &kind{
	name:   "PostgreSQL",
	driver: "pgx",
	env:    "WEBHOOK_TEST_POSTGRES",
	// Copied files need no records in the log, which take three times as long. PostgreSQL 13 and
	// 14 always copy files, and do not know the word.
	create: "CREATE DATABASE %s TEMPLATE template0 STRATEGY file_copy",
	older:  "CREATE DATABASE %s TEMPLATE template0",
	drop:   "DROP DATABASE %s WITH (FORCE)",
	lazy:   "ALTER DATABASE %s SET synchronous_commit = off",
	within: func(dsn, database string) (string, error) {
		u, err := url.Parse(dsn)
		if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
			return "", errors.New("this is not a postgres:// URL") // the error of url.Parse shows the password
		}
		u.Path = "/" + database
		return u.String(), nil
	},
	launch: launchPostgres,
	quick:  []string{"-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=300"},
	remedy: "install it (Debian: apt-get install postgresql), or set WEBHOOK_TEST_POSTGRES to the postgres:// URL of a server",
}

var postgresData template

func launchPostgres(args []string) (server *process, dsn string, err error) {
	initdb := find("initdb", "/usr/lib/postgresql/*/bin")
	if initdb == "" {
		return nil, "", errNotInstalled
	}
	if initdb, err = filepath.EvalSymlinks(initdb); err != nil { // postgres is next to it
		return nil, "", err
	}
	// Killed, it would leave shared memory behind.
	p, err := newProcess("PostgreSQL", syscall.SIGINT, syscall.SIGQUIT, "postgres", "nobody")
	if err != nil {
		return nil, "", err
	}
	dsn = "postgres://postgres@127.0.0.1:" + p.port + "/postgres?sslmode=disable"
	p.args = []string{
		filepath.Join(filepath.Dir(initdb), "postgres"), "-D", p.folder.data(),
		"-c", "listen_addresses=127.0.0.1", "-c", "port=" + p.port, "-c", "unix_socket_directories=",
	}
	p.args = append(p.args, args...)
	p.ready = func(ctx context.Context) error { return owns(ctx, "pgx", dsn, "SHOW data_directory", p.folder.data()) }
	return p, dsn, p.launch(func() error {
		return postgresData.copyTo(p, func(data string) []string {
			return []string{initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"}
		})
	})
}

// owns returns an error while no server answers, or while another server than the one of this
// data answers.
func owns(ctx context.Context, driver, dsn, query, data string) error {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	var got string
	if err := db.QueryRowContext(ctx, query).Scan(&got); err != nil {
		return err
	}
	if filepath.Clean(got) != data {
		return fmt.Errorf("another server answers, with the data of %s", got)
	}
	return nil
}
