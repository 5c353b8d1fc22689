package storetest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gowebhook/webhook"
)

// pageCases check the rules for all lists.
var pageCases = []testCase{
	{
		"page/default-limit", "Limit is 1 to 1,000 rows of a page; zero means 100",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.backlog("acme", "e", "ep1", 120)
			q := webhook.Query{Tenant: "acme"}
			events, err := f.store.Events(f.ctx(), q)
			f.must("Events", err)
			deliveries, err := f.store.Deliveries(f.ctx(), q, f.now)
			f.must("Deliveries", err)
			for _, l := range f.claim() {
				f.settle(f.success(l))
			}
			q.EndpointID = "ep1"
			attempts, err := f.store.Attempts(f.ctx(), q)
			f.must("Attempts", err)
			for what, n := range map[string]int{
				"events": len(events.Items), "deliveries": len(deliveries.Items), "attempts": len(attempts.Items),
			} {
				if n > 100 {
					f.Errorf("a page of %d %s", n, what)
				}
			}
			if events.Next == "" || deliveries.Next == "" || attempts.Next == "" {
				f.Errorf("the first of several pages has no Next")
			}
			if got := len(f.attempts(q)); got != 120 {
				f.Errorf("got %d attempts in all pages, want 120", got)
			}
		},
	},
	{
		"page/bytes", "a Store returns at most about 4 MiB for a page",
		func(f *fixture) {
			const n, size = 24, 256 << 10
			for i := range n {
				e := f.event("acme", fmt.Sprint(i))
				e.Data = largeJSON(size)
				f.publish(e)
			}
			total := 0
			for q := (webhook.Query{Tenant: "acme", Limit: 1000}); ; {
				page, err := f.store.Events(f.ctx(), q)
				f.must("Events", err)
				if got := len(page.Items) * size; got > 5<<20 {
					f.Errorf("a page has data of %d bytes", got)
				}
				total += len(page.Items)
				if q.Cursor = page.Next; q.Cursor == "" || total > n {
					break
				}
			}
			if total != n {
				f.Errorf("got %d events in all pages, want %d", total, n)
			}
		},
	},
	{
		"page/owned", "results belong to the caller, except Data, Header, and the maps and slices of an Endpoint",
		func(f *fixture) {
			f.logged()
			read := func() ([]webhook.Endpoint, []webhook.EventRecord, []webhook.Delivery, []webhook.Attempt) {
				q := webhook.Query{Tenant: "acme"}
				return f.listEndpoints(q), f.events(q), f.deliveries(q), f.attempts(webhook.Query{Tenant: "acme", EventID: "e1"})
			}
			f.equal("attempts", len(f.attempts(webhook.Query{Tenant: "acme", EventID: "e1"})), 4)
			endpoints, events, deliveries, attempts := read()
			for i := range attempts {
				clear(attempts[i].ResponseBody)
			}
			clear(endpoints)
			clear(events)
			clear(deliveries)
			clear(attempts)
			endpoints, events, deliveries, attempts = read()
			f.names("endpoints", ids(endpoints), "ep0000", "ep0001")
			f.names("events", eventIDs(events), "e1", "e2")
			f.names("deliveries", deliveryIDs(deliveries), "e1.ep0000", "e1.ep0001", "e2.ep0000")
			for _, a := range attempts {
				if want := map[int]string{0: "", 200: "ok", 500: "oops", 503: "oops"}[a.Status]; string(a.ResponseBody) != want {
					f.Errorf("attempt with status %d: got the body %q, want %q", a.Status, a.ResponseBody, want)
				}
			}
		},
	},
	{
		"page/empty", "a Page has the cursor of the next page; empty at the end: a list of nothing has none",
		func(f *fixture) {
			f.names("endpoints", ids(f.listEndpoints(webhook.Query{Tenant: "acme"})))
			f.names("events", eventIDs(f.events(webhook.Query{AllTenants: true, From: base, To: base.Add(time.Hour)})))
			f.names("deliveries", deliveryIDs(f.deliveries(webhook.Query{Tenant: "acme", State: webhook.DeliveryPending})))
			f.names("attempts", attemptNames(f.attempts(webhook.Query{Tenant: "acme", EventID: "e1"})))
		},
	},
	{
		"page/short-events", shortRule,
		func(f *fixture) {
			f.publish(f.rare("acme", "wanted"))
			f.many(func(i int) webhook.EventRecord { return f.event("acme", fmt.Sprint(i)) })
			f.ordered("of a type", eventIDs(f.events(webhook.Query{Tenant: "acme", Type: rareType})), "wanted")
			f.ordered("of a type, of all tenants", eventIDs(f.events(webhook.Query{AllTenants: true, Type: rareType})), "wanted")
			f.ordered("of an id, of all tenants", eventIDs(f.events(webhook.Query{AllTenants: true, EventID: "wanted"})), "wanted")
		},
	},
	{
		"page/short-deliveries", shortRule,
		func(f *fixture) {
			f.publish(f.rare("acme", "wanted", f.ready("ep1", "ep2")...))
			f.many(func(i int) webhook.EventRecord { return f.event("acme", fmt.Sprint(i), f.ready("ep1")...) })
			f.ordered("of a type", deliveryIDs(f.deliveries(webhook.Query{Tenant: "acme", Type: rareType})), "wanted.ep1", "wanted.ep2")
			f.ordered("of an endpoint", deliveryIDs(f.deliveries(webhook.Query{Tenant: "acme", EndpointID: "ep1", Type: rareType})), "wanted.ep1")
			f.ordered("of an endpoint, of all tenants", deliveryIDs(f.deliveries(webhook.Query{AllTenants: true, EndpointID: "ep2"})), "wanted.ep2")
		},
	},
	{
		"page/short-fan-out", shortRule,
		func(f *fixture) {
			f.publish(f.rare("acme", "wanted", f.ready("ep1")...))
			e := f.event("acme", "e1", f.ready(manyNames()...)...)
			last := &e.Deliveries[len(e.Deliveries)-1]
			last.State, last.Reason = webhook.DeliveryCanceled, webhook.ReasonCanceled
			f.publish(e)
			f.ordered("of a type", deliveryIDs(f.deliveries(webhook.Query{Tenant: "acme", Type: rareType})), "wanted.ep1")
			f.ordered("of an event and a state", deliveryIDs(f.deliveries(webhook.Query{Tenant: "acme", EventID: "e1", State: webhook.DeliveryCanceled})),
				"e1."+last.EndpointID)
		},
	},
	{
		"page/short-attempts", shortRule,
		func(f *fixture) {
			failed := func(e webhook.EventRecord, row *webhook.NewDelivery) {
				row.State, row.Reason = webhook.DeliveryFailed, webhook.ReasonExhausted
				row.Attempt = f.attempt(f.own(e, row.EndpointID), webhook.ClassStatus)
			}
			first := f.event("acme", "first", f.ready("ep1")...)
			failed(first, &first.Deliveries[0])
			first.Deliveries[0].Attempt.Status = 503
			f.publish(first)
			f.advance(instant)
			f.many(func(i int) webhook.EventRecord {
				e := f.event("acme", fmt.Sprint(i), f.ready("ep1")...)
				failed(e, &e.Deliveries[0])
				return e
			})
			e := f.event("acme", "e1", f.ready(manyNames()...)...)
			for i := range e.Deliveries {
				failed(e, &e.Deliveries[i])
			}
			rare := e.Deliveries[0].Attempt
			rare.Status, rare.StartedAt = 503, f.now.Add(-instant)
			f.publish(e)
			f.ordered("of an endpoint and a status", attemptNames(f.attempts(webhook.Query{Tenant: "acme", EndpointID: "ep1", Status: 503})), "first.ep1#1")
			f.ordered("of an event and a status", attemptNames(f.attempts(webhook.Query{Tenant: "acme", EventID: "e1", Status: 503})),
				"e1."+rare.EndpointID+"#1")
			f.names("of all tenants and a status", attemptNames(f.attempts(webhook.Query{AllTenants: true, Status: 503})),
				"first.ep1#1", "e1."+rare.EndpointID+"#1")
		},
	},
	{
		"page/short-endpoints", shortRule,
		func(f *fixture) {
			f.endpoints("acme", manyRows)
			f.endpoint("umbrella", "wanted")
			f.names("of an id, of all tenants", ids(f.listEndpoints(webhook.Query{AllTenants: true, EndpointID: "wanted"})), "wanted")
		},
	},
}

const (
	shortRule = "a page may be short, even empty, and still have a Next: a Store reads at most 1,000 rows for one"
	manyRows  = 1_001 // one more than a Store reads for a page
	rareType  = "member.left"
)

// rare makes an event of a type that no other event has.
func (f *fixture) rare(tenant, id string, rows ...webhook.NewDelivery) webhook.EventRecord {
	e := f.event(tenant, id, rows...)
	e.Type = rareType
	return e
}

// many publishes manyRows events.
func (f *fixture) many(event func(i int) webhook.EventRecord) {
	f.Helper()
	events := make([]webhook.EventRecord, manyRows)
	for i := range events {
		events[i] = event(i)
	}
	for part := range slices.Chunk(events, 500) {
		f.publish(part...)
	}
}

// manyNames returns manyRows ids in order. A delivery needs no endpoint.
func manyNames() []string {
	names := make([]string, manyRows)
	for i := range names {
		names[i] = fmt.Sprintf("ep%04d", i)
	}
	return names
}

// ask calls the named method, which takes a Query.
func (f *fixture) ask(ctx context.Context, method string, q webhook.Query) error {
	var err error
	switch method {
	case "Endpoints":
		_, err = f.store.Endpoints(ctx, q)
	case "Events":
		_, err = f.store.Events(ctx, q)
	case "Deliveries":
		_, err = f.store.Deliveries(ctx, q, f.now)
	case "Attempts":
		_, err = f.store.Attempts(ctx, q)
	case "Retry":
		_, err = f.store.Retry(ctx, q, f.now)
	case "Cancel":
		_, err = f.store.Cancel(ctx, q, f.now)
	case "Replays":
		_, err = f.store.Replays(ctx, q)
	}
	return err
}
