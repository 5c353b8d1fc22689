// Package otelwebhook reports the events and deliveries of a [webhook.Dispatcher] to
// OpenTelemetry. It needs five lines in an application that has set up OpenTelemetry:
//
//	observed, telemetry, err := otelwebhook.Observe(config, otelwebhook.Config{})
//	if err != nil {
//		return err
//	}
//	d, err := webhook.New(store, observed)
//	…
//	go telemetry.Watch(ctx, d)
//
// The page docs/observability.md in the repository lists every metric with its unit and the
// value that should wake somebody. A Grafana dashboard and alert rules for Prometheus are
// beside it.
//
// # Spans
//
//	webhook.emit                     Emit, EmitBatch or EmitTx, a child of the caller's span
//	    ┊ link                       through the Store, also to another process
//	webhook.attempt                  one attempt, the root of a trace of its own
//	└── POST                         its HTTP request, within Network.Wrap
//
// Every attempt has its own trace, because retries may follow for days. Its link leads to the
// span that emitted the event.
//
// The attributes of an HTTP request are those of the stable semantic conventions. A URL in a
// span has only scheme, host and port: the path and query of a webhook's URL are often secret.
// Spans have no headers and no bodies.
//
// # Metrics
//
//	webhook.queue.oldest_due_age   s           age of the oldest delivery that is due
//	webhook.queue.depth            {delivery}  unfinished deliveries by state
//	webhook.endpoints              {endpoint}  endpoints by state
//	webhook.attempts               {attempt}   attempts by outcome and error.type
//	webhook.delivery.duration      s           from emission to success
//	webhook.store.duration         s           calls of the Store by operation
//	webhook.lease.lost             {lease}     results that came too late
//	webhook.settle.pending         {result}    results that the Store does not have yet
//
// Test sends have spans, but do not count in metrics. No metric has the id of a tenant or of an
// endpoint, unless Config.Label asks for it.
package otelwebhook
