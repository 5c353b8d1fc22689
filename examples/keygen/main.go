// Keygen is a provider like Keygen. Events fan out to the endpoints of an account, whose keys
// sign them. Each endpoint chooses the algorithm. A retry by hand repeats the idempotency
// token. The customers verify requests as Keygen's documentation says.
//
// The program ends by itself, with status 0 if every request was verified.
//
//	go run ./examples/keygen
package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/examples/internal/loopback"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/profile"
)

const account = "1fddcec8-8dd3-4d8d-9b16-215cac0f9b52"

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "keygen:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, 9*time.Second)
	defer cancel()
	keys, err := newKeys()
	if err != nil {
		return err
	}
	d, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{
		Profiles: map[string]webhook.Profile{"keygen": profile.Keygen(profile.KeygenOptions{Keys: keys.of})},
		Profile:  "keygen",
		Network: webhook.Network{
			MaxResponseBytes: 2048,
			AllowHTTP:        true, AllowLoopback: true, // for the receivers of this program; leave these two out
		},
		RequestTimeout: 15 * time.Second,
	})
	if err != nil {
		return err
	}
	customer := &receiver{inbox: &loopback.Inbox{Out: out}, seen: make(map[string]bool), keys: map[string]crypto.PublicKey{
		"ed25519": keys.ed25519.Public(), "rsa-pss-sha256": keys.rsa.Public(), "rsa-sha256": keys.rsa.Public(), "ecdsa-p256": keys.ecdsa.Public(),
	}}
	url, stop, err := loopback.Serve(ctx, customer)
	if err != nil {
		return err
	}
	defer stop()

	scope := d.Tenant(account)
	for algorithm := range customer.keys {
		_, err := scope.CreateEndpoint(ctx, webhook.Endpoint{
			ID: algorithm, URL: url + "/hooks?by=" + algorithm, Events: []string{"license.*"},
			Metadata: map[string]string{"signatureAlgorithm": algorithm},
		})
		if err != nil {
			return err
		}
	}

	fmt.Fprintln(out, "The customers")
	receipt, err := d.Emit(ctx, webhook.Event{
		Tenant: account, Type: "license.created", Data: map[string]any{
			"data": map[string]any{"id": "1598f237-f82f-448a-91f7-18d2c7e6fd41", "type": "licenses", "attributes": map[string]any{"name": "Demo"}},
		},
	})
	if err != nil {
		return err
	}
	if err := customer.inbox.Run(ctx, d, len(customer.keys)); err != nil {
		return err
	}
	fmt.Fprintln(out, "The same once more, by hand")
	if err := scope.RetryDelivery(ctx, receipt.EventID, "ed25519"); err != nil {
		return err
	}
	if err := customer.inbox.Run(ctx, d, len(customer.keys)+1); err != nil {
		return err
	}
	if len(customer.seen) != len(customer.keys) {
		return fmt.Errorf("there were %d tokens for %d deliveries", len(customer.seen), len(customer.keys))
	}

	fmt.Fprintln(out, "The account's events")
	page, err := scope.Deliveries(ctx, webhook.Query{EventID: receipt.EventID})
	if err != nil {
		return err
	}
	for _, delivery := range page.Items {
		fmt.Fprintf(out, "  %-14s  %s, attempts: %d\n", delivery.EndpointID, profile.KeygenState(delivery), delivery.Attempts)
	}
	return nil
}

// accountKeys are the private keys of the account. A provider has them for each of its accounts, in a vault.
type accountKeys struct {
	ed25519 ed25519.PrivateKey
	rsa     *rsa.PrivateKey
	ecdsa   *ecdsa.PrivateKey
}

func newKeys() (k accountKeys, err error) {
	if _, k.ed25519, err = ed25519.GenerateKey(rand.Reader); err != nil {
		return k, err
	}
	if k.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return k, err
	}
	k.ecdsa, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return k, err
}

// of is KeygenOptions.Keys.
func (k accountKeys) of(context.Context, *webhook.Endpoint) ([]webhook.Secret, error) {
	var texts []webhook.Secret
	for _, key := range []any{k.ed25519, k.rsa, k.ecdsa} {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, err
		}
		texts = append(texts, webhook.Secret(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	}
	return texts, nil
}
