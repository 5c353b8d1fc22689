package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/internal/leaktest"
)

func TestMain(m *testing.M) { os.Exit(leaktest.Main(m)) }

// scrape returns the metrics of a running program.
func scrape(t *testing.T, address string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/metrics", http.NoBody)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(text)
}

func TestTheProgramServesTheMetricsOfItsDeliveries(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, listener, time.Millisecond) }()

	for _, pattern := range []string{
		`(?m)^webhook_attempts_total{error_type="",outcome="success"} [1-9]`,
		`(?m)^webhook_attempts_total{error_type="503",outcome="retry"} [1-9]`,
		`(?m)^webhook_delivery_duration_seconds_count [1-9]`,
		`(?m)^webhook_store_duration_seconds_count{error_type="",operation="settle"} [1-9]`,
		`(?m)^webhook_queue_depth{state="due"} \d`,
		`(?m)^webhook_queue_oldest_due_age_seconds \d`,
		`(?m)^webhook_lease_lost_total 0`,
		`(?m)^webhook_settle_pending \d`,
	} {
		for !regexp.MustCompile(pattern).MatchString(scrape(t, listener.Addr().String())) {
			require.NoError(t, t.Context().Err(), pattern)
		}
	}
	text := scrape(t, listener.Addr().String())
	assert.NotContains(t, text, "acme", "no metric has a tenant")
	assert.NotContains(t, text, "steady", "no metric has an endpoint")
	cancel()
	require.NoError(t, <-ended)
}
