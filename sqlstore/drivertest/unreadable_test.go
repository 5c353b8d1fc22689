package drivertest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

// A later version of the application may write rows that this one cannot read.
func TestARowThatCannotBeReadFailsNothingButItself(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		for _, bad := range []struct{ name, spoil, mend string }{
			{"metadata", "UPDATE webhook_endpoints SET metadata = '{\"a\":1}' WHERE tenant = 'bad'", "UPDATE webhook_endpoints SET metadata = '' WHERE tenant = 'bad'"},
			{"events", "UPDATE webhook_endpoints SET events = '{}' WHERE tenant = 'bad'", "UPDATE webhook_endpoints SET events = '[\"*\"]' WHERE tenant = 'bad'"},
			{"secrets", "UPDATE webhook_endpoints SET secrets = '7' WHERE tenant = 'bad'", "UPDATE webhook_endpoints SET secrets = '' WHERE tenant = 'bad'"},
			{"version", "UPDATE webhook_versions SET metadata = '7'", "UPDATE webhook_versions SET metadata = ''"},
			{"event", "UPDATE webhook_events SET header = '7' WHERE tenant = 'bad'", "UPDATE webhook_events SET header = '' WHERE tenant = 'bad'"},
		} {
			s := newScene(t, d.migrated(t))
			exec := func(query string) {
				_, err := s.store.DB().ExecContext(t.Context(), query)
				require.NoError(t, err)
			}
			claim := func() webhook.Claimed {
				c, err := s.store.Claim(t.Context(), webhook.ClaimRequest{
					Now: s.now, LeaseUntil: s.now.Add(time.Minute), Max: 100, MaxBytes: 1 << 20, Room: 100,
				})
				require.NoError(t, err, bad.name)
				return c
			}
			e := s.endpoint("bad", "ep1")
			s.endpoint("good", "ep1")
			s.publish(s.event("bad", "evt1", "ep1"), s.event("good", "evt1", "ep1"))
			_, err := s.store.UpdateEndpoint(t.Context(), e)
			require.NoError(t, err)
			exec(bad.spoil)
			c := claim()
			require.Len(t, c.Deliveries, 1, bad.name)
			assert.Equal(t, "good", c.Deliveries[0].Endpoint.Tenant)
			require.Len(t, c.Unreadable, 1)
			require.ErrorContains(t, c.Unreadable[0], `tenant "bad" is not readable`)
			ofEndpoint := bad.name != "version" && bad.name != "event"
			leased := 1
			if ofEndpoint {
				leased = 0
			}
			for range 3 {
				assert.Empty(t, claim().Unreadable, "it waits for as long as a lease, or a minute")
				assert.Equal(t, leased, countWhere(t, s.store.DB(), "webhook_queue q WHERE q.lease_no > 0 AND q.event_uid = "+
					"(SELECT e.uid FROM webhook_events e WHERE e.tenant = 'bad')"), "%s: leased in vain", bad.name)
			}
			_, err = s.store.Settle(t.Context(), s.now, []webhook.Settlement{s.succeeded(c.Deliveries[0])})
			require.NoError(t, err)

			keys := []webhook.EndpointKey{{Tenant: "bad", ID: "ep1"}, {Tenant: "good", ID: "ep1"}}
			found, refreshed := s.store.Refresh(t.Context(), keys)
			page, err := s.store.Endpoints(t.Context(), webhook.Query{AllTenants: true})
			require.NoError(t, err)
			events, err := s.store.Events(t.Context(), webhook.Query{AllTenants: true})
			require.NoError(t, err)
			readable := 1
			if !ofEndpoint {
				readable = 2
			}
			assert.Len(t, found, readable, bad.name)
			if readable == 1 {
				require.ErrorContains(t, refreshed, `tenant "bad" is not readable`, "it is not one that does not exist")
			} else {
				require.NoError(t, refreshed)
			}
			assert.Len(t, page.Items, readable, bad.name)
			assert.Len(t, page.Unreadable, 2-readable, bad.name)
			if readable == 1 {
				require.ErrorContains(t, page.Unreadable[0], `endpoint "ep1" of tenant "bad" is not readable`)
			}
			assert.NotEmpty(t, events.Items)
			_, err = s.store.Refresh(t.Context(), keys[:1])
			assert.Equal(t, readable == 2, err == nil, bad.name)
			_, err = s.store.Match(t.Context(), []webhook.MatchRequest{{Tenant: "bad", Patterns: []string{"*"}, Limit: 10}})
			require.NoError(t, err)
			_, err = s.store.Prune(t.Context(), s.now, webhook.Retention{})
			require.NoError(t, err)
			_, err = s.store.Retry(t.Context(), webhook.Query{AllTenants: true}, s.now)
			require.NoError(t, err)

			exec(bad.mend)
			s.now = s.now.Add(2 * time.Minute)
			require.Len(t, s.deliver(), 1, "%s: it is delivered when it can be read", bad.name)
			exec(bad.spoil)
			current, err := s.store.Match(t.Context(), []webhook.MatchRequest{{Tenant: "bad", Patterns: []string{"*"}, Limit: 10}})
			require.NoError(t, err)
			e.Version = current[0][0].Version
			_, err = s.store.UpdateEndpoint(t.Context(), e)
			require.NoError(t, err, "an update replaces it")
			exec(bad.spoil)
			require.NoError(t, s.store.DeleteEndpoint(t.Context(), keys[0], 0, s.now))
			require.NoError(t, s.store.Erase(t.Context(), "bad"))
		}
	})
}

// SQLite keeps a text in a column of integers. The other databases do not.
func TestAValueOfAnotherTypeFailsNothingButItsRow(t *testing.T) {
	onlyWithoutRaceDetector(t)
	t.Parallel()
	for _, bad := range []struct{ name, spoil string }{
		{"endpoint", "UPDATE webhook_endpoints SET timeout_us = 'soon' WHERE tenant = 'bad'"},
		{"status", "UPDATE webhook_status SET failures = 'many' WHERE tenant = 'bad'"},
		{"event", "UPDATE webhook_events SET time = 'noon' WHERE tenant = 'bad'"},
		{"delivery", "UPDATE webhook_queue SET attempts = 'few' WHERE endpoint_id = 'bad'"},
	} {
		s := newScene(t, sqlite.migrated(t))
		s.endpoint("bad", "bad")
		s.endpoint("good", "ep1")
		s.publish(s.event("bad", "evt1", "bad"), s.event("good", "evt1", "ep1"))
		_, err := s.store.DB().ExecContext(t.Context(), bad.spoil)
		require.NoError(t, err)
		c, err := s.store.Claim(t.Context(), webhook.ClaimRequest{
			Now: s.now, LeaseUntil: s.now.Add(time.Minute), Max: 100, MaxBytes: 1 << 20, Room: 100,
		})
		require.NoError(t, err, bad.name)
		require.Len(t, c.Deliveries, 1, bad.name)
		assert.Equal(t, "good", c.Deliveries[0].Endpoint.Tenant)
		require.Len(t, c.Unreadable, 1, bad.name)
		require.ErrorContains(t, c.Unreadable[0], "is not readable")
		_, err = s.store.Prune(t.Context(), s.now, webhook.Retention{})
		require.NoError(t, err, bad.name)
		page, err := s.store.Endpoints(t.Context(), webhook.Query{AllTenants: true})
		require.NoError(t, err, bad.name)
		wanted := 0
		if bad.name == "endpoint" || bad.name == "status" {
			wanted = 1
		}
		assert.Len(t, page.Unreadable, wanted, bad.name)
		assert.Len(t, page.Items, 2-wanted, bad.name)
	}
}
