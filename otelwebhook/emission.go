package otelwebhook

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/gowebhook/webhook"
)

// An emission is the span of a call of Emit, EmitBatch or EmitTx.
type emission struct {
	span trace.Span
}

// beginEmission starts the span, and lets the events carry it to their attempts. The span is of
// the kind producer, and that of an attempt of the kind consumer, because a queue is between
// them.
func (t *Telemetry) beginEmission(ctx context.Context, events []webhook.Event) (context.Context, *emission) {
	attributes := make([]attribute.KeyValue, 1, 3)
	attributes[0] = eventsKey.Int(len(events))
	if tenant, shared := sharedBy(events, func(e *webhook.Event) string { return e.Tenant }); shared {
		attributes = append(attributes, tenantKey.String(tenant))
	}
	if typ, shared := sharedBy(events, func(e *webhook.Event) string { return e.Type }); shared {
		attributes = append(attributes, eventTypeKey.String(typ))
	}
	ctx, span := t.tracer.Start(ctx, "webhook.emit", trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(attributes...))
	if trace := traceparentOf(ctx); trace != "" {
		for i := range events {
			if events[i].Trace == "" {
				events[i].Trace = trace
			}
		}
	}
	return ctx, &emission{span}
}

// sharedBy returns the value of all events. It reports false if they differ, or if there are none.
func sharedBy(events []webhook.Event, value func(*webhook.Event) string) (string, bool) {
	if len(events) == 0 {
		return "", false
	}
	first := value(&events[0])
	for i := range events {
		if value(&events[i]) != first {
			return "", false
		}
	}
	return first, true
}

// end ends the span with the results of the call.
func (e *emission) end(receipts []webhook.Receipt, err error) {
	defer e.span.End()
	if !e.span.IsRecording() {
		return
	}
	if err != nil {
		e.span.SetStatus(codes.Error, err.Error())
		e.span.SetAttributes(semconv.ErrorTypeKey.String(emitErrorType(err)))
	}
	if len(receipts) == 1 {
		e.span.SetAttributes(eventKey.String(receipts[0].EventID), duplicateKey.Bool(receipts[0].Duplicate))
	}
	if total := deliveriesOf(receipts); total >= 0 && err == nil {
		e.span.SetAttributes(deliveriesKey.Int(total))
	}
}

// deliveriesOf returns the number of deliveries that were created, or -1 if some are created
// later.
func deliveriesOf(receipts []webhook.Receipt) (total int) {
	for i := range receipts {
		if receipts[i].Deliveries < 0 {
			return -1
		}
		total += receipts[i].Deliveries
	}
	return total
}

// emitErrorType returns the error.type of an error of Emit.
func emitErrorType(err error) string {
	var refused *webhook.FieldError
	switch {
	case errors.As(err, &refused):
		return "invalid"
	case errors.Is(err, webhook.ErrConflict):
		return "conflict"
	default:
		return storeErrorType(err)
	}
}
