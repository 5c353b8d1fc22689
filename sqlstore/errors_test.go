package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
)

// The errors of drivers, as far as they are looked at.
type (
	pgError       struct{ state string }          // pgx and lib/pq
	modernError   struct{ code int }              // modernc.org/sqlite
	mysqlError    struct{ Number uint16 }         // go-sql-driver/mysql
	mattnError    struct{ Code, ExtendedCode no } // mattn/go-sqlite3
	textCodeError struct{ Code string }           // somebody's
	outerError    struct{ *mysqlError }
	no            int
)

func (e *pgError) Error() string      { return "pg" }
func (e *pgError) SQLState() string   { return e.state }
func (e *modernError) Error() string  { return "modern" }
func (e *modernError) Code() int      { return e.code }
func (e *mysqlError) Error() string   { return "mysql" }
func (e mattnError) Error() string    { return "mattn" }
func (e textCodeError) Error() string { return "text" }
func (e outerError) Error() string    { return "outer" }

func TestCodesAreFoundWithoutTheDrivers(t *testing.T) {
	plain := errors.New("plain")
	for _, c := range []struct {
		err  error
		want codes
	}{
		{&pgError{"40001"}, codes{state: "40001"}},
		{&modernError{5}, codes{sqlite: 5}},
		{&modernError{5 | 2<<8}, codes{sqlite: 5}}, // SQLITE_BUSY_SNAPSHOT
		{&modernError{13}, codes{sqlite: 13}},
		{&mysqlError{1213}, codes{number: 1213}},
		{mattnError{Code: 6 | 1<<8}, codes{sqlite: 6}},
		{textCodeError{"40001"}, codes{}},
		{plain, codes{}},
		{nil, codes{}},
		{context.Canceled, codes{}},
		{io.EOF, codes{}},
		{&net.OpError{Op: "read", Err: io.EOF}, codes{}},
		{(*mysqlError)(nil), codes{}},
	} {
		assert.Equal(t, c.want, codesOf(c.err), "%#v", c.err)
		if c.err == nil {
			continue
		}
		for _, wrapped := range []error{
			fmt.Errorf("a: %w", c.err),
			fmt.Errorf("a: %w", fmt.Errorf("b: %w", c.err)),
			errors.Join(plain, c.err),
			errors.Join(c.err, plain),
			fmt.Errorf("%w: %w", context.Canceled, c.err),
			unknownError{c.err},
			unbegunError{fmt.Errorf("a: %w", c.err)},
		} {
			assert.Equal(t, c.want, codesOf(wrapped), "%v", wrapped)
		}
	}
}

func TestAnErrorWithAnEmptyEmbeddedOneIsNoCode(t *testing.T) {
	assert.NotPanics(t, func() {
		assert.Equal(t, codes{}, codesOf(outerError{}))
		assert.Equal(t, codes{}, codesOf(fmt.Errorf("a: %w", outerError{})))
	})
	assert.Equal(t, codes{number: 1213}, codesOf(outerError{&mysqlError{1213}}))
}

func TestWhatIsRunAgain(t *testing.T) {
	for _, c := range []struct {
		err   error
		again bool
	}{
		{&pgError{"40001"}, true},
		{&pgError{"40P01"}, true},
		{&pgError{"23505"}, false},
		{&pgError{"55P03"}, false}, // it has waited for a second
		{&mysqlError{1213}, true},
		{&mysqlError{1205}, false},
		{&mysqlError{1062}, false},
		{&modernError{5}, false}, // it has waited for five
		{errors.New("deadlock"), false},
		{driver.ErrBadConn, false}, // what was done is unknown
		{unknownError{driver.ErrBadConn}, true},
		{unknownError{io.ErrUnexpectedEOF}, true},
		{unknownError{errors.New("odd")}, false},
	} {
		assert.Equal(t, c.again, (&Store{}).again(c.err, writing{}), "%#v", c.err)
	}
	assert.False(t, (&Store{}).again(unknownError{io.EOF}, writing{noMore: true}))
	assert.True(t, (&Store{}).again(&pgError{"40P01"}, writing{noMore: true}))
}

func TestWhatALostConnectionIs(t *testing.T) {
	for _, err := range []error{
		driver.ErrBadConn, sql.ErrConnDone, io.EOF, io.ErrUnexpectedEOF, &net.OpError{Op: "read", Err: errors.New("reset")},
		&pgError{"08006"}, &pgError{"57P01"}, errors.New("invalid connection"), fmt.Errorf("a: %w", driver.ErrBadConn),
	} {
		assert.True(t, lostConnection(err), "%v", err)
		assert.False(t, definite(err), "%v", err)
		assert.True(t, hopeless(err), "%v", err)
	}
	for _, err := range []error{&pgError{"40001"}, &mysqlError{1213}, &modernError{5}} {
		assert.False(t, lostConnection(err), "%v", err)
		assert.True(t, definite(err), "%v", err)
	}
	assert.False(t, definite(errors.New("odd")))
	assert.False(t, lostConnection(errors.New("odd")))
}

// What is one event's own fault must not be taken for everyone's, or the others would not be stored.
func TestWhatIsHopeless(t *testing.T) {
	for _, err := range []error{
		&pgError{"42P01"}, &pgError{"25006"}, &pgError{"53100"}, &pgError{"42501"}, &mysqlError{1146}, &mysqlError{1114}, &mysqlError{1792},
		&mysqlError{1142}, &modernError{5}, &modernError{8}, &modernError{13}, fmt.Errorf("a: %w", errNoConnection),
	} {
		assert.True(t, hopeless(err), "%#v", err)
	}
	for _, err := range []error{&pgError{"22021"}, &pgError{"55P03"}, &pgError{"54000"}, &mysqlError{1406}, &mysqlError{1205}, errors.New("odd")} {
		assert.False(t, hopeless(err), "%#v", err)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	for _, c := range []struct {
		err  error
		d    *dialect
		says string
	}{
		{&pgError{"42P01"}, &postgres, "call Store.Migrate"},
		{&pgError{"3F000"}, &postgres, "Options.Prefix and Schema"},
		{&mysqlError{1146}, &mysql, "call Store.Migrate"},
		{errors.New("SQL logic error: no such table: webhook_events (1)"), &sqlite, "call Store.Migrate"},
		{&pgError{"25006"}, &postgres, "read-only"},
		{&mysqlError{1290}, &mysql, "read-only"},
		{&mysqlError{1792}, &mysql, "read-only"},
		{&modernError{8 | 4<<8}, &sqlite, "read-only"},
		{&pgError{"53100"}, &postgres, "disk is full"},
		{&mysqlError{1114}, &mysql, "disk is full"},
		{&modernError{13}, &sqlite, "disk is full"},
		{&modernError{5}, &sqlite, "holds the file"},
		{mattnError{Code: 6}, &sqlite, "EmitTx"},
		{&pgError{"55P03"}, &postgres, "holds the row"},
		{&mysqlError{1205}, &mysql, "EmitTx"},
	} {
		err := explain(c.d, fmt.Errorf("a: %w", c.err))
		assert.ErrorIs(t, err, c.err)
		assert.ErrorContains(t, err, c.says)
	}
	for _, err := range []error{errors.New("no such table"), &pgError{"22021"}, &mysqlError{1406}} {
		assert.Equal(t, err, explain(&postgres, err), "nothing to add")
	}
}

func TestTheEndOfTheContextIsInTheError(t *testing.T) {
	s := &Store{dialect: &postgres}
	ctx, cancel := context.WithCancel(t.Context())
	assert.NoError(t, s.wrap(ctx, "claim", nil))
	assert.EqualError(t, s.wrap(ctx, "claim", io.EOF), "sqlstore: claim: EOF")
	cancel()
	err := s.wrap(ctx, "claim", io.EOF)
	assert.ErrorIs(t, err, context.Canceled)
	assert.ErrorIs(t, err, io.EOF)
	assert.EqualError(t, s.wrap(ctx, "claim", fmt.Errorf("a: %w", context.Canceled)), "sqlstore: claim: a: context canceled")
	assert.ErrorIs(t, noCtx(ctx), context.Canceled)
}
