package main

import (
	"context"
	"database/sql"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

// openPool connects to one of the server's databases, with all connections made.
func openPool(ctx context.Context, server, database string, connections int, t *tracer) (*pgxpool.Pool, error) {
	c, err := pgxpool.ParseConfig(server)
	if err != nil {
		return nil, err
	}
	c.ConnConfig.Database = database
	c.MaxConns, c.MinConns = int32(connections), int32(connections)
	if t != nil {
		c.ConnConfig.Tracer = t
	}
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, err
	}
	held := make([]*pgxpool.Conn, 0, connections)
	defer func() {
		for _, conn := range held {
			conn.Release()
		}
	}()
	for range connections {
		conn, err := pool.Acquire(ctx)
		if err != nil {
			return nil, err
		}
		held = append(held, conn)
	}
	return pool, nil
}

// openSQL is openPool for database/sql.
func openSQL(ctx context.Context, server, database string, connections int, t *tracer) (*sql.DB, error) {
	c, err := pgx.ParseConfig(server)
	if err != nil {
		return nil, err
	}
	c.Database = database
	if t != nil {
		c.Tracer = t
	}
	db := stdlib.OpenDB(*c)
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	conns := make([]*sql.Conn, 0, connections)
	for range connections {
		conn, err := db.Conn(ctx)
		if err != nil {
			return nil, errors.Join(err, db.Close())
		}
		conns = append(conns, conn)
	}
	for _, conn := range conns {
		if err := conn.Close(); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	return db, nil
}
