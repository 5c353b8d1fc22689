package otelwebhook

import (
	"fmt"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/gowebhook/webhook"
)

// A Config configures Observe. The zero value is usable.
type Config struct {
	// TracerProvider makes the spans. Defaults to the global one, otel.GetTracerProvider().
	TracerProvider trace.TracerProvider

	// MeterProvider makes the metrics. Defaults to the global one, otel.GetMeterProvider().
	MeterProvider metric.MeterProvider

	// Label adds ids of tenants and endpoints to webhook.attempts and
	// webhook.delivery.duration. Each id then has time series of its own, about 20 for a
	// histogram. The SDK keeps 2,000 attribute sets of a metric by default, and counts the
	// others together. Defaults to NoLabel.
	Label Label

	// SendTraceparent sends the header traceparent to receivers, with the span of the HTTP
	// request. A receiver that continues the trace sees ids of yours, and no other part of the
	// trace. A traceparent header of the event or of the endpoint wins. The signature does not
	// cover the header. Defaults to false.
	SendTraceparent bool

	// StatsInterval is the time between two calls of Dispatcher.Stats by Watch, 1 second to 1
	// hour. Over SQL such a call reads the whole queue, which takes about a second for a
	// million deliveries. All processes report the same figures, so with dozens of processes
	// raise it, or call Watch in some of them only. A negative value turns the figures of
	// the queue off. Defaults to 30 s.
	StatsInterval time.Duration

	// StatsTimeout bounds one call of Dispatcher.Stats, 10 milliseconds to 1 minute. Defaults to
	// 5 s.
	StatsTimeout time.Duration
}

// A Label says which ids some metrics have as attributes.
type Label string

// Labels.
const (
	NoLabel       Label = ""         // none
	LabelTenant   Label = "tenant"   // webhook.tenant.id
	LabelEndpoint Label = "endpoint" // webhook.tenant.id and webhook.endpoint.id
)

const (
	defaultStatsInterval = 30 * time.Second
	defaultStatsTimeout  = 5 * time.Second
)

// complete returns c with its defaults filled in, or a *webhook.FieldError.
func (c Config) complete() (Config, error) {
	if c.TracerProvider == nil {
		c.TracerProvider = otel.GetTracerProvider()
	}
	if c.MeterProvider == nil {
		c.MeterProvider = otel.GetMeterProvider()
	}
	if c.StatsInterval == 0 {
		c.StatsInterval = defaultStatsInterval
	}
	if c.StatsTimeout == 0 {
		c.StatsTimeout = defaultStatsTimeout
	}
	switch c.Label {
	case NoLabel, LabelTenant, LabelEndpoint:
	default:
		return c, &webhook.FieldError{
			Field: "otelwebhook.Config.Label", Problem: fmt.Sprintf("is unknown: %q", string(c.Label)),
			Cure: "use NoLabel, LabelTenant or LabelEndpoint",
		}
	}
	if c.StatsInterval > 0 {
		if err := checkRange("StatsInterval", c.StatsInterval, time.Second, time.Hour); err != nil {
			return c, err
		}
	}
	return c, checkRange("StatsTimeout", c.StatsTimeout, 10*time.Millisecond, time.Minute)
}

// checkRange returns an error if a duration is not between low and high.
func checkRange(field string, value, low, high time.Duration) error {
	if value < low || value > high {
		return &webhook.FieldError{
			Field: "otelwebhook.Config." + field, Problem: fmt.Sprintf("is %v", value), Cure: fmt.Sprintf("use %v to %v", low, high),
		}
	}
	return nil
}
