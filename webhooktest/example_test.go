package webhooktest_test

import (
	"context"
	"fmt"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/webhooktest"
)

// Shop is the application under test.
type Shop struct{ Webhooks *webhook.Dispatcher }

func (s *Shop) Sell(ctx context.Context, order string) error {
	_, err := s.Webhooks.Emit(ctx, webhook.Event{Tenant: "acme", Type: "order.paid", Data: map[string]string{"order": order}})
	return err
}

// A test of an application that sends webhooks. It gives the application a Dispatcher, lets it
// work, and looks at the customer's requests. The customer's server is down at first.
func Example() {
	ctx := context.Background()
	d, err := webhook.New(memstore.New(memstore.Options{}), webhooktest.Config())
	if err != nil {
		fmt.Println(err)
		return
	}
	customer := webhooktest.NewReceiver()
	defer customer.Close()
	_, err = d.Tenant("acme").CreateEndpoint(ctx, webhook.Endpoint{
		URL: customer.URL, Secret: customer.Secret, Events: []string{"order.*"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	customer.Answer(webhooktest.Answer{Status: 503})
	shop := &Shop{Webhooks: d}
	fmt.Println("sold:", shop.Sell(ctx, "ord_1"))

	running, stop := context.WithCancel(ctx)
	defer stop()
	stopped := make(chan error)
	go func() { stopped <- d.Run(running) }()
	received, err := customer.Wait(ctx, 2) // the first try and its retry
	stop()
	fmt.Println("stopped:", <-stopped, err)
	for _, r := range received {
		fmt.Println(r.Err == nil, string(r.Body[:20]))
	}
	// Output:
	// sold: <nil>
	// stopped: <nil> <nil>
	// true {"type":"order.paid"
	// true {"type":"order.paid"
}
