package drivertest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// A slowConnector takes time for each connection, or fails when the context ends.
type slowConnector struct {
	driver driver.Driver
	dsn    string
	takes  time.Duration
	slow   atomic.Bool
}

var errDialing = errors.New("dialing 192.0.2.1")

func (c *slowConnector) Driver() driver.Driver { return c.driver }

func (c *slowConnector) Connect(ctx context.Context) (driver.Conn, error) {
	if c.slow.Load() {
		select {
		case <-time.After(c.takes):
		case <-ctx.Done():
			return nil, errDialing
		}
	}
	return c.driver.Open(c.dsn)
}

func (d database) slowlyConnected(t *testing.T, takes time.Duration, most int) *scene {
	t.Helper()
	dsn := d.dsn(t)
	c := &slowConnector{driver: d.open(t, dsn).Driver(), dsn: dsn, takes: takes}
	db := sql.OpenDB(c)
	t.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(most)
	store, err := sqlstore.New(db, d.dialect, sqlstore.Options{})
	require.NoError(t, err)
	require.NoError(t, store.Migrate(t.Context()))
	db.SetMaxIdleConns(-1)
	db.SetMaxIdleConns(most)
	c.slow.Store(true)
	return newScene(t, store)
}

// A crowded server, or one behind a slow link, takes its time. To give up early would only ask
// it for more connections.
func TestAConnectionThatTakesLongIsWaitedForAsLongAsTheContextAllows(t *testing.T) {
	eachServer(t, func(t *testing.T, d database) {
		for _, most := range []int{0, 2} {
			const calls = 6
			s := d.slowlyConnected(t, 3500*time.Millisecond, most)
			ctx, cancel := context.WithTimeout(t.Context(), long)
			t.Cleanup(cancel)
			errs := make([]error, calls)
			var events []webhook.EventRecord
			for range calls {
				e := s.event("acme", "", "ep1")
				e.ID = e.UID.String()
				events = append(events, e)
			}
			var wg sync.WaitGroup
			for i := range calls {
				wg.Go(func() { _, errs[i] = s.store.Publish(ctx, s.request(events[i])) })
			}
			wg.Wait()
			for i := range errs {
				assert.NoError(t, errs[i], "a pool of %d", most)
			}
		}
	})
}

func TestTheErrorOfAConnectionThatIsNotMadeBeginsWithItsCause(t *testing.T) {
	eachServer(t, func(t *testing.T, d database) {
		s := d.slowlyConnected(t, time.Hour, 1)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := s.store.Publish(ctx, s.request(s.event("acme", "evt1")))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, errDialing)
		assert.True(t, strings.HasPrefix(err.Error(), "dialing 192.0.2.1"), err)
	})
}
