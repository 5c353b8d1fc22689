package profile_test

import (
	"context"
	"fmt"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/profile"
	"github.com/gowebhook/webhook/webhooktest"
)

// The API key of a request signs the event that the request triggers, and is not kept. A
// channel assigns the endpoint to the key.
func ExampleKeywordsAIEvent() {
	ctx := context.Background()
	network := new(webhooktest.Transport)
	d, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{
		Profiles:  map[string]webhook.Profile{"keywordsai": profile.KeywordsAI(profile.KeywordsAIOptions{})},
		Profile:   "keywordsai",
		Transport: network,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = d.Tenant("acme").CreateEndpoint(ctx, webhook.Endpoint{
		URL: "https://receiver.example", Events: []string{"request_log"}, Channel: "key-17",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	event, err := profile.KeywordsAIEvent(webhook.Event{
		Tenant: "acme", Type: "request_log", Channel: "key-17", Data: map[string]string{"some": "data"},
	}, "kwai_test_0123456789abcdefghijABCDEFGHIJ")
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err = d.Emit(ctx, event); err != nil {
		fmt.Println(err)
		return
	}
	if err = webhooktest.Drain(ctx, d); err != nil {
		fmt.Println(err)
		return
	}
	sent := network.Sent()[0]
	fmt.Println(string(sent.Body))
	fmt.Println(sent.Header.Get("X-Keywordsai-Signature"))
	// Output:
	// {"some": "data"}
	// 8f2699676d8cc7a6760a4835cb579c3c2e295e686ded21f4ccfede1240e7a87f
}
