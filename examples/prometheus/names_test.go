package main

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/otelwebhook"
	"github.com/gowebhook/webhook/webhooktest"
)

// A family is a metric as Prometheus knows it.
type family struct {
	kind   string   // "counter", "gauge" or "histogram"
	labels []string // of all its series, without those of the exporter
}

// config returns a Config whose receivers are in memory.
func config() webhook.Config {
	c := webhooktest.Config()
	c.Transport, c.Logger = &webhooktest.Transport{Answer: answer}, slog.New(slog.DiscardHandler)
	return c
}

// work lets a Dispatcher do a little of everything that a metric counts.
func work(t *testing.T, d *webhook.Dispatcher) {
	t.Helper()
	for _, id := range []string{"fine", "failing"} {
		_, err := d.Tenant("acme").CreateEndpoint(t.Context(), webhook.Endpoint{ID: id, URL: "https://" + id + ".example/", Events: []string{"*"}})
		require.NoError(t, err)
	}
	_, err := d.Emit(t.Context(), webhook.Event{Tenant: "acme", Type: "a.b"})
	require.NoError(t, err)
	require.NoError(t, webhooktest.Drain(t.Context(), d))
}

// answer fails for one of the endpoints.
func answer(_ context.Context, r *webhook.Request) (*webhook.Response, error) {
	if r.Message.Endpoint.ID == "failing" {
		return nil, webhook.ClassTimeout
	}
	return &webhook.Response{StatusCode: 204}, nil
}

// gathered returns the families of a registry that this library makes.
func gathered(t *testing.T, registry *prometheus.Registry) map[string]family {
	t.Helper()
	list, err := registry.Gather()
	require.NoError(t, err)
	found := make(map[string]family)
	for _, f := range list {
		if f.GetName() == "target_info" {
			continue
		}
		labels := make(map[string]bool)
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = true
			}
		}
		for _, own := range []string{"otel_scope_name", "otel_scope_version", "otel_scope_schema_url"} {
			delete(labels, own)
		}
		found[f.GetName()] = family{kindOf(f.GetType()), slices.Sorted(maps.Keys(labels))}
	}
	return found
}

func kindOf(t dto.MetricType) string {
	return map[dto.MetricType]string{
		dto.MetricType_COUNTER: "counter", dto.MetricType_GAUGE: "gauge", dto.MetricType_HISTOGRAM: "histogram",
	}[t]
}

// ofOpenTelemetry returns the metrics of otelwebhook, as the exporter of OpenTelemetry names
// them for Prometheus.
func ofOpenTelemetry(t *testing.T) map[string]family {
	t.Helper()
	registry := prometheus.NewRegistry()
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(registry))
	require.NoError(t, err)
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter))
	observed, telemetry, err := otelwebhook.Observe(config(), otelwebhook.Config{MeterProvider: provider})
	require.NoError(t, err)
	store := memstore.New(memstore.Options{})
	d, err := webhook.New(store, observed)
	require.NoError(t, err)
	work(t, d)
	refused, cancel := context.WithCancel(t.Context())
	cancel()
	_, _ = d.EmitTx(refused, store, webhook.Event{Tenant: "acme", Type: "a.b"}) // fails in the Store

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- telemetry.Watch(ctx, d) }()
	for {
		if found := gathered(t, registry); len(found["webhook_queue_depth"].labels) > 0 {
			stop()
			require.NoError(t, <-ended)
			return found
		}
	}
}

// The dashboard and the alerts serve both kinds of metrics, because they have the same names.
func TestBothKindsOfMetricsHaveTheSameNamesAndLabels(t *testing.T) {
	metrics := NewMetrics()
	registry := prometheus.NewRegistry()
	require.NoError(t, registry.Register(metrics))
	observed := config()
	observed.Observer = metrics.Observer()
	d, err := webhook.New(memstore.New(memstore.Options{}), observed)
	require.NoError(t, err)
	work(t, d)
	ended, cancel := context.WithCancel(t.Context())
	require.NoError(t, metrics.count(t.Context(), d))
	cancel()
	metrics.Watch(ended, d)

	own := gathered(t, registry)
	assert.Equal(t, own, ofOpenTelemetry(t))
	assert.Equal(t, []string{
		"webhook_attempts_total", "webhook_delivery_duration_seconds", "webhook_endpoints", "webhook_lease_lost_total", "webhook_queue_depth",
		"webhook_queue_oldest_due_age_seconds", "webhook_settle_pending", "webhook_store_duration_seconds",
	}, slices.Sorted(maps.Keys(own)))
}
