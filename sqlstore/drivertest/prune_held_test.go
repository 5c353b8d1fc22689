package drivertest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

// heldOld are rows of an old event that another transaction may hold.
var heldOld = []struct{ name, query string }{
	{"delivery", "UPDATE webhook_deliveries SET failures = failures + 1 WHERE event_uid = "},
	{"attempt", "UPDATE webhook_attempts SET status = status + 1 WHERE event_uid = "},
	{"body", "UPDATE webhook_bodies SET body = body WHERE event_uid = "},
	{"event", "UPDATE webhook_events SET dup = dup + 1 WHERE uid = "},
}

// oldRows are the rows that Prune removes, and the tables whose rows of the held event may
// stay until they are free.
var oldRows = []struct {
	name string
	kept webhook.Retention
	of   []string
}{
	{"events", webhook.Retention{ResponseBodies: -1, Attempts: -1, Events: aDay}, []string{"events", "deliveries", "attempts", "bodies"}},
	{"attempts", webhook.Retention{ResponseBodies: -1, Attempts: aDay, Events: -1}, []string{"attempts", "bodies"}},
	{"bodies", webhook.Retention{ResponseBodies: aDay, Attempts: -1, Events: -1}, []string{"bodies"}},
}

// Prune waits for no row. The transaction that holds one stays open, so a Prune that waited
// would fail.
func TestPruneRemovesAllButWhatOthersHold(t *testing.T) {
	onlyWithoutRaceDetector(t)
	eachServer(t, func(t *testing.T, d database) {
		store, sab := d.sabotaged(t)
		f := d.fill(t, store.DB(), time.Now())
		for _, old := range oldRows {
			for _, row := range heldOld {
				empty(t, store.DB(), "webhook_")
				s := newScene(t, store)
				s.endpoint("acme", "ep1")
				held := s.event("acme", "held", "ep1")
				s.publish(s.event("acme", "before", "ep1"), held, s.event("acme", "after", "ep1"))
				require.Len(t, s.deliver(), 3)
				s.now = s.now.Add(2 * aDay)
				foreign := hold(t, store.DB(), row.query+f.uuid(held.UID))
				sab.sabotage(func(string) fault { return fault{} })
				s.prune(old.kept)
				failed := 0
				for _, step := range sab.taken() {
					if strings.Contains(step, "ROLLBACK") {
						failed++
					}
				}
				assert.LessOrEqual(t, failed, 1, "%s of %s: it met a lock more than once", row.name, old.name)
				sab.sabotage(nil)
				left := s.rows()
				for _, table := range old.of {
					assert.LessOrEqual(t, left[table], 1, "%s of %s: %s", row.name, old.name, table)
				}
				require.NoError(t, foreign.Rollback())
				s.now = s.now.Add(time.Hour) // the sweeps begin again
				s.prune(old.kept)
				left = s.rows()
				for _, table := range append(old.of, "removals") {
					assert.Zero(t, left[table], "%s of %s: %s", row.name, old.name, table)
				}
				if old.name == "attempts" {
					assert.Equal(t, 3, countWhere(t, store.DB(), "webhook_deliveries WHERE pruned = 1"), row.name)
				}
			}
		}
	})
}

func TestPruneForgetsVersionsThatNobodyHolds(t *testing.T) {
	onlyWithoutRaceDetector(t)
	eachServer(t, func(t *testing.T, d database) {
		s := newScene(t, d.migrated(t))
		for _, id := range []string{"ep1", "ep2", "ep3"} {
			e := s.endpoint("acme", id)
			_, err := s.store.UpdateEndpoint(t.Context(), e)
			require.NoError(t, err)
		}
		require.Equal(t, 3, s.rowsOf("versions"))
		f := d.fill(t, s.store.DB(), s.now)
		foreign := hold(t, s.store.DB(), "UPDATE webhook_versions SET superseded_at = superseded_at - 1 WHERE ref = "+
			f.uuid(refOf(webhook.EndpointKey{Tenant: "acme", ID: "ep2"})))
		s.now = s.now.Add(2 * time.Hour)
		s.prune(forEver)
		assert.Equal(t, 1, s.rowsOf("versions"))
		require.NoError(t, foreign.Rollback())
		s.prune(forEver)
		assert.Zero(t, s.rowsOf("versions"))
	})
}

// However many of the hidden events are held, those behind them are removed.
func TestPrunePassesHiddenEventsThatOthersHold(t *testing.T) {
	onlyWithoutRaceDetector(t)
	eachServer(t, func(t *testing.T, d database) {
		const hidden, held = 230, 120
		s := newScene(t, d.migrated(t))
		f := d.fill(t, s.store.DB(), s.now)
		f.wide(hidden, 1, 1)
		f.exec("INSERT INTO webhook_removals (event_uid, tenant) SELECT uid, tenant FROM webhook_events")
		f.exec("DELETE FROM webhook_events")
		first := f.uid(fmt.Sprint(f.now.UnixMilli()), fmt.Sprint(held))
		foreign := hold(t, s.store.DB(), "UPDATE webhook_attempts SET error = 'held' WHERE event_uid < "+first)
		s.prune(forEver)
		assert.Equal(t, held, s.rowsOf("removals"))
		assert.Equal(t, held, s.rowsOf("attempts"))
		require.NoError(t, foreign.Rollback())
		s.prune(forEver)
		assert.Empty(t, s.rows())
	})
}

// An endpoint that another transaction holds keeps its expired secrets until it is free.
func TestPruneDropsExpiredSecretsOfEndpointsThatNobodyHolds(t *testing.T) {
	onlyWithoutRaceDetector(t)
	eachServer(t, func(t *testing.T, d database) {
		s := newScene(t, d.migrated(t))
		ids := []string{"ep1", "ep2", "ep3"}
		for _, id := range ids {
			e := s.endpoint("acme", id)
			e.Secrets = append(e.Secrets, webhook.EndpointSecret{Value: "whsec_0", CreatedAt: s.now, ExpiresAt: s.now.Add(time.Minute)})
			_, err := s.store.UpdateEndpoint(t.Context(), e)
			require.NoError(t, err)
		}
		secrets := func() (counts []int) {
			page, err := s.store.Endpoints(t.Context(), webhook.Query{Tenant: "acme"})
			require.NoError(t, err)
			for i := range page.Items {
				counts = append(counts, len(page.Items[i].Secrets))
			}
			return counts
		}
		s.now = s.now.Add(time.Hour)
		for _, row := range []string{
			"UPDATE webhook_status SET failures = failures + 1 WHERE id = 'ep1'",
			"UPDATE webhook_endpoints SET max_in_flight = max_in_flight + 1 WHERE id IN ('ep1', 'ep2')",
		} {
			before := secrets()
			foreign := hold(t, s.store.DB(), row)
			s.prune(forEver)
			after := secrets()
			assert.Equal(t, before[0], after[0], row)
			assert.Equal(t, 1, after[2], row)
			require.NoError(t, foreign.Rollback())
		}
		s.prune(forEver)
		assert.Equal(t, []int{1, 1, 1}, secrets())
	})
}

// A later version of the application may have written secrets that this one cannot read.
func TestSecretsThatCannotBeReadKeepPruneFromNoOthers(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		s := newScene(t, d.migrated(t))
		for _, id := range []string{"ep1", "ep2"} {
			e := s.endpoint("acme", id)
			e.Secrets = append(e.Secrets, webhook.EndpointSecret{Value: "whsec_0", CreatedAt: s.now, ExpiresAt: s.now.Add(time.Minute)})
			_, err := s.store.UpdateEndpoint(t.Context(), e)
			require.NoError(t, err)
		}
		_, err := s.store.DB().ExecContext(t.Context(), "UPDATE webhook_endpoints SET secrets = '7' WHERE id = 'ep1'")
		require.NoError(t, err)
		s.now = s.now.Add(time.Hour)
		s.prune(forEver)
		assert.Equal(t, 1, countWhere(t, s.store.DB(), "webhook_endpoints WHERE id = 'ep1' AND secrets = '7'"))
		found, err := s.store.Refresh(t.Context(), []webhook.EndpointKey{{Tenant: "acme", ID: "ep2"}})
		require.NoError(t, err)
		assert.Len(t, found[0].Secrets, 1)
	})
}
