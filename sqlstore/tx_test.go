package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/gowebhook/webhook/sqlstore/internal/engine"
)

// The errors of drivers, as far as they are looked at.
type (
	pgError     struct{ state string }          // pgx and lib/pq
	modernError struct{ code int }              // modernc.org/sqlite
	mysqlError  struct{ Number uint16 }         // go-sql-driver/mysql
	mattnError  struct{ Code, ExtendedCode no } // mattn/go-sqlite3
	no          int
)

func (e *pgError) Error() string     { return "pg" }
func (e *pgError) SQLState() string  { return e.state }
func (e *modernError) Error() string { return "modern" }
func (e *modernError) Code() int     { return e.code }
func (e *mysqlError) Error() string  { return "mysql" }
func (e mattnError) Error() string   { return "mattn" }

// on returns a store without a database.
func on(d *dialect) *Store {
	return &Store{dialect: d, db: engine.New(engine.Config{Dialect: &d.Dialect})}
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
		err := on(c.d).withCure(fmt.Errorf("a: %w", c.err))
		assert.ErrorIs(t, err, c.err)
		assert.ErrorContains(t, err, c.says)
	}
	for _, err := range []error{errors.New("no such table"), &pgError{"22021"}, &mysqlError{1406}} {
		assert.Equal(t, err, on(&postgres).withCure(err), "nothing to add")
	}
}

func TestTheEndOfTheContextIsInTheError(t *testing.T) {
	s := on(&postgres)
	ctx, cancel := context.WithCancel(t.Context())
	assert.NoError(t, s.explain(ctx, nil))
	assert.EqualError(t, s.explain(ctx, io.EOF), "EOF")
	cancel()
	err := s.explain(ctx, io.EOF)
	assert.ErrorIs(t, err, context.Canceled)
	assert.ErrorIs(t, err, io.EOF)
	assert.EqualError(t, s.explain(ctx, fmt.Errorf("a: %w", context.Canceled)), "a: context canceled")
}
