package drivertest

import (
	"database/sql"
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// A scene is a store with a clock, and short ways to fill it and to look into its tables.
type scene struct {
	testing.TB
	store  *sqlstore.Store
	prefix string
	now    time.Time
	seq    uint64
	leased []webhook.EventRecord // by their publisher
}

func newScene(tb testing.TB, s *sqlstore.Store) *scene {
	tb.Helper()
	return &scene{TB: tb, store: s, prefix: "webhook_", now: time.Date(2026, time.March, 4, 5, 6, 7, 0, time.UTC)}
}

func (s *scene) endpoint(tenant, id string) webhook.Endpoint {
	s.Helper()
	e := webhook.Endpoint{
		Tenant: tenant, ID: id, URL: "https://example.com/" + tenant + "/v1", Events: []string{"*"}, State: webhook.EndpointActive,
		Profile: "standard", Version: 1, CreatedAt: s.now, UpdatedAt: s.now,
		Secrets: []webhook.EndpointSecret{{Value: "whsec_1", CreatedAt: s.now}},
	}
	require.NoError(s, s.store.CreateEndpoint(s.Context(), e, 0))
	return e
}

// event makes an event of now, with rows for these endpoints that are due now.
func (s *scene) event(tenant, id string, endpoints ...string) webhook.EventRecord {
	s.seq++
	e := webhook.EventRecord{
		Tenant: tenant, ID: id, Type: "member.joined", Data: []byte(`{"id":1}`), Time: s.now, CreatedAt: s.now,
		Deliveries: []webhook.NewDelivery{},
	}
	binary.BigEndian.PutUint64(e.UID[:8], uint64(s.now.UnixMilli())<<16|7<<12|s.seq>>32)
	binary.BigEndian.PutUint64(e.UID[8:], 1<<63|s.seq)
	for _, endpoint := range endpoints {
		e.Deliveries = append(e.Deliveries, webhook.NewDelivery{EndpointID: endpoint, Version: 1, DueAt: s.now})
	}
	return e
}

func (s *scene) request(events ...webhook.EventRecord) webhook.PublishRequest {
	return webhook.PublishRequest{Now: s.now, LeaseUntil: s.now.Add(time.Minute), Events: events}
}

// publish publishes events that are new.
func (s *scene) publish(events ...webhook.EventRecord) {
	s.Helper()
	results, err := s.store.Publish(s.Context(), s.request(events...))
	require.NoError(s, err)
	require.Len(s, results, len(events))
	for i, r := range results {
		require.Equal(s, webhook.Published{Deliveries: len(events[i].Deliveries)}, r, events[i].ID)
	}
}

// claim leases all due deliveries.
func (s *scene) claim() []webhook.Leased {
	s.Helper()
	var all []webhook.Leased
	cursor := ""
	for {
		c, err := s.store.Claim(s.Context(), webhook.ClaimRequest{
			Now: s.now, LeaseUntil: s.now.Add(time.Minute), Max: 1000, MaxBytes: 1 << 30, Room: 1000, Cursor: cursor,
		})
		require.NoError(s, err)
		all = append(all, c.Deliveries...)
		if cursor = c.Next; cursor == "" {
			return all
		}
	}
}

// succeeded is the settlement of a successful attempt.
func (s *scene) succeeded(l webhook.Leased) webhook.Settlement {
	return webhook.Settlement{
		UID: l.UID, Endpoint: l.Endpoint, LeaseNo: l.LeaseNo, Version: 1, State: webhook.DeliverySucceeded,
		Attempt: &webhook.Attempt{StartedAt: s.now, Duration: time.Millisecond, Status: 200, ResponseBody: []byte("thanks")},
	}
}

// deliver settles all that is due as succeeded.
func (s *scene) deliver() []webhook.Leased {
	s.Helper()
	leased := s.claim()
	items := make([]webhook.Settlement, len(leased))
	for i, l := range leased {
		items[i] = s.succeeded(l)
	}
	out, err := s.store.Settle(s.Context(), s.now, items)
	require.NoError(s, err)
	require.Empty(s, out.Lost)
	require.Empty(s, out.Already)
	return leased
}

// prune prunes until there is no more to do, and returns how often.
func (s *scene) prune(r webhook.Retention) int {
	s.Helper()
	for n := 1; n < 1000; n++ {
		more, err := s.store.Prune(s.Context(), s.now, r)
		require.NoError(s, err)
		if !more {
			return n
		}
	}
	require.Fail(s, "Prune says that there is more after 1,000 calls")
	return 0
}

var forEver = webhook.Retention{ResponseBodies: -1, Attempts: -1, Events: -1}

// rows counts the rows of all tables, without those that are empty.
func (s *scene) rows() map[string]int {
	s.Helper()
	return countRows(s, s.store.DB(), s.prefix)
}

func countRows(tb testing.TB, db *sql.DB, prefix string) map[string]int {
	tb.Helper()
	found := make(map[string]int)
	for _, table := range tables {
		if n := countWhere(tb, db, prefix+table); n > 0 {
			found[table] = n
		}
	}
	return found
}

func countWhere(tb testing.TB, db *sql.DB, table string) int {
	tb.Helper()
	var n int
	require.NoError(tb, db.QueryRowContext(tb.Context(), "SELECT count(*) FROM "+table).Scan(&n))
	return n
}

// openSubscriptions counts the subscriptions of endpoints that are not disabled.
func (s *scene) openSubscriptions() int {
	s.Helper()
	return countWhere(s, s.store.DB(), s.prefix+"subscriptions WHERE pattern NOT LIKE '!%'")
}

// rowsOf counts the rows of one table.
func (s *scene) rowsOf(table string) int {
	s.Helper()
	return countWhere(s, s.store.DB(), s.prefix+table)
}
