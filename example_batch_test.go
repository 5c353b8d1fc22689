package webhook_test

import (
	"context"
	"fmt"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
)

// EmitBatch stores all events or none, in one transaction.
func ExampleDispatcher_EmitBatch() {
	ctx := context.Background()
	d, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{KeepUnmatched: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	receipts, err := d.EmitBatch(ctx, []webhook.Event{
		{Tenant: "acme", Type: "member.joined", ID: "evt_1"},
		{Tenant: "acme", Type: "member.left", ID: "evt_2"},
	})
	fmt.Println(receipts[0].EventID, receipts[1].EventID, err)

	_, err = d.EmitBatch(ctx, []webhook.Event{
		{Tenant: "acme", Type: "member.joined", ID: "evt_3"},
		{Tenant: "acme", Type: "member joined", ID: "evt_4"},
	})
	fmt.Println(err)
	page, err := d.Tenant("acme").Events(ctx, webhook.Query{})
	fmt.Println("stored:", len(page.Items), err)
	// Output:
	// evt_1 evt_2 <nil>
	// webhook: emit batch: events[1]: Event.Type has " " at byte 6; use a–z, A–Z, 0–9, "_", "." and "-"
	// stored: 2 <nil>
}
