package webhook_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/webhooktest"
)

// An e-mail for each notice about an endpoint takes five lines. The function must return
// quickly, so a real one puts the e-mail into a queue.
func ExampleNotice() {
	mails := make(chan string, 10)
	send := func(to, subject string) { mails <- to + ": " + subject }

	observer := webhook.Observer{Notice: func(n webhook.Notice) {
		if strings.HasPrefix(n.Type, "webhook.endpoint.") {
			send("owner@"+n.Endpoint.Tenant+".example", fmt.Sprintf("%s %s", n.Endpoint.ID, n.Type))
		}
	}}

	gone := func(context.Context, *webhook.Request) (*webhook.Response, error) {
		return &webhook.Response{StatusCode: 410}, nil
	}
	d, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{
		Observer: observer, Transport: &webhooktest.Transport{Answer: gone},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	stopped := make(chan error)
	go func() { stopped <- d.Run(ctx) }()
	_, err = d.Tenant("acme").CreateEndpoint(ctx, webhook.Endpoint{ID: "shop", URL: "https://shop.example/hook", Events: []string{"*"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := d.Emit(ctx, webhook.Event{Tenant: "acme", Type: "order.paid"}); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(<-mails)
	stop()
	if err := <-stopped; err != nil {
		fmt.Println(err)
	}
	// Output:
	// owner@acme.example: shop webhook.endpoint.disabled
}
