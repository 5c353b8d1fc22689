package drivertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
	"github.com/gowebhook/webhook/sqlstore/drivertest/recorder"
)

// replayOf returns a replay of finished deliveries, or of missed events if it has no
// states.
func replayOf(now time.Time, tenant, endpoint string, states ...webhook.DeliveryState) webhook.Replay {
	id := uuid.Must(uuid.NewV7()).String()
	return webhook.Replay{
		ID: id, Key: id, Tenant: tenant, AllTenants: tenant == "", CreatedAt: now,
		Request: webhook.ReplayRequest{Endpoint: endpoint, Missed: len(states) == 0, States: states, Rate: 1000},
	}
}

// replays counts and steps replays of each kind, and lists and cancels some.
func (c *caller) replays() {
	failed, ended, pending := webhook.DeliveryFailed, webhook.DeliverySucceeded, webhook.DeliveryPending
	kinds := map[string]webhook.Replay{
		"endpoint": replayOf(c.now, "tenant_7", "ep_28", failed, ended),
		"tenant":   replayOf(c.now, "tenant_7", "", failed, webhook.DeliveryCanceled),
		"all":      replayOf(c.now, "", "", failed),
		"missed":   replayOf(c.now, "tenant_7", "ep_28"),
		"pending":  replayOf(c.now, "tenant_7", "", pending),
	}
	for name, kind := range map[string]string{"event": "tenant", "types": "endpoint", "times": "missed", "cancel": "all"} {
		r := kinds[kind]
		r.ID = uuid.Must(uuid.NewV7()).String()
		r.Key = r.ID
		switch name {
		case "event":
			r.Request.Event = "evt_20007"
		case "types":
			r.Request.Types = []string{"none.such"}
		case "times":
			r.Request.From, r.Request.To = c.now.Add(-30*day), c.now.Add(-day)
		case "cancel":
			r.Cancels, r.Tenant, r.AllTenants = true, "tenant_5", false
		}
		kinds[name] = r
	}
	for name, r := range sorted(kinds) {
		c.say("CountReplay/" + name)
		_, _, err := c.s.CountReplay(c.Context(), r)
		assert.NoError(c, err, name)
		c.say("CreateReplay")
		_, err = c.s.CreateReplay(c.Context(), r)
		assert.NoError(c, err, name)
		c.say("StepReplay/" + name)
		for range 3 {
			stepped, _, err := c.s.StepReplay(c.Context(), c.now.Add(2*time.Second))
			assert.NoError(c, err, name)
			if stepped.ID == "" {
				break
			}
		}
		c.say("CancelReplay")
		_, err = c.s.CancelReplay(c.Context(), webhook.Query{AllTenants: true, ReplayID: r.ID}, c.now)
		if err != nil {
			assert.ErrorIs(c, err, webhook.ErrConflict, name)
		}
	}
	c.say("Replays")
	for _, q := range []webhook.Query{{Tenant: "tenant_7"}, {AllTenants: true, Limit: 3}, {Tenant: "tenant_7", ReplayID: kinds["event"].ID}} {
		page, err := c.s.Replays(c.Context(), q)
		assert.NoError(c, err)
		assert.NotEmpty(c, page.Items)
	}
}

// The rows that a count and a step may read are bounded, whatever they find. A page is
// read ahead.
func TestReplaysReadABoundedNumberOfRows(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		const events, ahead = 21_000, 1_100
		now := time.Now().Truncate(time.Microsecond).UTC()
		dsn, counter := d.dsn(t), &rowCounter{}
		plain := d.store(t, dsn, sqlstore.Options{})
		require.NoError(t, plain.Migrate(t.Context()))
		fillReplays(t, d, plain, now, events)
		recorded := d
		var err error
		recorded.driver, err = recorder.Register(d.driver, counter.watch)
		require.NoError(t, err)
		s := recorded.store(t, dsn, sqlstore.Options{})

		none := replayOf(now, "tenant_0", "ep_0", webhook.DeliveryCanceled)
		some := replayOf(now, "tenant_0", "ep_0", webhook.DeliveryFailed)
		types := replayOf(now, "tenant_0", "ep_0", webhook.DeliverySucceeded)
		types.Request.Types = []string{"none.such"}
		missed := replayOf(now, "tenant_0", "ep_1")
		for _, c := range []struct {
			name    string
			replay  webhook.Replay
			matched int
			exact   bool
			most    int
		}{
			{"no delivery has the state", none, 0, true, 10},
			{"few deliveries have the state", some, 30, true, 50},
			{"no event has the type", types, 0, false, 20_000 + ahead},
			{"all events were missed", missed, 10_000, false, 10_001 + ahead},
		} {
			counter.take(t)
			matched, exact, err := s.CountReplay(t.Context(), c.replay)
			require.NoError(t, err, c.name)
			assert.Equal(t, c.matched, matched, c.name)
			assert.Equal(t, c.exact, exact, c.name)
			assert.LessOrEqual(t, counter.take(t), c.most, c.name)
		}

		_, err = plain.CreateReplay(t.Context(), types) // the recorder would repeat it
		require.NoError(t, err)
		counter.take(t)
		steps := 0
		for done := false; !done; steps++ {
			stepped, _, err := s.StepReplay(t.Context(), now)
			require.NoError(t, err)
			done = !stepped.FinishedAt.IsZero()
			assert.LessOrEqual(t, counter.take(t), 5_000+ahead)
			require.Less(t, steps, 10)
		}
		assert.GreaterOrEqual(t, steps, events/5_000)
	})
}

// fillReplays stores events of tenant_0 with deliveries to ep_0: 30 have failed, the
// others have succeeded.
func fillReplays(t *testing.T, d database, s *sqlstore.Store, now time.Time, events int) {
	t.Helper()
	f := d.fill(t, s.DB(), now)
	f.endpoints(1, 2)
	ms := fmt.Sprintf("%d + k.n", now.Add(-time.Hour).UnixMilli())
	f.events(events, 1, ms, "k.n", "0")
	f.insert(events, "deliveries "+soakEnded, fmt.Sprintf(
		"%s, 'ep_0', e.ref, 1, CASE WHEN k.n < 30 THEN 'failed' ELSE 'succeeded' END, '', 1, 1, 1, 0, 0, %d",
		f.uid(ms, "k.n"), now.Add(-time.Minute).UnixMicro()), "JOIN filled e ON e.n = 0 WHERE")
	f.analyze()
}
