package drivertest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/sqlstore"
)

// A fault is a saboteur's effect on a step.
type fault struct {
	err   error  // nil for nothing
	after bool   // the step happens, and then seems to have failed
	drop  bool   // the connection is gone too
	then  func() // is called before the step, or after it
}

// A saboteur stands between the store and the real driver. While it has a plan, it is asked
// before each step: a statement with its values, or BEGIN, COMMIT and ROLLBACK.
type saboteur struct {
	mu    sync.Mutex
	plan  func(step string) fault
	steps []string // since the plan was set
}

// sabotage sets the plan; nil ends it.
func (s *saboteur) sabotage(plan func(step string) fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plan, s.steps = plan, nil
}

// taken returns the steps since the plan was set, and ends it.
func (s *saboteur) taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	steps := s.steps
	s.plan, s.steps = nil, nil
	return steps
}

func (s *saboteur) ask(step string) fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.plan == nil {
		return fault{}
	}
	s.steps = append(s.steps, step)
	return s.plan(step)
}

// failing returns a plan that fails the first steps with the word, one for each of the faults.
func failing(word string, faults ...fault) func(string) fault {
	return func(step string) fault {
		if len(faults) == 0 || !strings.Contains(strings.Replace(step, "READ COMMITTED", "", 1), word) {
			return fault{}
		}
		f := faults[0]
		faults = faults[1:]
		return f
	}
}

// failingNth returns a plan that fails the n-th step, from 0.
func failingNth(n int, f fault) func(string) fault {
	return func(string) fault {
		n--
		if n == -1 {
			return f
		}
		return fault{}
	}
}

// errStopped is the error of a step that does not happen.
var errStopped = errors.New("stopped by the test")

// sabotaged returns a store with empty tables. All its connections go through the saboteur.
func (d database) sabotaged(tb testing.TB) (*sqlstore.Store, *saboteur) {
	tb.Helper()
	store, s := d.sabotagedEmpty(tb)
	require.NoError(tb, store.Migrate(tb.Context()))
	return store, s
}

// sabotagedEmpty is sabotaged without tables.
func (d database) sabotagedEmpty(tb testing.TB) (*sqlstore.Store, *saboteur) {
	tb.Helper()
	s := &saboteur{}
	dsn := d.dsn(tb)
	known, err := sql.Open(d.driver, "")
	require.NoError(tb, err)
	wrapped := &saboteurDriver{known.Driver(), s}
	require.NoError(tb, known.Close())
	var store *sqlstore.Store
	if d.dialect == sqlstore.SQLite {
		name := fmt.Sprintf("sabotaged-%d", saboteurs.Add(1))
		sql.Register(name, wrapped)
		store, err = sqlstore.OpenSQLite(name, dsn, sqlstore.Options{})
	} else {
		db := sql.OpenDB(&saboteurConnector{wrapped, dsn + d.suffix})
		tb.Cleanup(func() { _ = db.Close() })
		store, err = sqlstore.New(db, d.dialect, sqlstore.Options{})
	}
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = store.Close() })
	return store, s
}

var saboteurs atomic.Int64 // that are registered with database/sql

type saboteurDriver struct {
	real     driver.Driver
	saboteur *saboteur
}

func (d *saboteurDriver) Open(name string) (driver.Conn, error) {
	conn, err := d.real.Open(name)
	if err != nil {
		return nil, err
	}
	return &saboteurConn{Conn: conn, saboteur: d.saboteur}, nil
}

type saboteurConnector struct {
	driver *saboteurDriver
	dsn    string
}

func (c *saboteurConnector) Connect(context.Context) (driver.Conn, error) {
	return c.driver.Open(c.dsn)
}
func (c *saboteurConnector) Driver() driver.Driver { return c.driver }

type saboteurConn struct {
	driver.Conn
	saboteur *saboteur
	gone     bool
}

// step does something, unless the saboteur prevents it.
func step[T any](c *saboteurConn, name string, do func() (T, error)) (result T, err error) {
	if c.gone {
		return result, driver.ErrBadConn
	}
	f := c.saboteur.ask(name)
	if f.then != nil && !f.after {
		f.then()
	}
	if f.err == nil || f.after {
		result, err = do()
	}
	if rows, open := any(result).(driver.Rows); open && err == nil && f.err != nil {
		_ = rows.Close() // nobody else will
	}
	if f.drop {
		c.gone = true
		_ = c.Conn.Close()
	}
	if f.then != nil && f.after {
		f.then()
	}
	if f.err != nil {
		var none T
		return none, f.err
	}
	return result, err
}

func (c *saboteurConn) Close() error {
	if c.gone {
		return nil
	}
	return c.Conn.Close()
}

func (c *saboteurConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	return step(c, "BEGIN", func() (driver.Tx, error) {
		tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
		return &saboteurTx{tx, c}, err
	})
}

func (c *saboteurConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return step(c, withValues(query, args), func() (driver.Result, error) { return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args) })
}

func (c *saboteurConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return step(c, withValues(query, args), func() (driver.Rows, error) { return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args) })
}

func withValues(query string, args []driver.NamedValue) string {
	for _, a := range args {
		query += fmt.Sprintf(" %s", a.Value)
	}
	return query
}

func (c *saboteurConn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.Conn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

func (c *saboteurConn) ResetSession(ctx context.Context) error {
	if c.gone {
		return driver.ErrBadConn
	}
	if resetter, ok := c.Conn.(driver.SessionResetter); ok {
		return resetter.ResetSession(ctx)
	}
	return nil
}

func (c *saboteurConn) IsValid() bool {
	validator, ok := c.Conn.(driver.Validator)
	return !c.gone && (!ok || validator.IsValid())
}

type saboteurTx struct {
	driver.Tx
	conn *saboteurConn
}

func (t *saboteurTx) Commit() error {
	happened := false
	_, err := step(t.conn, "COMMIT", func() (struct{}, error) {
		happened = true
		return struct{}{}, t.Tx.Commit()
	})
	if !happened && !t.conn.gone {
		_ = t.Tx.Rollback() // as a server does that refuses a COMMIT
	}
	return err
}

func (t *saboteurTx) Rollback() error {
	_, err := step(t.conn, "ROLLBACK", func() (struct{}, error) { return struct{}{}, t.Tx.Rollback() })
	return err
}

func TestASaboteurFailsWhatItsPlanSays(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		store, s := d.sabotaged(t)
		s.sabotage(func(string) fault { return fault{} })
		db := store.DB()
		_, err := db.ExecContext(t.Context(), "DELETE FROM webhook_events")
		require.NoError(t, err)
		require.Equal(t, []string{"DELETE FROM webhook_events"}, slices.Clone(s.taken()))

		s.sabotage(failing("DELETE", fault{err: context.DeadlineExceeded}))
		_, err = db.ExecContext(t.Context(), "DELETE FROM webhook_events")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		_, err = db.ExecContext(t.Context(), "DELETE FROM webhook_events")
		require.NoError(t, err)
	})
}
