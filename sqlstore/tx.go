package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
)

const (
	// rollbackTimeout bounds the rollback of a failed transaction.
	rollbackTimeout = 5 * time.Second

	// goneTimeout is the time without a statement after which a server ends a transaction. Its
	// process is then gone or stopped. The dialects repeat this number in their statements.
	goneTimeout = 15 * time.Second

	// tries is how often a transaction is run that the database refuses because of another one.
	tries     = 6
	firstWait = 2 * time.Millisecond
	lastWait  = 200 * time.Millisecond

	// staleConnections is how many dead connections of the pool a method tries before it gives
	// up.
	staleConnections = 100
)

// A runner is a connection or a transaction.
type runner interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// A tx runs statements in a transaction. Reads may run without one.
type tx struct {
	store *Store
	ctx   context.Context
	on    runner // nil until there is a connection
	rerun bool   // an earlier run may have been committed
	used  bool   // a statement has succeeded
}

// exec runs a statement without a table, and returns the number of rows that it changed.
func (t *tx) exec(o op, scalars ...cell) (int, error) { return t.execTable(o, nil, scalars...) }

// execAll runs a statement with a table, part by part.
func (t *tx) execAll(o op, rows *table, scalars ...cell) error {
	for part := range rows.parts(t.store.ops[o]) {
		if _, err := t.execTable(o, part, scalars...); err != nil {
			return err
		}
	}
	return nil
}

// A batch is a statement and its table.
type batch struct {
	op   op
	rows *table
}

// execEach runs several statements, each with its own table. It stops at the first error.
func (t *tx) execEach(batches ...batch) error {
	for _, b := range batches {
		if err := t.execAll(b.op, b.rows); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) execTable(o op, rows *table, scalars ...cell) (int, error) {
	sql, args := t.store.dialect.renderer.render(t.store.ops[o], scalars, given(rows)...)
	result, err := t.on.ExecContext(t.ctx, sql, args...)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}

// execTwo runs a statement with two tables, which are not split into parts.
func (t *tx) execTwo(o op, v, w *table) error {
	sql, args := t.store.dialect.renderer.render(t.store.ops[o], nil, v, w)
	_, err := t.on.ExecContext(t.ctx, sql, args...)
	return err
}

// given returns a list with t, or nil if t is nil.
func given(t *table) []*table {
	if t == nil {
		return nil
	}
	return []*table{t}
}

// query calls scan for each row that a statement returns.
func (t *tx) query(o op, rows *table, scan func(*sql.Rows) error, scalars ...cell) error {
	if rows == nil {
		return t.queryPart(o, nil, scan, scalars)
	}
	for part := range rows.parts(t.store.ops[o]) {
		if err := t.queryPart(o, part, scan, scalars); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) queryPart(o op, part *table, scan func(*sql.Rows) error, scalars []cell) error {
	query, args := t.store.dialect.renderer.render(t.store.ops[o], scalars, given(part)...)
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

// row reads a single row, and reports whether it exists.
func (t *tx) row(o op, scalars []cell, into ...any) (bool, error) {
	found := false
	err := t.query(o, nil, func(r *sql.Rows) error {
		found = true
		return r.Scan(into...)
	}, scalars...)
	return found, err
}

// read runs do without a transaction.
func (s *Store) read(ctx context.Context, what string, do func(*tx) error) error {
	return s.readOn(ctx, s.reader, what, do)
}

func (s *Store) readOn(ctx context.Context, db *sql.DB, what string, do func(*tx) error) error {
	for stale := 0; ; stale++ {
		t := &tx{store: s, ctx: ctx}
		err := s.readOnce(t, db, do)
		if err == nil || t.on == nil || t.used || stale == staleConnections || ctx.Err() != nil || !lostConnection(err) {
			return s.wrap(ctx, what, err)
		}
	}
}

// readPlanned is read for lists. It uses the connections of lists, and the dialect's planner
// settings, because the plans of lists must not depend on statistics either.
func (s *Store) readPlanned(ctx context.Context, what string, do func(*tx) error) error {
	if s.dialect.settings == "" {
		return s.readOn(ctx, s.lister, what, do)
	}
	return s.readOn(ctx, s.lister, what, func(t *tx) error {
		_, rollback, err := s.begin(ctx, t.on.(*sql.Conn), writing{})
		if err != nil {
			return err
		}
		defer rollback()
		return do(t)
	})
}

func (s *Store) readOnce(t *tx, db *sql.DB, do func(*tx) error) error {
	conn, err := s.connect(t.ctx, db)
	if err != nil {
		return err
	}
	defer conn.Close()
	t.on = conn
	return do(t)
}

// A writing says how to run a transaction.
type writing struct {
	plain  bool // without the dialect's planner settings
	noMore bool // not run again after a commit with an unknown result
	single bool // one statement, which needs no transaction around it
	brief  bool // waits for other transactions only for a moment
	noWait bool // does not wait for other transactions
}

// write runs do in a transaction. It runs do again if the database refused the transaction
// because of another one.
func (s *Store) write(ctx context.Context, what string, how writing, do func(*tx) error) error {
	wait := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(firstWait), backoff.WithMaxInterval(lastWait), backoff.WithMaxElapsedTime(0),
	)
	rerun, stale := false, staleness{}
	for try := 1; ; try++ {
		err := s.writeOnce(ctx, how, &rerun, do)
		if ctx.Err() == nil && stale.another(s.writer, err) {
			try--
			continue
		}
		if err == nil || try == tries || ctx.Err() != nil || !s.again(err, how) {
			return s.wrap(ctx, what, err)
		}
		timer := time.NewTimer(wait.NextBackOff())
		select {
		case <-ctx.Done():
			timer.Stop()
			return s.wrap(ctx, what, err)
		case <-timer.C:
		}
	}
}

// A staleness counts the useless connections that the pool returned.
type staleness struct {
	connections int
	fresh       bool // the pool was empty, so the last connection was made for this call
}

// another reports whether a failed transaction must run on another connection. That is the case
// if it has not begun, because the connection was dead or its server has become read-only. A
// new connection may lead to the primary. If it leads to a read-only server too, there is no
// primary.
func (s *staleness) another(pool *sql.DB, err error) bool {
	var unbegun unbegunError
	if !errors.As(err, &unbegun) || s.connections == staleConnections {
		return false
	}
	s.connections++
	if !readOnly(err) {
		return lostConnection(err)
	}
	if s.fresh {
		return false
	}
	s.fresh = pool.Stats().Idle == 0
	return true
}

// An unknownError reports a commit with an unknown result.
type unknownError struct{ error }

func (e unknownError) Unwrap() error { return e.error }

// An unbegunError reports a transaction that has not begun.
type unbegunError struct{ error }

func (e unbegunError) Unwrap() error { return e.error }

// uncertainCommit reports whether the connection broke during a commit, so that its result is
// unknown.
func uncertainCommit(err error) bool {
	var unknown unknownError
	return errors.As(err, &unknown) && lostConnection(err)
}

// again reports whether a failed transaction must run again.
func (s *Store) again(err error, how writing) bool {
	if uncertainCommit(err) {
		return !how.noMore
	}
	return retryable(err)
}

func (s *Store) writeOnce(ctx context.Context, how writing, rerun *bool, do func(*tx) error) (err error) {
	conn, giveBack, err := s.connectWriter(ctx)
	if err != nil {
		return err
	}
	defer giveBack()
	if how.single {
		err := do(&tx{store: s, ctx: ctx, on: conn})
		if err == nil || definite(err) {
			return leave(conn, err)
		}
		*rerun = true
		return unknownError{err}
	}
	commit, rollback, err := s.begin(ctx, conn, how)
	if err != nil {
		return leave(conn, unbegunError{err})
	}
	done := false
	defer func() {
		if !done { // also if do panics
			rollback()
		}
	}()
	if err := do(&tx{store: s, ctx: ctx, on: conn, rerun: *rerun}); err != nil {
		done = true
		rollback()
		return leave(conn, err)
	}
	done = true
	if err := commit(); err != nil {
		rollback()
		if definite(err) {
			return leave(conn, err)
		}
		*rerun = true
		return unknownError{err}
	}
	return nil
}

// leave ends a connection to a server that has become read-only, so that the pool does not
// return it again. Nothing was written on it, so the transaction counts as one that has not
// begun.
func leave(conn *sql.Conn, err error) error {
	if err == nil || !readOnly(err) {
		return err
	}
	abandon(conn)
	return unbegunError{err}
}

// begin begins a READ COMMITTED transaction on a connection. The server ends the transaction if
// this process is gone.
func (s *Store) begin(ctx context.Context, conn *sql.Conn, how writing) (commit func() error, rollback func(), err error) {
	rollback = func() { s.rollback(ctx, conn) }
	if s.dialect == &sqlite {
		err = s.beginSQLite(ctx, conn)
	} else {
		err = s.beginServer(ctx, conn, how)
	}
	if err != nil {
		rollback() // it may have begun despite the error
		return nil, nil, err
	}
	commit = func() error {
		_, err := conn.ExecContext(ctx, s.dialect.commit)
		return err
	}
	return commit, rollback, nil
}

func (s *Store) beginServer(ctx context.Context, conn *sql.Conn, how writing) error {
	d := s.dialect
	if d.before != "" {
		if _, err := conn.ExecContext(ctx, d.before); err != nil {
			return err
		}
	}
	begin := d.beginning + d.bounds + s.answerBound(ctx, conn) //nolint:gosec // all of it is ours
	if !how.plain {
		begin += d.settings
	}
	if how.brief {
		begin += d.brief
	}
	if how.noWait {
		begin += d.noWait
	}
	_, err := conn.ExecContext(ctx, begin)
	return err
}

// answerBound returns postgresAnswerBound if the server runs on Linux, else "". It asks the
// server once.
func (s *Store) answerBound(ctx context.Context, conn *sql.Conn) string {
	if s.dialect != &postgres {
		return ""
	}
	bound := s.boundAnswers.Load()
	if bound == nil {
		var version string
		if conn.QueryRowContext(ctx, "SELECT version()").Scan(&version) != nil {
			return ""
		}
		known := ""
		if strings.Contains(version, "linux") {
			known = postgresAnswerBound
		}
		bound = &known
		s.boundAnswers.Store(bound)
	}
	return *bound
}

// rollback ends any transaction on a connection. If that fails, the connection is not used
// again.
func (s *Store) rollback(ctx context.Context, conn *sql.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	if _, err := conn.ExecContext(ctx, s.dialect.rollback); err != nil && !strings.Contains(err.Error(), "no transaction is active") {
		abandon(conn)
	}
}

// abandon ends a connection, so that the pool does not return it again.
func abandon(conn *sql.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
}

// wrap adds the name of the operation to an error, and a cure if there is one.
func (s *Store) wrap(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", err, cause) // drivers return errors of their own for an ended context
	}
	return fmt.Errorf("sqlstore: %s: %w", what, explain(s.dialect, err))
}
