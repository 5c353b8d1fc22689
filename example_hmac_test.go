package webhook_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/webhooktest"
)

// The signed content begins with the time, so nobody can send a request again later. The
// header has a code for each secret, so receivers can change to a new secret at any time.
func ExampleHMAC() {
	seconds := func(r *webhook.Request) string { return strconv.FormatInt(r.Time.Unix(), 10) }
	scheme := webhook.HMAC{
		Header:  "Acme-Signature",
		Prefix:  "v1=",
		Content: func(r *webhook.Request) []byte { return append([]byte(seconds(r)+"."), r.Body...) },
		Value: func(r *webhook.Request, codes []string) string {
			return "t=" + seconds(r) + "," + strings.Join(codes, ",")
		},
	}
	profile := webhook.Profile{Signers: []webhook.Signer{scheme.Sign}}

	r := &webhook.Request{Body: []byte(`{"some":"data"}`), Time: time.Unix(1700000000, 0), Header: map[string][]string{}}
	if err := profile.Signers[0](r, []webhook.Secret{"new", "old"}); err != nil {
		fmt.Println(err)
		return
	}
	for part := range strings.SplitSeq(r.Header.Get("Acme-Signature"), ",") {
		fmt.Println(part)
	}
	// Output:
	// t=1700000000
	// v1=76975ff687bfce57adfc5f4a2b486feb99324b7d015f72acff1f4092c39280eb
	// v1=17a9062e369c971c7e8b20b0b32428bc4ad8298a4940ed7b1cf1cb9a678fa117
}

// Every request has the event's id in the header webhook-id. The signature covers the id if
// Content does.
func ExampleHMAC_dropRepeats() {
	scheme := webhook.HMAC{
		Header:  "Acme-Signature",
		Content: func(r *webhook.Request) []byte { return append([]byte(r.Event.ID+"."), r.Body...) },
	}
	network := &webhooktest.Transport{}
	d, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{
		Transport: network,
		Profiles:  map[string]webhook.Profile{"acme": {Signers: []webhook.Signer{scheme.Sign}}},
		Profile:   "acme",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	endpoint, err := d.Tenant("t1").CreateEndpoint(context.Background(), webhook.Endpoint{URL: "https://a.example", Events: []string{"*"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err = d.Tenant("t1").Test(context.Background(), endpoint.ID); err != nil {
		fmt.Println(err)
		return
	}
	sent := network.Sent()[0]
	fmt.Println(sent.Header.Get("webhook-id") == sent.Event.ID)
	// Output: true
}
