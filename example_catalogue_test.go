package webhook_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
)

// A catalogue lists the event types. A misspelt type is then refused when it is emitted, and a
// subscription that matches no type is refused when it is made.
func Example_catalogue() {
	ctx := context.Background()
	d, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{
		EventTypes: map[string]string{
			"member.joined": "Somebody joined the community.",
			"member.left":   "A member left the community.",
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = d.Emit(ctx, webhook.Event{Tenant: "acme", Type: "member.joind"})
	fmt.Println(err)

	_, err = d.Tenant("acme").CreateEndpoint(ctx, webhook.Endpoint{URL: "https://acme.example", Events: []string{"payment.*"}})
	if field, ok := errors.AsType[*webhook.FieldError](err); ok {
		fmt.Println(field.Field)
		fmt.Println(field.Problem)
		fmt.Println(field.Cure)
	}
	// Output:
	// webhook: emit: Event.Type is not in the catalogue: "member.joind"; add it to Config.EventTypes, or use member.joined, member.left
	// Endpoint.Events[0]
	// matches no event type: "payment.*"
	// use member.joined, member.left
}
