package storetest

import (
	"fmt"
	"time"

	"github.com/gowebhook/webhook"
)

// pruneCases check how Prune cancels deliveries and forgets endpoints.
var pruneCases = []testCase{
	{
		"prune/disabled", "Prune cancels pending deliveries of disabled endpoints, with their reason",
		func(f *fixture) {
			reasons := []webhook.Reason{webhook.ReasonCustomer, webhook.ReasonGone, reasonFailing, reasonUnverified}
			names := f.endpoints("acme", 4)
			for i, id := range names {
				f.send("acme", "e"+id, id)
				f.update("acme", id, func(e *webhook.Endpoint) { e.State, e.Reason = webhook.EndpointDisabled, reasons[i] })
			}
			f.advance(time.Second)
			f.prune(forEver)
			for i, id := range names {
				d := f.delivery("acme", "e"+id, id)
				if d.State != webhook.DeliveryCanceled || d.Reason != reasons[i] || !d.FinishedAt.Equal(f.now) {
					f.Errorf("got %+v, want it canceled now as %s", d, reasons[i])
				}
			}
			f.equal("stats", f.stats(), webhook.Stats{})
		},
	},
	{
		"prune/deleted", "Prune cancels pending deliveries of deleted endpoints, with ReasonDeleted",
		func(f *fixture) {
			f.endpoints("acme", 2)
			f.send("acme", "e1", "ep0000", "ep0001")
			f.remove("acme", "ep0000")
			f.prune(forEver)
			f.expectState("acme", "e1", "ep0000", webhook.DeliveryCanceled, webhook.ReasonDeleted)
			f.expectClaim("e1.ep0001")
		},
	},
	{
		"prune/no-endpoint", "a row for an endpoint that no longer exists is canceled by Prune",
		func(f *fixture) {
			f.endpoints("acme", 2)
			f.remove("acme", "ep0000")
			f.prune(forEver) // forgets it
			f.send("acme", "e1", "ep0000", "ep0001")
			f.expectClaim("e1.ep0001")
			f.prune(forEver)
			f.expectState("acme", "e1", "ep0000", webhook.DeliveryCanceled, webhook.ReasonDeleted)
		},
	},
	{
		"prune/secrets", "Prune removes secrets from endpoints when they have expired, without a new Version",
		func(f *fixture) {
			e := f.newEndpoint("acme", "ep1")
			secret := func(value webhook.Secret, expires time.Duration) webhook.EndpointSecret {
				s := webhook.EndpointSecret{Value: value, CreatedAt: f.now}
				if expires > 0 {
					s.ExpiresAt = f.now.Add(expires)
				}
				return s
			}
			e.Secrets = []webhook.EndpointSecret{secret("c", 0), secret("b", 2*time.Hour), secret("a", time.Hour)}
			e = f.create(e)
			other := f.endpoint("acme", "ep2")
			f.prune(forEver)
			f.equal("before any has expired", f.get("acme", "ep1"), e)
			f.advance(time.Hour - instant)
			f.prune(forEver)
			f.equal("a moment before the first expires", f.get("acme", "ep1"), e)
			read := f.get("acme", "ep1").Secrets
			f.advance(instant)
			f.prune(forEver)
			if n := len(read); n != 3 || read[2].Value != "a" {
				f.Errorf("an earlier result has changed: %v", read)
			}
			e.Secrets = e.Secrets[:2:2]
			f.equal("when the first has expired", f.get("acme", "ep1"), e)
			e = f.update("acme", "ep1", func(e *webhook.Endpoint) {
				e.Secrets = append([]webhook.EndpointSecret{secret("d", 0)}, e.Secrets...)
				e.Secrets[1].ExpiresAt = f.now.Add(30 * time.Minute)
			})
			f.advance(30 * time.Minute)
			f.prune(forEver)
			e.Secrets = []webhook.EndpointSecret{e.Secrets[0], e.Secrets[2]}
			f.equal("after a rotation", f.get("acme", "ep1"), e)
			f.advance(time.Hour)
			f.prune(forEver)
			e.Secrets = e.Secrets[:1:1]
			f.equal("at last", f.get("acme", "ep1"), e)
			f.equal("an endpoint with one secret", f.get("acme", "ep2"), other)
		},
	},
	{
		"prune/waiting", "Prune cancels pending deliveries of disabled endpoints and of deleted ones: those that wait too",
		func(f *fixture) {
			f.endpoints("acme", 2)
			f.send("acme", "e1", "ep0000", "ep0001")
			for _, l := range f.claim() {
				f.settle(f.retryIn(l, time.Hour))
			}
			f.setState("acme", "ep0000", webhook.EndpointDisabled)
			f.remove("acme", "ep0001")
			f.prune(forEver)
			f.expectState("acme", "e1", "ep0000", webhook.DeliveryCanceled, webhook.ReasonCustomer)
			f.expectState("acme", "e1", "ep0001", webhook.DeliveryCanceled, webhook.ReasonDeleted)
		},
	},
	{
		"prune/leased", "Prune cancels pending deliveries of disabled endpoints and of deleted ones, except leased ones",
		func(f *fixture) {
			f.endpoints("acme", 3)
			f.send("acme", "e1", "ep0000", "ep0001", "ep0002")
			l := f.expectClaim("e1.ep0000", "e1.ep0001", "e1.ep0002")
			f.setState("acme", "ep0000", webhook.EndpointDisabled)
			f.setState("acme", "ep0002", webhook.EndpointDisabled)
			f.remove("acme", "ep0001")
			f.advance(leaseTime - instant)
			f.prune(forEver)
			f.settle(f.success(l[0]), f.success(l[1]))
			f.advance(grace + instant)
			f.prune(forEver)
			f.expectState("acme", "e1", "ep0002", webhook.DeliveryCanceled, webhook.ReasonCustomer)
		},
	},
	{
		"prune/others", "Prune cancels pending deliveries of disabled endpoints and of deleted ones, and no others",
		func(f *fixture) {
			f.endpoints("acme", 4)
			f.endpoint("umbrella", "ep0003")
			f.send("acme", "e1", "ep0000", "ep0001", "ep0002")
			f.send("umbrella", "u1", "ep0003")
			f.setState("acme", "ep0001", webhook.EndpointPaused)
			f.block("acme", "ep0002", time.Hour, true)
			f.setState("acme", "ep0003", webhook.EndpointDisabled)
			f.prune(forEver)
			f.setState("acme", "ep0001", webhook.EndpointActive)
			f.expectClaim("e1.ep0000", "e1.ep0001", "u1.ep0003")
			f.advance(time.Hour)
			f.expectClaim("e1.ep0000", "e1.ep0001", "e1.ep0002", "u1.ep0003")
		},
	},
	{
		"prune/enabled", "a delivery that is pending when UpdateEndpoint has made its endpoint active stays pending, and so does each that is published later",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			for round := range 10 {
				before, after := fmt.Sprint("before", round), fmt.Sprint("after", round)
				f.setState("acme", "ep1", webhook.EndpointDisabled)
				f.prune(forEver)
				f.send("acme", before, "ep1") // from a caller that matched ep1 before it was disabled
				var more bool
				var err error
				states := make(map[string]webhook.DeliveryState)
				together(2, func(i int) {
					if i == 0 {
						more, err = f.store.Prune(f.ctx(), f.now, forEver)
						return
					}
					f.setState("acme", "ep1", webhook.EndpointActive)
					f.send("acme", after, "ep1")
					for _, id := range []string{before, after} {
						states[id] = f.delivery("acme", id, "ep1").State
					}
				})
				f.must("Prune", err)
				if more {
					f.prune(forEver)
				}
				for id, state := range states {
					if got := f.delivery("acme", id, "ep1").State; got != state {
						f.Errorf("%s is %s after Prune, and was %s when the endpoint was active", id, got, state)
					}
				}
				if states[after] != webhook.DeliveryPending {
					f.Errorf("%s, published to an active endpoint, is %s", after, states[after])
				}
			}
		},
	},
	{
		"prune/made-anew", "the same holds for an endpoint that CreateEndpoint has made anew",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.remove("acme", "ep1")
			f.prune(forEver)
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			f.prune(forEver)
			f.expectClaim("e1.ep1")
		},
	},
	{
		"prune/wide", "an event is removed at once for every reader: from then on no method shows it, its deliveries or its attempts, and its id is free",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			e := f.event("acme", "wide", f.held("ep1")...)
			for i := range 2500 {
				e.Deliveries = append(e.Deliveries, webhook.NewDelivery{
					EndpointID: fmt.Sprintf("old%04d", i), State: webhook.DeliverySucceeded,
					Attempt: &webhook.Attempt{StartedAt: f.now, Status: 200, ResponseBody: []byte("ok")},
				})
				if row := &e.Deliveries[len(e.Deliveries)-1]; i%100 == 0 {
					row.State, row.Reason, row.Attempt.Class = webhook.DeliveryFailed, webhook.ReasonExhausted, webhook.ClassReset
				}
			}
			f.publish(e)
			f.settle(f.success(f.own(e, "ep1")))
			f.advance(2 * time.Hour)
			again := false
			for more := true; more; {
				var err error
				more, err = f.store.Prune(f.ctx(), f.now, webhook.Retention{ResponseBodies: -1, Attempts: -1, Events: time.Hour})
				f.must("Prune", err)
				if again {
					continue
				}
				if len(f.events(webhook.Query{Tenant: "acme"})) == 1 {
					if n := len(f.deliveries(webhook.Query{Tenant: "acme", EventID: "wide"})); n != len(e.Deliveries) {
						f.Errorf("the event is shown with %d deliveries of %d", n, len(e.Deliveries))
					}
					continue
				}
				for _, q := range []webhook.Query{{Tenant: "acme", EventID: "wide"}, {Tenant: "acme", EndpointID: "ep1"}} {
					f.names("deliveries", deliveryIDs(f.deliveries(q)))
					f.names("attempts", attemptNames(f.attempts(q)))
				}
				f.names("failed attempts", attemptNames(f.attempts(webhook.Query{AllTenants: true})))
				_, err = f.store.Retry(f.ctx(), webhook.Query{Tenant: "acme", EventID: "wide", EndpointID: "ep1"}, f.now)
				f.is("Retry", err, webhook.ErrNotFound)
				f.retry(webhook.Query{Tenant: "acme", EndpointID: "ep1", State: webhook.DeliverySucceeded}, 0, 0)
				next := f.event("acme", "wide", f.held("ep1")...)
				next.Data = []byte("2")
				f.publish(next)
				again = true
			}
			if !again {
				f.Errorf("the event is still there")
			}
			f.names("deliveries", deliveryIDs(f.deliveries(webhook.Query{Tenant: "acme"})), "wide.ep1")
		},
	},
	{
		"prune/many", "Prune does a short piece of housekeeping and reports whether there is more",
		func(f *fixture) {
			f.endpoints("acme", 3)
			f.backlog("acme", "off", "ep0000", 400)
			f.backlog("acme", "gone", "ep0001", 400)
			f.backlog("acme", "old", "ep0002", 400)
			f.setState("acme", "ep0000", webhook.EndpointDisabled)
			f.remove("acme", "ep0001")
			var done []webhook.Settlement
			for _, l := range f.claim() {
				done = append(done, f.success(l))
			}
			f.settle(done...)
			f.prune(forEver)
			if got := f.deliveries(webhook.Query{Tenant: "acme", State: webhook.DeliveryCanceled}); len(got) != 800 {
				f.Errorf("%d deliveries are canceled, want 800", len(got))
			}
			f.advance(2 * time.Hour)
			f.prune(webhook.Retention{ResponseBodies: time.Hour, Attempts: time.Hour, Events: time.Hour})
			if got := f.events(webhook.Query{Tenant: "acme"}); len(got) != 0 {
				f.Errorf("%d events are left, want none", len(got))
			}
		},
	},
	{
		"prune/forgets", "Prune forgets deleted endpoints that have no deliveries left: their ids can be used again",
		func(f *fixture) {
			f.endpoint("acme", "ep1", "old")
			f.send("acme", "e1", "ep1")
			f.settle(f.retryIn(f.take("e1.ep1"), time.Hour))
			f.remove("acme", "ep1")
			f.advance(2 * time.Hour)
			f.prune(webhook.Retention{ResponseBodies: time.Hour, Attempts: time.Hour, Events: time.Hour})
			e := f.endpoint("acme", "ep1", "new")
			f.equal("the new endpoint", f.get("acme", "ep1"), e)
			f.names("matched by a pattern of the old one", f.match(asks("acme", "old")))
			f.send("acme", "e2", "ep1")
			f.expectClaim("e2.ep1")
		},
	},
	{
		"prune/nothing", "Prune reports whether there is more",
		func(f *fixture) {
			f.everyState("acme", "e1")
			f.prune(webhook.Retention{ResponseBodies: time.Hour, Attempts: time.Hour, Events: time.Hour})
			more, err := f.store.Prune(f.ctx(), f.now, forEver)
			f.must("Prune", err)
			if more {
				f.Errorf("Prune says that there is more, right after it said that there is not")
			}
			f.names("deliveries", deliveryIDs(f.deliveries(webhook.Query{Tenant: "acme"})),
				"e1.canceled", "e1.failed", "e1.flight", "e1.succeeded", "e1.waiting")
		},
	},
}
