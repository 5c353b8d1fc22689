package drivertest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// wide fills in events that were delivered to fanout endpoints with that many attempts each.
// The last attempt has a response body.
func (f *filler) wide(events, fanout, attempts int) {
	f.tb.Helper()
	ms := fmt.Sprint(f.now.UnixMilli())
	f.events(events, 1, ms, "k.n", "0")
	rows := fanout * events
	event := fmt.Sprintf("(k.n - k.n %% %d) / %d", fanout, fanout)
	endpoint := f.concat("'ep_'", fmt.Sprintf("k.n %% %d", fanout))
	if f.d.name == "postgres" {
		endpoint = fmt.Sprintf("'ep_' || (k.n %% %d)", fanout)
	}
	ref := f.uuid(uuid.UUID{1})
	f.insert(rows, "deliveries (event_uid, endpoint_id, ref, version, state, reason, lease_no, settled_no, attempts, failures, pruned, finished_at)",
		fmt.Sprintf("%s, %s, %s, 1, 'failed', 'given_up', %d, %d, %d, %d, 0, 0", f.uid(ms, event), endpoint, ref, attempts, attempts, attempts, attempts), "WHERE")
	for lease := range attempts {
		f.insert(rows, "attempts (event_uid, endpoint_id, lease_no, ref, started_at, duration_us, status, class, error, truncated, next_at, late, test, fanout)",
			fmt.Sprintf("%s, %s, %d, %s, %s, 5000, 503, 'http_status', '', 0, 0, 0, 0, 1", f.uid(ms, event), endpoint, lease+1, ref, ms), "WHERE")
	}
	f.insert(rows, "bodies (event_uid, endpoint_id, lease_no, body)",
		fmt.Sprintf("%s, %s, %d, %s", f.uid(ms, event), endpoint, attempts, f.bytes([]byte("try later"))), "WHERE")
}

// pruneBounded prunes to the end. No call may remove more than a few thousand rows, and each
// must remove some. A soak counts its millions of rows after some calls only, because that
// takes longer than the calls.
func (s *scene) pruneBounded(r webhook.Retention) (calls int, longest time.Duration) {
	s.Helper()
	sum := func() (n int) {
		for _, table := range []string{"events", "deliveries", "attempts", "bodies", "removals"} {
			n += s.rowsOf(table)
		}
		return n + s.rowsOf("events") // an event that is hidden is progress too
	}
	step := 1
	if soaking() {
		step = 200
	}
	for before := sum(); ; calls++ {
		ctx, cancel := context.WithTimeout(s.Context(), 10*time.Second)
		began := time.Now()
		more, err := s.store.Prune(ctx, s.now, r)
		longest = max(longest, time.Since(began))
		cancel()
		require.NoError(s, err)
		if more && (calls+1)%step > 0 {
			continue
		}
		left := sum()
		require.LessOrEqual(s, before-left, 20_000*step, "a call does a bounded piece")
		if !more {
			return calls + 1, longest
		}
		require.Less(s, left, before, "each call makes progress")
		before = left
	}
}

func TestPrunePassesWideEventsInPieces(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		events, fanout, attempts := 2, 1500, 4
		if soaking() {
			events, fanout, attempts = 1000, 1000, 16
			if raceDetector {
				events = 10
			}
		}
		for _, kept := range []webhook.Retention{
			{ResponseBodies: -1, Attempts: -1, Events: aDay},
			{ResponseBodies: -1, Attempts: aDay, Events: -1},
			{ResponseBodies: aDay, Attempts: -1, Events: -1},
		} {
			s := newScene(t, d.migrated(t))
			f := d.fill(t, s.store.DB(), s.now)
			f.wide(events, fanout, attempts)
			s.now = s.now.Add(2 * aDay)
			calls, longest := s.pruneBounded(kept)
			t.Logf("%+v: %d calls, the longest %v", kept, calls, longest)
			want := map[string]int{
				"events": events, "deliveries": events * fanout, "attempts": events * fanout * attempts, "bodies": events * fanout,
			}
			delete(want, "bodies")
			if kept.Attempts > 0 {
				delete(want, "attempts")
			}
			if kept.Events > 0 {
				clear(want)
			}
			assert.Equal(t, want, s.rows())
			if kept.Attempts > 0 {
				assert.Equal(t, events*fanout, countWhere(t, s.store.DB(), fmt.Sprintf("webhook_deliveries WHERE pruned = %d", attempts)))
			}
			if soaking() && kept.Events > 0 {
				break
			}
		}
	})
}

// Nothing shows a part of an event, neither its lists nor its rows.
func TestAnEventThatIsBeingRemovedIsNotShown(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		s := newScene(t, d.migrated(t))
		s.endpoint("acme", "ep1")
		e := s.event("acme", "evt1", "ep1")
		for i := range 1500 {
			e.Deliveries = append(e.Deliveries, webhook.NewDelivery{
				EndpointID: fmt.Sprintf("old%d", i), State: webhook.DeliverySucceeded,
				Attempt: &webhook.Attempt{StartedAt: s.now, Status: 200, ResponseBody: []byte("ok")},
			})
		}
		s.publish(e)
		leased := s.deliver()
		s.publish(s.event("acme", "evt2", "ep1"))
		require.Len(t, s.deliver(), 1)
		s.now = s.now.Add(aDay)
		s.publish(s.event("acme", "young", "ep1"))
		require.Len(t, s.deliver(), 1)
		old := webhook.Retention{ResponseBodies: -1, Attempts: -1, Events: time.Hour}
		ofEndpoint, ofEvent := webhook.Query{Tenant: "acme", EndpointID: "ep1"}, webhook.Query{Tenant: "acme", EventID: "evt1"}
		hidden := 0
		for more := true; more; {
			var err error
			more, err = s.store.Prune(t.Context(), s.now, old)
			require.NoError(t, err)
			events, err := s.store.Events(t.Context(), ofEvent)
			require.NoError(t, err)
			if len(events.Items) > 0 || s.rowsOf("removals") == 0 {
				continue
			}
			hidden++
			for name, q := range map[string]webhook.Query{"of the event": ofEvent, "of the endpoint": ofEndpoint, "all": {Tenant: "acme"}} {
				deliveries, err := s.store.Deliveries(t.Context(), q, s.now)
				require.NoError(t, err)
				for _, item := range deliveries.Items {
					assert.NotContains(t, []string{"", "evt1"}, item.EventID, name)
				}
				if q.EventID == "" && q.EndpointID == "" {
					continue
				}
				attempts, err := s.store.Attempts(t.Context(), q)
				require.NoError(t, err)
				for _, item := range attempts.Items {
					assert.NotContains(t, []string{"", "evt1"}, item.EventID, name)
				}
			}
			_, err = s.store.Retry(t.Context(), webhook.Query{Tenant: "acme", EventID: "evt1", EndpointID: "ep1"}, s.now)
			require.ErrorIs(t, err, webhook.ErrNotFound)
			_, err = s.store.Retry(t.Context(), webhook.Query{Tenant: "acme", EndpointID: "ep1", State: webhook.DeliverySucceeded, To: s.now.Add(-time.Hour)}, s.now)
			require.NoError(t, err)
			late := s.succeeded(leased[0])
			late.LeaseNo = 7
			_, err = s.store.Settle(t.Context(), s.now, []webhook.Settlement{late})
			require.NoError(t, err)
			if hidden == 1 {
				s.publish(s.event("acme", "evt1", "ep1")) // its id is free
				_, err := s.store.Cancel(t.Context(), ofEndpoint, s.now)
				require.NoError(t, err)
				ofEvent.EventID = "evt1-again"
			}
		}
		require.Positive(t, hidden)
		left := s.rows()
		assert.Equal(t, 2, left["events"], "young, and the one with the id of the old one")
		assert.Equal(t, 2, left["deliveries"])
		assert.Equal(t, 1, left["attempts"])
		assert.Zero(t, left["removals"])
	})
}

// Somebody may hold a delivery of an event that is being removed; the others go on.
func TestPrunePassesOverADeliveryThatIsLocked(t *testing.T) {
	onlyWithoutRaceDetector(t)
	eachServer(t, func(t *testing.T, d database) {
		dsn := d.dsn(t)
		s := newScene(t, d.store(t, dsn, sqlstore.Options{}))
		require.NoError(t, s.store.Migrate(t.Context()))
		f := d.fill(t, s.store.DB(), s.now)
		f.wide(3, 1200, 1)
		foreign, err := d.open(t, dsn).BeginTx(t.Context(), nil)
		require.NoError(t, err)
		defer foreign.Rollback()
		s.now = s.now.Add(2 * aDay)
		old := webhook.Retention{ResponseBodies: -1, Attempts: -1, Events: aDay}
		_, err = foreign.ExecContext(t.Context(), fmt.Sprintf("UPDATE webhook_deliveries SET failures = 1 WHERE event_uid = %s AND endpoint_id = 'ep_7'",
			f.uid(fmt.Sprint(f.now.UnixMilli()), "1")))
		require.NoError(t, err)
		s.prune(old)
		assert.Equal(t, 1, s.rowsOf("deliveries"))
		assert.Equal(t, 1, s.rowsOf("removals"))
		require.NoError(t, foreign.Rollback())
		s.prune(old)
		assert.Empty(t, s.rows())
	})
}

// A database that is a thousand times slower gets pieces that it can do.
func TestPruneGetsOnWithADatabaseThatIsSlow(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		store, sab := d.sabotaged(t)
		s := newScene(t, store)
		f := d.fill(t, s.store.DB(), s.now)
		f.wide(2, 1500, 2)
		s.now = s.now.Add(2 * aDay)
		var mu sync.Mutex
		for calls := 0; len(s.rows()) > 0; calls++ {
			require.Less(t, calls, 1000)
			ctx, cancel := context.WithCancel(t.Context())
			removed := 0
			sab.sabotage(func(step string) fault { // each row of a DELETE takes 10 ms of the call's ten seconds
				mu.Lock()
				defer mu.Unlock()
				if at := strings.Index(step, "DELETE"); at >= 0 {
					removed += strings.Count(step[at:], "ep_")
					removed += strings.Count(step[at:], "65705f") // in hexadecimal
				}
				if removed > 1000 {
					cancel()
					return fault{err: context.Canceled}
				}
				return fault{}
			})
			_, _ = store.Prune(ctx, s.now, webhook.Retention{ResponseBodies: -1, Attempts: -1, Events: aDay})
			sab.sabotage(nil)
			cancel()
		}
	})
}

func TestEraseTakesWideEventsApart(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		store, sab := d.sabotaged(t)
		s := newScene(t, store)
		f := d.fill(t, s.store.DB(), s.now)
		f.wide(4, 1200, 2)
		s.now = s.now.Add(time.Hour)
		s.endpoint("tenant_0", "ep1")
		s.backlog("tenant_0", "ep1", 1500)
		commits := 0
		sab.sabotage(func(step string) fault {
			if strings.Contains(step, "COMMIT") {
				commits++
			}
			return fault{}
		})
		require.NoError(t, s.store.Erase(t.Context(), "tenant_0"))
		sab.sabotage(nil)
		assert.Empty(t, s.rows())
		assert.Greater(t, commits, 8)
	})
}
