package sqlstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook/sqlstore/internal/engine"
)

// Short names of the engine's types.
type (
	op        = engine.Op // the name of a statement
	cell      = engine.Cell
	table     = engine.Table
	txOptions = engine.TxOptions
)

func num[T ~int | ~int64](n T) cell { return engine.Num(n) }
func text[T ~string](s T) cell      { return engine.Text(s) }
func uid(u uuid.UUID) cell          { return engine.UID(u) }
func bin(b []byte) cell             { return engine.Bin(b) }
func flag(b bool) cell              { return engine.Flag(b) }

// batch is a statement with its table, for ExecEach.
func batch(o op, rows *table) engine.Batch { return engine.Batch{Op: o, Rows: rows} }

func newTable(rows int) *table { return engine.NewTable(rows) }

// A tx is a transaction of a Store, or a read without one.
type tx struct {
	*engine.Tx
	store *Store
}

// read runs do without a transaction.
func (s *Store) read(ctx context.Context, do func(*tx) error) error {
	return s.explain(ctx, s.db.Read(ctx, s.with(do)))
}

// readPlanned is read for lists.
func (s *Store) readPlanned(ctx context.Context, do func(*tx) error) error {
	return s.explain(ctx, s.db.ReadPlanned(ctx, s.with(do)))
}

// write runs do in a transaction, perhaps several times.
func (s *Store) write(ctx context.Context, how txOptions, do func(*tx) error) error {
	return s.explain(ctx, s.db.Write(ctx, how, s.with(do)))
}

func (s *Store) with(do func(*tx) error) func(*engine.Tx) error {
	return func(t *engine.Tx) error { return do(&tx{t, s}) }
}

// explain adds the end of ctx to an error, and a cure if there is one. It adds no name of an
// operation: the Dispatcher names its own.
func (s *Store) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", err, cause) // drivers return errors of their own for an ended context
	}
	return s.withCure(err)
}

// withCure adds the cure to errors that mean a wrong set-up.
func (s *Store) withCure(err error) error {
	switch s.db.Problem(err) {
	case engine.MissingTable:
		return fmt.Errorf("%w; the tables are missing: call Store.Migrate, or apply sqlstore.Migrations, and look at Options.Prefix and Schema", err)
	case engine.ReadOnly:
		return fmt.Errorf("%w; the database is read-only: connect to the primary, with the right to write", err)
	case engine.DiskFull:
		return fmt.Errorf("%w; the database's disk is full: nothing of this call was stored", err)
	case engine.FileHeld:
		return fmt.Errorf("%w; another transaction holds the file: if it is yours, emit through it with EmitTx", err)
	case engine.RowHeld:
		return fmt.Errorf("%w; another transaction holds the row: if it is yours, emit through it with EmitTx", err)
	case engine.AllConnectionsHeld:
		err = fmt.Errorf("%w; if this is called while a transaction of yours holds the connection, emit through that transaction "+
			"with EmitTx; otherwise let the pool have more (SetMaxOpenConns)", err)
		if s.db.OneConnection {
			err = fmt.Errorf("%w; or another process holds the file for long", err)
		}
	case engine.NoProblem:
	}
	return err
}
