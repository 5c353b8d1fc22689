package drivertest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

// replayLocks are rows that somebody else may hold while replays run.
var replayLocks = map[string]string{
	"a delivery": "UPDATE webhook_deliveries SET reason = 'held' WHERE endpoint_id = 'ep2'",
	"an event":   "DELETE FROM webhook_events WHERE id = 'evt1'",
	"all events": "DELETE FROM webhook_events",
}

func TestAReplayEndsOnlyWhenHeldRowsAreFree(t *testing.T) {
	onlyWithoutRaceDetector(t)
	eachServer(t, func(t *testing.T, d database) {
		for name, lock := range sorted(replayLocks) {
			t.Run(name, func(t *testing.T) {
				const deliveries, events = 10, 2
				store := d.migrated(t)
				s := newScene(t, store)
				ids := []string{"ep0", "ep1", "ep2", "ep3", "ep4"}
				for _, id := range ids {
					s.endpoint("acme", id)
				}
				s.publish(s.event("acme", "evt0", ids...), s.event("acme", "evt1", ids...))
				var items []webhook.Settlement
				for _, l := range s.claim() {
					items = append(items, s.failed(l))
				}
				require.Len(t, items, deliveries)
				_, err := store.Settle(t.Context(), s.now, items)
				require.NoError(t, err)
				s.endpoint("acme", "late")
				s.now = s.now.Add(time.Minute)
				for _, r := range []webhook.Replay{
					replayOf(s.now, "acme", "", webhook.DeliveryFailed), replayOf(s.now, "acme", "late"),
				} {
					_, err := store.CreateReplay(t.Context(), r)
					require.NoError(t, err)
				}

				tx := hold(t, store.DB(), lock)
				for range 6 {
					stepped, next, err := store.StepReplay(t.Context(), s.now)
					require.NoError(t, err, "it waits for the row")
					if !stepped.FinishedAt.IsZero() {
						assert.True(t, stepped.Request.Missed && name == "a delivery", "it needs the row: %+v", stepped)
					}
					assert.False(t, next.IsZero(), "one is unfinished")
					s.now = s.now.Add(2 * time.Second)
				}
				assert.Less(t, s.rowsOf("queue"), deliveries+events)
				require.NoError(t, tx.Rollback())

				for steps := 0; ; steps++ {
					_, next, err := store.StepReplay(t.Context(), s.now)
					require.NoError(t, err)
					if next.IsZero() {
						break
					}
					require.Less(t, steps, 20)
					s.now = s.now.Add(2 * time.Second)
				}
				page, err := store.Replays(t.Context(), webhook.Query{Tenant: "acme"})
				require.NoError(t, err)
				total := 0
				for _, r := range page.Items {
					assert.Empty(t, r.Reason)
					total += r.Changed
				}
				assert.Equal(t, deliveries+events, total)
				assert.Equal(t, deliveries+events, s.rowsOf("queue"))
				assert.Zero(t, s.rowsOf("deliveries"))
				assert.Len(t, s.claim(), deliveries+events)
			})
		}
	})
}
