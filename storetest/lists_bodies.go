package storetest

import (
	"bytes"
	"fmt"

	"github.com/gowebhook/webhook"
)

// fatLog stores n events of 1,000 bytes with a header, and one attempt of each with a response
// body of 1,000 bytes. It returns the event ids, newest first.
func (f *fixture) fatLog(n int) []string {
	f.Helper()
	f.endpoint("acme", "ep1")
	newest := make([]string, n)
	for i := range n {
		e := f.event("acme", fmt.Sprintf("e%02d", i), f.ready("ep1")...)
		e.Data, e.Header = largeJSON(1000), map[string]string{"X-Key": "value"}
		row := &e.Deliveries[0]
		row.State, row.Attempt = webhook.DeliverySucceeded, f.attempt(f.own(e, "ep1"), "")
		row.Attempt.ResponseBody = bytes.Repeat([]byte("x"), 1000)
		if i%2 == 1 {
			row.Attempt.Status = 204
		}
		f.publish(e)
		f.advance(instant)
		newest[n-1-i] = e.ID
	}
	return newest
}

// attemptEvents returns the event id of each attempt.
func attemptEvents(list []webhook.Attempt) []string {
	names := make([]string, len(list))
	for i := range list {
		names[i] = list[i].EventID
	}
	return names
}

// bodyCases check the fields of Query that bound the size of a page.
var bodyCases = []testCase{
	{
		"page/no-bodies", "NoBodies leaves out the Data and Header of events and the ResponseBody of attempts",
		func(f *fixture) {
			want := f.fatLog(3)
			events := f.events(webhook.Query{Tenant: "acme", NoBodies: true})
			f.ordered("events", eventIDs(events), want...)
			for i, full := range f.events(webhook.Query{Tenant: "acme"}) {
				if len(full.Data) != 1000 || len(full.Header) != 1 {
					f.Errorf("event %s without NoBodies: %d bytes of data, %d headers", full.ID, len(full.Data), len(full.Header))
				}
				full.Data, full.Header = nil, nil
				f.equal("event with NoBodies", events[i], full)
			}
			attempts := f.attempts(webhook.Query{Tenant: "acme", EndpointID: "ep1", NoBodies: true})
			f.ordered("attempts", attemptEvents(attempts), want...)
			for i, full := range f.attempts(webhook.Query{Tenant: "acme", EndpointID: "ep1"}) {
				if len(full.ResponseBody) != 1000 {
					f.Errorf("attempt of %s without NoBodies: a body of %d bytes", full.EventID, len(full.ResponseBody))
				}
				full.ResponseBody = nil
				f.equal("attempt with NoBodies", attempts[i], full)
			}
		},
	},
	{
		"page/max-bytes", "a page ends before the row that would exceed MaxBytes, except that the first row always fits",
		func(f *fixture) {
			want := f.fatLog(7)
			for i := range 6 {
				e := f.newEndpoint("umbrella", fmt.Sprint("ep", i))
				e.Metadata = map[string]string{"k": string(bytes.Repeat([]byte("x"), 1000))}
				f.create(e)
			}
			for limit, rows := range map[int]int{1: 1, 1000: 1, 3000: 2, 0: 100} {
				what := fmt.Sprintf("in pages of %d bytes", limit)
				q := webhook.Query{Tenant: "acme", MaxBytes: limit}
				events, err := f.store.Events(f.ctx(), q)
				f.must("Events", err)
				f.equal(what+", events of the first", len(events.Items), min(rows, len(want)))
				f.ordered(what, eventIDs(f.events(q)), want...)

				q.EndpointID = "ep1"
				attempts, err := f.store.Attempts(f.ctx(), q)
				f.must("Attempts", err)
				f.equal(what+", attempts of the first", len(attempts.Items), min(rows, len(want)))
				f.ordered(what, attemptEvents(f.attempts(q)), want...)

				q.Tenant, q.EndpointID = "umbrella", ""
				endpoints, err := f.store.Endpoints(f.ctx(), q)
				f.must("Endpoints", err)
				if limit == 3000 {
					rows = 1 // an endpoint counts as its settings and 512 bytes more
				}
				f.equal(what+", endpoints of the first", len(endpoints.Items), min(rows, 6))
				f.equal(what+", endpoints", len(f.listEndpoints(q)), 6)
			}
			brief, err := f.store.Events(f.ctx(), webhook.Query{Tenant: "acme", MaxBytes: 1800, NoBodies: true})
			f.must("Events", err)
			f.equal("events without bodies in 1,800 bytes", len(brief.Items), 7)
		},
	},
	{
		"page/skip", "Skip is the number of matching attempts to pass over before the first of the page, 0 to 1,000",
		func(f *fixture) {
			want := f.fatLog(9)
			for skip := range 11 {
				q := webhook.Query{Tenant: "acme", EndpointID: "ep1", Skip: skip, Limit: 2}
				page, err := f.store.Attempts(f.ctx(), q)
				f.must("Attempts", err)
				rest := want[min(skip, len(want)):]
				f.ordered(fmt.Sprint("behind ", skip), attemptEvents(page.Items), rest[:min(2, len(rest))]...)
				f.equal(fmt.Sprint("more behind ", skip), page.Next != "", len(rest) > 2)
				q.Cursor, q.Skip = page.Next, 0
				if page.Next != "" && len(rest) > 2 {
					f.ordered(fmt.Sprint("the rest behind ", skip), attemptEvents(f.attempts(q)), rest[2:]...)
				}
			}
			page, err := f.store.Attempts(f.ctx(), webhook.Query{Tenant: "acme", EndpointID: "ep1", Status: 204, Skip: 1, Limit: 2})
			f.must("Attempts", err)
			f.ordered("of a status, behind one", attemptEvents(page.Items), "e05", "e03")
		},
	},
	{
		"page/skip-reads", "a page that reads 1,000 rows before it has passed over Skip is empty and has a Next",
		func(f *fixture) {
			f.many(func(i int) webhook.EventRecord {
				e := f.event("acme", fmt.Sprint(i), f.ready("ep1")...)
				row := &e.Deliveries[0]
				row.State, row.Attempt = webhook.DeliverySucceeded, f.attempt(f.own(e, "ep1"), "")
				return e
			})
			q := webhook.Query{Tenant: "acme", EndpointID: "ep1", Skip: 999, Limit: 50}
			page, err := f.store.Attempts(f.ctx(), q)
			f.must("Attempts", err)
			f.equal("behind 999 of 1,001", len(page.Items), 1)
			q.Status = 599
			page, err = f.store.Attempts(f.ctx(), q)
			f.must("Attempts", err)
			if len(page.Items) > 0 || page.Next == "" {
				f.Errorf("of a status that none has: %d attempts, and the cursor %q", len(page.Items), page.Next)
			}
		},
	},
}
