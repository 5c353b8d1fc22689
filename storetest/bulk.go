package storetest

import (
	"slices"
	"strings"
	"time"

	"github.com/gowebhook/webhook"
)

// recoverCases check how Retry and Cancel select deliveries by filter.
var recoverCases = []testCase{
	{
		"recover/filters", "Retry honours the same fields as Deliveries",
		func(f *fixture) {
			for _, q := range f.filters(webhook.DeliveryFailed) {
				want := deliveryIDs(f.deliveries(q))
				f.retry(q, len(want), 0)
				l := f.expectClaim(want...)
				for _, l := range l {
					f.settle(f.failure(l))
				}
			}
		},
	},
	{
		"recover/cancel-filters", "Cancel selects as Retry does, which honours the same fields as Deliveries",
		func(f *fixture) {
			for _, q := range f.filters(webhook.DeliveryPending) {
				want := deliveryIDs(f.deliveries(q))
				f.cancel(q, len(want), 0)
				canceled := f.deliveries(webhook.Query{AllTenants: true, State: webhook.DeliveryCanceled})
				f.names("canceled", deliveryIDs(canceled), want...)
				for _, d := range canceled {
					f.retry(one(d.Tenant, d.EventID, d.EndpointID), 1, 0)
				}
			}
		},
	},
	{
		"recover/finished", "Retry honours FinishedFrom and FinishedTo",
		func(f *fixture) {
			times := f.finishedAtTimes()
			window := webhook.Query{Tenant: "acme", FinishedFrom: times[1], FinishedTo: times[2]}
			f.retry(window, 1, 0)
			f.expectState("acme", "e1", "ep0001", webhook.DeliveryPending, "")
			f.expectState("acme", "e1", "ep0002", webhook.DeliveryFailed, webhook.ReasonExhausted)
			f.retry(window, 0, 0)
			window.FinishedTo, window.State = time.Time{}, webhook.DeliverySucceeded
			f.retry(window, 0, 0)
			window.Tenant, window.AllTenants, window.State = "", true, webhook.DeliveryFailed
			f.retry(window, 1, 0)
			f.expectState("acme", "e1", "ep0000", webhook.DeliveryFailed, webhook.ReasonExhausted)
		},
	},
	{
		"recover/parts", "one call may take only a part: Next is then the cursor for the next",
		func(f *fixture) {
			f.endpoints("acme", 2)
			f.backlog("acme", "a", "ep0000", 20)
			f.backlog("acme", "b", "ep0001", 10)
			l := f.claim()
			for _, l := range l {
				f.settle(f.failure(l))
			}
			first, err := f.store.Retry(f.ctx(), webhook.Query{Tenant: "acme", Limit: 7}, f.now)
			f.must("Retry", err)
			if first.Changed > 7 || first.Next == "" {
				f.Errorf("one call with Limit 7 changed %d of 30, Next %q", first.Changed, first.Next)
			}
			f.retry(webhook.Query{Tenant: "acme", Limit: 7, Cursor: first.Next}, 30-first.Changed, 0)
			f.expectClaim(f.leaseNames(l)...)
		},
	},
	{
		"recover/cancel-parts", "Cancel answers as Retry does: one call may take only a part, Next is then the cursor for the next",
		func(f *fixture) {
			f.endpoints("acme", 2)
			f.backlog("acme", "a", "ep0000", 10)
			l := f.claim() // passed over, in many parts
			f.backlog("acme", "b", "ep0000", 10)
			f.backlog("acme", "c", "ep0001", 10)
			f.cancel(webhook.Query{Tenant: "acme", Limit: 3}, 20, 10)
			f.expectClaim()
			for _, l := range l {
				f.settle(f.success(l))
			}
		},
	},
	{
		"recover/all-tenants", "only Query.AllTenants reaches all of them",
		func(f *fixture) {
			f.everyState("acme", "e1")
			f.everyState("umbrella", "u1")
			f.cancel(webhook.Query{AllTenants: true}, 2, 2)
			f.retry(webhook.Query{AllTenants: true, State: webhook.DeliveryFailed}, 2, 0)
			f.expectClaim("e1.failed", "u1.failed")
		},
	},
	{
		"recover/tenant", "another tenant's rows do not exist",
		func(f *fixture) {
			f.everyState("acme", "e1")
			f.everyState("umbrella", "u1")
			f.cancel(webhook.Query{Tenant: "acme"}, 1, 1)
			f.retry(webhook.Query{Tenant: "acme"}, 3, 0)
			f.expectClaim("e1.canceled", "e1.failed", "e1.waiting")
			f.expectState("umbrella", "u1", "waiting", webhook.DeliveryPending, "")
			f.expectState("umbrella", "u1", "failed", webhook.DeliveryFailed, webhook.ReasonExhausted)
		},
	},
}

// filters stores deliveries that are failed, or pending and due in a day, and returns queries
// for some of them.
func (f *fixture) filters(state webhook.DeliveryState) []webhook.Query {
	f.Helper()
	f.endpoints("acme", 2)
	f.endpoint("umbrella", "ep0000")
	for _, id := range []string{"e1", "e2", "e3"} {
		e, other := f.event("acme", id, f.ready("ep0000", "ep0001")...), f.event("umbrella", "u-"+id, f.ready("ep0000")...)
		if id == "e2" {
			e.Type = "member.left"
		}
		f.publish(e, other)
		f.advance(time.Second)
	}
	for _, l := range f.claim() {
		if state == webhook.DeliveryFailed {
			f.settle(f.failure(l))
		} else {
			f.settle(f.giveBack(l, 24*time.Hour))
		}
	}
	qs := []webhook.Query{
		{EventID: "e2"},
		{EndpointID: "ep0001"},
		{Type: "member.left"},
		{Type: "member"},
		{From: base.Add(time.Second)},
		{To: base.Add(time.Second)},
		{From: base.Add(time.Second), To: base.Add(2 * time.Second), EndpointID: "ep0000"},
		{Limit: 2},
		{EventID: "none"},
	}
	for i := range qs {
		qs[i].Tenant, qs[i].State = "acme", state
	}
	return qs
}

// finishedAtTimes stores an event with three deliveries that failed one after the other, and one
// that waits. It returns the times at which the three failed.
func (f *fixture) finishedAtTimes() (times [3]time.Time) {
	f.Helper()
	f.endpoints("acme", 4)
	f.send("acme", "e1", "ep0000", "ep0001", "ep0002", "ep0003")
	leases := f.expectClaim("e1.ep0000", "e1.ep0001", "e1.ep0002", "e1.ep0003")
	slices.SortFunc(leases, func(a, b webhook.Leased) int { return strings.Compare(a.Endpoint.ID, b.Endpoint.ID) })
	for i := range times {
		f.advance(time.Second)
		times[i] = f.now
		f.settle(f.failure(leases[i]))
	}
	f.settle(f.retryIn(leases[3], time.Hour))
	return times
}
