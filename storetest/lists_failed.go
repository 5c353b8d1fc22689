package storetest

import (
	"fmt"
	"time"

	"github.com/gowebhook/webhook"
)

const failedRule = "With AllTenants, and neither of them, it returns the failed attempts of all tenants: those with a Class"

// loggedByTwo stores the attempts of logged, and two of another tenant with the same ids. The
// first of these fails between the failures of e1.ep0000. The second is a success.
func (f *fixture) loggedByTwo() {
	f.Helper()
	f.logged()
	f.endpoints("umbrella", 1)
	f.send("umbrella", "e1", "ep0000")
	failed := f.retryIn(f.take("e1.ep0000"), 0)
	failed.Attempt.StartedAt = base.Add(1500 * time.Millisecond)
	f.settle(failed)
	f.settle(f.success(f.take("e1.ep0000")))
}

// allFailed returns the tenants and names of the failed attempts of all tenants.
func (f *fixture) allFailed(q webhook.Query) []string {
	f.Helper()
	q.AllTenants = true
	list := f.attempts(q)
	names := attemptNames(list)
	for i := range names {
		names[i] = list[i].Tenant + "/" + names[i]
	}
	return names
}

// failedListCases check Attempts of all tenants.
var failedListCases = []testCase{
	{
		"attempts/failed", failedRule + ", the latest StartedAt first",
		func(f *fixture) {
			f.loggedByTwo()
			for _, limit := range limits {
				f.ordered(fmt.Sprintf("in pages of %d", limit), f.allFailed(webhook.Query{Limit: limit}),
					"acme/e1.ep0001#1", "acme/e1.ep0000#2", "umbrella/e1.ep0000#1", "acme/e1.ep0000#1")
			}
			for _, a := range f.attempts(webhook.Query{AllTenants: true, Status: 503}) {
				f.equal("an attempt", a, webhook.Attempt{
					Tenant: "acme", EventID: "e1", EventType: f.event("acme", "e1").Type, EndpointID: "ep0000", Number: 2,
					StartedAt: base.Add(2 * time.Second), Status: 503, Class: webhook.ClassStatus, Error: "500 Internal Server Error",
					ResponseBody: []byte("oops"),
				})
			}
		},
	},
	{
		"attempts/failed-filter", failedRule + ". It honours Class, Status, From and To (of StartedAt), NoBodies, MaxBytes, Skip",
		func(f *fixture) {
			f.loggedByTwo()
			at := func(ms int) time.Time { return base.Add(time.Duration(ms) * time.Millisecond) }
			late, second, other, first := "acme/e1.ep0001#1", "acme/e1.ep0000#2", "umbrella/e1.ep0000#1", "acme/e1.ep0000#1"
			for _, c := range []struct {
				q    webhook.Query
				want []string
			}{
				{webhook.Query{Class: webhook.ClassTimeout}, []string{late}},
				{webhook.Query{Class: webhook.ClassStatus}, []string{second, other, first}},
				{webhook.Query{Class: webhook.ClassStatus, Status: 500}, []string{other, first}},
				{webhook.Query{Status: 503}, []string{second}},
				{webhook.Query{Status: 200}, nil},
				{webhook.Query{From: at(1500)}, []string{late, second, other}},
				{webhook.Query{From: at(1500).Add(instant)}, []string{late, second}},
				{webhook.Query{To: at(1500)}, []string{first}},
				{webhook.Query{To: at(1500).Add(instant)}, []string{other, first}},
				{webhook.Query{From: at(1000), To: at(2000), Status: 500}, []string{other, first}},
				{webhook.Query{From: at(4000)}, nil},
			} {
				for _, c.q.Limit = range []int{0, 1, 2} {
					f.ordered(fmt.Sprintf("%+v", c.q), f.allFailed(c.q), c.want...)
				}
			}
			page, err := f.store.Attempts(f.ctx(), webhook.Query{AllTenants: true, Status: 500, Skip: 1, Limit: 1, NoBodies: true})
			f.must("Attempts", err)
			f.ordered("behind one", attemptNames(page.Items), "e1.ep0000#1")
			for _, a := range page.Items {
				f.equal("its body", len(a.ResponseBody), 0)
			}
			page, err = f.store.Attempts(f.ctx(), webhook.Query{AllTenants: true, MaxBytes: 300})
			f.must("Attempts", err)
			f.ordered("in 300 bytes", attemptNames(page.Items), "e1.ep0001#1")
		},
	},
	{
		"attempts/failed-same-time", failedRule + ", in pages of Limit rows, each row once",
		func(f *fixture) {
			var want []string
			for _, tenant := range []string{"acme", "umbrella"} {
				f.endpoints(tenant, 2)
				f.send(tenant, "e1", "ep0000", "ep0001")
				f.send(tenant, "e2", "ep0000")
				want = append(want, tenant+"/e1.ep0000#1", tenant+"/e1.ep0001#1", tenant+"/e2.ep0000#1", tenant+"/e1.ep0000#2")
			}
			for _, l := range f.claim() {
				s := f.retryIn(l, time.Hour)
				if e := f.sent[l.UID]; e.ID == "e1" && l.Endpoint.ID == "ep0000" {
					s.DueAt = f.now
				}
				f.settle(s)
			}
			for _, l := range f.expectClaim("e1.ep0000", "e1.ep0000") {
				f.settle(f.failure(l)) // all at the same time
			}
			for _, limit := range limits {
				f.names(fmt.Sprintf("in pages of %d", limit), f.allFailed(webhook.Query{Limit: limit}), want...)
			}
		},
	},
	{
		"attempts/failed-removed", failedRule + ", but none that Prune or Erase has removed",
		func(f *fixture) {
			fail := func(tenant, id string) {
				if len(f.refresh(key(tenant, "ep1"))) == 0 {
					f.endpoint(tenant, "ep1")
				}
				e := f.event(tenant, id, f.held("ep1")...)
				f.publish(e)
				f.settle(f.failure(f.own(e, "ep1")))
			}
			fail("acme", "old")
			f.advance(2 * time.Second)
			fail("acme", "young")
			f.advance(2 * time.Second)
			fail("acme", "new")
			fail("umbrella", "other")
			f.names("before", f.allFailed(webhook.Query{}), "acme/old.ep1#1", "acme/young.ep1#1", "acme/new.ep1#1", "umbrella/other.ep1#1")
			f.advance(time.Hour - 3*time.Second)
			f.prune(webhook.Retention{ResponseBodies: -1, Attempts: -1, Events: time.Hour})
			f.names("without old events", f.allFailed(webhook.Query{}), "acme/new.ep1#1", "acme/young.ep1#1", "umbrella/other.ep1#1")
			f.advance(2 * time.Second)
			f.prune(webhook.Retention{ResponseBodies: -1, Attempts: time.Hour, Events: -1})
			f.names("without old attempts", f.allFailed(webhook.Query{}), "acme/new.ep1#1", "umbrella/other.ep1#1")
			f.must("Erase", f.store.Erase(f.ctx(), "umbrella"))
			f.names("without a tenant", f.allFailed(webhook.Query{}), "acme/new.ep1#1")
		},
	},
}
