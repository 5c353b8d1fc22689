package webhook_test

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
)

// sealAgain updates every endpoint unchanged. Its secrets are then sealed with the current key.
func sealAgain(ctx context.Context, d *webhook.Dispatcher) (sealed int, err error) {
	all := d.AllTenants()
	for q := (webhook.Query{}); ; {
		page, err := all.Endpoints(ctx, q)
		if err != nil {
			return sealed, err
		}
		for _, e := range page.Items {
			// ErrConflict and ErrNotFound mean that somebody has just changed it: run this again.
			if _, err := all.UpdateEndpoint(ctx, e); err != nil {
				return sealed, err
			}
			sealed++
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return sealed, nil
		}
	}
}

// The key of 2026 replaces the key of 2025. When every endpoint has been updated, the old key can
// be deleted. Real keys come from a secret manager or the environment.
func ExampleNewCipher() {
	manager := map[string]string{ // a secret manager
		"2025": "6368616e676520746869732070617373776f726420746f206120736563726574",
		"2026": "e0b0c0d0a09080706050403020100f0e0d0c0b0a090807060504030201000f0e",
	}
	key := func(id string) webhook.CipherKey {
		bytes, _ := hex.DecodeString(manager[id]) // NewCipher refuses a key that has not 32 bytes
		return webhook.CipherKey{ID: id, Key: bytes}
	}
	cipher, err := webhook.NewCipher(key("2026"), key("2025"))
	if err != nil {
		fmt.Println(err)
		return
	}
	d, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{Cipher: cipher})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	_, err = d.Tenant("acme").CreateEndpoint(ctx, webhook.Endpoint{URL: "https://receiver.example", Events: []string{"*"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(sealAgain(ctx, d))
	// Output: 1 <nil>
}
