package drivertest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// rated makes an endpoint with a rate, and n deliveries of it that are due.
func (s *scene) rated(id string, rate float64, burst, n int) {
	s.Helper()
	s.endpoint("acme", id)
	s.setRate(id, rate, burst)
	events := make([]webhook.EventRecord, n)
	for i := range events {
		events[i] = s.event("acme", fmt.Sprintf("%s_%d", id, i), id)
	}
	s.publish(events...)
}

func (s *scene) setRate(id string, rate float64, burst int) {
	s.Helper()
	e := s.current("acme", id)
	e.Rate, e.Burst = rate, burst
	_, err := s.store.UpdateEndpoint(s.Context(), e)
	require.NoError(s, err)
}

// Three stores, with clocks that differ by some milliseconds, claim at the same moments for a
// minute. They take turns in the order that the database decides.
func TestARateHoldsOverSeveralStores(t *testing.T) {
	eachServer(t, func(t *testing.T, d database) {
		dsn := d.dsn(t)
		s := newScene(t, d.store(t, dsn, sqlstore.Options{}))
		require.NoError(t, s.store.Migrate(t.Context()))
		stores := []*sqlstore.Store{s.store, d.store(t, dsn, sqlstore.Options{}), d.store(t, dsn, sqlstore.Options{})}
		const rate, burst = 20, 10
		s.rated("rated", rate, burst, 60*rate+burst+100)
		s.rated("other", 3, 2, 300)
		began := s.now
		var mu sync.Mutex
		leased, most := map[string]int{}, 0
		bySecond := map[int]int{}
		const step = 200 * time.Millisecond
		for at := time.Duration(0); at < time.Minute; at += step {
			var claims sync.WaitGroup
			for i, store := range stores {
				claims.Go(func() {
					now := began.Add(at + time.Duration(i)*3*time.Millisecond)
					c, err := store.Claim(t.Context(), webhook.ClaimRequest{
						Now: now, LeaseUntil: now.Add(time.Hour), Max: 100, MaxBytes: 1 << 20, Room: 7,
					})
					assert.NoError(t, err)
					mu.Lock()
					defer mu.Unlock()
					for _, l := range c.Deliveries {
						if leased[l.Endpoint.ID]++; l.Endpoint.ID == "rated" {
							bySecond[int(at/time.Second)]++
						}
					}
				})
			}
			claims.Wait()
		}
		for _, n := range bySecond {
			most = max(most, n)
		}
		t.Logf("%s: leased %v, at most %d in a second", d.name, leased, most)
		assert.LessOrEqual(t, leased["rated"], 60*rate+burst)
		assert.LessOrEqual(t, leased["other"], 60*3+2)
		assert.InEpsilon(t, 60*rate+burst, leased["rated"], 0.05)
		assert.InEpsilon(t, 60*3+2, leased["other"], 0.05)
		assert.LessOrEqual(t, most, rate+burst+1)
	})
}

// While another transaction holds the status of an endpoint, nobody knows how much its rate
// allows. A claim passes over the endpoint, and says that it should be asked again soon.
func TestARatedEndpointWhoseStatusIsHeldIsAskedForAgainSoon(t *testing.T) {
	onlyWithoutRaceDetector(t)
	eachServer(t, func(t *testing.T, d database) {
		store := d.migrated(t)
		s := newScene(t, store)
		s.rated("rated", 1, 3, 5)
		s.endpoint("acme", "other")
		tx := hold(t, store.DB(), "UPDATE webhook_status SET updated_at = updated_at + 1 WHERE id = 'rated'")
		s.publish(s.event("acme", "evt", "other"))
		req := webhook.ClaimRequest{Now: s.now, LeaseUntil: s.now.Add(time.Minute), Max: 10, MaxBytes: 1 << 20, Room: 10}
		c, err := store.Claim(t.Context(), req)
		require.NoError(t, err)
		require.Len(t, c.Deliveries, 1, "the other endpoint does not wait")
		assert.WithinRange(t, c.NextDue, s.now, s.now.Add(100*time.Millisecond))
		require.NoError(t, tx.Rollback())
		c, err = store.Claim(t.Context(), req)
		require.NoError(t, err)
		assert.Len(t, c.Deliveries, 3)
		assert.Equal(t, s.now.Add(time.Second), c.NextDue)
		c, err = store.Claim(t.Context(), req)
		require.NoError(t, err)
		assert.Empty(t, c.Deliveries)
		assert.Equal(t, s.now.Add(time.Second), c.NextDue, "when the rate allows the next")
	})
}

// A claim is not worth its cost for each single delivery of a high rate.
func TestNextDueWaitsForATenthOfASecondOfARate(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := newScene(t, d.migrated(t))
		s.rated("rated", 500, 100, 150)
		req := webhook.ClaimRequest{Now: s.now, LeaseUntil: s.now.Add(time.Minute), Max: 200, MaxBytes: 1 << 20, Room: 200}
		for _, want := range []int{100, 0} {
			c, err := s.store.Claim(t.Context(), req)
			require.NoError(t, err)
			assert.Len(t, c.Deliveries, want)
			assert.Equal(t, s.now.Add(100*time.Millisecond), c.NextDue)
		}
	})
}
