package drivertest

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
	"github.com/gowebhook/webhook/sqlstore/drivertest/recorder"
)

// Ten endpoints of a tenant are active, and so many have answered 410.
const (
	activeEndpoints   = 10
	disabledEndpoints = 10_000
)

// handlerReads sums up how often a session of MySQL has read a row of a table or an index.
func handlerReads(t *testing.T, lines [][]driver.Value) (rows float64) {
	t.Helper()
	for _, line := range lines {
		n, err := strconv.Atoi(fmt.Sprint(line[1]))
		require.NoError(t, err)
		rows += float64(n)
	}
	return rows
}

// readBy returns how many rows a statement reads, not only those that it returns. SQLite does
// not tell, so there it counts the rows that the statement returns.
func (d database) readBy(ctx context.Context, t *testing.T, s recorder.Statement) float64 {
	t.Helper()
	ask := func(query string, args []driver.NamedValue) [][]driver.Value {
		lines, err := s.Ask(ctx, query, args)
		assert.NoError(t, err)
		return lines
	}
	const reads = "SHOW SESSION STATUS LIKE 'Handler_read%'"
	switch d.name {
	case "postgres":
		return rowsRead(t, ask("EXPLAIN (ANALYZE, TIMING OFF) "+s.Query, s.Args))
	case "mysql":
		before := handlerReads(t, ask(reads, nil))
		ask(s.Query, s.Args)
		return handlerReads(t, ask(reads, nil)) - before
	}
	return float64(len(ask(s.Query, s.Args)))
}

// goneAll disables endpoints by their numbers, as answers of 410 do.
func (s *scene) goneAll(f *filler, from, to int) {
	s.Helper()
	event := s.event("tenant_0", "wide")
	f.insert(to, "queue "+soakQueue, fmt.Sprintf("%s, e.id, e.ref, %s, %d, 1, %[3]d, 0, 1, 0, 0, 0, %d, 11, 1, ''", f.uuid(event.UID),
		f.uuid([16]byte{}), s.now.Add(time.Hour).UnixMicro(), s.now.UnixMicro()), fmt.Sprintf("JOIN filled e ON e.n = k.n WHERE k.n >= %d AND", from))
	const atOnce = 1000
	for begin := from; begin < to; begin += atOnce {
		items := make([]webhook.Settlement, 0, atOnce)
		for n := begin; n < min(begin+atOnce, to); n++ {
			items = append(items, webhook.Settlement{
				UID: event.UID, Endpoint: keyOf(n, to), LeaseNo: 1, Version: 1, State: webhook.DeliveryFailed, Reason: webhook.ReasonGone,
				Disable: webhook.ReasonGone, Attempt: &webhook.Attempt{StartedAt: s.now, Status: 410, Class: webhook.ClassStatus},
			})
		}
		out, err := s.store.Settle(s.Context(), s.now, items)
		require.NoError(s, err)
		require.Empty(s, out.Failed)
		require.Empty(s, out.Lost)
	}
}

func TestAMatchReadsNoDisabledEndpoint(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		dsn := d.dsn(t)
		plain := d.store(t, dsn, sqlstore.Options{})
		require.NoError(t, plain.Migrate(t.Context()))
		s := newScene(t, plain)
		f := d.fill(t, plain.DB(), s.now)
		f.endpoints(1, activeEndpoints+disabledEndpoints)
		s.goneAll(f, activeEndpoints, activeEndpoints+disabledEndpoints)
		assert.Equal(t, activeEndpoints, s.openSubscriptions())
		f.analyze()

		var read []float64
		watched := d
		var err error
		watched.driver, err = recorder.Register(d.driver, func(ctx context.Context, st recorder.Statement) {
			if strings.Contains(st.Query, "webhook_subscriptions") {
				read = append(read, d.readBy(ctx, t, st))
			}
		})
		require.NoError(t, err)
		store := watched.store(t, dsn, sqlstore.Options{})
		r := webhook.EventRecord{Type: "order.paid"}
		for _, limit := range []int{5, 1000} {
			read = nil
			matched, err := store.Match(t.Context(), []webhook.MatchRequest{{Tenant: "tenant_0", Patterns: r.Patterns(), Limit: limit}})
			require.NoError(t, err)
			assert.Len(t, matched[0], min(limit, activeEndpoints))
			require.NotEmpty(t, read)
			for _, rows := range read {
				assert.LessOrEqual(t, rows, 200.0)
			}
		}
	})
}

// gone disables an endpoint as an answer of 410 does.
func (s *scene) gone(l webhook.Leased) webhook.Settlement {
	item := s.succeeded(l)
	item.State, item.Reason, item.Disable = webhook.DeliveryFailed, webhook.ReasonGone, webhook.ReasonGone
	item.Attempt.Status, item.Attempt.Class = 410, webhook.ClassStatus
	return item
}

// The database refuses the last of the writes. The endpoint is active afterwards, and is matched.
func TestASettleThatFailsLeavesTheSubscriptions(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		store, sab := d.sabotaged(t)
		s := newScene(t, store)
		s.endpoint("acme", "ep1")
		s.publish(s.event("acme", "evt1", "ep1"))
		item := s.gone(s.claim()[0])
		for _, word := range []string{"subscriptions", "COMMIT"} {
			sab.sabotage(func(step string) fault {
				if strings.Contains(strings.Replace(step, "READ COMMITTED", "", 1), word) {
					return fault{err: errStopped}
				}
				return fault{}
			})
			out, err := store.Settle(t.Context(), s.now, []webhook.Settlement{item})
			steps := strings.Join(sab.taken(), "\n")
			assert.True(t, err != nil || len(out.Failed) == 1, word)
			assert.Contains(t, steps, "subscriptions")
			assert.Equal(t, []string{"ep1"}, s.matched("acme"), word)
			found, err := store.Refresh(t.Context(), []webhook.EndpointKey{{Tenant: "acme", ID: "ep1"}})
			require.NoError(t, err)
			assert.Equal(t, webhook.EndpointActive, found[0].State)
		}
		_, err := store.Settle(t.Context(), s.now, []webhook.Settlement{item})
		require.NoError(t, err)
		assert.Empty(t, s.matched("acme"))
	})
}
