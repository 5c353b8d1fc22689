package webhook_test

import (
	"context"
	"fmt"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
)

// Customers verify with a public key, so they store nothing that can sign.
func ExampleIssueEd25519() {
	d, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{
		Profiles: map[string]webhook.Profile{"ed25519": {Issue: webhook.IssueEd25519}},
		Profile:  "ed25519",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	e, err := d.Tenant("acme").CreateEndpoint(context.Background(), webhook.Endpoint{
		URL: "https://receiver.example", Events: []string{"*"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(e.Secret == "", e.Secrets[0].PublicKey[:5]) // give the public key to the customer
	// Output: true whpk_
}
