package drivertest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
	"github.com/gowebhook/webhook/sqlstore/drivertest/recorder"
)

// heldLanes is how many endpoints are held, each with a due delivery.
const heldLanes = 2_000

// paused, blocked and beyondRate hold endpoints.
const paused = "state = 'paused'"

func blocked(until time.Time) string { return fmt.Sprintf("blocked_until = %d", until.UnixMicro()) }

func beyondRate(until time.Time) string {
	return fmt.Sprintf("rate = 1000, burst = 1, rate_at = %d", until.UnixMicro()) // one in 1,000 seconds
}

// held makes endpoints, each with a due delivery, and holds all but the last as set says.
func (f *filler) held(count int, set string) {
	f.tb.Helper()
	f.endpoints(count+1, 1)
	ms := fmt.Sprintf("%d + k.n", f.now.Add(-time.Hour).UnixMilli())
	f.events(count+1, 1, ms, "k.n", "k.n")
	f.insert(count, "queue "+soakQueue, fmt.Sprintf("%s, e.id, e.ref, e.ref, %d + k.n, 0, 0, 0, 1, 0, 0, 0, %d, 11, 0, ''",
		f.uid(ms, "k.n"), f.now.Add(-time.Hour).UnixMicro(), f.now.UnixMicro()), "JOIN filled e ON e.n = k.n WHERE")
	f.exec(fmt.Sprintf("UPDATE webhook_status SET %s WHERE id <> '%s'", set, keyOf(count, 1).ID))
}

// A counter counts statements and the rows that they return.
type statementCounter struct {
	rowCounter
	statements atomic.Int64
}

func (c *statementCounter) watch(ctx context.Context, s recorder.Statement) {
	if strings.HasPrefix(s.Query, "SELECT") || strings.HasPrefix(s.Query, "WITH") {
		c.rowCounter.watch(ctx, s)
		c.statements.Add(1)
	}
}

func TestAnEmptyClaimBesideManyHeldEndpointsReadsOneRow(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		hour := time.Now().Add(time.Hour).Truncate(time.Microsecond)
		for name, set := range map[string]string{"paused": paused, "blocked": blocked(hour), "beyond a rate": beyondRate(hour)} {
			t.Run(name, func(t *testing.T) {
				dsn := d.dsn(t)
				plain := d.store(t, dsn, sqlstore.Options{})
				require.NoError(t, plain.Migrate(t.Context()))
				f := d.fill(t, plain.DB(), hour.Add(-time.Hour).UTC())
				f.held(heldLanes, set)
				s := newScene(t, plain)
				s.now = f.now
				assert.Empty(t, s.claim())

				counter := &statementCounter{}
				var err error
				recorded := d
				recorded.driver, err = recorder.Register(d.driver, counter.watch)
				require.NoError(t, err)
				watched := *s
				watched.store = recorded.store(t, dsn, sqlstore.Options{})
				assert.Empty(t, watched.claim())
				assert.EqualValues(t, 1, counter.statements.Load())
				assert.Equal(t, 1, counter.take(t))

				key := keyOf(7, 1)
				if set != paused {
					watched.now = f.now.Add(time.Hour)
					assert.Len(t, watched.claim(), heldLanes)
					return
				}
				s.setState(key, webhook.EndpointActive)
				leased := watched.claim()
				require.Len(t, leased, 1)
				assert.Equal(t, key, leased[0].Endpoint)
				assert.LessOrEqual(t, counter.take(t), 20, "rows that a claim of one delivery reads")
			})
		}
	})
}

// setState changes an endpoint.
func (s *scene) setState(key webhook.EndpointKey, state webhook.EndpointState) {
	s.Helper()
	found, err := s.store.Refresh(s.Context(), []webhook.EndpointKey{key})
	require.NoError(s, err)
	require.Len(s, found, 1)
	e := found[0]
	e.State = state
	_, err = s.store.UpdateEndpoint(s.Context(), e)
	require.NoError(s, err)
}

// A resume that commits between any two statements of the claim that parks a lane, or waits
// for it, is not overlooked.
func TestAnEndpointIsResumedWhileItsLaneIsParked(t *testing.T) {
	eachServer(t, func(t *testing.T, d database) {
		dsn := d.dsn(t)
		s := newScene(t, d.store(t, dsn, sqlstore.Options{}))
		require.NoError(t, s.store.Migrate(t.Context()))
		keys := make([]webhook.EndpointKey, 40)
		var ids []string
		for n := range keys {
			keys[n] = webhook.EndpointKey{Tenant: "acme", ID: fmt.Sprintf("ep%02d", n)}
			ids = append(ids, keys[n].ID)
			s.endpoint("acme", keys[n].ID)
			s.setState(keys[n], webhook.EndpointPaused)
		}
		var before func(n int, query string) // a statement of the claim
		seen := 0
		var err error
		recorded := d
		recorded.driver, err = recorder.Register(d.driver, func(_ context.Context, q recorder.Statement) {
			if strings.Contains(q.Query, "webhook_") && before != nil {
				seen++
				before(seen, q.Query)
			}
		})
		require.NoError(t, err)
		parking := *s
		parking.store = recorded.store(t, dsn, sqlstore.Options{})
		for at, more := 1, true; more; at++ {
			s.publish(s.event("acme", fmt.Sprintf("evt%d", at), ids...))
			var resumed sync.WaitGroup
			locked := false
			more, seen = false, 0
			before = func(n int, query string) {
				switch {
				case n == at && locked: // it waits for the claim
					resumed.Go(func() { s.setState(keys[3], webhook.EndpointActive) })
				case n == at:
					s.setState(keys[3], webhook.EndpointActive)
				}
				more = more || n == at
				locked = locked || strings.Contains(query, "s.parked FROM") && strings.Contains(query, "SKIP LOCKED")
			}
			got := parking.claim()
			before = nil
			resumed.Wait()
			if !more {
				s.setState(keys[3], webhook.EndpointActive)
			}
			got = append(got, s.claim()...)
			require.Len(t, got, 1, "resumed before statement %d", at)
			require.Equal(t, keys[3], got[0].Endpoint)
			_, err := s.store.Settle(t.Context(), s.now, []webhook.Settlement{s.succeeded(got[0])})
			require.NoError(t, err)
			s.setState(keys[3], webhook.EndpointPaused)
		}
		assert.Greater(t, seen, 6, "the claim parks")
		assert.Zero(t, s.inLane(), "all are parked")
	})
}
