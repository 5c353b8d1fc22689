// Package webhooktest is for the tests of applications that send webhooks. [Receiver] is a
// customer's server: it records requests, verifies their signatures, and answers as it is told.
// [Transport] takes the network's place altogether. [Config] allows the loopback addresses that
// both use, and [Drain] sends the due deliveries.
//
//	d, _ := webhook.New(memstore.New(memstore.Options{}), webhooktest.Config())
//	receiver := webhooktest.NewReceiver()
//	defer receiver.Close()
//	d.Tenant("acme").CreateEndpoint(ctx, webhook.Endpoint{URL: receiver.URL, Secret: receiver.Secret, Events: []string{"*"}})
//
//	yourApplication.DoSomething(d)
//
//	webhooktest.Drain(ctx, d)
//	receiver.Received() // the requests that the customer got
package webhooktest

import (
	"context"
	"fmt"
	"time"

	"github.com/gowebhook/webhook"
)

// Config returns a Config for tests. It allows http and loopback addresses, and polls the Store
// every 10 ms. A failed delivery is retried after 20 ms, 40 ms and so on, 10 times, at most a
// second apart. These retries are the profile "webhooktest", which is the default. Add your own
// profiles to Profiles; do not replace the map.
func Config() webhook.Config {
	const first, longest, retries = 20 * time.Millisecond, time.Second, 10
	return webhook.Config{
		Profile:      "webhooktest",
		Profiles:     map[string]webhook.Profile{"webhooktest": {Retry: webhook.Exponential(first, longest, retries)}},
		Network:      webhook.Network{AllowHTTP: true, AllowLoopback: true},
		PollInterval: 10 * time.Millisecond,
		DrainTimeout: time.Second,
	}
}

// pollEvery is the time between Drain's looks at the Dispatcher.
const pollEvery = 2 * time.Millisecond

// Drain sends all due deliveries, and returns when none is due or in flight. Deliveries that
// wait for a retry, or for a paused endpoint, stay. Drain runs d until then. If d is running
// already, it only waits. If ctx ends first, it returns ctx's error. To see retries, run d and
// use [Receiver.Wait].
func Drain(ctx context.Context, d *webhook.Dispatcher) error {
	running, stop := context.WithCancel(ctx)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = d.Run(running) // an immediate error means that d is running already
	}()
	defer func() {
		stop()
		<-stopped
	}()
	for {
		stats, err := d.Stats(ctx)
		if err != nil {
			return err
		}
		if stats.Due == 0 && stats.InFlight == 0 && stats.Outbox == 0 {
			return nil
		}
		timer := time.NewTimer(pollEvery)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("webhooktest: %d deliveries are due and %d in flight: %w", stats.Due, stats.InFlight, ctx.Err())
		}
	}
}
