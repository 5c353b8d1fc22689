package memstore_test

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
)

// maker makes events with rising UIDs.
type maker struct {
	n   uint64
	now time.Time
}

var data = []byte(`{"member":"m_123","community":"c_456","joined_at":"2026-03-04T05:06:07Z"}`)

func (m *maker) event(tenant string, rows ...webhook.NewDelivery) webhook.EventRecord {
	m.n++
	var uid uuid.UUID
	binary.BigEndian.PutUint64(uid[:8], uint64(m.now.UnixMilli())<<16|0x7000)
	binary.BigEndian.PutUint64(uid[8:], 1<<63|m.n)
	return webhook.EventRecord{
		UID: uid, Tenant: tenant, ID: uid.String(), Type: "member.joined", Data: data, Time: m.now, CreatedAt: m.now,
		NewID: true, Deliveries: rows,
	}
}

var start = time.Date(2026, time.March, 4, 5, 6, 7, 0, time.UTC)

func endpoint(tenant, id string) webhook.Endpoint {
	return webhook.Endpoint{
		Tenant: tenant, ID: id, URL: "https://example.com/" + id, Events: []string{"*"}, State: webhook.EndpointActive, Version: 1,
	}
}

func create(tb testing.TB, s *memstore.Store, tenant string, n int) []string {
	tb.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("ep%06d", i)
		require.NoError(tb, s.CreateEndpoint(tb.Context(), endpoint(tenant, ids[i]), 0))
	}
	return ids
}

func publish(tb testing.TB, s *memstore.Store, now time.Time, events ...webhook.EventRecord) {
	tb.Helper()
	results, err := s.Publish(tb.Context(), webhook.PublishRequest{Now: now, LeaseUntil: now.Add(time.Minute), Events: events})
	require.NoError(tb, err)
	for i := range results {
		require.NoError(tb, results[i].Err)
	}
}

// A delivery that is handed to the publisher's own lanes and succeeds, one in each call.
func BenchmarkPublishAndSettle(b *testing.B) {
	s := memstore.New(memstore.Options{})
	ids := create(b, s, "acme", 100)
	ctx := b.Context()
	m := &maker{now: start}
	attempt := &webhook.Attempt{StartedAt: start, Status: 200, ResponseBody: []byte("ok")}
	req := webhook.PublishRequest{Now: start, LeaseUntil: start.Add(time.Minute), Events: make([]webhook.EventRecord, 1)}
	items := make([]webhook.Settlement, 1)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		id := ids[i%len(ids)]
		req.Events[0] = m.event("acme", webhook.NewDelivery{EndpointID: id, Version: 1, Leased: true})
		if r, err := s.Publish(ctx, req); err != nil || r[0].Deliveries != 1 {
			b.Fatal(r, err)
		}
		items[0] = webhook.Settlement{
			UID: req.Events[0].UID, Endpoint: webhook.EndpointKey{Tenant: "acme", ID: id}, LeaseNo: 1,
			State: webhook.DeliverySucceeded, Attempt: attempt,
		}
		if r, err := s.Settle(ctx, start, items); err != nil || len(r.Lost) > 0 {
			b.Fatal(r, err)
		}
	}
}

// The cost of making the events of the benchmark above.
func BenchmarkMakeEvent(b *testing.B) {
	m := &maker{now: start}
	b.ReportAllocs()
	for b.Loop() {
		_ = m.event("acme", webhook.NewDelivery{EndpointID: "ep1", Version: 1, Leased: true})
	}
}

func BenchmarkMatch(b *testing.B) {
	s := memstore.New(memstore.Options{})
	create(b, s, "acme", 3)
	reqs := []webhook.MatchRequest{{Tenant: "acme", Patterns: []string{"member.joined", "member.*", "*"}, Limit: 1001}}
	b.ReportAllocs()
	for b.Loop() {
		if r, err := s.Match(b.Context(), reqs); err != nil || len(r[0]) != 3 {
			b.Fatal(r, err)
		}
	}
}

// giveBack makes a claimed delivery due again at once, so that a benchmark can go on.
func giveBack(items []webhook.Settlement, l *webhook.Leased, due time.Time) []webhook.Settlement {
	return append(items, webhook.Settlement{
		UID: l.UID, Endpoint: l.Endpoint, LeaseNo: l.LeaseNo, State: webhook.DeliveryPending, DueAt: due,
	})
}

func claimRequest(now time.Time, n int) webhook.ClaimRequest {
	return webhook.ClaimRequest{Now: now, LeaseUntil: now.Add(time.Minute), Max: n, MaxBytes: 64 << 20, Room: 8}
}

// benchmarkClaim measures claims of up to 64 deliveries, not how they are given back.
func benchmarkClaim(b *testing.B, s *memstore.Store, want int) {
	b.Helper()
	ctx := b.Context()
	var items []webhook.Settlement
	var took time.Duration
	for b.Loop() {
		begin := time.Now()
		c, err := s.Claim(ctx, claimRequest(start, 64))
		took += time.Since(begin)
		if err != nil || len(c.Deliveries) != want {
			b.Fatal(len(c.Deliveries), err)
		}
		items = items[:0]
		for i := range c.Deliveries {
			items = giveBack(items, &c.Deliveries[i], start)
		}
		if _, err := s.Settle(ctx, start, items); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(took.Nanoseconds())/float64(b.N), "ns/op")
	b.ReportMetric(float64(took.Nanoseconds())/float64(b.N*want), "ns/delivery")
}

func BenchmarkClaim64From100Endpoints(b *testing.B) {
	s := memstore.New(memstore.Options{})
	m := &maker{now: start}
	for _, id := range create(b, s, "acme", 100) {
		for range 100 {
			publish(b, s, start, m.event("acme", webhook.NewDelivery{EndpointID: id, Version: 1, DueAt: start}))
		}
	}
	benchmarkClaim(b, s, 64)
}

func BenchmarkClaimBesideABlockedBacklog(b *testing.B) {
	for _, backlog := range []int{0, 100_000} {
		b.Run(fmt.Sprint(backlog), func(b *testing.B) {
			s := memstore.New(memstore.Options{MaxPending: 200_000})
			m := &maker{now: start}
			create(b, s, "acme", 2)
			e := endpoint("acme", "blocked")
			e.Health.BlockedUntil = start.Add(time.Hour)
			require.NoError(b, s.CreateEndpoint(b.Context(), e, 0))
			for range backlog {
				publish(b, s, start, m.event("acme", webhook.NewDelivery{EndpointID: "blocked", Version: 1, DueAt: start}))
			}
			for range 100 {
				publish(b, s, start, m.event("acme", webhook.NewDelivery{EndpointID: "ep000000", Version: 1, DueAt: start}))
			}
			benchmarkClaim(b, s, 8)
		})
	}
}

func BenchmarkEmptyClaimBeside10000Retries(b *testing.B) {
	s := memstore.New(memstore.Options{})
	m := &maker{now: start}
	for _, id := range create(b, s, "acme", 10_000) {
		publish(b, s, start, m.event("acme", webhook.NewDelivery{EndpointID: id, Version: 1, DueAt: start.Add(time.Hour)}))
	}
	b.ReportAllocs()
	for b.Loop() {
		c, err := s.Claim(b.Context(), claimRequest(start, 64))
		if err != nil || len(c.Deliveries) != 0 || c.Next != "" {
			b.Fatal(c, err)
		}
	}
}

func BenchmarkStatsBesideABlockedBacklog(b *testing.B) {
	s := memstore.New(memstore.Options{})
	m := &maker{now: start}
	e := endpoint("acme", "paused")
	e.State = webhook.EndpointPaused
	require.NoError(b, s.CreateEndpoint(b.Context(), e, 0))
	for range 100_000 {
		publish(b, s, start, m.event("acme", webhook.NewDelivery{EndpointID: "paused", Version: 1, DueAt: start}))
	}
	b.ReportAllocs()
	for b.Loop() {
		if st, err := s.Stats(b.Context(), start); err != nil || st.Held != 100_000 {
			b.Fatal(st, err)
		}
	}
}
