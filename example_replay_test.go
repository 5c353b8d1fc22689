package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/webhooktest"
)

// A receiver was down, and its deliveries have failed. One call sends the failures of the last
// hour again, over all tenants.
func ExampleScope_Retry() {
	ctx := context.Background()
	var repaired atomic.Bool
	network := &webhooktest.Transport{Answer: func(context.Context, *webhook.Request) (*webhook.Response, error) {
		if repaired.Load() {
			return &webhook.Response{StatusCode: http.StatusNoContent}, nil
		}
		return &webhook.Response{StatusCode: http.StatusBadGateway}, nil
	}}
	d, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{
		Transport: network,
		Profiles:  map[string]webhook.Profile{"once": {Retry: webhook.Schedule()}}, // no retries
		Profile:   "once",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = d.Tenant("acme").CreateEndpoint(ctx, webhook.Endpoint{URL: "https://receiver.example", Events: []string{"*"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 3 {
		if _, err := d.Emit(ctx, webhook.Event{Tenant: "acme", Type: "member.joined"}); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println("sent:", webhooktest.Drain(ctx, d), len(network.Sent()))

	repaired.Store(true)
	changed, err := d.AllTenants().Retry(ctx, webhook.Query{
		State: webhook.DeliveryFailed, FinishedFrom: time.Now().Add(-time.Hour),
	})
	fmt.Println("again:", changed.Changed, err)
	fmt.Println("sent:", webhooktest.Drain(ctx, d), len(network.Sent()))
	succeeded, err := d.Tenant("acme").Deliveries(ctx, webhook.Query{State: webhook.DeliverySucceeded})
	fmt.Println("succeeded:", len(succeeded.Items), err)
	// Output:
	// sent: <nil> 3
	// again: 3 <nil>
	// sent: <nil> 6
	// succeeded: 3 <nil>
}
