package engine

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

const (
	// connectTimeout is how long a method waits while other callers hold all connections.
	connectTimeout = 3 * time.Second

	// dialTimeout is how long a method without a deadline waits for a new connection.
	dialTimeout = 30 * time.Second
)

// connect takes a connection from the pool. It waits for a new connection as long as its
// context allows. While other callers hold all connections, it waits for connectTimeout.
func (d *DB) connect(ctx context.Context, db *sql.DB) (*sql.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w := d.enter(ctx, db)
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
	owner *DB
	db    *sql.DB
	ctx   context.Context
	began time.Time
	waits int64 // waits for a connection of the pool before this call

	cancel context.CancelCauseFunc
	timer  *time.Timer
}

// enter starts a timer that checks from time to time whether the call must give up.
func (d *DB) enter(ctx context.Context, db *sql.DB) *waiter {
	w := &waiter{owner: d, db: db, began: time.Now(), waits: db.Stats().WaitCount}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	d.waiters.Add(1)
	w.timer = time.AfterFunc(dialTimeout, w.look)
	w.timer.Reset(connectTimeout)
	return w
}

func (w *waiter) leave() {
	w.timer.Stop()
	w.owner.waiters.Add(-1)
	w.cancel(nil)
}

// look ends the call if other callers hold all connections. It also ends a call without a
// deadline after dialTimeout.
func (w *waiter) look() {
	_, bounded := w.ctx.Deadline()
	switch {
	case w.exhausted():
		w.cancel(ErrNoConnection)
	case !bounded && time.Since(w.began) >= dialTimeout:
		w.cancel(errNotMade)
	case w.ctx.Err() == nil:
		w.timer.Reset(connectTimeout)
	}
}

// reason returns why look ended the call. It includes the driver's error if a connection was
// being made.
func (w *waiter) reason(err error) error {
	if context.Cause(w.ctx) == ErrNoConnection { //nolint:errorlint // it is what look gave
		return ErrNoConnection
	}
	return unconnectedError{fmt.Errorf("%v; %w", err, errNotMade)} //nolint:errorlint // the context was not the caller's
}

// exhausted reports whether other callers use all connections of the pool.
//
// database/sql counts a connection that is being made as one in use, but the call that makes it
// is not counted as a wait. So if there were fewer waits than there are calls of the Store,
// some of these calls are making connections.
func (w *waiter) exhausted() bool {
	stats := w.db.Stats()
	return stats.MaxOpenConnections > 0 && stats.InUse >= stats.MaxOpenConnections &&
		stats.WaitCount-w.waits >= w.owner.waiters.Load()
}

// An unconnectedError reports that no connection could be made.
type unconnectedError struct{ error }

func (e unconnectedError) Unwrap() error { return e.error }

// ConnectReader takes a connection to read with.
func (d *DB) ConnectReader(ctx context.Context) (*sql.Conn, error) { return d.connect(ctx, d.Reader) }

// ConnectWriter takes a connection to write with. The callers of a pool with one connection
// take turns. Otherwise database/sql gives a returned connection to any waiting caller, and one
// of many callers would wait too long.
func (d *DB) ConnectWriter(ctx context.Context) (conn *sql.Conn, giveBack func(), err error) {
	if d.turn == nil {
		conn, err = d.connect(ctx, d.Writer)
		return conn, func() { _ = conn.Close() }, err
	}
	if err := d.takeTurn(ctx); err != nil {
		return nil, nil, err
	}
	conn, err = d.connect(ctx, d.Writer)
	if err != nil {
		<-d.turn
		return nil, nil, err
	}
	d.served.Add(1)
	return conn, func() {
		_ = conn.Close()
		<-d.turn
	}, nil
}

// takeTurn waits for a turn. It gives up if no other caller got its connection for
// connectTimeout.
func (d *DB) takeTurn(ctx context.Context) error {
	for {
		served := d.served.Load()
		timer := time.NewTimer(connectTimeout)
		select {
		case d.turn <- struct{}{}:
			timer.Stop()
			return nil
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
			if d.served.Load() == served {
				return ErrNoConnection
			}
		}
	}
}

var errNotMade = fmt.Errorf("no connection was made within %v", dialTimeout)

// ErrNoConnection reports that other callers held all connections of the pool.
var ErrNoConnection = fmt.Errorf("no connection became free within %v", connectTimeout)
