package drivertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/paging"
)

// An id comes from a URL, and a cursor from whoever keeps it: PostgreSQL refuses some bytes
// that others do not find.
func TestIDsThatNoTextMayHaveAreNotFound(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		s := newScene(t, d.migrated(t))
		s.endpoint("acme", "ep1")
		s.publish(s.event("acme", "evt1", "ep1"))
		known, err := s.store.Events(t.Context(), webhook.Query{Tenant: "acme"})
		require.NoError(t, err)
		for _, id := range []string{"a\x00", "evt1\x00", "a\xff", "\xed\xa0\x80", "\uFFFD"} {
			name := fmt.Sprintf("%q", id)
			for _, q := range []webhook.Query{{EventID: id}, {EndpointID: id}, {EventID: "evt1", EndpointID: id}, {EventID: id, EndpointID: "ep1"}} {
				q.Tenant = "acme"
				deliveries, err := s.store.Deliveries(t.Context(), q, s.now)
				require.NoError(t, err, name)
				assert.Empty(t, deliveries.Items, name)
				attempts, err := s.store.Attempts(t.Context(), q)
				require.NoError(t, err, name)
				assert.Empty(t, attempts.Items, name)
				if q.EventID != "" && q.EndpointID != "" {
					_, err = s.store.Retry(t.Context(), q, s.now)
					require.ErrorIs(t, err, webhook.ErrNotFound, name)
					_, err = s.store.Cancel(t.Context(), q, s.now)
					require.ErrorIs(t, err, webhook.ErrNotFound, name)
				}
			}
			events, err := s.store.Events(t.Context(), webhook.Query{Tenant: "acme", EventID: id})
			require.NoError(t, err, name)
			assert.Empty(t, events.Items, name)
			endpoints, err := s.store.Endpoints(t.Context(), webhook.Query{Tenant: "acme", EndpointID: id})
			require.NoError(t, err, name)
			assert.Empty(t, endpoints.Items, name)

			cursor := paging.FormatEndpoint(webhook.EndpointKey{Tenant: "acme", ID: id})
			_, err = s.store.Endpoints(t.Context(), webhook.Query{Tenant: "acme", Cursor: cursor})
			require.NoError(t, err, name)
			cursor = paging.FormatEndpoint(webhook.EndpointKey{Tenant: id, ID: id})
			_, err = s.store.Endpoints(t.Context(), webhook.Query{AllTenants: true, Cursor: cursor})
			require.NoError(t, err, name)
			cursor = paging.FormatDelivery(known.Items[0].UID, id)
			_, err = s.store.Deliveries(t.Context(), webhook.Query{Tenant: "acme", Cursor: cursor}, s.now)
			require.NoError(t, err, name)
		}
	})
}

func TestAMatchOfManyIsComplete(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		s := newScene(t, d.migrated(t))
		s.endpoint("small", "ep")
		ids := func(tenant string, most int) webhook.MatchRequest {
			return webhook.MatchRequest{Tenant: tenant, Patterns: []string{"member.joined", "*"}, Limit: most}
		}
		made := 0
		for _, n := range []int{998, 999, 1000, 1001} {
			for ; made < n; made++ {
				s.endpoint("large", fmt.Sprintf("ep%04d", made))
			}
			matched, err := s.store.Match(t.Context(), []webhook.MatchRequest{ids("large", 1001), ids("small", 1001), ids("large", 2)})
			require.NoError(t, err)
			require.Len(t, matched, 3)
			require.Len(t, matched[0], n)
			assert.Equal(t, "ep0000", matched[0][0].Key.ID)
			assert.Equal(t, fmt.Sprintf("ep%04d", n-1), matched[0][n-1].Key.ID)
			assert.Len(t, matched[1], 1)
			assert.Len(t, matched[2], 2)
		}
	})
}

// A fan-out that takes many claims to make is no reason for the other events of the outbox to
// wait until it ends.
func TestALargeFanOutDoesNotHoldUpTheOutbox(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		s := newScene(t, d.migrated(t))
		const endpoints = 4500
		f := d.fill(t, s.store.DB(), s.now)
		f.endpoints(1, endpoints)
		s.endpoint("acme", "ep1")
		wide := func(id string) webhook.EventRecord {
			e := s.event("tenant_0", id)
			e.Type, e.Deliveries = "order.paid", nil // which Claim makes
			return e
		}
		expand := func() (made map[string]int) {
			_, err := s.store.Claim(t.Context(), webhook.ClaimRequest{Now: s.now, LeaseUntil: s.now.Add(time.Minute)})
			require.NoError(t, err)
			made = make(map[string]int)
			rows, err := s.store.DB().QueryContext(t.Context(),
				"SELECT e.id, count(*) FROM webhook_queue q JOIN webhook_events e ON e.uid = q.event_uid GROUP BY e.id")
			require.NoError(t, err)
			defer rows.Close()
			for rows.Next() {
				var id string
				var n int
				require.NoError(t, rows.Scan(&id, &n))
				made[id] = n
			}
			require.NoError(t, rows.Err())
			return made
		}
		first := s.event("acme", "first")
		first.Deliveries = nil
		s.publish(first, wide("wide1"))
		assert.Equal(t, map[string]int{"first": 1, "wide1": 999}, expand(), "an older one does not make it wait for a call of its own")
		s.now = s.now.Add(time.Second)
		s.publish(wide("wide2"))
		small := s.event("acme", "small")
		small.Deliveries = nil
		s.publish(small)
		assert.Equal(t, 1999, expand()["wide1"])
		made := expand()
		assert.Equal(t, 1, made["small"], "%v", made)
		for range 8 {
			made = expand()
		}
		assert.Equal(t, map[string]int{"first": 1, "wide1": endpoints, "wide2": endpoints, "small": 1}, made)
		assert.Equal(t, 0, s.rowsOf("outbox"))
	})
}
