package profile_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/receive"
	"github.com/gowebhook/webhook/webhooktest"
)

// acmeOld is the scheme that Acme's customers verify today. The key is the secret as text.
var acmeOld = webhook.HMAC{Header: "X-Acme-Signature", Prefix: "sha256="}

// isOld reports whether a secret is older than Standard Webhooks.
func isOld(s webhook.Secret) bool { return !strings.HasPrefix(string(s), "whsec_") }

// signOld signs with the newest old secret, because receivers of the old header do not know
// new secrets yet. Without an old secret it signs with the newest one.
func signOld(r *webhook.Request, secrets []webhook.Secret) error {
	for _, s := range secrets {
		if isOld(s) {
			return acmeOld.Sign(r, []webhook.Secret{s})
		}
	}
	return acmeOld.Sign(r, secrets)
}

// signNew signs as Standard Webhooks with both kinds of secrets. It writes an old secret in
// the standard's form: "whsec_" and the base64 of its bytes. Customers with an old secret do
// the same once, for their new verifier.
//
// The standard allows keys of 24 to 64 bytes. An endpoint with an old secret of another length
// has the old signature alone until its secret is rotated.
func signNew(r *webhook.Request, secrets []webhook.Secret) error {
	var keys []webhook.Secret
	for _, s := range secrets {
		if isOld(s) {
			if len(s) < 24 || len(s) > 64 {
				continue
			}
			s = webhook.Secret("whsec_" + base64.StdEncoding.EncodeToString([]byte(s)))
		}
		keys = append(keys, s)
	}
	if len(keys) == 0 {
		return nil
	}
	return webhook.SignStandard(r, keys)
}

// Acme signs with a scheme of its own and moves to Standard Webhooks. Each request has both
// signatures. Customers change their verifiers at any time, and then their secrets, by a
// rotation.
func Example_migration() {
	ctx := context.Background()
	network := &webhooktest.Transport{}
	d, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{
		Profiles:  map[string]webhook.Profile{"acme": {Signers: []webhook.Signer{signOld, signNew}}},
		Profile:   "acme",
		Transport: network,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	const old = "3f9a6c0de1b24785a0c9d3e4f5061728" // from before
	_, err = d.Tenant("customer").CreateEndpoint(ctx, webhook.Endpoint{
		URL: "https://receiver.example", Secret: old, Events: []string{"*"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err = d.Emit(ctx, webhook.Event{Tenant: "customer", Type: "member.joined", ID: "evt_1"}); err != nil {
		fmt.Println(err)
		return
	}
	if err = webhooktest.Drain(ctx, d); err != nil {
		fmt.Println(err)
		return
	}

	request := network.Sent()[0]
	fmt.Println(request.Header.Get("X-Acme-Signature")[:7])
	verify, err := receive.Standard(receive.Window{}, "whsec_"+base64.StdEncoding.EncodeToString([]byte(old)))
	if err != nil {
		fmt.Println(err)
		return
	}
	event, err := verify(&http.Request{Header: request.Header}, request.Body)
	fmt.Println(event.ID, err)
	// Output:
	// sha256=
	// evt_1 <nil>
}
