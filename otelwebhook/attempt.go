package otelwebhook

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/gowebhook/webhook"
)

// An attempt is the span of an attempt under way.
type attempt struct {
	telemetry *Telemetry
	ctx       context.Context //nolint:containedctx // with the span, for the exemplar of its duration
	span      trace.Span
	since     time.Time // when the delivery was first due
}

// beginAttempt starts the span of an attempt. Only a test send has a caller, and with it
// perhaps a parent.
func (t *Telemetry) beginAttempt(ctx context.Context, r *webhook.Request) (context.Context, *attempt) {
	event, endpoint := r.Message.Event, r.Message.Endpoint
	ctx, span := t.tracer.Start(ctx, "webhook.attempt",
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithLinks(linksTo(event.Trace)...),
		trace.WithAttributes(
			tenantKey.String(event.Tenant), endpointKey.String(endpoint.ID), eventKey.String(event.ID),
			eventTypeKey.String(event.Type), attemptNumberKey.Int(r.Attempt),
		))
	return context.WithValue(ctx, attemptNumberContext{}, r.Attempt), &attempt{t, ctx, span, r.Since}
}

// linksTo returns a link to the span of an emission, or none if the event was emitted without
// one.
func linksTo(emission string) []trace.Link {
	if emission == "" {
		return nil
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{traceparent: emission})
	if found := trace.SpanContextFromContext(ctx); found.IsValid() {
		return []trace.Link{{SpanContext: found}}
	}
	return nil
}

// attemptNumberContext is the context key of the number of an attempt.
type attemptNumberContext struct{}

// end ends the span, and records the duration of a delivery that has succeeded.
func (a *attempt) end(done webhook.Attempt, v webhook.Verdict) {
	defer a.span.End()
	if v == webhook.VerdictSuccess {
		a.telemetry.instruments.recordDelivery(a.ctx, &done, a.since)
	}
	if !a.span.IsRecording() {
		return
	}
	attributes := make([]attribute.KeyValue, 1, 4)
	attributes[0] = outcomeKey.String(outcomeOf(&done, v))
	if done.Status != 0 {
		attributes = append(attributes, semconv.HTTPResponseStatusCode(done.Status))
	}
	if kind := errorType(&done); kind != "" {
		attributes = append(attributes, semconv.ErrorTypeKey.String(kind))
		a.span.SetStatus(codes.Error, done.Error)
	}
	if done.Test {
		attributes = append(attributes, testKey.Bool(true))
	}
	a.span.SetAttributes(attributes...)
}
