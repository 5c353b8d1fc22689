package drivertest

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// benchRows is the number of deliveries that the benchmarks put into one call. A busy
// Dispatcher groups as many.
const benchRows = 100

// A feeder makes events with rising UIDs, each with one delivery.
type feeder struct {
	*sqlstore.Store
	seq uint64
}

func newFeeder(b *testing.B, d database) *feeder {
	b.Helper()
	f := &feeder{Store: d.migrated(b)}
	for _, id := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		require.NoError(b, f.CreateEndpoint(b.Context(), webhook.Endpoint{
			Tenant: "acme", ID: id, URL: "https://example.com", Events: []string{"*"}, State: webhook.EndpointActive, Version: 1,
			Secrets: []webhook.EndpointSecret{{Value: "whsec_x"}}, CreatedAt: time.Now(),
		}, 0))
	}
	return f
}

func (f *feeder) events(now time.Time, leased bool) []webhook.EventRecord {
	events := make([]webhook.EventRecord, benchRows)
	for i := range events {
		f.seq++
		u := uuid.New()
		binary.BigEndian.PutUint64(u[:8], uint64(now.UnixMilli())<<16|7<<12)
		binary.BigEndian.PutUint64(u[8:], 1<<63|f.seq)
		events[i] = webhook.EventRecord{
			UID: u, Tenant: "acme", ID: u.String(), NewID: true, Type: "member.joined", Data: []byte(`"` + strings.Repeat("x", 1022) + `"`),
			Time: now, CreatedAt: now,
			Deliveries: []webhook.NewDelivery{{EndpointID: string(rune('a' + i%8)), Version: 1, Leased: leased, DueAt: now}},
		}
	}
	return events
}

func (f *feeder) publish(b *testing.B, now time.Time, leased bool) []webhook.EventRecord {
	b.Helper()
	events := f.events(now, leased)
	_, err := f.Publish(b.Context(), webhook.PublishRequest{Now: now, LeaseUntil: now.Add(time.Minute), Events: events})
	require.NoError(b, err)
	return events
}

func eachDatabase(b *testing.B, run func(b *testing.B, f *feeder)) {
	b.Helper()
	for _, d := range databases {
		b.Run(d.name, func(b *testing.B) {
			f := newFeeder(b, d)
			b.ResetTimer()
			run(b, f)
			b.ReportMetric(float64(b.N*benchRows)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

func BenchmarkPublish(b *testing.B) {
	eachDatabase(b, func(b *testing.B, f *feeder) {
		b.Helper()
		for range b.N {
			f.publish(b, time.Now(), true)
		}
	})
}

func BenchmarkSettle(b *testing.B) {
	eachDatabase(b, func(b *testing.B, f *feeder) {
		b.Helper()
		for range b.N {
			b.StopTimer()
			now := time.Now()
			events := f.publish(b, now, true)
			items := make([]webhook.Settlement, len(events))
			for i, e := range events {
				items[i] = webhook.Settlement{
					UID: e.UID, Endpoint: webhook.EndpointKey{Tenant: "acme", ID: e.Deliveries[0].EndpointID}, LeaseNo: 1,
					State: webhook.DeliverySucceeded, Attempt: &webhook.Attempt{StartedAt: now, Status: 204, Duration: time.Millisecond},
				}
			}
			b.StartTimer()
			settled, err := f.Settle(b.Context(), now, items)
			require.NoError(b, err)
			require.Empty(b, settled.Lost)
		}
	})
}

func BenchmarkClaim(b *testing.B) {
	eachDatabase(b, func(b *testing.B, f *feeder) {
		b.Helper()
		cursor := ""
		for range b.N {
			b.StopTimer()
			now := time.Now()
			f.publish(b, now, false)
			b.StartTimer()
			claimed := 0
			for claimed < benchRows {
				c, err := f.Claim(b.Context(), webhook.ClaimRequest{
					Now: now, LeaseUntil: now.Add(time.Minute), Max: 1000, MaxBytes: 1 << 26, Room: 1000, Cursor: cursor,
				})
				require.NoError(b, err)
				claimed += len(c.Deliveries)
				cursor = c.Next
			}
		}
	})
}
