package webhook_test

import (
	"context"
	"fmt"
	"net/url"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/webhooktest"
)

// printer is a Transport that "delivers" by printing.
type printer struct{}

func (printer) Send(_ context.Context, r *webhook.Request) (*webhook.Response, error) {
	to, err := url.Parse(r.URL)
	if err != nil {
		return nil, fmt.Errorf("%w: bad URL", webhook.ClassProtocol)
	}
	fmt.Printf("to %s, attempt %d: %s\n", to.Host, r.Attempt, r.Body[:23])
	return &webhook.Response{StatusCode: 200}, nil
}

// A Transport sends one request by any means. To add to the library's client, and keep its
// address guard, use Network.Wrap instead.
func ExampleTransport() {
	ctx := context.Background()
	d, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{Transport: printer{}})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = d.Tenant("acme").CreateEndpoint(ctx, webhook.Endpoint{URL: "https://receiver.example/hook", Events: []string{"*"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err = d.Emit(ctx, webhook.Event{Tenant: "acme", Type: "member.joined"}); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(webhooktest.Drain(ctx, d))
	// Output:
	// to receiver.example, attempt 1: {"type":"member.joined"
	// <nil>
}
