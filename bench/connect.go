package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/gowebhook/webhook/sqlstore"
)

// openStore opens a database of the library. All connections of its pool are made before it
// returns. A nil counter counts nothing; only statements to PostgreSQL are counted.
func openStore(ctx context.Context, store, dsn string, connections int, counter *statementCounter) (*sqlstore.Store, error) {
	switch store {
	case storeSQLite:
		return sqlstore.OpenSQLite("sqlite", dsn, sqlstore.Options{})
	case storeMariaDB:
		db, err := sql.Open("mysql", dsn)
		if err != nil {
			return nil, err
		}
		return newStore(ctx, db, sqlstore.MySQL, connections)
	case storePostgres:
		config, err := pgx.ParseConfig(dsn)
		if err != nil {
			return nil, err
		}
		if counter != nil {
			config.Tracer = counter
		}
		return newStore(ctx, stdlib.OpenDB(*config), sqlstore.Postgres, connections)
	}
	return nil, fmt.Errorf("there is no store %q", store)
}

func newStore(ctx context.Context, db *sql.DB, dialect sqlstore.Dialect, connections int) (*sqlstore.Store, error) {
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	conns := make([]*sql.Conn, connections)
	for i := range conns {
		var err error
		if conns[i], err = db.Conn(ctx); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	for _, conn := range conns {
		if err := conn.Close(); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	return sqlstore.New(db, dialect, sqlstore.Options{})
}

// openPool opens a database of River, with all connections made.
func openPool(ctx context.Context, dsn string, connections int, counter *statementCounter) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	config.MaxConns, config.MinConns = int32(connections), int32(connections)
	if counter != nil {
		config.ConnConfig.Tracer = counter
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	conns := make([]*pgxpool.Conn, connections)
	for i := range conns {
		if conns[i], err = pool.Acquire(ctx); err != nil {
			return nil, err
		}
	}
	for _, conn := range conns {
		conn.Release()
	}
	return pool, nil
}
