// Package database opens the store that an example's -database flag names.
package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/sqlstore"
)

// Usage describes the flag.
const Usage = "where webhooks are kept: an SQLite `file`, postgres://…, mysql://… or memory"

// Open returns the store, with its tables, and a function that closes it.
func Open(ctx context.Context, name string) (webhook.Store, func(), error) {
	if name == "memory" {
		return memstore.New(memstore.Options{}), func() {}, nil
	}
	store, closeAll, err := open(name)
	if err != nil {
		return nil, nil, err
	}
	if err := store.Migrate(ctx); err != nil {
		closeAll()
		return nil, nil, err
	}
	return store, closeAll, nil
}

func open(name string) (*sqlstore.Store, func(), error) {
	switch scheme, _, found := strings.Cut(name, "://"); {
	case !found:
		store, err := sqlstore.OpenSQLite("sqlite", name, sqlstore.Options{})
		if err != nil {
			return nil, nil, err
		}
		return store, func() { _ = store.Close() }, nil
	case scheme == "postgres", scheme == "postgresql":
		if _, err := pgx.ParseConfig(name); err != nil {
			return nil, nil, fmt.Errorf("-database: use postgres://user:password@host/database: %w", err) // pgx masks the password
		}
		db, err := sql.Open("pgx", name)
		if err != nil {
			return nil, nil, err
		}
		return pooled(db, sqlstore.Postgres, sqlstore.Options{Listen: listen(name)})
	case scheme == "mysql":
		dsn, err := mysqlDSN(name)
		if err != nil {
			return nil, nil, err
		}
		db, err := sql.Open("mysql", dsn)
		if err != nil {
			return nil, nil, err
		}
		return pooled(db, sqlstore.MySQL, sqlstore.Options{})
	default:
		return nil, nil, fmt.Errorf("-database %s://…: use a file name, postgres://…, mysql://… or memory", scheme)
	}
}

func pooled(db *sql.DB, dialect sqlstore.Dialect, o sqlstore.Options) (*sqlstore.Store, func(), error) {
	const connections = 10
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	store, err := sqlstore.New(db, dialect, o)
	if err != nil {
		return nil, nil, err
	}
	return store, func() { _ = db.Close() }, nil
}

// Redacted is a name as it may be logged: without the password.
func Redacted(name string) string {
	if !strings.Contains(name, "://") {
		return name
	}
	u, err := url.Parse(name)
	if err != nil {
		return "(not a URL)"
	}
	return u.Redacted()
}

var parameter = regexp.MustCompile(`\$\d+`)

// Bind writes the parameters $1, $2 and so on of a query in the form of the database. The
// query has them in this order.
func Bind(name, query string) string {
	if strings.HasPrefix(name, "postgres") {
		return query
	}
	return parameter.ReplaceAllString(query, "?")
}

// listen lets processes on one PostgreSQL wake each other, on a connection of its own.
func listen(databaseURL string) sqlstore.Listen {
	return func(ctx context.Context, channel string, notified func()) error {
		conn, err := pgx.Connect(ctx, databaseURL)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
		if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
			return err
		}
		for notified(); ; notified() {
			if _, err := conn.WaitForNotification(ctx); err != nil {
				return err
			}
		}
	}
}

// mysqlDSN makes the driver's own form of mysql://user:password@host:port/database?option=value.
func mysqlDSN(name string) (string, error) {
	const form = "mysql://user:password@host/database"
	u, err := url.Parse(name)
	switch {
	case err != nil:
		return "", errors.New("-database mysql://…: use " + form) // its own shows the password
	case u.Hostname() == "":
		return "", errors.New("-database mysql://…: name a host: " + form)
	case strings.Trim(u.Path, "/") == "":
		return "", errors.New("-database mysql://…: name a database: " + form)
	}
	host := u.Host
	if u.Port() == "" {
		host += ":3306"
	}
	password, _ := u.User.Password()
	c := mysqldriver.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr, c.DBName = u.User.Username(), password, "tcp", host, strings.TrimPrefix(u.Path, "/")
	dsn := c.FormatDSN()
	if u.RawQuery == "" {
		return dsn, nil
	}
	return dsn + map[bool]string{true: "&", false: "?"}[strings.Contains(dsn, "?")] + u.RawQuery, nil
}
