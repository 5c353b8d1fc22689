package otelwebhook_test

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/otelwebhook"
	"github.com/gowebhook/webhook/webhooktest"
)

// An application that has set up OpenTelemetry observes its Dispatcher in five lines. Here the
// metrics are read by hand.
func Example() {
	ctx := context.Background()
	reader := metric.NewManualReader()
	provider := metric.NewMeterProvider(metric.WithReader(reader)) // an application sets the global one

	config := webhooktest.Config()
	config.Transport = &webhooktest.Transport{} // answers 204
	config, telemetry, err := otelwebhook.Observe(config, otelwebhook.Config{MeterProvider: provider})
	if err != nil {
		panic(err)
	}
	d, err := webhook.New(memstore.New(memstore.Options{}), config)
	if err != nil {
		panic(err)
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go func() { _ = telemetry.Watch(watching, d) }()

	for _, id := range []string{"crm", "shop"} {
		e := webhook.Endpoint{ID: id, URL: "https://" + id + ".example/hook", Events: []string{"*"}}
		if _, err := d.Tenant("acme").CreateEndpoint(ctx, e); err != nil {
			panic(err)
		}
	}
	if _, err := d.Emit(ctx, webhook.Event{Tenant: "acme", Type: "member.joined"}); err != nil {
		panic(err)
	}
	if err := webhooktest.Drain(ctx, d); err != nil {
		panic(err)
	}

	var collected metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &collected); err != nil {
		panic(err)
	}
	for _, m := range collected.ScopeMetrics[0].Metrics {
		if attempts, ok := m.Data.(metricdata.Sum[int64]); ok && m.Name == "webhook.attempts" {
			outcome, _ := attempts.DataPoints[0].Attributes.Value("outcome")
			fmt.Println(m.Name, outcome.AsString(), attempts.DataPoints[0].Value)
		}
	}
	// Output: webhook.attempts success 2
}

// embed has the code of docs/observability.md.
//
//nolint:unused // it only has to compile
func embed(ctx context.Context, store webhook.Store, config webhook.Config) error {
	config, telemetry, err := otelwebhook.Observe(config, otelwebhook.Config{})
	if err != nil {
		return err
	}
	d, err := webhook.New(store, config)
	if err != nil {
		return err
	}
	go telemetry.Watch(ctx, d) //nolint:errcheck // it ends with ctx
	return d.Run(ctx)
}
