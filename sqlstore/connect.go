package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// connectTimeout is how long a method waits for a connection of the pool.
const connectTimeout = 3 * time.Second

// connect takes a connection from the pool.
func (s *Store) connect(ctx context.Context, db *sql.DB) (*sql.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	bounded, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := db.Conn(bounded)
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() == nil && bounded.Err() != nil:
		return nil, fmt.Errorf("%w: %w", s.noConnection(), err)
	}
	return nil, unconnectedError{err}
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

var errNoConnection = fmt.Errorf("no connection became free within %v; if this is called while a transaction of yours holds the "+
	"connection, emit through that transaction with EmitTx; otherwise let the pool have more (SetMaxOpenConns)", connectTimeout)
