// Tryno is a provider like Tryno. Communities subscribe endpoints to the types of a closed
// catalogue. A request with an answer of 400 or more is repeated at once. Four failed attempts
// in a row disable an endpoint. The customer verifies requests.
//
// The program ends by itself, with status 0 if every request was verified.
//
//	go run ./examples/tryno
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/examples/internal/loopback"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/profile"
)

const community = "7f0c1d1e-0000-4000-8000-000000000001"

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "tryno:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, 9*time.Second)
	defer cancel()
	tryno := profile.Tryno()
	tryno.Retry = webhook.Schedule(0, 0, 0, 0) // Tryno's waits are 0, 1, 5 and 30 minutes: leave it out
	disabled := make(chan struct{})
	d, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{
		Profiles: map[string]webhook.Profile{"tryno": tryno},
		Profile:  "tryno",
		EventTypes: map[string]string{
			"member.joined": "", "member.left": "", "post.created": "", "post.deleted": "", "payment.completed": "",
			"payment.refunded": "", "challenge.enrolled": "", "challenge.completed": "", "event.registered": "", "event.checked_in": "",
		},
		Observer: webhook.Observer{Disabled: func(key webhook.EndpointKey, _ webhook.Reason) {
			if key.ID == "broken" {
				close(disabled)
			}
		}},
		Network: webhook.Network{AllowHTTP: true, AllowLoopback: true}, // for the receivers of this program; leave it out
	})
	if err != nil {
		return err
	}
	customer := &receiver{inbox: &loopback.Inbox{Out: out}}
	url, stop, err := loopback.Serve(ctx, customer)
	if err != nil {
		return err
	}
	defer stop()
	broken, stopBroken, err := loopback.Serve(ctx, http.NotFoundHandler())
	if err != nil {
		return err
	}
	defer stopBroken()

	scope := d.Tenant(community)
	endpoint, err := scope.CreateEndpoint(ctx, webhook.Endpoint{URL: url, Events: []string{"member.joined", "payment.completed"}})
	if err != nil {
		return err
	}
	customer.secret = string(endpoint.Secret)
	if _, err := scope.CreateEndpoint(ctx, webhook.Endpoint{ID: "broken", URL: broken, Events: []string{"member.left"}}); err != nil {
		return err
	}
	_, err = scope.CreateEndpoint(ctx, webhook.Endpoint{URL: url, Events: []string{"member.exploded"}})
	if !errors.Is(err, webhook.ErrInvalid) {
		return fmt.Errorf("a type that is not in the catalogue: %w", err)
	}

	fmt.Fprintln(out, "The customer")
	attempt, err := scope.Test(ctx, endpoint.ID)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "  the test was answered with %d within %d ms\n", attempt.Status, attempt.Duration.Milliseconds())
	customer.busy.Store(true) // it answers the next request with 503
	for _, typ := range []string{"member.joined", "member.left", "payment.completed", "post.created"} {
		_, err := d.Emit(ctx, webhook.Event{
			Tenant: community, Type: typ,
			Data: map[string]any{"community_id": community, "user_id": "7f0c1d1e-0000-4000-8000-000000000002", "metadata": map[string]any{}},
		})
		if err != nil {
			return err
		}
	}
	if err := customer.inbox.Run(ctx, d, 4, disabled); err != nil { // a test, two events and a retry
		return err
	}
	page, err := scope.Attempts(ctx, webhook.Query{EndpointID: "broken"})
	if err != nil {
		return err
	}
	if len(page.Items) != 4 {
		return fmt.Errorf("the broken endpoint was disabled after %d attempts", len(page.Items))
	}
	fmt.Fprintln(out, "The endpoint \"broken\" was disabled after four attempts that failed")
	return nil
}
