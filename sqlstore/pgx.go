package sqlstore

import (
	"context"
	"database/sql"
	"errors"
)

// A PgxExecer has the common methods of pgx.Tx, *pgx.Conn and *pgxpool.Pool. T is
// pgconn.CommandTag and R is pgx.Row.
type PgxExecer[T interface{ RowsAffected() int64 }, R interface{ Scan(into ...any) error }] interface {
	Exec(ctx context.Context, sql string, args ...any) (T, error)
	QueryRow(ctx context.Context, sql string, args ...any) R
}

// Pgx adapts a pgx.Tx, *pgx.Conn or *pgxpool.Pool to [Execer]:
//
//	receipts, err := dispatcher.EmitTx(ctx, store.Tx(sqlstore.Pgx(tx)), event)
//
// For the Store itself, stdlib.OpenDBFromPool turns a pgxpool into a *sql.DB.
func Pgx[T interface{ RowsAffected() int64 }, R interface{ Scan(into ...any) error }](x PgxExecer[T, R]) Execer {
	return pgxExecer[T, R]{x}
}

type pgxExecer[T interface{ RowsAffected() int64 }, R interface{ Scan(into ...any) error }] struct{ on PgxExecer[T, R] }

func (x pgxExecer[T, R]) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	tag, err := x.on.Exec(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return affected(tag.RowsAffected()), nil
}

func (x pgxExecer[T, R]) ask(ctx context.Context, query string, into any) error {
	return x.on.QueryRow(ctx, query).Scan(into)
}

// isPool recognizes a *pgxpool.Pool by a method that neither a connection nor a transaction
// has.
func (x pgxExecer[T, R]) isPool() bool {
	_, pool := x.on.(interface{ Reset() })
	return pool
}

type affected int64

func (affected) LastInsertId() (int64, error) {
	return 0, errors.New("sqlstore: PostgreSQL has no last insert id")
}

func (n affected) RowsAffected() (int64, error) { return int64(n), nil }
