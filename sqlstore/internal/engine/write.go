package engine

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
)

const (
	// rollbackTimeout bounds the rollback of a failed transaction.
	rollbackTimeout = 5 * time.Second

	// tries is how often a transaction is run that the database refuses because of another one.
	tries     = 6
	firstWait = 2 * time.Millisecond
	lastWait  = 200 * time.Millisecond

	// staleConnections is how many dead connections of the pool a method tries before it gives
	// up.
	staleConnections = 100

	// BusyTimeout is how long a transaction waits when it begins, for a dialect with one writer.
	BusyTimeout = 5 * time.Second

	// BusyPause is the longest pause between two tries to begin a transaction while another
	// process has one open, for a dialect with one writer.
	BusyPause = 5 * time.Millisecond
)

// TxOptions say how to run a transaction. The zero value is usable.
type TxOptions struct {
	DefaultPlans bool // without the dialect's planner settings
	KeepPlans    bool // each connection plans a statement once, whatever the tables hold at that time
	Once         bool // not run again after a commit with an unknown result
	OneStatement bool // needs no transaction around it
	Brief        bool // waits for other transactions only for a moment
	NoWait       bool // does not wait for other transactions
}

// Write runs do in a transaction. It runs do again if the database refused the transaction
// because of another one, and after a commit with an unknown result.
func (d *DB) Write(ctx context.Context, how TxOptions, do func(*Tx) error) error {
	wait := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(firstWait), backoff.WithMaxInterval(lastWait), backoff.WithMaxElapsedTime(0),
	)
	unsure, stale := false, staleness{}
	for try := 1; ; try++ {
		conn, giveBack, err := d.ConnectWriter(ctx)
		if err != nil {
			return err
		}
		end, err := d.run(ctx, conn, giveBack, how, unsure, do)
		unsure = unsure || end == Unknown
		switch {
		case end == Committed:
			return nil
		case ctx.Err() != nil:
			return end.of(err)
		case end == NotBegun && stale.another(d.Writer, err):
			try--
			continue
		case try == tries || !again(end, err, how):
			return end.of(err)
		}
		if Pause(ctx, wait.NextBackOff()); ctx.Err() != nil {
			return end.of(err)
		}
	}
}

// again reports whether a failed transaction must run again.
func again(end Outcome, err error, how TxOptions) bool {
	if end == Unknown && lostConnection(err) {
		return !how.Once
	}
	return retryable(err)
}

// run runs a transaction on a connection, and then gives the connection back.
func (d *DB) run(
	ctx context.Context, conn *sql.Conn, giveBack func(), how TxOptions, unsure bool, do func(*Tx) error,
) (Outcome, error) {
	defer giveBack()
	if how.OneStatement {
		err := do(&Tx{db: d, ctx: ctx, on: conn})
		return committed(conn, err), err
	}
	commit, rollback, err := d.Begin(ctx, conn, how)
	if err != nil {
		refused(conn, err)
		return NotBegun, err
	}
	open := true
	defer func() {
		if open { // do panics
			rollback()
		}
	}()
	err = do(&Tx{db: d, ctx: ctx, on: conn, unsure: unsure})
	open = false
	if err != nil {
		rollback()
		return refused(conn, err), err
	}
	if err = commit(); err != nil {
		rollback()
	}
	return committed(conn, err), err
}

// committed returns the outcome of a commit that returned err.
func committed(conn *sql.Conn, err error) Outcome {
	switch {
	case err == nil:
		return Committed
	case definite(err):
		return refused(conn, err)
	}
	return Unknown
}

// refused returns the outcome of a transaction that failed with err. It ends a connection to a
// server that has become read-only, so that the pool does not return it again. Nothing was
// written on it, so the transaction counts as one that has not begun.
func refused(conn *sql.Conn, err error) Outcome {
	if !readOnly(err) {
		return Refused
	}
	Abandon(conn)
	return NotBegun
}

// A staleness counts the useless connections that the pool returned.
type staleness struct {
	connections int
	fresh       bool // the pool was empty, so the last connection was made for this call
}

// another reports whether a transaction that has not begun must run on another connection. That
// is the case if the connection was dead or its server has become read-only. A new connection
// may lead to the primary. If it leads to a read-only server too, there is no primary.
func (s *staleness) another(pool *sql.DB, err error) bool {
	if s.connections == staleConnections {
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

// Begin begins a READ COMMITTED transaction on a connection. The server ends the transaction if
// this process is gone.
func (d *DB) Begin(ctx context.Context, conn *sql.Conn, how TxOptions) (commit func() error, rollback func(), err error) {
	rollback = func() { d.Rollback(ctx, conn) }
	if d.Dialect.OneWriter {
		err = d.beginWriter(ctx, conn)
	} else {
		err = d.beginServer(ctx, conn, how)
	}
	if err != nil {
		rollback() // it may have begun despite the error
		return nil, nil, err
	}
	commit = func() error {
		_, err := conn.ExecContext(ctx, d.Dialect.Commit)
		return err
	}
	return commit, rollback, nil
}

func (d *DB) beginServer(ctx context.Context, conn *sql.Conn, how TxOptions) error {
	if d.Dialect.Prepare != "" {
		if _, err := conn.ExecContext(ctx, d.Dialect.Prepare); err != nil {
			return err
		}
	}
	begin := d.Dialect.Begin + d.Dialect.Bounds + d.linuxBounds(ctx, conn) //nolint:gosec // all of it is ours
	switch {
	case how.DefaultPlans:
	case how.KeepPlans:
		begin += d.Dialect.Planner + d.Dialect.OldPlans
	default:
		begin += d.Dialect.Planner + d.Dialect.NewPlans
	}
	if how.Brief {
		begin += d.Dialect.Brief
	}
	if how.NoWait {
		begin += d.Dialect.NoWait
	}
	_, err := conn.ExecContext(ctx, begin)
	return err
}

// linuxBounds returns Dialect.Linux if the server runs on Linux, else "". It asks the server
// once.
func (d *DB) linuxBounds(ctx context.Context, conn *sql.Conn) string {
	if d.Dialect.Linux == "" {
		return ""
	}
	bounds := d.linux.Load()
	if bounds == nil {
		var version string
		if conn.QueryRowContext(ctx, "SELECT version()").Scan(&version) != nil {
			return ""
		}
		known := ""
		if strings.Contains(version, "linux") {
			known = d.Dialect.Linux
		}
		bounds = &known
		d.linux.Store(bounds)
	}
	return *bounds
}

// beginWriter begins the only transaction that writes. It asks again itself, because SQLite
// would wait without heeding the context, and would ask less and less often.
//
// The connections also serve the application's own transactions. For those beginWriter restores
// SQLite's own waiting.
func (d *DB) beginWriter(ctx context.Context, conn *sql.Conn) error {
	if d.OneConnection {
		if err := setBusyTimeout(ctx, conn, 0); err != nil {
			return err
		}
		defer func() { _ = setBusyTimeout(context.WithoutCancel(ctx), conn, BusyTimeout) }()
	}
	return WhileBusy(ctx, func() error {
		_, err := conn.ExecContext(ctx, d.Dialect.Begin)
		return err
	})
}

// WhileBusy runs do again while another process holds the file, for at most BusyTimeout.
func WhileBusy(ctx context.Context, do func() error) error {
	for began := time.Now(); ; {
		err := do()
		if err == nil || codesOf(err).sqlite != sqliteBusy || ctx.Err() != nil || time.Since(began) > BusyTimeout {
			return err
		}
		Pause(ctx, rand.N(BusyPause)) //nolint:gosec // it spreads tries, nothing has to be unpredictable
	}
}

func setBusyTimeout(ctx context.Context, conn *sql.Conn, d time.Duration) error {
	_, err := conn.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", d.Milliseconds()))
	return err
}

// Rollback ends any transaction on a connection. If that fails, the connection is not used
// again.
func (d *DB) Rollback(ctx context.Context, conn *sql.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	if _, err := conn.ExecContext(ctx, d.Dialect.Rollback); err != nil && !strings.Contains(err.Error(), "no transaction is active") {
		Abandon(conn)
	}
}

// Abandon ends a connection, so that the pool does not return it again.
func Abandon(conn *sql.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
}

// Pause waits for a time, or until ctx ends.
func Pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
