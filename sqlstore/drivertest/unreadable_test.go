package drivertest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

// A later version of the application may write what this one cannot read.
func TestARowThatCannotBeReadFailsNothingButItself(t *testing.T) {
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
			assert.Empty(t, claim().Unreadable, "it waits for as long as a lease")
			_, err = s.store.Settle(t.Context(), s.now, []webhook.Settlement{s.succeeded(c.Deliveries[0])})
			require.NoError(t, err)

			keys := []webhook.EndpointKey{{Tenant: "bad", ID: "ep1"}, {Tenant: "good", ID: "ep1"}}
			found, refreshed := s.store.Refresh(t.Context(), keys)
			page, err := s.store.Endpoints(t.Context(), webhook.Query{AllTenants: true})
			require.NoError(t, err)
			events, err := s.store.Events(t.Context(), webhook.Query{AllTenants: true})
			require.NoError(t, err)
			readable := 1
			if bad.name == "version" || bad.name == "event" {
				readable = 2
			}
			assert.Len(t, found, readable, bad.name)
			if readable == 1 {
				require.ErrorContains(t, refreshed, `tenant "bad" is not readable`, "it is not one that does not exist")
			} else {
				require.NoError(t, refreshed)
			}
			assert.Len(t, page.Items, readable, bad.name)
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
