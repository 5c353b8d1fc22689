package drivertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// strangers fills each table with rows of a tenant that is not the test's. None of them is
// due, or old.
func (f *filler) strangers(n int) {
	f.tb.Helper()
	uid, now := f.uid("1900000000000 + k.n", "k.n"), f.now.UnixMicro()
	name, later := "CONCAT('ep_', k.n)", now+3_600_000_000
	ref := "UNHEX(MD5(" + name + "))"
	for _, rows := range []struct{ table, columns, values string }{
		{"tenants", "tenant, endpoints", "CONCAT('stranger_', k.n), 1"},
		{
			"endpoints", "ref, tenant, id, created_at, url, description, events, channel, profile, metadata, header, secrets, timeout_us, max_in_flight",
			ref + ", 'stranger', " + name + ", 0, 'https://stranger.example', '', '[\"*\"]', '', '', '', '', '', 0, 0",
		},
		{
			"status", "ref, tenant, id, version, state, reason, updated_at, failures, failing_since, last_failure_at, recovered_at, blocked_until, circuit",
			ref + ", 'stranger', " + name + ", 2, 'active', '', 0, 0, 0, 0, 0, 0, 0",
		},
		{"versions", "ref, version, url, profile, metadata, superseded_at", fmt.Sprintf("%s, 1, 'https://old.example', '', '', %d", ref, later*2)},
		{"subscriptions", "tenant, pattern, channel, endpoint_id, ref", "'stranger', '*', '', " + name + ", " + ref},
		{
			"events", "uid, tenant, id, type, channel, header, time, not_before, created_at, keep, fanout, test, content_hash, data",
			fmt.Sprintf("%s, 'stranger', CONCAT('evt_', k.n), 'order.paid', '', '', %d, 0, %d, 0, 1, 0, x'%064d', '{}'", uid, now, now, 0),
		},
		{"outbox", "event_uid, due_at", fmt.Sprintf("%s, %d", uid, later)},
		{
			"queue", "event_uid, endpoint_id, ref, lane, due_at, lease_no, leased_until, settled_no, version, attempts, failures, pruned, since, size, fanout, reason",
			fmt.Sprintf("%s, 'ep', UNHEX(MD5(k.n %% 6)), x'%032d', %d, 1, 0, 1, 1, 1, 1, 0, %d, 2, 1, ''", uid, 0, later, now),
		},
		{
			"deliveries", "event_uid, endpoint_id, ref, version, state, reason, lease_no, settled_no, attempts, failures, pruned, finished_at",
			fmt.Sprintf("%s, 'over', %s, 1, 'succeeded', '', 1, 1, 1, 0, 0, %d", uid, ref, now),
		},
		{
			"attempts", "event_uid, endpoint_id, lease_no, ref, started_at, duration_us, status, class, error, truncated, next_at, late, test, fanout",
			fmt.Sprintf("%s, 'over', 1, %s, %d, 5000, 200, '', '', 0, 0, 0, 0, 1", uid, ref, now),
		},
		{"bodies", "event_uid, endpoint_id, lease_no, body", uid + ", 'over', 1, 'thanks'"},
	} {
		f.insert(n, rows.table+" ("+rows.columns+")", rows.values, "WHERE")
	}
}

// holdStrangers locks all rows of all tables, and adds one to the outbox and to the queue, in
// a transaction that stays open.
func (d database) holdStrangers(t *testing.T, dsn string) {
	t.Helper()
	conn, err := d.open(t, dsn).Conn(t.Context())
	require.NoError(t, err)
	exec := func(query string) {
		t.Helper()
		_, err := conn.ExecContext(t.Context(), query)
		require.NoError(t, err)
	}
	exec("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
	exec("START TRANSACTION")
	t.Cleanup(func() { _ = conn.Close() })
	for _, table := range tables {
		exec("DO (SELECT count(*) FROM (SELECT 1 FROM webhook_" + table + " FOR UPDATE) x)")
	}
	exec("INSERT INTO webhook_outbox (event_uid, due_at) VALUES (x'01', 0)")
	exec(`INSERT INTO webhook_queue (event_uid, endpoint_id, ref, lane, due_at, lease_no, leased_until, settled_no, version, attempts,
		failures, pruned, since, size, fanout, reason) VALUES (x'01', 'ep', x'01', x'01', 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 1, '')`)
}

// Rows of others may be locked for as long as their transactions are open. A statement that
// reads a whole table, because that is small, or because it is given keys of a large part of
// it, waits for all of them.
func TestNoStatementWaitsForRowsOfOthers(t *testing.T) {
	onlyInCI(t)
	for _, strangers := range []int{0, 1, 6, 100_000} {
		t.Run(fmt.Sprint(strangers), func(t *testing.T) {
			if strangers > 6 {
				onlyWithoutRaceDetector(t)
			}
			t.Parallel()
			dsn := mysql.dsn(t)
			s := newScene(t, mysql.store(t, dsn, sqlstore.Options{}))
			require.NoError(t, s.store.Migrate(t.Context()))
			s.now = time.Now().Truncate(time.Microsecond).UTC()
			mysql.fill(t, s.store.DB(), s.now).strangers(strangers)
			mysql.holdStrangers(t, dsn)
			for _, own := range []int{1, 2, 4, 7} {
				s.lives(t, own)
			}
		})
	}
}

// lives lets a tenant with so many endpoints and events come and go, by all methods that write.
func (s *scene) lives(t *testing.T, n int) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		require.NoError(t, err, "%d rows", n)
	}
	tenant := fmt.Sprintf("acme%d", n)
	id := func(i int) string { return fmt.Sprintf("ep%d", i) }
	var endpoints []webhook.Endpoint
	var all []string
	for i := range n {
		endpoints = append(endpoints, s.endpoint(tenant, id(i)))
		all = append(all, id(i))
	}
	emit := func(name string, inTransaction bool) {
		t.Helper()
		var events []webhook.EventRecord
		for i := range n {
			e := s.event(tenant, fmt.Sprint(name, i), all...)
			if inTransaction {
				e.Deliveries = nil
			}
			events = append(events, e)
		}
		if !inTransaction {
			s.publish(events...)
			return
		}
		tx, err := s.store.DB().BeginTx(t.Context(), nil)
		must(err)
		defer tx.Rollback()
		_, err = s.store.Tx(tx).Publish(t.Context(), s.request(events...))
		must(err)
		refused := s.request(s.event(tenant, name+"new"), s.event(tenant, fmt.Sprint(name, 0)))
		refused.Atomic = true
		for i := range refused.Events {
			refused.Events[i].Deliveries, refused.Events[i].Data = nil, []byte("2")
		}
		results, err := s.store.Tx(tx).Publish(t.Context(), refused)
		must(err)
		require.ErrorIs(t, results[1].Err, webhook.ErrConflict)
		must(tx.Commit())
	}
	settle := func(leased []webhook.Leased, change func(int, *webhook.Settlement)) {
		t.Helper()
		items := make([]webhook.Settlement, len(leased))
		for i, l := range leased {
			items[i] = s.succeeded(l)
			change(i, &items[i])
		}
		out, err := s.store.Settle(t.Context(), s.now, items)
		must(err)
		require.Empty(t, out.Lost)
	}
	later := func(d time.Duration) { s.now = s.now.Add(d) }

	emit("published", false)
	emit("transaction", true)
	leased := s.claim()
	require.Len(t, leased, 2*n*n)
	settle(leased, func(i int, item *webhook.Settlement) {
		if i%2 == 0 {
			*item = failed(s, leased[i])
			item.DueAt = s.now.Add(time.Minute)
		}
	})
	later(2 * time.Minute)
	for i := range endpoints {
		endpoints[i].URL += "/new"
		var err error
		endpoints[i], err = s.store.UpdateEndpoint(t.Context(), endpoints[i])
		must(err)
	}
	leased = s.claim()
	require.Len(t, leased, n*n, "woken, and of an earlier version")
	settle(leased, func(i int, item *webhook.Settlement) {
		switch i % 4 {
		case 0:
			item.State, item.Attempt.Class, item.Attempt.Status = webhook.DeliveryFailed, webhook.ClassStatus, 500
		case 1:
			*item = failed(s, leased[i])
		}
	})
	_, err := s.store.Cancel(t.Context(), webhook.Query{Tenant: tenant, Limit: 1000}, s.now)
	must(err)
	_, err = s.store.Retry(t.Context(), webhook.Query{Tenant: tenant, State: webhook.DeliverySucceeded, Limit: 1000}, s.now)
	must(err)
	leased = s.claim()
	require.NotEmpty(t, leased)
	settle(leased, func(i int, item *webhook.Settlement) {
		*item = failed(s, leased[i])
		if i == 0 {
			item.Disable = webhook.ReasonGone
		}
	})
	emit("unheard", false)
	s.prune(webhook.Retention{Attempts: -1, Events: -1, ResponseBodies: time.Nanosecond})
	later(time.Hour)
	s.prune(webhook.Retention{Attempts: time.Nanosecond, Events: -1})
	must(s.store.DeleteEndpoint(t.Context(), webhook.EndpointKey{Tenant: tenant, ID: id(0)}, 0, s.now))
	later(2 * time.Hour)
	s.prune(webhook.Retention{Events: time.Nanosecond})
	must(s.store.Erase(t.Context(), tenant))
	page, err := s.store.Events(t.Context(), webhook.Query{Tenant: tenant})
	must(err)
	assert.Empty(t, page.Items)
}
