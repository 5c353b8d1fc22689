package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
)

// endpoints is how many the events are spread over; all are at the one receiver.
const endpoints = 8

// sendWebhook emits events one by one, and returns when all are delivered and logged.
func sendWebhook(ctx context.Context, url string, n int) error {
	store := memstore.New(memstore.Options{MaxPending: n + 1, MaxFinished: n + 1, MaxBytes: int64(n+1) * 8 * bodySize})
	d, err := webhook.New(store, webhook.Config{Network: webhook.Network{AllowHTTP: true, AllowPrivate: true}})
	if err != nil {
		return err
	}
	for i := range endpoints {
		_, err := d.Tenant("bench").CreateEndpoint(ctx, webhook.Endpoint{
			ID: endpointID(i), URL: url + "/hook", Secret: secret, Events: []string{"bench.*"}, Channel: endpointID(i),
		})
		if err != nil {
			return err
		}
	}
	running, stop := context.WithCancel(ctx)
	stopped := make(chan error, 1)
	go func() { stopped <- d.Run(running) }()
	err = emitAll(ctx, d, n)
	if err == nil {
		err = delivered(ctx, d)
	}
	stop()
	if stopErr := <-stopped; err == nil {
		err = stopErr
	}
	if err == nil {
		err = logged(ctx, d, n)
	}
	return err
}

func endpointID(i int) string { return "e" + strconv.Itoa(i%endpoints) }

func emitAll(ctx context.Context, d *webhook.Dispatcher, n int) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, senders)
	for range senders {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				_, err := d.Emit(ctx, webhook.Event{
					Tenant: "bench", Type: "bench.sent", Channel: endpointID(int(i)),
					Data: fmt.Appendf(nil, `{"n":%d,"text":%q}`, i, text),
				})
				if err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

// delivered waits until nothing is pending.
func delivered(ctx context.Context, d *webhook.Dispatcher) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		stats, err := d.Stats(ctx)
		if err != nil || stats.Pending == 0 {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// logged checks that every delivery has its row in the log.
func logged(ctx context.Context, d *webhook.Dispatcher, n int) error {
	total := 0
	for i := range endpoints {
		q := webhook.Query{EndpointID: endpointID(i), Limit: 1000}
		for {
			page, err := d.Tenant("bench").Attempts(ctx, q)
			if err != nil {
				return err
			}
			total += len(page.Items)
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
	}
	if total != n {
		return fmt.Errorf("%d attempts are logged, not %d", total, n)
	}
	return nil
}
