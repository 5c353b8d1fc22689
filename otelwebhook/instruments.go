package otelwebhook

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/gowebhook/webhook"
)

// Attributes of our own.
const (
	outcomeKey       = attribute.Key("outcome")
	stateKey         = attribute.Key("state")
	operationKey     = attribute.Key("operation")
	tenantKey        = attribute.Key("webhook.tenant.id")
	endpointKey      = attribute.Key("webhook.endpoint.id")
	eventKey         = attribute.Key("webhook.event.id")
	eventTypeKey     = attribute.Key("webhook.event.type")
	eventsKey        = attribute.Key("webhook.events")
	deliveriesKey    = attribute.Key("webhook.deliveries")
	duplicateKey     = attribute.Key("webhook.duplicate")
	attemptNumberKey = attribute.Key("webhook.attempt.number")
	testKey          = attribute.Key("webhook.test")
)

// Outcomes of an attempt.
const (
	outcomeSuccess  = "success"  // delivered
	outcomeRetry    = "retry"    // failed, and tried again later
	outcomeFailed   = "failed"   // failed, and the delivery was given up
	outcomeDisabled = "disabled" // failed, and the endpoint was disabled
	outcomeCut      = "cut"      // no attempt: cut at shutdown; only of spans
)

// outcomeOf returns the outcome of an attempt.
func outcomeOf(a *webhook.Attempt, v webhook.Verdict) string {
	switch {
	case v == webhook.VerdictSuccess:
		return outcomeSuccess
	case v == webhook.VerdictDisable:
		return outcomeDisabled
	case v == "":
		return outcomeCut
	case v == webhook.VerdictRetry && !a.NextAt.IsZero():
		return outcomeRetry
	default:
		return outcomeFailed
	}
}

// errorType returns the error.type of an attempt, or "" for a success. It is the status code of
// a response, as the semantic conventions say, or the Class. A receiver may answer with any
// number, so codes without a name are together "http_status".
func errorType(a *webhook.Attempt) string {
	if a.Class == webhook.ClassStatus && http.StatusText(a.Status) != "" {
		return strconv.Itoa(a.Status)
	}
	return string(a.Class)
}

// Boundaries of the histograms, in seconds.
var (
	deliverySeconds = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400}
	storeSeconds    = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
)

// The instruments of one Telemetry.
type instruments struct {
	label Label

	attempts         metric.Int64Counter
	deliveryDuration metric.Float64Histogram
	storeDuration    metric.Float64Histogram
	leaseLost        metric.Int64Counter

	oldestDueAge  metric.Float64ObservableGauge
	depth         metric.Int64ObservableGauge
	endpoints     metric.Int64ObservableGauge
	settlePending metric.Int64ObservableUpDownCounter

	mu       sync.RWMutex
	outcomes map[outcome][]metric.AddOption // without ids
	calls    map[call][]metric.RecordOption
}

// An outcome is the attributes of an attempt, and a call those of a call of the Store.
type (
	outcome struct{ outcome, errorType string }
	call    struct{ operation, errorType string }
)

func newInstruments(m metric.Meter, label Label) (*instruments, error) {
	i := &instruments{label: label, outcomes: make(map[outcome][]metric.AddOption), calls: make(map[call][]metric.RecordOption)}
	var errs [8]error
	i.attempts, errs[0] = m.Int64Counter("webhook.attempts", metric.WithUnit("{attempt}"),
		metric.WithDescription("Attempts to send a delivery, by outcome, and by error.type if they failed."))
	i.deliveryDuration, errs[1] = m.Float64Histogram("webhook.delivery.duration", metric.WithUnit("s"),
		metric.WithDescription("Time from the emission of an event, or from its NotBefore, to the success of a delivery."),
		metric.WithExplicitBucketBoundaries(deliverySeconds...))
	i.storeDuration, errs[2] = m.Float64Histogram("webhook.store.duration", metric.WithUnit("s"),
		metric.WithDescription("Duration of a call of the Store, by operation, and by error.type if it failed."),
		metric.WithExplicitBucketBoundaries(storeSeconds...))
	i.leaseLost, errs[3] = m.Int64Counter("webhook.lease.lost", metric.WithUnit("{lease}"),
		metric.WithDescription("Results that came after another process had taken the delivery. It may be sent twice."))
	i.oldestDueAge, errs[4] = m.Float64ObservableGauge("webhook.queue.oldest_due_age", metric.WithUnit("s"),
		metric.WithDescription("Age of the oldest delivery that is due and not in flight, over all processes. 0 if there is none."))
	i.depth, errs[5] = m.Int64ObservableGauge("webhook.queue.depth", metric.WithUnit("{delivery}"),
		metric.WithDescription("Unfinished deliveries by state, over all processes."))
	i.endpoints, errs[6] = m.Int64ObservableGauge("webhook.endpoints", metric.WithUnit("{endpoint}"),
		metric.WithDescription("Endpoints by state, over all tenants. A failing endpoint counts as active or paused too."))
	i.settlePending, errs[7] = m.Int64ObservableUpDownCounter("webhook.settle.pending", metric.WithUnit("{result}"),
		metric.WithDescription("Results of attempts of this process that the Store does not have yet."))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	i.leaseLost.Add(context.Background(), 0) // a series that begins at its first event hides that event from a rate
	return i, nil
}

// countAttempt counts an attempt. Its options are made once for each outcome, unless they have
// ids.
func (i *instruments) countAttempt(a *webhook.Attempt, v webhook.Verdict) {
	if a.Test {
		return
	}
	o := outcome{outcomeOf(a, v), errorType(a)}
	if i.label != NoLabel {
		attributes := append(o.attributes(), i.ids(a)...)
		i.attempts.Add(context.Background(), 1, metric.WithAttributes(attributes...))
		return
	}
	i.mu.RLock()
	options := i.outcomes[o]
	i.mu.RUnlock()
	if options == nil {
		options = []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(o.attributes()...))}
		i.mu.Lock()
		i.outcomes[o] = options
		i.mu.Unlock()
	}
	i.attempts.Add(context.Background(), 1, options...)
}

func (o outcome) attributes() []attribute.KeyValue {
	list := []attribute.KeyValue{outcomeKey.String(o.outcome)}
	if o.errorType != "" {
		list = append(list, semconv.ErrorTypeKey.String(o.errorType))
	}
	return list
}

// ids returns the ids that Config.Label asks for.
func (i *instruments) ids(a *webhook.Attempt) []attribute.KeyValue {
	switch i.label {
	case LabelTenant:
		return []attribute.KeyValue{tenantKey.String(a.Tenant)}
	case LabelEndpoint:
		return []attribute.KeyValue{tenantKey.String(a.Tenant), endpointKey.String(a.EndpointID)}
	default:
		return nil
	}
}

// recordDelivery records a success of a delivery that was due since a time. ctx has the span of
// the attempt, for an exemplar.
func (i *instruments) recordDelivery(ctx context.Context, a *webhook.Attempt, since time.Time) {
	if a.Test {
		return
	}
	seconds := max(a.StartedAt.Add(a.Duration).Sub(since), 0).Seconds()
	if i.label == NoLabel {
		i.deliveryDuration.Record(ctx, seconds)
		return
	}
	i.deliveryDuration.Record(ctx, seconds, metric.WithAttributes(i.ids(a)...))
}

// recordCall records a call of the Store.
func (i *instruments) recordCall(c *webhook.StoreCall) {
	k := call{c.Operation, storeErrorType(c.Err)}
	i.mu.RLock()
	options := i.calls[k]
	i.mu.RUnlock()
	if options == nil {
		list := []attribute.KeyValue{operationKey.String(k.operation)}
		if k.errorType != "" {
			list = append(list, semconv.ErrorTypeKey.String(k.errorType))
		}
		options = []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(list...))}
		i.mu.Lock()
		i.calls[k] = options
		i.mu.Unlock()
	}
	i.storeDuration.Record(context.Background(), c.Duration.Seconds(), options...)
}

// storeErrorType returns the error.type of a call of the Store. It has few values, so that
// drivers cannot make many time series.
func storeErrorType(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, webhook.ErrFull):
		return "full"
	default:
		return semconv.ErrorTypeOther.Value.AsString()
	}
}
