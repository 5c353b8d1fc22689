package otelwebhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"

	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/gowebhook/webhook"
)

// scope is the name of the instrumentation.
const scope = "github.com/gowebhook/webhook/otelwebhook"

// Telemetry reports what one Dispatcher does. Observe makes one. It is safe for concurrent use.
type Telemetry struct {
	config      Config // complete
	tracer      trace.Tracer
	meter       metric.Meter
	instruments *instruments
	watching    atomic.Bool // Watch runs
}

// Observe returns config with functions of its own in Observer and Network.Wrap. They call the
// functions that config has already. The Telemetry serves for the one Dispatcher that is made
// of the returned Config.
//
// If config has a Transport of its own, Network.Wrap is not used, and attempts have no spans of
// HTTP requests below them.
//
// It returns a [*webhook.FieldError] for a value of c that is out of range, and an error if the
// MeterProvider refuses an instrument.
func Observe(config webhook.Config, c Config) (webhook.Config, *Telemetry, error) {
	c, err := c.complete()
	if err != nil {
		return config, nil, fmt.Errorf("otelwebhook: observe: %w", err)
	}
	t := &Telemetry{
		config: c,
		tracer: c.TracerProvider.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL)),
		meter:  c.MeterProvider.Meter(scope, metric.WithSchemaURL(semconv.SchemaURL)),
	}
	if t.instruments, err = newInstruments(t.meter, c.Label); err != nil {
		return config, nil, fmt.Errorf("otelwebhook: observe: %w", err)
	}
	config.Observer = t.observer(config.Observer)
	config.Network.Wrap = t.wrap(config.Network.Wrap)
	return config, t, nil
}

// observer returns an Observer that also calls the functions of next.
func (t *Telemetry) observer(next webhook.Observer) webhook.Observer {
	o := next
	o.BeginEmit = func(ctx context.Context, events []webhook.Event) (context.Context, func([]webhook.Receipt, error)) {
		var end func([]webhook.Receipt, error)
		if next.BeginEmit != nil {
			if inner, innerEnd := next.BeginEmit(ctx, events); inner != nil {
				ctx, end = inner, innerEnd
			} else {
				end = innerEnd
			}
		}
		ctx, e := t.beginEmission(ctx, events)
		return ctx, func(receipts []webhook.Receipt, err error) {
			e.end(receipts, err)
			if end != nil {
				end(receipts, err)
			}
		}
	}
	o.BeginAttempt = func(ctx context.Context, r *webhook.Request) (context.Context, func(webhook.Attempt, webhook.Verdict)) {
		var end func(webhook.Attempt, webhook.Verdict)
		if next.BeginAttempt != nil {
			if inner, innerEnd := next.BeginAttempt(ctx, r); inner != nil {
				ctx, end = inner, innerEnd
			} else {
				end = innerEnd
			}
		}
		ctx, a := t.beginAttempt(ctx, r)
		return ctx, func(attempt webhook.Attempt, v webhook.Verdict) {
			a.end(attempt, v)
			if end != nil {
				end(attempt, v)
			}
		}
	}
	o.Attempt = func(a webhook.Attempt, v webhook.Verdict) {
		t.instruments.countAttempt(&a, v)
		if next.Attempt != nil {
			next.Attempt(a, v)
		}
	}
	o.Store = func(c webhook.StoreCall) {
		t.instruments.recordCall(&c)
		if next.Store != nil {
			next.Store(c)
		}
	}
	o.LeaseLost = func(n int) {
		t.instruments.leaseLost.Add(context.Background(), int64(n))
		if next.LeaseLost != nil {
			next.LeaseLost(n)
		}
	}
	return o
}

// wrap returns a function for Network.Wrap that makes spans around the RoundTripper of next.
func (t *Telemetry) wrap(next func(http.RoundTripper) http.RoundTripper) func(http.RoundTripper) http.RoundTripper {
	return func(base http.RoundTripper) http.RoundTripper {
		if next != nil {
			if wrapped := next(base); wrapped != nil {
				base = wrapped
			}
		}
		return &roundTripper{telemetry: t, base: base}
	}
}

var errWatching = errors.New("otelwebhook: watch: it is watching already; call Watch once for each Telemetry")
