package engine

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"strings"
)

// codes are the codes that a database gives an error, whichever driver reports them.
type codes struct {
	state  string // SQLSTATE of PostgreSQL
	number int    // error number of MySQL
	sqlite int    // primary result code of SQLite
}

// codesOf finds the codes without importing drivers. pgx and lib/pq have a method SQLState, and
// modernc's SQLite has Code. The MySQL driver and mattn's SQLite have fields.
func codesOf(err error) (c codes) {
	var state interface{ SQLState() string }
	if errors.As(err, &state) {
		c.state = state.SQLState()
		return c
	}
	var code interface{ Code() int }
	if errors.As(err, &code) {
		c.sqlite = code.Code() & 0xff
		return c
	}
	inspect(err, &c)
	return c
}

// inspect looks for these fields in an error and the errors that it wraps, and reports whether
// it found one.
func inspect(err error, c *codes) bool {
	switch wrapper := err.(type) { //nolint:errorlint // it walks the chain itself
	case interface{ Unwrap() error }:
		if inner := wrapper.Unwrap(); inner != nil && inspect(inner, c) {
			return true
		}
	case interface{ Unwrap() []error }:
		for _, inner := range wrapper.Unwrap() {
			if inspect(inner, c) {
				return true
			}
		}
	}
	v := reflect.Indirect(reflect.ValueOf(err))
	if v.Kind() != reflect.Struct {
		return false
	}
	if f := field(v, "Number"); f.IsValid() && f.CanUint() {
		c.number = int(f.Uint())
		return true
	}
	if f := field(v, "Code"); f.IsValid() && f.CanInt() {
		c.sqlite = int(f.Int()) & 0xff
		return true
	}
	return false
}

// field returns a field of a struct, or of an embedded struct that is not nil.
func field(v reflect.Value, name string) reflect.Value {
	of, known := v.Type().FieldByName(name)
	if !known {
		return reflect.Value{}
	}
	f, err := v.FieldByIndexErr(of.Index)
	if err != nil {
		return reflect.Value{}
	}
	return f
}

// Codes that the engine distinguishes.
const (
	sqliteError    = 1 // a statement that SQLite cannot compile, for example because a table is missing
	sqliteBusy     = 5
	sqliteLocked   = 6
	sqliteReadOnly = 8
	sqliteIO       = 10
	sqliteCorrupt  = 11
	sqliteFull     = 13
	sqliteCantOpen = 14

	mysqlDuplicate   = 1062
	mysqlFull        = 1114
	mysqlDenied      = 1142
	mysqlNoTable     = 1146
	mysqlLockTimeout = 1205
	mysqlDeadlock    = 1213
	mysqlReadOnly    = 1290
	mysqlReadOnlyTx  = 1792
	mysqlReadOnlyDB  = 1836
	mysqlNotReady    = 1047 // Galera: the node has left the cluster
	mysqlIdle        = 4031

	pgSerialization = "40001"
	pgDeadlock      = "40P01"
	pgLockTimeout   = "55P03"
	pgDuplicate     = "23505"
	pgNoTable       = "42P01"
	pgNoSchema      = "3F000"
	pgDenied        = "42501"
	pgReadOnly      = "25006"
	pgIdle          = "25P03"
	pgFull          = "53100"
)

// An unconnectedError reports that no connection could be made.
type unconnectedError struct{ error }

func (e unconnectedError) Unwrap() error { return e.error }

var errNotMade = fmt.Errorf("no connection was made within %v", dialTimeout)

// ErrNoConnection reports that other callers held all connections of the pool.
var ErrNoConnection = fmt.Errorf("no connection became free within %v", connectTimeout)

// retryable reports whether the database rolled a transaction back because of another one, or
// because it got no statement for too long.
func retryable(err error) bool {
	c := codesOf(err)
	switch c.state {
	case pgSerialization, pgDeadlock, pgIdle:
		return true
	}
	return c.number == mysqlDeadlock || c.number == mysqlIdle
}

// Hopeless reports whether the database refuses everything, so that trying smaller parts is
// useless.
func Hopeless(err error) bool {
	c := codesOf(err)
	switch c.state {
	case pgNoTable, pgNoSchema, pgFull, pgDenied:
		return true
	}
	switch c.number {
	case mysqlNoTable, mysqlFull, mysqlDenied:
		return true
	}
	switch c.sqlite {
	case sqliteError, sqliteBusy, sqliteLocked, sqliteReadOnly, sqliteIO, sqliteCorrupt, sqliteFull, sqliteCantOpen:
		return true
	}
	_, unconnected := errors.AsType[unconnectedError](err)
	return unconnected || errors.Is(err, ErrNoConnection) || OutcomeOf(err) == NotBegun || readOnly(err) || lostConnection(err)
}

// readOnly reports whether the server takes no writes because it is not the primary or has
// ceased to be. The server has rolled back the transaction.
func readOnly(err error) bool {
	c := codesOf(err)
	switch c.number {
	case mysqlReadOnly, mysqlReadOnlyTx, mysqlReadOnlyDB, mysqlNotReady:
		return true
	}
	return c.state == pgReadOnly
}

// LockedOut reports whether a transaction waited too long for another one.
func LockedOut(err error) bool {
	c := codesOf(err)
	return c.state == pgLockTimeout || c.number == mysqlLockTimeout
}

// DuplicateKey reports whether a row with the same key exists.
func DuplicateKey(err error) bool {
	c := codesOf(err)
	return c.number == mysqlDuplicate || c.state == pgDuplicate
}

// definite reports whether the database itself answered. Then a commit is known to have failed.
func definite(err error) bool {
	c := codesOf(err)
	return c != codes{} && !strings.HasPrefix(c.state, "08") && !strings.HasPrefix(c.state, "57P")
}

// lostConnection reports whether the connection broke.
func lostConnection(err error) bool {
	var netErr net.Error
	c := codesOf(err)
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &netErr) ||
		strings.HasPrefix(c.state, "08") || strings.HasPrefix(c.state, "57P") ||
		strings.Contains(err.Error(), "invalid connection")
}

// Uncertain reports whether the connection broke during the commit of a [DB.Write], so that its
// result is unknown.
func Uncertain(err error) bool { return OutcomeOf(err) == Unknown && lostConnection(err) }

// HasCode reports whether the database itself reported an error.
func HasCode(err error) bool { return codesOf(err) != codes{} }

// A Problem is a class of errors with a common cure.
type Problem int

// The problems.
const (
	NoProblem Problem = iota
	MissingTable
	ReadOnly
	DiskFull
	FileHeld // by another transaction
	RowHeld  // by another transaction
	AllConnectionsHeld
)

// Problem returns the problem that an error reports.
func (d *DB) Problem(err error) Problem {
	c, text := codesOf(err), d.Dialect.MissingTable
	switch {
	case c.state == pgNoTable, c.state == pgNoSchema, c.number == mysqlNoTable, text != "" && strings.Contains(err.Error(), text):
		return MissingTable
	case readOnly(err), c.sqlite == sqliteReadOnly:
		return ReadOnly
	case c.state == pgFull, c.number == mysqlFull, c.sqlite == sqliteFull:
		return DiskFull
	case c.sqlite == sqliteBusy, c.sqlite == sqliteLocked:
		return FileHeld
	case LockedOut(err):
		return RowHeld
	case errors.Is(err, ErrNoConnection):
		return AllConnectionsHeld
	}
	return NoProblem
}
