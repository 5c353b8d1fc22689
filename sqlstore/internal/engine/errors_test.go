package engine

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

// The errors of drivers, with only the parts that the engine reads.
type (
	pgError       struct{ state string }          // pgx and lib/pq
	modernError   struct{ code int }              // modernc.org/sqlite
	mysqlError    struct{ Number uint16 }         // go-sql-driver/mysql
	mattnError    struct{ Code, ExtendedCode no } // mattn/go-sqlite3
	textCodeError struct{ Code string }           // an unknown driver
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
			Unknown.of(c.err),
			NotBegun.of(fmt.Errorf("a: %w", c.err)),
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
		end   Outcome
		err   error
		again bool
	}{
		{Refused, &pgError{"40001"}, true},
		{Refused, &pgError{"40P01"}, true},
		{Refused, &pgError{"23505"}, false},
		{Refused, &pgError{"55P03"}, false}, // the transaction has waited for a second
		{Refused, &mysqlError{1213}, true},
		{Refused, &mysqlError{1205}, false},
		{Refused, &mysqlError{1062}, false},
		{Refused, &modernError{5}, false}, // the transaction has waited for five seconds
		{Refused, errors.New("deadlock"), false},
		{Refused, driver.ErrBadConn, false}, // the result of the transaction is unknown
		{Unknown, driver.ErrBadConn, true},
		{Unknown, io.ErrUnexpectedEOF, true},
		{Unknown, errors.New("odd"), false},
	} {
		assert.Equal(t, c.again, again(c.end, c.err, TxOptions{}), "%#v", c.err)
	}
	assert.False(t, again(Unknown, io.EOF, TxOptions{Once: true}))
	assert.True(t, again(Refused, &pgError{"40P01"}, TxOptions{Once: true}))
}

func TestWhatALostConnectionIs(t *testing.T) {
	for _, err := range []error{
		driver.ErrBadConn, sql.ErrConnDone, io.EOF, io.ErrUnexpectedEOF, &net.OpError{Op: "read", Err: errors.New("reset")},
		&pgError{"08006"}, &pgError{"57P01"}, errors.New("invalid connection"), fmt.Errorf("a: %w", driver.ErrBadConn),
	} {
		assert.True(t, lostConnection(err), "%v", err)
		assert.False(t, definite(err), "%v", err)
		assert.True(t, Hopeless(err), "%v", err)
	}
	for _, err := range []error{&pgError{"40001"}, &mysqlError{1213}, &modernError{5}} {
		assert.False(t, lostConnection(err), "%v", err)
		assert.True(t, definite(err), "%v", err)
	}
	assert.False(t, definite(errors.New("odd")))
	assert.False(t, lostConnection(errors.New("odd")))
}

// An error that one event causes must not count as hopeless for all events. Otherwise the
// other events would not be stored.
func TestWhatIsHopeless(t *testing.T) {
	for _, err := range []error{
		&pgError{"42P01"}, &pgError{"25006"}, &pgError{"53100"}, &pgError{"42501"}, &mysqlError{1146}, &mysqlError{1114}, &mysqlError{1792},
		&mysqlError{1142}, &modernError{5}, &modernError{8}, &modernError{13}, fmt.Errorf("a: %w", ErrNoConnection),
	} {
		assert.True(t, Hopeless(err), "%#v", err)
	}
	for _, err := range []error{&pgError{"22021"}, &pgError{"55P03"}, &pgError{"54000"}, &mysqlError{1406}, &mysqlError{1205}, errors.New("odd")} {
		assert.False(t, Hopeless(err), "%#v", err)
	}
}

func TestAnErrorSaysHowItsTransactionEnded(t *testing.T) {
	for _, o := range []Outcome{Refused, NotBegun, Unknown} {
		err := o.of(io.EOF)
		assert.Equal(t, o, OutcomeOf(fmt.Errorf("a: %w", err)))
		assert.ErrorIs(t, err, io.EOF)
		assert.EqualError(t, err, "EOF", "the outcome is no part of the text")
		assert.Equal(t, o == Unknown, Uncertain(err))
	}
	assert.Equal(t, Committed, OutcomeOf(nil))
	assert.False(t, Uncertain(Unknown.of(context.Canceled)), "the connection did not break")
	assert.True(t, Hopeless(NotBegun.of(errors.New("odd"))))
}
