// Key is a provider like key.ai. Each community has one endpoint with a client id and a
// secret, and gets all five events. It can ask for a test, or check its credentials and its
// server with one call. Its customer verifies requests as Key's documentation says.
//
// The program ends by itself, with status 0 if every request was verified.
//
//	go run ./examples/key
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
	"github.com/gowebhook/webhook/webhookhttp"
)

const community = "a9e2f12c-7c8d-4b3f-b9c1-2d6e3f5a8b10"

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "key:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, 9*time.Second)
	defer cancel()
	d, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{
		Profiles:     map[string]webhook.Profile{"key": profile.Key(profile.KeyOptions{})},
		Profile:      "key",
		MaxEndpoints: 1, // for each community
		EventTypes: map[string]string{
			"member.joined":   "Somebody joined, or asked to",
			"member.approved": "A moderator approved somebody",
			"member.rejected": "A moderator rejected somebody",
			"member.removed":  "A moderator removed somebody",
			"member.left":     "Somebody left",
		},
		Network: webhook.Network{AllowHTTP: true, AllowLoopback: true}, // for the receiver of this program; leave it out
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

	// An admin pastes the URL, and sees the two credentials.
	scope := d.Tenant(community)
	endpoint, err := scope.CreateEndpoint(ctx, webhook.Endpoint{URL: url, Events: []string{"*"}})
	if err != nil {
		return err
	}
	customer.clientID, customer.secret = endpoint.ID, string(endpoint.Secret)
	fmt.Fprintf(out, "Client ID      %s\nClient Secret  %s, which is shown this once\nThe customer\n", endpoint.ID, string(endpoint.Secret))
	if _, err := scope.CreateEndpoint(ctx, webhook.Endpoint{URL: url, Events: []string{"*"}}); !errors.Is(err, webhook.ErrLimit) {
		return fmt.Errorf("a second endpoint: %w", err)
	}

	// The customer's side makes the verify call, which needs only the credentials.
	verify, err := webhookhttp.NewVerify(d, webhookhttp.VerifyConfig{})
	if err != nil {
		return err
	}
	api, stopAPI, err := loopback.Serve(ctx, verify)
	if err != nil {
		return err
	}
	defer stopAPI()
	if err := customer.verify(ctx, api+"/v1/webhooks/verify"); err != nil {
		return err
	}

	// The admin clicks "Send test event". Then members join the community.
	attempt, err := scope.Test(ctx, endpoint.ID)
	if err != nil {
		return err
	}
	if attempt.Status != http.StatusOK {
		return fmt.Errorf("the test was answered with %d", attempt.Status)
	}
	member := map[string]string{"id": "mem_3f8c2b1aa7d44c0e9e1f", "fullName": "Asha Verma", "companyName": "Verma & Söhne"}
	for i, status := range []map[string]any{{"old": nil, "new": "PENDING"}, {"old": "PENDING", "new": "APPROVED"}} {
		_, err := d.Emit(ctx, webhook.Event{
			Tenant: community,
			Type:   []string{"member.joined", "member.approved"}[i],
			ID:     fmt.Sprintf("evt_%024x", i+1), // the application's own; left empty, it is a UUID
			Data: map[string]any{
				"community": map[string]string{"id": community, "name": "Founders Den"},
				"status":    status, "member": member, "questions": nil,
			},
		})
		if err != nil {
			return err
		}
	}
	return customer.inbox.Run(ctx, d, 4)
}
