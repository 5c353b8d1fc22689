package engine

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

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
