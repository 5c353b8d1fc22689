package otelwebhook

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/leaktest"
	"github.com/gowebhook/webhook/memstore"
)

func TestMain(m *testing.M) { os.Exit(leaktest.Main(m)) }

const acme = "acme"

var errStore = errors.New("the database is away")

// A fakeNetwork answers requests in memory, in place of the library's RoundTripper.
type fakeNetwork struct {
	answer func(*http.Request) (*http.Response, error) // nil answers 204

	mu   sync.Mutex
	sent []*http.Request
}

func (n *fakeNetwork) RoundTrip(r *http.Request) (*http.Response, error) {
	n.mu.Lock()
	n.sent = append(n.sent, r)
	n.mu.Unlock()
	if n.answer != nil {
		return n.answer(r)
	}
	return response(http.StatusNoContent), nil
}

func response(status int) *http.Response {
	return &http.Response{StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("ok"))}
}

// answers returns the given statuses one after the other, and then the last one.
func answers(statuses ...int) func(*http.Request) (*http.Response, error) {
	var mu sync.Mutex
	return func(*http.Request) (*http.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		status := statuses[0]
		if len(statuses) > 1 {
			statuses = statuses[1:]
		}
		return response(status), nil
	}
}

// A faultyStore is a Store that can be made to fail. Its functions are set before Run begins.
type faultyStore struct {
	webhook.Store
	stats  func(context.Context) (webhook.Stats, error)
	settle func(context.Context, time.Time, []webhook.Settlement) (webhook.Settled, error)
}

func (s *faultyStore) Stats(ctx context.Context, now time.Time) (webhook.Stats, error) {
	if s.stats != nil {
		return s.stats(ctx)
	}
	return s.Store.Stats(ctx, now)
}

func (s *faultyStore) Settle(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
	if s.settle != nil {
		return s.settle(ctx, now, items)
	}
	return s.Store.Settle(ctx, now, items)
}

// A rig is an observed Dispatcher in memory, with in-memory exporters.
type rig struct {
	*webhook.Dispatcher
	t         *testing.T
	store     *faultyStore
	net       *fakeNetwork
	telemetry *Telemetry
	spans     *tracetest.SpanRecorder
	reader    *sdkmetric.ManualReader
}

// newRig makes a rig. configure may change both configurations.
func newRig(t *testing.T, configure func(*webhook.Config, *Config)) *rig {
	t.Helper()
	r := &rig{
		t: t, store: &faultyStore{Store: memstore.New(memstore.Options{})}, net: &fakeNetwork{},
		spans: tracetest.NewSpanRecorder(), reader: sdkmetric.NewManualReader(),
	}
	config := webhook.Config{Logger: slog.New(slog.DiscardHandler)}
	config.Network.Wrap = func(http.RoundTripper) http.RoundTripper { return r.net }
	c := Config{
		TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(r.spans)),
		MeterProvider:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(r.reader)),
	}
	if configure != nil {
		configure(&config, &c)
	}
	observed, telemetry, err := Observe(config, c)
	require.NoError(t, err)
	r.telemetry = telemetry
	r.Dispatcher, err = webhook.New(r.store, observed)
	require.NoError(t, err)
	return r
}

// run starts Run and Watch until the end of the test.
func (r *rig) run() {
	ctx, cancel := context.WithCancel(context.Background())
	var both sync.WaitGroup
	both.Go(func() { _ = r.Run(ctx) })
	both.Go(func() { _ = r.telemetry.Watch(ctx, r.Dispatcher) })
	r.t.Cleanup(func() {
		cancel()
		both.Wait()
	})
}

// endpoint registers an endpoint of acme for every event.
func (r *rig) endpoint(id string, change ...func(*webhook.Endpoint)) webhook.Endpoint {
	r.t.Helper()
	e := webhook.Endpoint{ID: id, URL: "https://" + id + ".example/hook", Events: []string{"*"}}
	for _, c := range change {
		c(&e)
	}
	e, err := r.Tenant(acme).CreateEndpoint(r.t.Context(), e)
	require.NoError(r.t, err)
	return e
}

func event(id string) webhook.Event {
	return webhook.Event{Tenant: acme, Type: "member.joined", ID: id}
}

// emit emits an event of acme.
func (r *rig) emit(id string) {
	r.t.Helper()
	_, err := r.Emit(r.t.Context(), event(id))
	require.NoError(r.t, err)
}

// ended returns the spans of a name that have ended.
func (r *rig) ended(name string) (list []sdktrace.ReadOnlySpan) {
	for _, span := range r.spans.Ended() {
		if span.Name() == name {
			list = append(list, span)
		}
	}
	return list
}

// attributes returns the attributes of a span as text.
func attributes(span sdktrace.ReadOnlySpan) map[string]string { return textOf(span.Attributes()) }

func textOf(list []attribute.KeyValue) map[string]string {
	text := make(map[string]string, len(list))
	for _, a := range list {
		text[string(a.Key)] = a.Value.String()
	}
	return text
}

// collect returns all metrics by name.
func (r *rig) collect() map[string]metricdata.Metrics {
	r.t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(r.t, r.reader.Collect(r.t.Context(), &all))
	found := make(map[string]metricdata.Metrics)
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			found[m.Name] = m
		}
	}
	return found
}

// values returns the values of a metric by its attributes, for example "retry 503". The value
// of a histogram is its count.
func (r *rig) values(name string) map[string]float64 {
	r.t.Helper()
	found := make(map[string]float64)
	add := func(set attribute.Set, value float64) {
		var parts []string
		for _, a := range set.ToSlice() {
			parts = append(parts, a.Value.String())
		}
		found[strings.Join(parts, " ")] = value
	}
	switch data := r.collect()[name].Data.(type) {
	case nil:
	case metricdata.Sum[int64]:
		for _, p := range data.DataPoints {
			add(p.Attributes, float64(p.Value))
		}
	case metricdata.Gauge[int64]:
		for _, p := range data.DataPoints {
			add(p.Attributes, float64(p.Value))
		}
	case metricdata.Gauge[float64]:
		for _, p := range data.DataPoints {
			add(p.Attributes, p.Value)
		}
	case metricdata.Histogram[float64]:
		for _, p := range data.DataPoints {
			add(p.Attributes, float64(p.Count))
		}
	default:
		r.t.Fatalf("%s is a %T", name, data)
	}
	return found
}

// inTime runs a test with a fake clock, and fails if a goroutine is left.
func inTime(t *testing.T, test func(*testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

// pass lets fake time pass.
func pass(d time.Duration) { time.Sleep(d) } //nolint:forbidigo // only within inTime
