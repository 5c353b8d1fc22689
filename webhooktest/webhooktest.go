// Package webhooktest is for the tests of applications that send webhooks. [Receiver] is a customer's server: it records what
// arrives, verifies its signature, and answers as it is told. [Transport] takes the network's place altogether. [Config]
// allows the loopback addresses that both need, and [Drain] works off what is due.
//
//	d, _ := webhook.New(memstore.New(memstore.Options{}), webhooktest.Config())
//	receiver := webhooktest.NewReceiver()
//	defer receiver.Close()
//	d.Tenant("acme").CreateEndpoint(ctx, webhook.Endpoint{URL: receiver.URL, Secret: receiver.Secret, Events: []string{"*"}})
//
//	yourApplication.DoSomething(d)
//
//	webhooktest.Drain(ctx, d)
//	receiver.Received() // what a customer got
package webhooktest

import (
	"context"
	"fmt"
	"time"

	"github.com/gowebhook/webhook"
)

// Config returns a Config for tests: http and loopback addresses are allowed, the Store is polled every 10 ms, and a failed
// delivery is retried after 20 ms, 40 ms and so on, 10 times: that is the profile "webhooktest", which is the default. Add to its
// Profiles rather than replace them.
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

// pollEvery is how often Drain looks.
const pollEvery = 2 * time.Millisecond

// Drain works off all deliveries that are due and returns when none is due or being sent; those that wait for a retry, or for
// a paused endpoint, stay. It runs d until then, or only waits if d is running already. It returns ctx's error if that ends
// first. To see retries, run d and use [Receiver.Wait].
func Drain(ctx context.Context, d *webhook.Dispatcher) error {
	running, stop := context.WithCancel(ctx)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = d.Run(running) // an error at once means that it runs already
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
