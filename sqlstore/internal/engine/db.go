package engine

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"sync/atomic"
)

// A Config has the statements of a [DB] and its connections.
type Config struct {
	Dialect    *Dialect
	Statements []*Statement // by Op; nil for a statement that the dialect does without

	Writer *sql.DB
	Reader *sql.DB // may be the same as Writer
	Lister *sql.DB // for ReadPlanned; may be the same as Reader

	// OneConnection says that Writer has a single connection. Its callers queue for it. This and
	// all other connections must have been opened with [BusyTimeout].
	OneConnection bool
}

// A DB runs the statements of a program. All its methods are safe for concurrent use.
type DB struct {
	Config

	turn   chan struct{} // held by the call that uses the writer's only connection; nil if the writer has several
	served atomic.Int64  // turns that got the connection

	waiters atomic.Int64           // calls that are taking a connection from a pool
	linux   atomic.Pointer[string] // Dialect.Linux or ""; nil if the server was not asked yet
}

// New returns a DB. It does not touch the database.
func New(c Config) *DB {
	d := &DB{Config: c}
	if c.OneConnection {
		d.turn = make(chan struct{}, 1)
	}
	return d
}

// Close closes all connections.
func (d *DB) Close() error {
	return errors.Join(d.Lister.Close(), d.Reader.Close(), d.Writer.Close())
}

// Render returns the text of a statement and the arguments for the driver.
func (d *DB) Render(o Op, scalars []Cell, tables ...*Table) (query string, args []any) {
	return d.Dialect.Renderer.render(d.Statements[o], scalars, tables...)
}

// Parts splits a table into tables small enough for one execution of a statement.
func (d *DB) Parts(o Op, rows *Table) iter.Seq[*Table] { return rows.parts(d.Statements[o]) }

// On returns a Tx that runs on a connection, without a transaction around it.
func (d *DB) On(ctx context.Context, conn *sql.Conn) *Tx { return &Tx{db: d, ctx: ctx, on: conn} }

// Read runs do without a transaction.
func (d *DB) Read(ctx context.Context, do func(*Tx) error) error {
	return d.readOn(ctx, d.Reader, do)
}

// ReadPlanned is Read for lists. It uses the connections of lists, and the dialect's planner
// settings, because the plans of lists must not depend on statistics either.
func (d *DB) ReadPlanned(ctx context.Context, do func(*Tx) error) error {
	if d.Dialect.Planner == "" {
		return d.readOn(ctx, d.Lister, do)
	}
	return d.readOn(ctx, d.Lister, func(t *Tx) error {
		_, rollback, err := d.Begin(ctx, t.on.(*sql.Conn), TxOptions{})
		if err != nil {
			return err
		}
		defer rollback()
		return do(t)
	})
}

func (d *DB) readOn(ctx context.Context, pool *sql.DB, do func(*Tx) error) error {
	for stale := 0; ; stale++ {
		t := &Tx{db: d, ctx: ctx}
		err := d.readOnce(t, pool, do)
		if err == nil || t.on == nil || t.used || stale == staleConnections || ctx.Err() != nil || !lostConnection(err) {
			return err
		}
	}
}

func (d *DB) readOnce(t *Tx, pool *sql.DB, do func(*Tx) error) error {
	conn, err := d.connect(t.ctx, pool)
	if err != nil {
		return err
	}
	defer conn.Close()
	t.on = conn
	return do(t)
}
