package engine

import (
	"context"
	"database/sql"
)

// An Op is the number of a statement in [Config].Statements.
type Op int

// A runner is a connection or a transaction.
type runner interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// A Tx runs statements in a transaction. Reads may run without one.
type Tx struct {
	db     *DB
	ctx    context.Context
	on     runner // nil until there is a connection
	unsure bool
	used   bool // a statement has succeeded
}

// Context returns the context of the transaction.
func (t *Tx) Context() context.Context { return t.ctx }

// Unsure reports whether an earlier run of the transaction may have been committed.
func (t *Tx) Unsure() bool { return t.unsure }

// Exec runs a statement without a table, and returns the number of rows that it changed.
func (t *Tx) Exec(o Op, scalars ...Cell) (int, error) { return t.exec(o, scalars) }

// ExecAll runs a statement with a table, part by part.
func (t *Tx) ExecAll(o Op, rows *Table, scalars ...Cell) error {
	for part := range t.db.Parts(o, rows) {
		if _, err := t.exec(o, scalars, part); err != nil {
			return err
		}
	}
	return nil
}

// A Batch is a statement and its table.
type Batch struct {
	Op   Op
	Rows *Table
}

// ExecEach runs several statements, each with its own table. It stops at the first error.
func (t *Tx) ExecEach(batches ...Batch) error {
	for _, b := range batches {
		if err := t.ExecAll(b.Op, b.Rows); err != nil {
			return err
		}
	}
	return nil
}

// ExecTwo runs a statement with two tables, which are not split into parts.
func (t *Tx) ExecTwo(o Op, v, w *Table) error {
	_, err := t.exec(o, nil, v, w)
	return err
}

func (t *Tx) exec(o Op, scalars []Cell, tables ...*Table) (int, error) {
	query, args := t.db.Render(o, scalars, tables...)
	result, err := t.on.ExecContext(t.ctx, query, args...)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}

// Query calls scan for each row that a statement returns. rows is nil for a statement without a
// table.
func (t *Tx) Query(o Op, rows *Table, scan func(*sql.Rows) error, scalars ...Cell) error {
	if rows == nil {
		return t.query(o, scan, scalars)
	}
	for part := range t.db.Parts(o, rows) {
		if err := t.query(o, scan, scalars, part); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tx) query(o Op, scan func(*sql.Rows) error, scalars []Cell, tables ...*Table) error {
	query, args := t.db.Render(o, scalars, tables...)
	found, err := t.on.QueryContext(t.ctx, query, args...)
	if err != nil {
		return err
	}
	defer found.Close()
	t.used = true
	for found.Next() {
		if err := scan(found); err != nil {
			return err
		}
	}
	return found.Err()
}

// Row reads a single row, and reports whether it exists.
func (t *Tx) Row(o Op, scalars []Cell, into ...any) (bool, error) {
	found := false
	err := t.Query(o, nil, func(r *sql.Rows) error {
		found = true
		return r.Scan(into...)
	}, scalars...)
	return found, err
}
