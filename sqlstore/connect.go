package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

const (
	// connectTimeout is how long a method waits for a connection that others hold.
	connectTimeout = 3 * time.Second

	// dialTimeout is how long a method without a deadline waits for a new connection.
	dialTimeout = 30 * time.Second
)

// connect takes a connection from the pool. It waits for a new connection as long as its context allows, and for one that
// others hold for connectTimeout.
func (s *Store) connect(ctx context.Context, db *sql.DB) (*sql.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w := s.enter(ctx, db)
	defer w.leave()
	conn, err := db.Conn(w.ctx)
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() == nil && w.ctx.Err() != nil:
		return nil, w.reason(err)
	}
	return nil, unconnectedError{err}
}

// A waiter is a call that takes a connection from the pool.
type waiter struct {
	store *Store
	db    *sql.DB
	ctx   context.Context
	began time.Time
	waits int64 // for connections of the pool, before this call

	cancel context.CancelCauseFunc
	timer  *time.Timer
}

// enter begins to look, from time to time, whether the call is to give up.
func (s *Store) enter(ctx context.Context, db *sql.DB) *waiter {
	w := &waiter{store: s, db: db, began: time.Now(), waits: db.Stats().WaitCount}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	s.waiters.Add(1)
	w.timer = time.AfterFunc(dialTimeout, w.look)
	w.timer.Reset(connectTimeout)
	return w
}

func (w *waiter) leave() {
	w.timer.Stop()
	w.store.waiters.Add(-1)
	w.cancel(nil)
}

// look ends the call if it waits for others, or has no end of its own.
func (w *waiter) look() {
	_, bounded := w.ctx.Deadline()
	switch {
	case w.exhausted():
		w.cancel(errNoConnection)
	case !bounded && time.Since(w.began) >= dialTimeout:
		w.cancel(errNotMade)
	case w.ctx.Err() == nil:
		w.timer.Reset(connectTimeout)
	}
}

// reason says why look ended the call, with the driver's error if a connection was being made.
func (w *waiter) reason(err error) error {
	if context.Cause(w.ctx) == errNoConnection { //nolint:errorlint // it is what look gave
		return w.store.noConnection()
	}
	return unconnectedError{fmt.Errorf("%v; %w", err, errNotMade)} //nolint:errorlint // the context was not the caller's
}

// exhausted reports whether all connections of the pool are in use by others. database/sql counts a connection that is being
// made as one in use; but who makes one does not wait for one. So if there were fewer waits than there are calls of the
// Store, some of these calls are making connections.
func (w *waiter) exhausted() bool {
	stats := w.db.Stats()
	return stats.MaxOpenConnections > 0 && stats.InUse >= stats.MaxOpenConnections &&
		stats.WaitCount-w.waits >= w.store.waiters.Load()
}

// An unconnectedError is that of a connection that could not be made.
type unconnectedError struct{ error }

func (e unconnectedError) Unwrap() error { return e.error }

// noConnection is errNoConnection with what else it may come from.
func (s *Store) noConnection() error {
	if s.turn == nil {
		return errNoConnection
	}
	return fmt.Errorf("%w; or another process holds the file for long", errNoConnection)
}

// connectWriter takes a connection to write with. The callers of a pool with one connection take turns: database/sql gives a
// connection that is returned to any of those who wait, so that one of many would wait too long.
func (s *Store) connectWriter(ctx context.Context) (conn *sql.Conn, giveBack func(), err error) {
	if s.turn == nil {
		conn, err = s.connect(ctx, s.writer)
		return conn, func() { _ = conn.Close() }, err
	}
	if err := s.takeTurn(ctx); err != nil {
		return nil, nil, err
	}
	conn, err = s.connect(ctx, s.writer)
	if err != nil {
		<-s.turn
		return nil, nil, err
	}
	s.served.Add(1)
	return conn, func() {
		_ = conn.Close()
		<-s.turn
	}, nil
}

// takeTurn waits as long as the turns of others go on.
func (s *Store) takeTurn(ctx context.Context) error {
	for {
		served := s.served.Load()
		timer := time.NewTimer(connectTimeout)
		select {
		case s.turn <- struct{}{}:
			timer.Stop()
			return nil
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
			if s.served.Load() == served {
				return s.noConnection()
			}
		}
	}
}

var errNotMade = fmt.Errorf("no connection was made within %v", dialTimeout)

var errNoConnection = fmt.Errorf("no connection became free within %v; if this is called while a transaction of yours holds the "+
	"connection, emit through that transaction with EmitTx; otherwise let the pool have more (SetMaxOpenConns)", connectTimeout)
