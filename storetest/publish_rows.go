package storetest

import (
	"time"

	"github.com/gowebhook/webhook"
)

// rowCases check the delivery rows of Publish.
var rowCases = []testCase{
	{
		"rows/ready", "a delivery row that is not leased is pending, due at DueAt",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			rows := f.ready("ep1")
			rows[0].DueAt = f.now.Add(time.Hour)
			e := f.event("acme", "e1", rows...)
			e.NotBefore = rows[0].DueAt
			f.publish(e)
			if d := f.delivery("acme", "e1", "ep1"); d.State != webhook.DeliveryPending || !d.DueAt.Equal(rows[0].DueAt) || d.InFlight {
				f.Errorf("got %+v, want it pending, due in an hour", d)
			}
			f.advance(time.Hour - instant)
			f.expectClaim()
			f.advance(instant)
			f.expectClaim("e1.ep1")
		},
	},
	{
		"rows/leased", "a leased row is held by the caller under lease number 1 until LeaseUntil",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			e := f.event("acme", "e1", f.held("ep1")...)
			f.publish(e)
			if d := f.delivery("acme", "e1", "ep1"); d.State != webhook.DeliveryPending || !d.InFlight || !d.DueAt.Equal(f.now.Add(leaseTime)) {
				f.Errorf("got %+v, want it in flight until the lease ends", d)
			}
			f.expectClaim()
			f.settle(f.success(f.own(e, "ep1")))
			f.expectState("acme", "e1", "ep1", webhook.DeliverySucceeded, "")
		},
	},
	{
		"rows/lease-ends", "a leased row is held by the caller until LeaseUntil, under lease number 1",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			e := f.event("acme", "e1", f.held("ep1")...)
			f.publish(e)
			f.advance(leaseTime + grace - instant)
			f.expectClaim()
			f.advance(instant)
			if l := f.take("e1.ep1"); l.LeaseNo != 2 {
				f.Errorf("the next lease has number %d, want 2", l.LeaseNo)
			}
			f.lose(f.success(f.own(e, "ep1")))
		},
	},
	{
		"rows/final", "a delivery row with a final State is stored as finished, with its Attempt",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			e := f.event("acme", "e1")
			a := f.attempt(f.own(e, "ep1"), "")
			a.Test, a.Duration = true, 20*time.Millisecond
			e.Deliveries = []webhook.NewDelivery{{EndpointID: "ep1", Version: 1, State: webhook.DeliverySucceeded, Attempt: a}}
			want := *a
			f.publish(e)
			d := f.delivery("acme", "e1", "ep1")
			if d.State != webhook.DeliverySucceeded || d.Attempts != 1 || !d.FinishedAt.Equal(f.now) || d.InFlight {
				f.Errorf("got %+v, want it finished now, after one attempt", d)
			}
			want.Number = 1
			f.equal("attempts", f.log("acme", "e1", "ep1"), []webhook.Attempt{want})
			f.advance(time.Hour)
			f.expectClaim()
		},
	},
	{
		"rows/final-failed", "a delivery row with a final State is stored as finished; Publish reads no endpoint",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			e := f.event("acme", "e1")
			a := f.attempt(f.own(e, "ep1"), webhook.ClassTimeout)
			a.Test = true
			e.Deliveries = []webhook.NewDelivery{{
				EndpointID: "ep1", Version: 1, State: webhook.DeliveryFailed, Reason: webhook.ReasonExhausted, Attempt: a,
			}}
			f.publish(e)
			f.expectState("acme", "e1", "ep1", webhook.DeliveryFailed, webhook.ReasonExhausted)
			f.expectLog("acme", "e1", "ep1", "1 timeout")
			f.equal("health", f.health("acme", "ep1"), webhook.Health{})
		},
	},
	{
		"rows/test", "Events returns Test as it was published; Deliveries returns the event's in every state",
		func(f *fixture) {
			f.endpoints("acme", 2)
			test := f.event("acme", "test")
			a := f.attempt(f.own(test, "ep0000"), webhook.ClassTLS)
			a.Test = true
			test.Test, test.Deliveries = true, []webhook.NewDelivery{{
				EndpointID: "ep0000", Version: 1, State: webhook.DeliveryFailed, Reason: webhook.ReasonExhausted, Attempt: a,
			}}
			f.publish(test)
			f.send("acme", "e1", "ep0000")
			f.send("acme", "e2", "ep0000", "ep0001")
			f.expectMarked("published", "test")
			f.retry(one("acme", "test", "ep0000"), 1, 0)
			f.expectMarked("retried", "test")
			for _, l := range f.claim() {
				f.settle(f.success(l))
			}
			f.expectState("acme", "test", "ep0000", webhook.DeliverySucceeded, "")
			f.expectMarked("sent again", "test")
		},
	},
	{
		"rows/mixed", "any row that is not final is due at DueAt or leased, beside any other rows",
		func(f *fixture) {
			f.endpoints("acme", 3)
			rows := append(f.ready("ep0000"), f.held("ep0001")...)
			rows = append(rows, webhook.NewDelivery{
				EndpointID: "ep0002", Version: 1, State: webhook.DeliveryCanceled, Reason: webhook.ReasonCanceled,
			})
			e := f.event("acme", "e1", rows...)
			f.publish(e)
			f.expectState("acme", "e1", "ep0002", webhook.DeliveryCanceled, webhook.ReasonCanceled)
			f.expectClaim("e1.ep0000")
			f.settle(f.success(f.own(e, "ep0001")))
		},
	},
	{
		"rows/none", "Deliveries that are empty but not nil: the event is stored without deliveries",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.publish(f.event("acme", "e1"))
			f.expectClaim()
			f.names("events", eventIDs(f.events(webhook.Query{Tenant: "acme"})), "e1")
			f.equal("stats", f.stats(), webhook.Stats{})
		},
	},
	{
		"rows/outbox", "Publish stores each event and its outbox row when Deliveries is nil",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.publish(f.outbox("acme", "e1"))
			f.names("events", eventIDs(f.events(webhook.Query{Tenant: "acme"})), "e1")
			f.names("deliveries", deliveryIDs(f.deliveries(webhook.Query{Tenant: "acme"})))
			f.expectClaim("e1.ep1")
		},
	},
	{
		"rows/no-endpoint", "Publish reads no endpoint",
		func(f *fixture) {
			f.endpoint("acme", "off")
			f.setState("acme", "off", webhook.EndpointDisabled)
			got := f.tryPublish(f.event("acme", "e1", f.ready("off", "missing")...))[0]
			f.equal("result", got, webhook.Published{Deliveries: 2})
			f.names("deliveries", deliveryIDs(f.deliveries(webhook.Query{Tenant: "acme"})), "e1.missing", "e1.off")
		},
	},
}

// expectMarked expects that all lists mark one event and its deliveries as a test, and no other
// events or deliveries.
func (f *fixture) expectMarked(what, test string) {
	f.Helper()
	for _, q := range []webhook.Query{{Tenant: "acme"}, {AllTenants: true}, {Tenant: "acme", EventID: test}} {
		for _, q.NoBodies = range []bool{false, true} {
			for _, e := range f.events(q) {
				if e.Test != (e.ID == test) {
					f.Errorf("%s: event %s has Test %t", what, e.ID, e.Test)
				}
			}
		}
	}
	for _, q := range []webhook.Query{
		{Tenant: "acme"},
		{AllTenants: true},
		{Tenant: "acme", EventID: test},
		{Tenant: "acme", EndpointID: "ep0000"},
		one("acme", test, "ep0000"),
	} {
		for _, d := range f.deliveries(q) {
			if d.Test != (d.EventID == test) {
				f.Errorf("%s: delivery %s has Test %t", what, d.ID, d.Test)
			}
		}
	}
}
