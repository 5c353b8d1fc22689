package sqlstore

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/gowebhook/webhook/sqlstore/internal/engine"
)

// A walDriver is a driver of SQLite that refuses some changes to WAL mode.
type walDriver struct {
	driver.Conn // nil

	refusals int // how many
	err      error
	tries    int
	closed   bool
}

func (d *walDriver) Open(string) (driver.Conn, error) { return d, nil }

func (d *walDriver) ExecContext(_ context.Context, query string, _ []driver.NamedValue) (driver.Result, error) {
	if !strings.Contains(query, "journal_mode") {
		return driver.ResultNoRows, nil
	}
	d.tries++
	if d.tries <= d.refusals {
		return nil, d.err
	}
	return driver.ResultNoRows, nil
}

func (d *walDriver) Close() error {
	d.closed = true
	return nil
}

// SQLite refuses the change to WAL mode at once while another connection makes it.
func TestAnSQLiteConnectionWaitsForTheChangeToWALMode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &walDriver{refusals: 20, err: &modernError{5}}
		conn, err := (&sqliteConnector{driver: d}).Connect(t.Context())
		assert.NoError(t, err)
		assert.Equal(t, d, conn)
		assert.Equal(t, 21, d.tries)
		assert.False(t, d.closed)
	})
}

func TestAnSQLiteConnectionGivesUpAfterFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held, began := &modernError{5}, time.Now()
		d := &walDriver{refusals: 1e9, err: held}
		_, err := (&sqliteConnector{driver: d, file: "a.db"}).Connect(t.Context())
		assert.ErrorIs(t, err, held)
		assert.ErrorContains(t, err, "open a.db: PRAGMA journal_mode = WAL")
		assert.WithinRange(t, time.Now(), began.Add(engine.BusyTimeout), began.Add(engine.BusyTimeout+engine.BusyPause))
		assert.True(t, d.closed)
	})
}

func TestAnSQLiteConnectionDoesNotWaitInVain(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	broken := errors.New("disk I/O error")
	for name, c := range map[string]struct {
		ctx context.Context
		err error
	}{
		"the context has ended": {ended, &modernError{5}},
		"another error":         {t.Context(), broken},
	} {
		t.Run(name, func(t *testing.T) {
			d := &walDriver{refusals: 1e9, err: c.err}
			_, err := (&sqliteConnector{driver: d}).Connect(c.ctx)
			assert.ErrorIs(t, err, c.err)
			assert.Equal(t, 1, d.tries)
			assert.True(t, d.closed)
		})
	}
}
