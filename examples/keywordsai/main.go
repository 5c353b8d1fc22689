// Keywordsai is a provider like Keywords AI, now Respan. Each logged request is an event. It
// is signed with the API key of that request, which is stored nowhere, or with a webhook's own
// secret, which its owner can read again. The customers parse the body, write it again as
// Python does, and verify the result, as the documented receiver does.
//
// The program ends by itself, with status 0 if every request was verified.
//
//	go run ./examples/keywordsai
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/examples/internal/loopback"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/profile"
)

const (
	organization = "acme"
	keyID        = "key-17" // of the API key, and no secret
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "keywordsai:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, 9*time.Second)
	defer cancel()
	d, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{
		Profiles: map[string]webhook.Profile{
			"api-key": profile.KeywordsAI(profile.KeywordsAIOptions{}),
			"secret":  profile.KeywordsAI(profile.KeywordsAIOptions{OwnSecret: true}),
		},
		Profile:       "api-key",
		EventTypes:    map[string]string{"request_log": "New request log"},
		RevealSecrets: true,                                                  // a webhook's secret can be copied again
		Network:       webhook.Network{AllowHTTP: true, AllowLoopback: true}, // for the receivers of this program; leave it out
	})
	if err != nil {
		return err
	}
	inbox := &loopback.Inbox{Out: out}

	// Two customers' webhooks belong to the same API key. One verifies with that key, the
	// other with the webhook's secret.
	const apiKey = "kwai_test_0123456789abcdefghijABCDEFGHIJ"
	for _, profile := range []string{"api-key", "secret"} {
		customer := &receiver{name: "by " + profile, key: apiKey, inbox: inbox}
		url, stop, err := loopback.Serve(ctx, customer)
		if err != nil {
			return err
		}
		defer stop() //nolint:revive,gocritic // there are two
		_, err = d.Tenant(organization).CreateEndpoint(ctx, webhook.Endpoint{
			ID: profile, URL: url, Events: []string{"request_log"}, Channel: keyID, Profile: profile,
		})
		if err != nil {
			return err
		}
		if profile == "secret" {
			again, err := d.Tenant(organization).Endpoint(ctx, profile)
			if err != nil {
				return err
			}
			customer.key = string(again.Secret)
		}
	}

	fmt.Fprintln(out, "The customers")
	for _, log := range []map[string]any{
		{"model": "gpt-x", "prompt": "Zoë said “hi” 🦊 & left", "ok": true, "error": nil},
		{"model": "gpt-x", "cost": 1.5e-7, "latency": 2.50, "tokens": []int{17, 1 << 40}, "html": "<b>\u2028</b>"},
	} {
		if err := logged(ctx, d, apiKey, log); err != nil {
			return err
		}
	}
	return inbox.Run(ctx, d, 4)
}

// logged emits the event of a logged request, with the API key from that request's header.
func logged(ctx context.Context, d *webhook.Dispatcher, apiKey webhook.Secret, log any) error {
	event, err := profile.KeywordsAIEvent(webhook.Event{
		Tenant: organization, Type: "request_log", Channel: keyID, Data: log,
	}, apiKey)
	if err != nil {
		return err
	}
	_, err = d.Emit(ctx, event)
	return err
}
