package otelwebhook

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/gowebhook/webhook"
)

// staleAfter is the age, in intervals, at which figures of the queue are no longer reported. A
// figure that does not change looks like a queue that does not move.
const staleAfter = 3

// Watch reports the figures of the queue and of this process until ctx ends. It reads
// Dispatcher.Stats every Config.StatsInterval, and keeps the answer. A collection of metrics
// only reads that answer, so it calls no Store, and no Store can delay it.
//
// If Stats fails or hangs for three intervals, the figures of the queue are no longer reported,
// until it answers again. webhook.settle.pending is still reported. Errors of Stats go to the
// error handler of OpenTelemetry (otel.SetErrorHandler).
//
// Watch returns nil when ctx has ended. It returns an error at once if d is nil, if it is
// running already, or if the MeterProvider refuses the callback. It may be called again after
// it has returned.
func (t *Telemetry) Watch(ctx context.Context, d *webhook.Dispatcher) error {
	if d == nil {
		return fmt.Errorf("otelwebhook: watch: %w", &webhook.FieldError{Field: "d", Problem: "is nil", Cure: "pass the Dispatcher that New returned"})
	}
	if !t.watching.CompareAndSwap(false, true) {
		return errWatching
	}
	defer t.watching.Store(false)
	w := &watcher{telemetry: t, dispatcher: d}
	registration, err := t.meter.RegisterCallback(w.observe,
		t.instruments.oldestDueAge, t.instruments.depth, t.instruments.endpoints, t.instruments.settlePending)
	if err != nil {
		return fmt.Errorf("otelwebhook: watch: %w", err)
	}
	defer func() { _ = registration.Unregister() }()
	w.run(ctx)
	return nil
}

// A watcher keeps the last figures of the queue.
type watcher struct {
	telemetry  *Telemetry
	dispatcher *webhook.Dispatcher
	last       atomic.Pointer[figures] // nil before the first answer
}

// The figures of the queue are the answer of one call of Stats.
type figures struct {
	stats webhook.Stats
	at    time.Time // when the call began, by this process
}

// run reads the figures again and again until ctx ends.
func (w *watcher) run(ctx context.Context) {
	interval := w.telemetry.config.StatsInterval
	if interval < 0 {
		<-ctx.Done()
		return
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if err := w.read(ctx); err != nil && ctx.Err() == nil {
			otel.Handle(fmt.Errorf("otelwebhook: the queue cannot be counted: %w", err))
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// read calls Stats once.
func (w *watcher) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, w.telemetry.config.StatsTimeout)
	defer cancel()
	began := time.Now()
	stats, err := w.dispatcher.Stats(ctx)
	if err == nil {
		w.last.Store(&figures{stats, began})
	}
	return err
}

// States of webhook.queue.depth.
var (
	stateDue      = stateOption("due")
	stateInFlight = stateOption("in_flight")
	stateWaiting  = stateOption("waiting")
	stateHeld     = stateOption("held")
	stateOutbox   = stateOption("outbox")
)

// States of webhook.endpoints. A failing endpoint counts as active or paused too.
var (
	stateActive   = stateOption("active")
	statePaused   = stateOption("paused")
	stateDisabled = stateOption("disabled")
	stateFailing  = stateOption("failing")
)

func stateOption(state string) metric.ObserveOption {
	return metric.WithAttributeSet(attribute.NewSet(stateKey.String(state)))
}

// observe is the callback of a collection.
func (w *watcher) observe(_ context.Context, o metric.Observer) error {
	i := w.telemetry.instruments
	o.ObserveInt64(i.settlePending, int64(w.dispatcher.Local().Unsettled))
	f := w.last.Load()
	if f == nil || time.Since(f.at) > staleAfter*w.telemetry.config.StatsInterval {
		return nil
	}
	o.ObserveFloat64(i.oldestDueAge, oldestDueAge(&f.stats))
	o.ObserveInt64(i.depth, int64(f.stats.Due), stateDue)
	o.ObserveInt64(i.depth, int64(f.stats.InFlight), stateInFlight)
	o.ObserveInt64(i.depth, int64(f.stats.Waiting), stateWaiting)
	o.ObserveInt64(i.depth, int64(f.stats.Held), stateHeld)
	o.ObserveInt64(i.depth, int64(f.stats.Outbox), stateOutbox)
	o.ObserveInt64(i.endpoints, int64(f.stats.Endpoints.Active), stateActive)
	o.ObserveInt64(i.endpoints, int64(f.stats.Endpoints.Paused), statePaused)
	o.ObserveInt64(i.endpoints, int64(f.stats.Endpoints.Disabled), stateDisabled)
	o.ObserveInt64(i.endpoints, int64(f.stats.Endpoints.Failing), stateFailing)
	return nil
}

// oldestDueAge returns the age of the oldest due delivery at the time of the counts, by the
// store's clock.
func oldestDueAge(s *webhook.Stats) float64 {
	if s.OldestAt.IsZero() {
		return 0
	}
	return max(s.At.Sub(s.OldestAt), 0).Seconds()
}
