package drivertest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// during is a testing.TB whose Context is another one.
type during struct {
	testing.TB
	ctx context.Context
}

func (d during) Context() context.Context { return d.ctx }

// as returns the scene with another context for its calls.
func (s *scene) as(ctx context.Context) *scene {
	other := *s
	other.TB = during{s.TB, ctx}
	return &other
}

// filled is a scene with something for every method to do.
func filled(t *testing.T, store *sqlstore.Store) *scene {
	t.Helper()
	s := newScene(t, store)
	s.endpoint("acme", "ep1")
	s.publish(s.event("acme", "evt1", "ep1"))
	s.deliver()
	outbox := s.event("acme", "evt2")
	outbox.Deliveries = nil
	s.publish(s.event("acme", "evt3", "ep1"), outbox)
	return s
}

func TestAContextThatHasEndedIsTheError(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		s := filled(t, d.migrated(t))
		before := s.rows()
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for name, call := range methods(s.as(ended)) {
			assert.ErrorIs(t, call(), context.Canceled, name)
		}
		assert.Equal(t, before, s.rows())
	})
}

// The context ends before, or just after, each of the statements of each method. Then the
// method says so, or has done its work; and it leaves no transaction behind in the pool.
func TestAContextThatEndsLeavesNothingBehind(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		store, sab := d.sabotaged(t)
		s := filled(t, store)
		for name := range methods(s) {
			for _, after := range []bool{false, true} {
				for n, reached := 0, true; reached; n++ {
					require.Less(t, n, 60)
					ctx, cancel := context.WithCancel(t.Context())
					reached = false
					sab.sabotage(failingNth(n, fault{after: after, then: func() { reached = true; cancel() }}))
					err := methods(s.as(ctx))[name]()
					steps := sab.taken()
					if err != nil && reached {
						assert.ErrorIs(t, err, context.Canceled, "%s %d %s", name, n, steps)
					}
					cancel()
					assert.Eventually(t, func() bool { return store.DB().Stats().InUse == 0 }, 10*time.Second, time.Millisecond)
					require.NoError(t, store.Erase(t.Context(), "other"), "%s %d %s", name, n, steps)
				}
			}
		}
	})
}

// A statement that waits for a lock is given up when the context ends.
func TestAContextThatEndsDuringAWaitIsTheError(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		dsn := d.dsn(t)
		store := d.store(t, dsn, sqlstore.Options{})
		require.NoError(t, store.Migrate(t.Context()))
		s := filled(t, store)
		other := d.store(t, dsn, sqlstore.Options{})
		foreign, err := other.DB().BeginTx(t.Context(), nil)
		require.NoError(t, err)
		t.Cleanup(func() { _ = foreign.Rollback() })
		_, err = foreign.ExecContext(t.Context(), "UPDATE webhook_status SET failures = failures")
		require.NoError(t, err)

		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		begun := time.Now()
		err = store.DeleteEndpoint(ctx, webhook.EndpointKey{Tenant: "acme", ID: "ep1"}, 0, s.now)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Less(t, time.Since(begun), 4*time.Second)
		require.NoError(t, foreign.Rollback())
		require.NoError(t, store.DeleteEndpoint(t.Context(), webhook.EndpointKey{Tenant: "acme", ID: "ep1"}, 0, s.now))
	})
}

// A pool that gives no connection is not waited for longer than the context lives.
func TestAContextThatEndsWithoutAConnectionIsTheError(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		store := d.migrated(t)
		s := newScene(t, store)
		store.DB().SetMaxOpenConns(1)
		conn, err := store.DB().Conn(t.Context())
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err = store.Publish(ctx, s.request(s.event("acme", "evt1")))
		require.ErrorIs(t, err, context.DeadlineExceeded)

		_, err = store.Publish(t.Context(), s.request(s.event("acme", "evt1"), s.event("acme", "evt2")))
		require.ErrorContains(t, err, "SetMaxOpenConns")
		require.NoError(t, conn.Close())
		s.publish(s.event("acme", "evt1"))
	})
}

// One that holds the whole file keeps everyone from writing, for five seconds and not for five
// seconds an event.
func TestAHeldSQLiteFileFailsOnce(t *testing.T) {
	onlyWithoutRaceDetector(t)
	t.Parallel()
	dsn := sqlite.dsn(t)
	store := sqlite.store(t, dsn, sqlstore.Options{})
	require.NoError(t, store.Migrate(t.Context()))
	s := newScene(t, store)
	s.endpoint("acme", "ep1")
	foreign, err := sqlite.store(t, dsn, sqlstore.Options{}).DB().BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer foreign.Rollback()
	_, err = foreign.ExecContext(t.Context(), "UPDATE webhook_tenants SET endpoints = endpoints")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	events := make([]webhook.EventRecord, 20)
	for i := range events {
		events[i] = s.event("acme", string(rune('a'+i)), "ep1")
	}
	_, err = store.Publish(ctx, s.request(events...))
	require.ErrorContains(t, err, "another transaction holds the file")
	require.NotErrorIs(t, err, context.DeadlineExceeded)
}
