package engine

import (
	"context"
	"database/sql"
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
