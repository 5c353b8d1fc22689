package otelwebhook

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
)

// BenchmarkDelivery delivers events in memory. The difference of two cases is the cost of the
// observation of one delivery: an event, an attempt and its request.
func BenchmarkDelivery(b *testing.B) {
	metrics := func() *sdkmetric.MeterProvider {
		return sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	}
	for _, tc := range []struct {
		name    string
		observe *Config // nil for none
	}{
		{"none", nil},
		{"metrics", &Config{MeterProvider: metrics(), TracerProvider: noop.NewTracerProvider()}},
		{"unsampled", &Config{MeterProvider: metrics(), TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))}},
		{"sampled", &Config{MeterProvider: metrics(), TracerProvider: sdktrace.NewTracerProvider()}},
	} {
		b.Run(tc.name, func(b *testing.B) { benchmarkDelivery(b, tc.observe) })
	}
}

func benchmarkDelivery(b *testing.B, observe *Config) {
	b.Helper()
	b.ReportAllocs()
	var left sync.WaitGroup
	net := &countingNetwork{left: &left}
	config := webhook.Config{Logger: slog.New(slog.DiscardHandler)}
	config.Network.Wrap = func(http.RoundTripper) http.RoundTripper { return net }
	if observe != nil {
		var err error
		config, _, err = Observe(config, *observe)
		require.NoError(b, err)
	}
	d, err := webhook.New(memstore.New(memstore.Options{}), config)
	require.NoError(b, err)
	for i := range 8 {
		e := webhook.Endpoint{URL: fmt.Sprintf("https://e%d.example/hook", i), Events: []string{fmt.Sprintf("type.%d", i)}}
		_, err := d.Tenant(acme).CreateEndpoint(b.Context(), e)
		require.NoError(b, err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	for n := 0; b.Loop(); n++ {
		left.Add(1)
		_, err := d.Emit(ctx, webhook.Event{Tenant: acme, Type: fmt.Sprintf("type.%d", n%8), Data: n})
		require.NoError(b, err)
		if n%64 == 63 {
			left.Wait() // neither queues nor memory grow
		}
	}
	left.Wait()
	cancel()
	require.NoError(b, <-ended)
}

// A countingNetwork answers 204 and counts the answers.
type countingNetwork struct{ left *sync.WaitGroup }

func (n *countingNetwork) RoundTrip(*http.Request) (*http.Response, error) {
	defer n.left.Done()
	return &http.Response{StatusCode: http.StatusNoContent, Header: http.Header{}, Body: http.NoBody}, nil
}
