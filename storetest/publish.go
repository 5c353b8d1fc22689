package storetest

import (
	"strings"
	"time"

	"github.com/gowebhook/webhook"
)

// publishCases check how Publish stores events.
var publishCases = []testCase{
	{
		"publish/stored", "Publish stores each event",
		func(f *fixture) {
			e := f.event("acme", "e1")
			e.Channel, e.Header = "mobile", map[string]string{"Traceparent": "00-01", ":trace": "00-02", "X-Sig": `a="b", c; d`}
			e.Time, e.NotBefore = f.now.Add(-time.Hour+instant), f.now.Add(time.Hour+3*instant)
			f.publish(e)
			f.sameEvent("event", f.storedEvent("acme", "e1"), e)
		},
	},
	{
		"publish/deliveries", "Publish stores each event and its deliveries",
		func(f *fixture) {
			f.endpoints("acme", 2)
			f.send("acme", "e1", "ep0000", "ep0001")
			f.equal("delivery", f.delivery("acme", "e1", "ep0001"), webhook.Delivery{
				ID: "e1.ep0001", Tenant: "acme", EventID: "e1", EventType: "member.joined", EndpointID: "ep0001",
				State: webhook.DeliveryPending, DueAt: f.now, CreatedAt: f.now,
			})
			f.names("endpoints", endpointsOf(f.deliveries(webhook.Query{Tenant: "acme"})), "ep0000", "ep0001")
		},
	},
	{
		"publish/results", "Publish returns one result an event, in their order",
		func(f *fixture) {
			f.endpoints("acme", 3)
			f.send("acme", "e1", "ep0000")
			conflict := f.event("acme", "e1")
			conflict.Type = "member.left"
			got := f.tryPublish(
				f.event("acme", "e2", f.ready("ep0000", "ep0001", "ep0002")...),
				f.event("acme", "e1", f.ready("ep0000")...), conflict,
				f.event("acme", "e3", f.ready("ep0000")...), f.event("acme", "e4"),
			)
			f.is("result of the conflict", got[2].Err, webhook.ErrConflict)
			got[2].Err = nil
			f.equal("results", got, []webhook.Published{{Deliveries: 3}, {Duplicate: true}, {}, {Deliveries: 1}, {}})
		},
	},
	{
		"publish/duplicate", "an event whose (Tenant, ID) is stored already is not stored again: if Type, Channel and " +
			"Data are the same the result is Duplicate",
		func(f *fixture) {
			f.endpoints("acme", 2)
			first := f.send("acme", "e1", "ep0000")
			f.advance(time.Second)
			got := f.tryPublish(f.event("acme", "e1", f.ready("ep0000", "ep0001")...))[0]
			f.equal("result", got, webhook.Published{Duplicate: true})
			f.names("deliveries to", endpointsOf(f.deliveries(webhook.Query{Tenant: "acme"})), "ep0000")
			f.sameEvent("event", f.storedEvent("acme", "e1"), first)
		},
	},
	{
		"publish/duplicate-outbox", "an event whose (Tenant, ID) is stored already is not stored again",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.publish(f.outbox("acme", "e1"))
			got := f.tryPublish(f.outbox("acme", "e1"), f.event("acme", "e1", f.ready("ep1")...))
			f.equal("results", got, []webhook.Published{{Duplicate: true}, {Duplicate: true}})
			f.expectClaim("e1.ep1")
		},
	},
	{
		"publish/first-stands", "an event with the same Type, Channel and Data is a duplicate, even if its other fields differ",
		func(f *fixture) {
			first := f.event("acme", "e1")
			first.Header = map[string]string{"A": "1"}
			f.publish(first)
			f.advance(time.Hour)
			again := f.event("acme", "e1")
			again.Header, again.NotBefore, again.Keep = map[string]string{"A": "2"}, f.now.Add(time.Hour), true
			f.equal("result", f.tryPublish(again)[0], webhook.Published{Duplicate: true})
			f.sameEvent("event", f.storedEvent("acme", "e1"), first)
		},
	},
	{
		"publish/conflict", "otherwise its Err is ErrConflict",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.publish(f.event("acme", "e1"))
			changes := map[string]func(*webhook.EventRecord){
				"type":    func(e *webhook.EventRecord) { e.Type = "member.Joined" },
				"channel": func(e *webhook.EventRecord) { e.Channel = "mobile" },
				"data":    func(e *webhook.EventRecord) { e.Data = []byte(`{"id": "e1"}`) },
			}
			for what, change := range changes {
				e := f.event("acme", "e1", f.ready("ep1")...)
				change(&e)
				got := f.tryPublish(e)[0]
				f.is("same id, other "+what, got.Err, webhook.ErrConflict)
				if got.Duplicate || got.Deliveries != 0 {
					f.Errorf("same id, other %s: got %+v", what, got)
				}
			}
			f.expectClaim()
		},
	},
	{
		"publish/same-id-in-request", "the same holds between two events of one request",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			conflict := f.event("acme", "e1", f.ready("ep1")...)
			conflict.Data = []byte("2")
			got := f.tryPublish(f.event("acme", "e1", f.ready("ep1")...), f.event("acme", "e1", f.ready("ep1")...), conflict)
			f.is("third result", got[2].Err, webhook.ErrConflict)
			f.equal("first two results", got[:2], []webhook.Published{{Deliveries: 1}, {Duplicate: true}})
			f.expectClaim("e1.ep1")
		},
	},
	{
		"publish/other-tenant", "an event is the same if its (Tenant, ID) is",
		func(f *fixture) {
			f.publish(f.event("acme", "e1"))
			other := f.event("umbrella", "e1")
			other.Data = []byte("2")
			f.publish(other) // is neither a duplicate nor a conflict
			f.sameEvent("event", f.storedEvent("umbrella", "e1"), other)
		},
	},
	{
		"publish/byte-by-byte", "key strings are compared byte by byte",
		func(f *fixture) {
			for _, id := range lookalikes("evt") {
				f.publish(f.event("acme", id))
			}
			for _, tenant := range append(lookalikes("tenant"), "tenant ", "tenánt", "tena\u0301nt", "TENÁNT") {
				f.publish(f.event(tenant, "e1"))
				if got := f.events(webhook.Query{Tenant: tenant}); len(got) != 1 || got[0].Tenant != tenant {
					f.Errorf("tenant %q: got events %v, want its own one", tenant, got)
				}
			}
			if got := f.events(webhook.Query{Tenant: "acme"}); len(got) != len(lookalikes("evt")) {
				f.Errorf("got %d events with ids that look alike, want %d", len(got), len(lookalikes("evt")))
			}
		},
	},
	{
		"publish/long-keys", "tenants, ids, types and channels have up to 255 bytes",
		func(f *fixture) {
			long := strings.Repeat("é", 127)
			ascii := strings.Repeat("x", 254)
			endpoint := f.newEndpoint(long+"1", ascii+"1", ascii+"t")
			endpoint.Channel = long + "c"
			f.create(endpoint)
			for _, last := range []string{"1", "2"} {
				e := f.outbox(long+"1", ascii+last)
				e.Type, e.Channel = ascii+"t", long+"c"
				f.publish(e)
			}
			f.expectClaim(ascii+"1."+ascii+"1", ascii+"2."+ascii+"1")
			got := f.events(webhook.Query{Tenant: long + "1", EventID: ascii + "2"})
			if len(got) != 1 || got[0].Type != ascii+"t" || got[0].Channel != long+"c" {
				f.Errorf("got %d events, want 1, unchanged", len(got))
			}
		},
	},
	{
		"publish/bytes", "Data is kept byte by byte",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			odd := " {\"b\":1e400,\"a\" : [0.10, 12345678901234567890],\"a\":\"\\u0000 \xff\xfe é\u2028<>&\"}\r\n\t "
			e := f.event("acme", "e1", f.ready("ep1")...)
			e.Data = []byte(odd)
			f.publish(e)
			f.equal("data in Events", f.storedEvent("acme", "e1").Data, []byte(odd))
			f.equal("data in Claim", f.claimedEvent().Data, []byte(odd))
		},
	},
	{
		"publish/large", "an event of 256 KiB is kept whole",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			e := f.event("acme", "e1", f.ready("ep1")...)
			e.Data = largeJSON(256 << 10)
			f.publish(e)
			f.equal("data in Claim", f.claimedEvent().Data, largeJSON(256<<10))
		},
	},
	{
		"publish/conflict-alone", "such a result is that event's own: the others are stored",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.publish(f.event("acme", "e2"))
			conflict := f.event("acme", "e2", f.ready("ep1")...)
			conflict.Data = []byte("2")
			got := f.tryPublish(f.event("acme", "e1", f.ready("ep1")...), conflict, f.event("acme", "e3", f.ready("ep1")...))
			f.is("second result", got[1].Err, webhook.ErrConflict)
			if got[0].Err != nil || got[2].Err != nil {
				f.Errorf("results of the others: %v, %v", got[0].Err, got[2].Err)
			}
			f.expectClaim("e1.ep1", "e3.ep1")
		},
	},
	{
		"publish/atomic", "when the request is Atomic nothing is stored when any result has an Err",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.publish(f.event("acme", "e2"))
			conflict := f.event("acme", "e2")
			conflict.Data = []byte("2")
			req := f.request(f.event("acme", "e1", f.ready("ep1")...), conflict, f.event("umbrella", "e3"), f.outbox("acme", "e4"))
			req.Atomic = true
			got, err := f.store.Publish(f.ctx(), req)
			f.must("Publish", err)
			if len(got) != 4 {
				f.Fatalf("got %d results, want 4", len(got))
			}
			f.is("second result", got[1].Err, webhook.ErrConflict)
			f.names("events", eventIDs(f.events(webhook.Query{AllTenants: true})), "e2")
			f.expectClaim()
		},
	},
	{
		"publish/atomic-duplicate", "when the request is Atomic nothing is stored when any result has an Err: a duplicate has none",
		func(f *fixture) {
			f.publish(f.event("acme", "e2"))
			req := f.request(f.event("acme", "e1"), f.event("acme", "e2"), f.event("acme", "e3"))
			req.Atomic = true
			got, err := f.store.Publish(f.ctx(), req)
			f.must("Publish", err)
			f.equal("results", got, []webhook.Published{{}, {Duplicate: true}, {}})
			f.names("events", eventIDs(f.events(webhook.Query{Tenant: "acme"})), "e1", "e2", "e3")
		},
	},
	{
		"publish/repeated", "repeating the request with the same ids is safe",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			made := f.event("acme", "e2", f.ready("ep1")...)
			made.NewID = true
			req := f.request(f.event("acme", "e1", f.ready("ep1")...), made, f.outbox("acme", "e3"))
			for range 2 { // the result of the second call for an event with NewID is not specified
				if _, err := f.store.Publish(f.ctx(), req); err != nil {
					f.Errorf("Publish: %v", err)
				}
			}
			f.names("events", eventIDs(f.events(webhook.Query{Tenant: "acme"})), "e1", "e2", "e3")
			f.expectClaim("e1.ep1", "e2.ep1", "e3.ep1")
		},
	},
}

// lookalikes returns ids that a careless comparison takes for id.
func lookalikes(id string) []string {
	return []string{id, strings.ToUpper(id), strings.ToUpper(id[:1]) + id[1:], id + "_", id + "%", id + `\`}
}

// largeJSON returns n bytes of JSON with characters that are special in SQL and JSON.
func largeJSON(n int) []byte {
	const unit = `\"'$1?:;--%é`
	text := strings.Repeat(unit, (n-2)/len(unit))
	return []byte(`"` + text + strings.Repeat("x", n-2-len(text)) + `"`)
}

func endpointsOf(list []webhook.Delivery) []string {
	ids := make([]string, len(list))
	for i, d := range list {
		ids[i] = d.EndpointID
	}
	return ids
}

func deliveryIDs(list []webhook.Delivery) []string {
	ids := make([]string, len(list))
	for i, d := range list {
		ids[i] = d.ID
	}
	return ids
}

func eventIDs(list []webhook.EventRecord) []string {
	ids := make([]string, len(list))
	for i, e := range list {
		ids[i] = e.ID
	}
	return ids
}
