package storetest

import (
	"time"

	"github.com/gowebhook/webhook"
)

// cancelCases check Cancel.
var cancelCases = []testCase{
	{
		"cancel/single", "Cancel makes pending deliveries canceled with ReasonCanceled",
		func(f *fixture) {
			f.everyState("acme", "e1")
			f.send("acme", "e2", "waiting")
			f.advance(time.Second)
			f.cancel(one("acme", "e1", "waiting"), 1, 0)
			f.cancel(one("acme", "e2", "waiting"), 1, 0)
			d := f.delivery("acme", "e1", "waiting")
			if d.State != webhook.DeliveryCanceled || d.Reason != webhook.ReasonCanceled || !d.FinishedAt.Equal(f.now) || d.Attempts != 1 {
				f.Errorf("got %+v, want it canceled now, after one attempt", d)
			}
			f.expectState("acme", "e2", "waiting", webhook.DeliveryCanceled, webhook.ReasonCanceled)
			f.setState("acme", "flight", webhook.EndpointPaused)
			f.advance(48 * time.Hour)
			f.expectClaim()
		},
	},
	{
		"cancel/finished", "a single delivery that has finished is ErrConflict",
		func(f *fixture) {
			f.everyState("acme", "e1")
			for id, state := range map[string]webhook.DeliveryState{
				"canceled": webhook.DeliveryCanceled, "failed": webhook.DeliveryFailed, "succeeded": webhook.DeliverySucceeded,
			} {
				before := f.delivery("acme", "e1", id)
				_, err := f.tryCancel(one("acme", "e1", id))
				f.is(string(state), err, webhook.ErrConflict)
				f.equal(string(state), f.delivery("acme", "e1", id), before)
			}
		},
	},
	{
		"cancel/not-found", "Cancel answers as Retry does: ErrNotFound if there is none or its endpoint is deleted",
		func(f *fixture) {
			f.everyState("acme", "e1")
			f.send("acme", "e2", "failed")
			f.remove("acme", "failed")
			for _, q := range []webhook.Query{
				one("acme", "e3", "waiting"), one("umbrella", "e1", "waiting"), one("acme", "e2", "failed"), one("acme", "E1", "waiting"),
			} {
				_, err := f.tryCancel(q)
				f.is(q.Tenant+" "+q.EventID+"."+q.EndpointID, err, webhook.ErrNotFound)
			}
			f.expectState("acme", "e1", "waiting", webhook.DeliveryPending, "")
		},
	},
	{
		"cancel/in-flight", "Cancel answers as Retry does: ErrInFlight if it is leased at now",
		func(f *fixture) {
			f.everyState("acme", "e1")
			_, err := f.tryCancel(one("acme", "e1", "flight"))
			f.is("a leased one", err, webhook.ErrInFlight)
			f.expectState("acme", "e1", "flight", webhook.DeliveryPending, "")
		},
	},
	{
		"cancel/expired", "a delivery that waits with an expired lease is canceled; its lease number goes up by one",
		func(f *fixture) {
			f.endpoints("acme", 2)
			f.send("acme", "e1", "ep0000", "ep0001")
			l := f.expectClaim("e1.ep0000", "e1.ep0001")
			f.advance(leaseTime + time.Second)
			f.cancel(one("acme", "e1", "ep0000"), 1, 0)
			f.cancel(webhook.Query{Tenant: "acme"}, 1, 0)
			f.lose(f.success(l[0]), f.success(l[1]))
			f.expectState("acme", "e1", "ep0000", webhook.DeliveryCanceled, webhook.ReasonCanceled)
			f.expectState("acme", "e1", "ep0001", webhook.DeliveryCanceled, webhook.ReasonCanceled)
			f.expectLog("acme", "e1", "ep0000", "1 late")
			f.advance(time.Hour)
			f.expectClaim()
		},
	},
	{
		"cancel/number", "a canceled delivery's lease number goes up by one",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			f.settle(f.retryIn(f.take("e1.ep1"), time.Hour)) // 1
			f.cancel(one("acme", "e1", "ep1"), 1, 0)         // 2
			f.retry(one("acme", "e1", "ep1"), 1, 0)          // 3
			if l := f.take("e1.ep1"); l.LeaseNo != 4 {
				f.Errorf("got lease number %d, want 4", l.LeaseNo)
			}
		},
	},
	{
		"cancel/matching", "Cancel takes the pending deliveries that q matches, passes over leased ones and counts them in InFlight",
		func(f *fixture) {
			f.everyState("acme", "e1", "e2")
			f.send("acme", "e3", "waiting", "failed")
			f.cancel(webhook.Query{Tenant: "acme"}, 4, 2)
			f.expectState("acme", "e1", "waiting", webhook.DeliveryCanceled, webhook.ReasonCanceled)
			f.expectState("acme", "e3", "failed", webhook.DeliveryCanceled, webhook.ReasonCanceled)
			f.expectState("acme", "e1", "failed", webhook.DeliveryFailed, webhook.ReasonExhausted)
			f.expectState("acme", "e2", "flight", webhook.DeliveryPending, "")
			f.expectState("acme", "e2", "canceled", webhook.DeliveryCanceled, webhook.ReasonGone)
			f.cancel(webhook.Query{Tenant: "acme", State: webhook.DeliveryPending}, 0, 2)
		},
	},
	{
		"cancel/paused", "Cancel makes pending deliveries canceled, of paused endpoints too",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			f.setState("acme", "ep1", webhook.EndpointPaused)
			f.cancel(webhook.Query{Tenant: "acme", EndpointID: "ep1"}, 1, 0)
			f.setState("acme", "ep1", webhook.EndpointActive)
			f.expectClaim()
		},
	},
	{
		"cancel/outbox", "with Tenant and EventID Cancel takes a matching event out of the outbox, and counts it as one",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.endpoint("umbrella", "ep1")
			for _, e := range []webhook.EventRecord{f.outbox("acme", "e1"), f.outbox("acme", "e2"), f.outbox("umbrella", "e1"), f.outbox("umbrella", "u1")} {
				e.NotBefore = f.now.Add(time.Hour)
				f.publish(e)
			}
			f.advance(time.Second)
			for _, q := range []webhook.Query{
				{Tenant: "acme", EventID: "u1"},
				{Tenant: "acme", EventID: "E1"},
				{Tenant: "acme", EventID: "e1", Type: "member.left"},
				{Tenant: "acme", EventID: "e1", To: base},
				{Tenant: "acme", EventID: "e1", From: f.now},
				{Tenant: "acme", EventID: "e1", State: webhook.DeliveryFailed},
				{Tenant: "acme", EndpointID: "ep1"},
				{Tenant: "acme"},
			} {
				f.cancel(q, 0, 0)
			}
			f.retry(webhook.Query{Tenant: "acme", EventID: "e1"}, 0, 0)
			if s := f.stats(); s.Outbox != 4 {
				f.Errorf("got %d events in the outbox, want all 4", s.Outbox)
			}
			f.cancel(webhook.Query{Tenant: "acme", EventID: "e1", Type: "member.joined", From: base, To: f.now}, 1, 0)
			f.cancel(webhook.Query{Tenant: "acme", EventID: "e1"}, 0, 0)
			f.advance(time.Hour)
			f.expectClaim("e1.ep1", "e2.ep1", "u1.ep1")
			f.names("deliveries", deliveryIDs(f.deliveries(webhook.Query{Tenant: "acme"})), "e2.ep1")
			f.names("events", eventIDs(f.events(webhook.Query{Tenant: "acme"})), "e2", "e1")
			if s := f.stats(); s.Outbox != 0 {
				f.Errorf("got %d events in the outbox, want 0", s.Outbox)
			}
			missed := f.newReplay("acme", "ep1")
			missed.Request.Missed, missed.Request.States = true, nil
			f.count(missed, 1)
		},
	},
	{
		"cancel/outbox-begun", "no more deliveries are made of an event that Cancel takes out of the outbox",
		func(f *fixture) {
			f.endpoints("acme", 1100)
			f.publish(f.outbox("acme", "e1"))
			leased := len(f.call(f.room()).Deliveries)
			if s := f.stats(); s.Outbox != 1 || leased == 0 {
				f.Fatalf("one call of Claim leased %d deliveries and left %d events in the outbox, want some, and 1", leased, s.Outbox)
			}
			made := len(f.deliveries(webhook.Query{Tenant: "acme"}))
			f.cancel(webhook.Query{Tenant: "acme", EventID: "e1", Limit: 1000}, made-leased+1, leased)
			f.advance(time.Minute)
			for range 5 {
				f.call(f.room())
			}
			if got := len(f.deliveries(webhook.Query{Tenant: "acme"})); got != made {
				f.Errorf("the event has %d deliveries, want the %d that were made before", got, made)
			}
		},
	},
}
