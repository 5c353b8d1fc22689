package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An oldSnapshot is a database behind an old snapshot: a look from the beginning never ends,
// and one from a floor finds nothing.
type oldSnapshot struct{ looks []int64 }

func (o *oldSnapshot) Connect(context.Context) (driver.Conn, error) { return o, nil }
func (o *oldSnapshot) Driver() driver.Driver                        { return unusableDriver{} }
func (o *oldSnapshot) Prepare(string) (driver.Stmt, error)          { return nil, errUnusable }
func (o *oldSnapshot) Begin() (driver.Tx, error)                    { return nil, errUnusable }
func (o *oldSnapshot) Close() error                                 { return nil }

func (o *oldSnapshot) QueryContext(ctx context.Context, _ string, args []driver.NamedValue) (driver.Rows, error) {
	from := args[0].Value.(int64)
	o.looks = append(o.looks, from)
	if from == 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &nothingDue{}, nil
}

// nothingDue is the answer to such a look.
type nothingDue struct{ read bool }

func (n *nothingDue) Columns() []string { return make([]string, 5) }
func (n *nothingDue) Close() error      { return nil }

func (n *nothingDue) Next(row []driver.Value) error {
	if n.read {
		return io.EOF
	}
	n.read = true
	row[2], row[3] = false, false
	return nil
}

// A claim may take ten seconds. The others of a process go on from the floor when a full look
// takes too long.
func TestALookBehindAnOldSnapshotEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &oldSnapshot{}
		db := sql.OpenDB(o)
		defer func() { _ = db.Close() }()
		s, err := New(db, Postgres, Options{})
		require.NoError(t, err)
		look := func(most time.Duration) {
			t.Helper()
			began := time.Now()
			d, err := s.due(t.Context(), time.Now().UnixMicro())
			require.NoError(t, err)
			assert.False(t, d.waiting || d.outbox || d.ready)
			assert.LessOrEqual(t, time.Since(began), most)
		}
		look(firstLookTimeout)
		look(0)
		time.Sleep(time.Minute) //nolint:forbidigo // in fake time
		look(fullLookTimeout)
		look(0)
		require.Len(t, o.looks, 6)
		for i, full := range []bool{true, false, false, true, false, false} {
			assert.Equal(t, full, o.looks[i] == 0, "look %d", i)
		}
	})
}
