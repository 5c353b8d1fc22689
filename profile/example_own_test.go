package profile_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/webhooktest"
)

// acme has its own body, a signature over the time, a header with the event type, and three
// retries within about an hour. Receivers answer 402 when they no longer pay.
func acme() webhook.Profile {
	return webhook.Profile{
		Encode: func(m *webhook.Message) ([]byte, error) {
			return json.Marshal(map[string]any{"kind": m.Event.Type, "order": m.Event.Data})
		},
		Header: func(r *webhook.Request) error {
			r.Header.Set("X-Acme-Event", r.Event.ID)
			return nil
		},
		Signers: []webhook.Signer{webhook.HMAC{
			Header:  "X-Acme-Signature",
			Content: func(r *webhook.Request) []byte { return fmt.Appendf(nil, "%d.%s", r.Time.Unix(), r.Body) },
			Value: func(r *webhook.Request, codes []string) string {
				return fmt.Sprintf("t=%d,v=%s", r.Time.Unix(), codes[0])
			},
		}.Sign},
		Retry: webhook.Schedule(time.Minute, 10*time.Minute, 45*time.Minute),
		Judge: func(o webhook.Outcome) webhook.Verdict {
			if o.Response != nil && o.Response.StatusCode == http.StatusPaymentRequired {
				return webhook.VerdictDisable
			}
			return "" // the default
		},
		Test: func(*webhook.Endpoint) webhook.Event { return webhook.Event{Type: "acme.hello"} },
	}
}

// A provider of your own is a profile of about 30 lines. The fields that it leaves out follow
// Standard Webhooks.
func Example_own() {
	ctx := context.Background()
	network := new(webhooktest.Transport)
	d, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{
		Profiles:  map[string]webhook.Profile{"acme": acme()},
		Profile:   "acme",
		Transport: network,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = d.Tenant("shop").CreateEndpoint(ctx, webhook.Endpoint{URL: "https://receiver.example", Secret: "s3cret of 16 bytes at least", Events: []string{"*"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = d.Emit(ctx, webhook.Event{Tenant: "shop", Type: "order.paid", ID: "order-17", Data: map[string]int{"total": 1999}})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err = webhooktest.Drain(ctx, d); err != nil {
		fmt.Println(err)
		return
	}
	sent := network.Sent()[0]
	fmt.Println(string(sent.Body))
	fmt.Println(sent.Header.Get("X-Acme-Event"), len(sent.Header.Get("X-Acme-Signature")))
	// Output:
	// {"kind":"order.paid","order":{"total":1999}}
	// order-17 79
}
