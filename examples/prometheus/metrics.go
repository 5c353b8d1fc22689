package main

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gowebhook/webhook"
)

const (
	statsInterval = 30 * time.Second
	statsTimeout  = 5 * time.Second
)

// Metrics are the metrics of a Dispatcher for a Prometheus registry. They have the names that
// otelwebhook's metrics get in Prometheus, so the dashboard and the alerts of docs/ serve both.
// Copy this file into your application, and change it as you like.
type Metrics struct {
	attempts  *prometheus.CounterVec
	durations prometheus.Histogram
	calls     *prometheus.HistogramVec
	lost      prometheus.Counter
	oldest    *prometheus.Desc
	depth     *prometheus.Desc
	endpoints *prometheus.Desc
	pending   *prometheus.Desc

	dispatcher atomic.Pointer[webhook.Dispatcher]
	queue      atomic.Pointer[counted] // the last answer of Stats; nil before the first
}

// counted is an answer of Stats and the time when it was asked for.
type counted struct {
	stats webhook.Stats
	at    time.Time
}

// NewMetrics returns Metrics to register with a prometheus.Registerer.
func NewMetrics() *Metrics {
	return &Metrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "webhook_attempts_total", Help: "Attempts to send a delivery.",
		}, []string{"outcome", "error_type"}),
		durations: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "webhook_delivery_duration_seconds", Help: "Time from the emission of an event to the success of a delivery.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400},
		}),
		calls: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "webhook_store_duration_seconds", Help: "Duration of a call of the Store.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"operation", "error_type"}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "webhook_lease_lost_total", Help: "Results that came after another process had taken the delivery.",
		}),
		oldest:    prometheus.NewDesc("webhook_queue_oldest_due_age_seconds", "Age of the oldest delivery that is due.", nil, nil),
		depth:     prometheus.NewDesc("webhook_queue_depth", "Unfinished deliveries.", []string{"state"}, nil),
		endpoints: prometheus.NewDesc("webhook_endpoints", "Endpoints. A failing one counts as active or paused too.", []string{"state"}, nil),
		pending:   prometheus.NewDesc("webhook_settle_pending", "Results that the Store does not have yet.", nil, nil),
	}
}

// Observer returns the functions for webhook.Config.Observer.
func (m *Metrics) Observer() webhook.Observer {
	return webhook.Observer{
		Attempt: func(a webhook.Attempt, v webhook.Verdict) {
			if !a.Test {
				m.attempts.WithLabelValues(outcome(&a, v), errorType(&a)).Inc()
			}
		},
		BeginAttempt: func(ctx context.Context, r *webhook.Request) (context.Context, func(webhook.Attempt, webhook.Verdict)) {
			since := r.Since
			return ctx, func(a webhook.Attempt, v webhook.Verdict) {
				if v == webhook.VerdictSuccess && !a.Test {
					m.durations.Observe(a.StartedAt.Add(a.Duration).Sub(since).Seconds())
				}
			}
		},
		Store: func(c webhook.StoreCall) {
			failed := ""
			if c.Err != nil {
				failed = "_OTHER"
			}
			m.calls.WithLabelValues(c.Operation, failed).Observe(c.Duration.Seconds())
		},
		LeaseLost: func(n int) { m.lost.Add(float64(n)) },
	}
}

// outcome returns the consequence of an attempt.
func outcome(a *webhook.Attempt, v webhook.Verdict) string {
	switch {
	case v == webhook.VerdictSuccess:
		return "success"
	case v == webhook.VerdictDisable:
		return "disabled"
	case v == webhook.VerdictRetry && !a.NextAt.IsZero():
		return "retry"
	default:
		return "failed"
	}
}

// errorType returns the status of a response, or the class of another failure. Receivers choose
// the status, so those without a name count together.
func errorType(a *webhook.Attempt) string {
	if a.Class == webhook.ClassStatus && http.StatusText(a.Status) != "" {
		return strconv.Itoa(a.Status)
	}
	return string(a.Class)
}

// Watch counts the queue every 30 seconds until ctx ends. A scrape only reads the last answer,
// so it never waits for the Store.
func (m *Metrics) Watch(ctx context.Context, d *webhook.Dispatcher) {
	m.dispatcher.Store(d)
	ticker := time.NewTicker(statsInterval)
	defer ticker.Stop()
	for {
		if err := m.count(ctx, d); err != nil && ctx.Err() == nil {
			slog.WarnContext(ctx, "the queue cannot be counted", "err", err) //nolint:sloglint // an application has its own
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (m *Metrics) count(ctx context.Context, d *webhook.Dispatcher) error {
	ctx, cancel := context.WithTimeout(ctx, statsTimeout)
	defer cancel()
	began := time.Now()
	stats, err := d.Stats(ctx)
	if err == nil {
		m.queue.Store(&counted{stats, began})
	}
	return err
}

// Describe implements [prometheus.Collector].
func (m *Metrics) Describe(descs chan<- *prometheus.Desc) {
	m.attempts.Describe(descs)
	m.durations.Describe(descs)
	m.calls.Describe(descs)
	m.lost.Describe(descs)
	descs <- m.oldest
	descs <- m.depth
	descs <- m.endpoints
	descs <- m.pending
}

// Collect implements [prometheus.Collector]. It leaves out the queue if the last answer is old,
// because a figure that stands still looks like a queue that stands still.
func (m *Metrics) Collect(metrics chan<- prometheus.Metric) {
	m.attempts.Collect(metrics)
	m.durations.Collect(metrics)
	m.calls.Collect(metrics)
	m.lost.Collect(metrics)
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	if d := m.dispatcher.Load(); d != nil {
		gauge(m.pending, float64(d.Local().Unsettled))
	}
	q := m.queue.Load()
	if q == nil || time.Since(q.at) > 3*statsInterval {
		return
	}
	age := 0.0
	if !q.stats.OldestAt.IsZero() {
		age = max(q.stats.At.Sub(q.stats.OldestAt), 0).Seconds()
	}
	gauge(m.oldest, age)
	gauge(m.depth, float64(q.stats.Due), "due")
	gauge(m.depth, float64(q.stats.InFlight), "in_flight")
	gauge(m.depth, float64(q.stats.Waiting), "waiting")
	gauge(m.depth, float64(q.stats.Held), "held")
	gauge(m.depth, float64(q.stats.Outbox), "outbox")
	gauge(m.endpoints, float64(q.stats.Endpoints.Active), "active")
	gauge(m.endpoints, float64(q.stats.Endpoints.Paused), "paused")
	gauge(m.endpoints, float64(q.stats.Endpoints.Disabled), "disabled")
	gauge(m.endpoints, float64(q.stats.Endpoints.Failing), "failing")
}
