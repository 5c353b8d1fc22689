package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/webhooktest"
)

// signBody signs the body with the newest secret. The signature is hex in the provider's own
// header.
func signBody(r *webhook.Request, secrets []webhook.Secret) error {
	mac := hmac.New(sha256.New, []byte(secrets[0]))
	mac.Write(r.Body)
	r.Header.Set("X-Acme-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	return nil
}

// A Signer is a function. Each request has both signatures while receivers move from the old
// scheme to the new one.
func ExampleSigner() {
	ctx := context.Background()
	network := &webhooktest.Transport{}
	d, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{
		Profiles:  map[string]webhook.Profile{"acme": {Signers: []webhook.Signer{signBody, webhook.SignStandard}}},
		Profile:   "acme",
		Transport: network,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = d.Tenant("acme").CreateEndpoint(ctx, webhook.Endpoint{
		URL: "https://receiver.example", Secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Events: []string{"*"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err = d.Emit(ctx, webhook.Event{Tenant: "acme", Type: "member.joined"}); err != nil {
		fmt.Println(err)
		return
	}
	if err = webhooktest.Drain(ctx, d); err != nil {
		fmt.Println(err)
		return
	}
	header := network.Sent()[0].Header
	fmt.Println(len(header.Get("X-Acme-Signature")), header.Get("Webhook-Signature")[:3])
	// Output: 71 v1,
}
