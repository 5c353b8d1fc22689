package storetest

import (
	"time"

	"github.com/gowebhook/webhook"
)

// statsCases check Stats.
var statsCases = []testCase{
	{
		"stats/all", "Stats counts unfinished deliveries: Pending, Due, InFlight, Waiting, Held, Outbox",
		func(f *fixture) {
			f.everyState("acme", "e1") // one in flight, one waiting
			f.everyState("umbrella", "u1")
			f.endpoint("acme", "due")
			f.endpoint("acme", "paused")
			f.setState("acme", "paused", webhook.EndpointPaused)
			f.send("acme", "e2", "due", "paused")
			f.send("acme", "e3", "due", "paused")
			f.send("acme", "e4", "due")
			f.publish(f.event("acme", "e5", f.held("due")...), f.outbox("acme", "o1"), f.outbox("umbrella", "o2"))
			f.equal("stats", f.stats(), webhook.Stats{Pending: 10, Due: 3, InFlight: 3, Waiting: 2, Held: 2, Outbox: 2, OldestAt: f.now})
		},
	},
	{
		"stats/endpoints", "Stats counts endpoints by their State, and failing ones",
		func(f *fixture) {
			f.endpoints("acme", 4)
			f.endpoints("umbrella", 2)
			f.setState("acme", "ep0000", webhook.EndpointPaused)
			f.setState("acme", "ep0001", webhook.EndpointDisabled)
			f.remove("umbrella", "ep0001")
			f.fails("acme", "ep0002", 1, webhook.HealthFailing)
			f.fails("umbrella", "ep0000", 2, webhook.HealthDisabling)
			s, err := f.store.Stats(f.ctx(), f.now)
			f.must("Stats", err)
			f.equal("active", s.Endpoints.Active, 3)
			f.equal("paused", s.Endpoints.Paused, 1)
			f.equal("disabled", s.Endpoints.Disabled, 1)
			f.equal("failing", s.Endpoints.Failing, 2)
			f.setState("acme", "ep0002", webhook.EndpointDisabled)
			s, err = f.store.Stats(f.ctx(), f.now)
			f.must("Stats", err)
			f.equal("failing of those that are not disabled", s.Endpoints.Failing, 1)
		},
	},
	{
		"stats/held", "Held are those that are due, behind an endpoint that is paused, disabled, blocked or beyond its Rate",
		func(f *fixture) {
			names := f.endpoints("acme", 4)
			f.send("acme", "e1", names...)
			f.setState("acme", names[0], webhook.EndpointPaused)
			f.setState("acme", names[1], webhook.EndpointDisabled)
			f.block("acme", names[2], time.Minute, false)
			f.equal("stats", f.stats(), webhook.Stats{Pending: 4, Held: 3, Due: 1, OldestAt: base})
			f.advance(time.Minute)
			f.setState("acme", names[0], webhook.EndpointActive)
			f.equal("after the block", f.stats(), webhook.Stats{Pending: 4, Held: 1, Due: 3, OldestAt: base})
		},
	},
	{
		"stats/waiting", "Waiting are those that wait for a retry or NotBefore",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			later := f.event("acme", "e1", f.ready("ep1")...)
			later.NotBefore = f.now.Add(time.Minute)
			later.Deliveries[0].DueAt = later.NotBefore
			f.publish(later)
			f.send("acme", "e2", "ep1")
			f.settle(f.retryIn(f.take("e2.ep1"), time.Hour))
			f.equal("stats", f.stats(), webhook.Stats{Pending: 2, Waiting: 2})
			f.advance(time.Minute)
			f.equal("a minute later", f.stats(), webhook.Stats{Pending: 2, Waiting: 1, Due: 1, OldestAt: later.NotBefore})
			f.advance(time.Hour)
			f.equal("an hour later", f.stats(), webhook.Stats{Pending: 2, Due: 2, OldestAt: later.NotBefore})
		},
	},
	{
		"stats/expired", "InFlight counts leased deliveries; a delivery with an ended lease is due",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			f.publish(f.event("acme", "e2", f.held("ep1")...))
			f.take("e1.ep1")
			f.advance(leaseTime - instant)
			f.equal("while leased", f.stats(), webhook.Stats{Pending: 2, InFlight: 2})
			f.advance(grace + instant)
			got := f.stats()
			got.OldestAt = time.Time{} // it may be the end of the lease
			f.equal("after the leases", got, webhook.Stats{Pending: 2, Due: 2})
		},
	},
	{
		"stats/oldest", "OldestAt is since when the oldest of Due is due; zero for none",
		func(f *fixture) {
			f.endpoints("acme", 2)
			f.send("acme", "held", "ep0001")
			f.setState("acme", "ep0001", webhook.EndpointPaused)
			f.advance(time.Second)
			f.send("acme", "flight", "ep0000")
			f.take("flight.ep0000")
			f.equal("none is due", f.stats().OldestAt, time.Time{})
			for _, id := range []string{"e1", "e2"} {
				f.advance(time.Second)
				f.send("acme", id, "ep0000")
			}
			f.advance(time.Second)
			f.equal("two are due", f.stats().OldestAt, base.Add(2*time.Second))
		},
	},
	{
		"stats/finished", "Stats counts unfinished deliveries",
		func(f *fixture) {
			f.equal("of an empty store", f.stats(), webhook.Stats{})
			f.everyState("acme", "e1")
			f.publish(f.event("acme", "e2"))
			f.equal("stats", f.stats(), webhook.Stats{Pending: 2, InFlight: 1, Waiting: 1})
			f.cancel(one("acme", "e1", "waiting"), 1, 0)
			f.equal("after a cancel", f.stats(), webhook.Stats{Pending: 1, InFlight: 1})
			f.retry(one("acme", "e1", "failed"), 1, 0)
			f.equal("after a retry", f.stats(), webhook.Stats{Pending: 2, InFlight: 1, Due: 1, OldestAt: f.now})
		},
	},
}
