package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// otherType is received by the endpoints that are only in the way.
const otherType = "other.sent"

// newBenchStore returns a PostgreSQL with a history, and a Dispatcher that does not run.
func newBenchStore(b *testing.B) (*sqlstore.Store, *webhook.Dispatcher) {
	b.Helper()
	o, err := parse(nil, io.Discard)
	require.NoError(b, err)
	server, err := startServer(b.Context(), storePostgres, o)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, server.stop()) })
	at := addresses{Plain: "127.0.0.1:1024"} // nobody listens, and nothing is sent
	dsn, err := server.create(b.Context(), peerWebhook, &dataset{History: history, Targets: few}, at)
	require.NoError(b, err)
	store, err := openStore(b.Context(), storePostgres, dsn, 4, nil)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, store.DB().Close()) })
	d, err := webhook.New(store, webhook.Config{Network: network(at), MaxEndpoints: -1, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(b, err)
	return store, d
}

func createSubscribers(b *testing.B, d *webhook.Dispatcher, tenant, typ string, count int) {
	b.Helper()
	for range count {
		_, err := d.Tenant(tenant).CreateEndpoint(b.Context(), webhook.Endpoint{
			URL: "http://127.0.0.1:1024/", Secret: secret, Events: []string{typ},
		})
		require.NoError(b, err)
	}
}

// BenchmarkEmit emits to three endpoints of a tenant. The time should not depend on the number
// of its other endpoints.
func BenchmarkEmit(b *testing.B) {
	_, d := newBenchStore(b)
	for _, others := range []int{10, 2000} {
		tenant := fmt.Sprint("with_", others)
		createSubscribers(b, d, tenant, eventType, 3)
		createSubscribers(b, d, tenant, otherType, others)
		b.Run(fmt.Sprintf("beside=%d", others), func(b *testing.B) {
			for b.Loop() {
				receipt, err := d.Emit(b.Context(), webhook.Event{Tenant: tenant, Type: eventType, Data: newEvent(0, 0).Data})
				require.NoError(b, err)
				require.Equal(b, 3, receipt.Deliveries)
			}
		})
	}
}

// BenchmarkEmptyClaim claims while all deliveries of 200 endpoints are due in the future. The
// time should not depend on their number.
func BenchmarkEmptyClaim(b *testing.B) {
	store, d := newBenchStore(b)
	createSubscribers(b, d, "later", eventType, 200)
	for _, each := range []int{1, 100} {
		events := make([]webhook.Event, each)
		for i := range events {
			events[i] = webhook.Event{Tenant: "later", Type: eventType, Data: newEvent(i, 0).Data, NotBefore: time.Now().Add(time.Hour)}
		}
		_, err := d.EmitBatch(b.Context(), events)
		require.NoError(b, err)
		b.Run(fmt.Sprintf("each=%d", each), func(b *testing.B) {
			for b.Loop() {
				require.Empty(b, claim(b.Context(), b, store).Deliveries)
			}
		})
	}
}

func claim(ctx context.Context, b *testing.B, store *sqlstore.Store) webhook.Claimed {
	b.Helper()
	now := time.Now().Truncate(time.Microsecond).UTC()
	claimed, err := store.Claim(ctx, webhook.ClaimRequest{Now: now, LeaseUntil: now.Add(time.Minute), Max: 100, MaxBytes: 64 << 20, Room: 8})
	require.NoError(b, err)
	return claimed
}
