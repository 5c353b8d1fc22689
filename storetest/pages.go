package storetest

import (
	"context"
	"fmt"
	"time"

	"github.com/gowebhook/webhook"
)

// pageCases check what holds for all lists.
var pageCases = []testCase{
	{
		"page/refused", "a method refuses a field that it does not honour",
		func(f *fixture) {
			f.endpoints("acme", 1)
			set := map[string]func(*webhook.Query){
				"AllTenants": func(q *webhook.Query) { q.Tenant, q.AllTenants = "", true },
				"EventID":    func(q *webhook.Query) { q.EventID = "e1" },
				"EndpointID": func(q *webhook.Query) { q.EndpointID = "ep0000" },
				"Type":       func(q *webhook.Query) { q.Type = "member.joined" },
				"State":      func(q *webhook.Query) { q.State = webhook.DeliveryFailed },
				"Class":      func(q *webhook.Query) { q.Class = webhook.ClassTimeout },
				"Status":     func(q *webhook.Query) { q.Status = 500 },
				"From":       func(q *webhook.Query) { q.From = base },
				"To":         func(q *webhook.Query) { q.To = base },
			}
			refused := map[string][]string{
				"Endpoints":  {"EventID", "Type", "State", "Class", "Status", "From", "To"},
				"Events":     {"EndpointID", "State", "Class", "Status"},
				"Deliveries": {"Class", "Status"},
				"Retry":      {"Class", "Status"},
				"Cancel":     {"Class", "Status"},
				"Attempts":   {"AllTenants", "Type", "State"},
			}
			for method, fields := range refused {
				for _, field := range fields {
					q := webhook.Query{Tenant: "acme"}
					if method == "Attempts" {
						q.EventID = "e1"
					}
					set[field](&q)
					f.is(method+" with "+field, f.ask(f.ctx(), method, q), webhook.ErrInvalid)
				}
			}
		},
	},
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
		"page/owned", "what a method returns belongs to the caller, except Data, Header, and the maps and slices of an Endpoint",
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
}

// ask calls the method that takes a Query.
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
	}
	return err
}
