package webhook_test

import (
	"context"
	"fmt"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/webhooktest"
)

// A customer registers an endpoint, something happens, and the event is delivered.
func Example() {
	ctx := context.Background()
	customer := webhooktest.NewReceiver()
	defer customer.Close()

	d, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{
		Network: webhook.Network{AllowHTTP: true, AllowLoopback: true}, // the customer of this example is on loopback
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	stopped := make(chan error)
	go func() { stopped <- d.Run(running) }()

	_, err = d.Tenant("acme").CreateEndpoint(ctx, webhook.Endpoint{
		URL: customer.URL, Secret: customer.Secret, Events: []string{"member.*"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	receipt, err := d.Emit(ctx, webhook.Event{
		Tenant: "acme", Type: "member.joined", ID: "evt_1", Data: map[string]string{"member_id": "mem_1"},
	})
	fmt.Println("deliveries:", receipt.Deliveries, err)

	received, err := customer.Wait(ctx, 1)
	fmt.Println("received:", received[0].ID, "signature:", received[0].Err, err)
	stop()
	fmt.Println("stopped:", <-stopped)
	// Output:
	// deliveries: 1 <nil>
	// received: evt_1 signature: <nil> <nil>
	// stopped: <nil>
}
