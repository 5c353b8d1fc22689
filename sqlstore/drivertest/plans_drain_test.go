package drivertest

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
	"github.com/gowebhook/webhook/webhooktest"
)

// PostgreSQL keeps plans that it made when tables were empty, which is when reading all of a
// table is best. Nothing here gathers statistics.
func TestADrainThatStartsFromAnEmptySchemaNeverScansTheQueue(t *testing.T) {
	t.Parallel()
	const deliveries, tenants = 5_000, 20
	dsn := postgres.dsn(t)
	drain := postgres.store(t, dsn, sqlstore.Options{})
	require.NoError(t, drain.Migrate(t.Context()))
	emit := postgres.store(t, dsn, sqlstore.Options{})
	watch := postgres.open(t, dsn)
	before := scansOf(t, watch)

	transport := &webhooktest.Transport{}
	config := webhooktest.Config()
	config.Transport, config.Logger = transport, slog.New(slog.DiscardHandler)
	runner, err := webhook.New(drain, config)
	require.NoError(t, err)
	emitter, err := webhook.New(emit, config)
	require.NoError(t, err)

	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- runner.Run(ctx) }()
	for n := range tenants {
		_, err := emitter.Tenant(fmt.Sprintf("tenant_%d", n)).CreateEndpoint(ctx, webhook.Endpoint{
			URL: fmt.Sprintf("https://tenant%d.example/", n), Events: []string{"order.*"},
		})
		require.NoError(t, err)
	}
	for n := 0; n < deliveries; n += 100 { // the one that runs finds them by claiming
		batch := make([]webhook.Event, 100)
		for i := range batch {
			batch[i] = webhook.Event{Tenant: fmt.Sprintf("tenant_%d", (n+i)%tenants), Type: "order.paid", Data: n}
		}
		_, err := emitter.EmitBatch(ctx, batch)
		require.NoError(t, err)
	}
	await(t, func() bool {
		var open, finished int
		require.NoError(t, watch.QueryRowContext(ctx, "SELECT count(*) FROM webhook_deliveries").Scan(&finished))
		open = len(transport.Sent())
		return finished == deliveries && open >= deliveries
	})
	stop()
	require.NoError(t, <-stopped)

	// A server process counts its last scans when its connection ends.
	require.NoError(t, drain.DB().Close())
	require.NoError(t, emit.DB().Close())
	await(t, func() bool {
		others := -1
		require.NoError(t, watch.QueryRowContext(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "+
			"AND backend_type = 'client backend' AND pid <> pg_backend_pid()").Scan(&others))
		return others == 0
	})
	after := scansOf(t, watch)
	for _, table := range []string{"webhook_queue", "webhook_status", "webhook_events", "webhook_attempts"} {
		rows := after[table].rows - before[table].rows
		t.Logf("%s: %d sequential scans read %d rows", table, after[table].scans-before[table].scans, rows)
		assert.LessOrEqual(t, rows, int64(200), "%s: rows read by sequential scans", table)
	}
}

// await waits for a condition.
func await(t *testing.T, met func() bool) {
	t.Helper()
	require.Eventually(t, met, 2*time.Minute, 50*time.Millisecond)
}

type scans struct{ scans, rows int64 }

// scansOf returns how often tables have been read sequentially.
func scansOf(t *testing.T, db *sql.DB) map[string]scans {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT relname, seq_scan, seq_tup_read FROM pg_stat_user_tables")
	require.NoError(t, err)
	defer rows.Close()
	found := make(map[string]scans)
	for rows.Next() {
		var (
			name string
			s    scans
		)
		require.NoError(t, rows.Scan(&name, &s.scans, &s.rows))
		found[name] = s
	}
	require.NoError(t, rows.Err())
	return found
}
