package storetest

import (
	"fmt"
	"time"

	"github.com/gowebhook/webhook"
)

// finished stores an event of now that was delivered to ep1. It creates ep1 if necessary.
func (f *fixture) finished(tenant, id string) {
	f.Helper()
	if len(f.refresh(key(tenant, "ep1"))) == 0 {
		f.endpoint(tenant, "ep1")
	}
	e := f.event(tenant, id, f.held("ep1")...)
	f.publish(e)
	f.settle(f.success(f.own(e, "ep1")))
}

// kept describes the remaining rows of each event that finished has stored.
func (f *fixture) kept(tenant string) map[string]string {
	f.Helper()
	left := map[string]string{}
	for _, e := range f.events(webhook.Query{Tenant: tenant}) {
		left[e.ID] = fmt.Sprintf("event, %d deliveries", len(f.deliveries(webhook.Query{Tenant: tenant, EventID: e.ID})))
		for _, a := range f.attempts(webhook.Query{Tenant: tenant, EventID: e.ID}) {
			left[e.ID] += fmt.Sprintf(", attempt %q", a.ResponseBody)
		}
	}
	return left
}

const (
	wholeEvent     = `event, 1 deliveries, attempt "ok"`
	withoutBody    = `event, 1 deliveries, attempt ""`
	withoutAttempt = `event, 1 deliveries`
)

// retentionCases check which rows Prune removes because of their age.
var retentionCases = []testCase{
	{
		"retention/bodies", "Prune removes response bodies that are older than r.ResponseBodies",
		func(f *fixture) {
			f.finished("acme", "old")
			f.advance(2 * time.Second)
			f.finished("acme", "new")
			f.advance(time.Hour - time.Second)
			f.prune(webhook.Retention{ResponseBodies: time.Hour, Attempts: -1, Events: -1})
			f.equal("left", f.kept("acme"), map[string]string{"old": withoutBody, "new": wholeEvent})
		},
	},
	{
		"retention/attempts", "Prune removes attempts that are older than r.Attempts",
		func(f *fixture) {
			f.finished("acme", "old")
			f.advance(2 * time.Second)
			f.finished("acme", "new")
			f.advance(time.Hour - time.Second)
			f.prune(webhook.Retention{ResponseBodies: -1, Attempts: time.Hour, Events: -1})
			f.equal("left", f.kept("acme"), map[string]string{"old": withoutAttempt, "new": wholeEvent})
		},
	},
	{
		"retention/events", "Prune removes events that are older than r.Events, with their deliveries",
		func(f *fixture) {
			f.finished("acme", "old")
			f.finished("umbrella", "old")
			f.publish(f.event("acme", "old-alone"))
			f.advance(2 * time.Second)
			f.finished("acme", "new")
			f.advance(time.Hour - time.Second)
			f.prune(webhook.Retention{ResponseBodies: -1, Attempts: -1, Events: time.Hour})
			f.equal("left", f.kept("acme"), map[string]string{"new": wholeEvent})
			f.equal("left of another tenant", f.kept("umbrella"), map[string]string{})
			f.names("deliveries", deliveryIDs(f.deliveries(webhook.Query{AllTenants: true})), "new.ep1")
			f.names("attempts", attemptNames(f.attempts(webhook.Query{Tenant: "acme", EndpointID: "ep1"})), "new.ep1#1")
			again := f.event("acme", "old")
			again.Data = []byte("2")
			f.publish(again) // the id is free
		},
	},
	{
		"retention/for-ever", "a negative age keeps for ever",
		func(f *fixture) {
			f.finished("acme", "old")
			f.advance(100 * 365 * 24 * time.Hour)
			f.prune(forEver)
			f.equal("left", f.kept("acme"), map[string]string{"old": wholeEvent})
		},
	},
	{
		"retention/default", "an age of zero means the default: 7 days for response bodies, 30 for attempts and events",
		func(f *fixture) {
			f.finished("acme", "older")
			f.advance(22*24*time.Hour + 2*time.Second)
			f.finished("acme", "old")
			f.advance(2 * time.Second)
			f.finished("acme", "new")
			f.advance(7*24*time.Hour - time.Second)
			f.prune(webhook.Retention{})
			f.equal("after 7 days", f.kept("acme"), map[string]string{"older": withoutBody, "old": withoutBody, "new": wholeEvent})
			f.advance(24 * time.Hour)
			f.prune(webhook.Retention{})
			f.equal("after 30 days", f.kept("acme"), map[string]string{"old": withoutBody, "new": withoutBody})
		},
	},
	{
		"retention/age", "ages count from the event's CreatedAt",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			for _, id := range []string{"e1", "e2"} {
				e := f.event("acme", id, f.ready("ep1")...)
				e.Time = base.Add(-1000 * time.Hour)
				f.publish(e)
				f.advance(time.Hour)
			}
			for _, l := range f.expectClaim("e1.ep1", "e2.ep1") {
				f.settle(f.success(l)) // now, long after the event
			}
			f.advance(time.Second)
			f.prune(webhook.Retention{ResponseBodies: 30 * time.Minute, Attempts: 90 * time.Minute, Events: 24 * time.Hour})
			f.equal("left", f.kept("acme"), map[string]string{"e1": withoutAttempt, "e2": withoutBody})
		},
	},
	{
		"retention/finished-since", "Prune removes events that are older than r.Events, also when an earlier call had to leave them",
		func(f *fixture) {
			e := f.event("acme", "open", f.held("ep1")...)
			f.finished("acme", "closed")
			f.publish(e)
			f.advance(2 * time.Hour)
			f.prune(forEver)
			anHour := webhook.Retention{ResponseBodies: time.Hour, Attempts: time.Hour, Events: time.Hour}
			f.prune(anHour)
			f.equal("left", f.kept("acme"), map[string]string{"open": `event, 1 deliveries`})
			f.settle(f.success(f.own(e, "ep1")))
			f.prune(anHour)
			f.equal("left when it has finished", f.kept("acme"), map[string]string{})
		},
	},
	{
		"retention/unfinished", "Prune removes nothing of an event with an unfinished delivery",
		func(f *fixture) {
			f.endpoints("acme", 2)
			f.send("acme", "flight", "ep0000", "ep0001")
			f.settle(f.success(f.expectClaim("flight.ep0000", "flight.ep0001")[1]))
			f.send("acme", "retried", "ep0000")
			f.settle(f.retryIn(f.take("retried.ep0000"), 48*time.Hour))
			f.send("acme", "due", "ep0000")
			later := f.outbox("acme", "later")
			later.NotBefore = f.now.Add(48 * time.Hour)
			f.publish(later)
			f.advance(leaseTime - time.Second)
			f.prune(webhook.Retention{ResponseBodies: time.Second, Attempts: time.Second, Events: time.Second})
			f.equal("left", f.kept("acme"), map[string]string{
				"flight": `event, 2 deliveries, attempt "ok"`, "retried": `event, 1 deliveries, attempt "oops"`,
				"due": `event, 1 deliveries`, "later": `event, 0 deliveries`,
			})
			f.advance(48 * time.Hour)
			f.expectClaim("due.ep0000", "flight.ep0000", "retried.ep0000", "later.ep0000", "later.ep0001")
		},
	},
}

// eraseCases check Erase.
var eraseCases = []testCase{
	{
		"erase/all", "Erase removes all that is stored of a tenant",
		func(f *fixture) {
			f.everyState("acme", "e1")
			f.publish(f.outbox("acme", "e2"))
			f.must("Erase", f.store.Erase(f.ctx(), "acme"))
			f.names("endpoints", ids(f.listEndpoints(webhook.Query{AllTenants: true})))
			f.names("refreshed", f.refresh(key("acme", "failed"), key("acme", "waiting")))
			f.names("matched", f.match(asks("acme", "t")))
			f.names("events", eventIDs(f.events(webhook.Query{AllTenants: true})))
			f.names("deliveries", deliveryIDs(f.deliveries(webhook.Query{AllTenants: true})))
			f.names("attempts", attemptNames(f.attempts(webhook.Query{Tenant: "acme", EventID: "e1"})))
			f.equal("stats", f.stats(), webhook.Stats{})
			f.advance(48 * time.Hour)
			f.expectClaim()
			f.must("a second Erase", f.store.Erase(f.ctx(), "acme"))
		},
	},
	{
		"erase/again", "Erase removes all that is stored of a tenant: its ids can be used again",
		func(f *fixture) {
			f.endpoint("acme", "ep1", "old")
			f.send("acme", "e1", "ep1")
			f.settle(f.success(f.take("e1.ep1")))
			f.endpoint("acme", "ep2")
			f.send("acme", "e2", "ep2")
			f.remove("acme", "ep2")
			f.must("Erase", f.store.Erase(f.ctx(), "acme"))
			for _, id := range []string{"ep1", "ep2"} {
				e := f.endpoint("acme", id, "new")
				f.equal("the new endpoint", f.get("acme", id), e)
			}
			e := f.event("acme", "e1", f.ready("ep1")...)
			e.Data = []byte("2")
			f.publish(e)
			f.settle(f.success(f.take("e1.ep1")))
			f.expectLog("acme", "e1", "ep1", "1")
		},
	},
	{
		"erase/others", "Erase removes all rows of one tenant",
		func(f *fixture) {
			for _, tenant := range []string{"Acme", "acme ", "acme"} {
				f.everyState(tenant, "e1")
			}
			f.must("Erase", f.store.Erase(f.ctx(), "acme"))
			f.must("Erase of an unknown tenant", f.store.Erase(f.ctx(), "acme\u0301"))
			for _, tenant := range []string{"Acme", "acme "} {
				if n := len(f.listEndpoints(webhook.Query{Tenant: tenant})); n != 5 {
					f.Errorf("%d endpoints of %q are left, want 5", n, tenant)
				}
				f.names("events of "+tenant, eventIDs(f.events(webhook.Query{Tenant: tenant})), "e1")
				f.expectLog(tenant, "e1", "failed", "1 http_status")
				f.retry(webhook.Query{Tenant: tenant}, 2, 0)
			}
			f.expectClaim("e1.canceled", "e1.canceled", "e1.failed", "e1.failed")
		},
	},
	{
		"erase/leases", "a lease of an erased tenant's deliveries is lost",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			l := f.take("e1.ep1")
			f.must("Erase", f.store.Erase(f.ctx(), "acme"))
			f.lose(f.success(l))
			f.names("attempts", attemptNames(f.attempts(webhook.Query{Tenant: "acme", EventID: "e1"})))
			f.names("deliveries", deliveryIDs(f.deliveries(webhook.Query{Tenant: "acme"})))
		},
	},
}
