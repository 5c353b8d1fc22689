package storetest

import (
	"slices"
	"time"

	"github.com/gowebhook/webhook"
)

// holdMany makes 60 endpoints with one due delivery each, holds them, and claims twice. A store
// that sets aside the deliveries of held endpoints has done so afterwards.
func (f *fixture) holdMany(hold func(id string)) []string {
	f.Helper()
	names := f.endpoints("acme", 60)
	f.send("acme", "e1", names...)
	for _, id := range names {
		hold(id)
	}
	f.expectClaim()
	f.expectClaim()
	return names
}

func (f *fixture) pause(id string) {
	f.Helper()
	f.setState("acme", id, webhook.EndpointPaused)
}

func (f *fixture) resume(names ...string) {
	f.Helper()
	for _, id := range names {
		f.setState("acme", id, webhook.EndpointActive)
	}
}

// of returns the names of an event's deliveries.
func of(event string, endpoints ...string) []string {
	names := make([]string, len(endpoints))
	for i, id := range endpoints {
		names[i] = event + "." + id
	}
	return names
}

const passedOver = "Claim passes over an endpoint that is paused, disabled or deleted, or whose BlockedUntil is after req.Now, and " +
	"leases its deliveries as soon as that ends"

// heldCases check that deliveries return after their endpoints were passed over, however many
// endpoints there are.
var heldCases = []testCase{
	{
		"held/resumed", passedOver,
		func(f *fixture) {
			names := f.holdMany(f.pause)
			f.advance(instant)
			f.send("acme", "e2", names[:2]...)
			f.expectClaim()
			f.resume(names[0], names[2])
			f.expectClaim(append(of("e1", names[0], names[2]), of("e2", names[0])...)...)
			f.resume(names[1])
			f.resume(names[3:]...)
			f.expectClaim(append(of("e1", append(names[3:], names[1])...), of("e2", names[1])...)...)
			f.expectClaim()
		},
	},
	{
		"held/order", "within an endpoint Claim takes the longest due first, also of deliveries that were passed over for a while",
		func(f *fixture) {
			names := f.holdMany(f.pause)
			for _, id := range []string{"e2", "e3", "e4"} {
				f.advance(instant)
				f.send("acme", id, names[0])
				f.expectClaim()
			}
			f.resume(names[0])
			f.advance(instant)
			f.send("acme", "e5", names[0])
			req := f.room()
			req.Room = 2
			for _, want := range [][]string{of("e1", names[0]), of("e3", names[0]), of("e5", names[0])} {
				if got := f.leaseNames(f.leases(f.round(req))); len(got) == 0 || got[0] != want[0] {
					f.Errorf("claimed %v, want %v first", got, want)
				}
			}
		},
	},
	{
		"held/again", passedOver,
		func(f *fixture) {
			names := f.holdMany(f.pause)
			f.resume(names...)
			for _, id := range names {
				f.pause(id)
			}
			f.expectClaim()
			f.expectClaim()
			f.resume(names...)
			f.expectClaim(of("e1", names...)...)
		},
	},
	{
		"held/blocked", passedOver,
		func(f *fixture) {
			names := f.holdMany(func(id string) { f.block("acme", id, time.Minute, false) })
			f.block("acme", names[0], time.Hour, false)
			f.advance(time.Minute - instant)
			f.expectClaim()
			f.advance(instant)
			for _, l := range f.expectClaim(of("e1", names[1:]...)...) {
				f.settle(f.success(l))
			}
			f.advance(time.Hour - time.Minute - instant)
			f.expectClaim()
			f.advance(instant)
			f.expectClaim(of("e1", names[0])...)
		},
	},
	{
		"held/own-time", passedOver + ", by the time of each caller",
		func(f *fixture) {
			names := f.holdMany(func(id string) { f.block("acme", id, time.Minute, false) })
			ahead := f.room()
			ahead.Now, ahead.Max = f.now.Add(time.Minute), 20
			ahead.LeaseUntil = ahead.Now.Add(leaseTime)
			first := f.call(ahead)
			f.expectClaim()
			f.advance(time.Minute)
			if rest := f.claim(); len(first.Deliveries) != 20 || len(rest) != len(names)-20 {
				f.Errorf("leased %d a minute ahead and %d then, want 20 and the rest", len(first.Deliveries), len(rest))
			}
		},
	},
	{
		"held/circuit", "when a Circuit's BlockedUntil has passed Claim leases one delivery, marked Probe, of each endpoint; " +
			"when it is closed the others follow",
		func(f *fixture) {
			names := f.holdMany(func(id string) { f.block("acme", id, time.Minute, true) })
			f.advance(instant)
			f.send("acme", "e2", names...)
			f.expectClaim()
			f.advance(time.Minute)
			probes := f.expectClaim(of("e1", names...)...)
			f.expectClaim()
			for _, l := range probes {
				if !l.Probe {
					f.Errorf("%s is not marked Probe", f.name(l))
				}
			}
			f.settle(f.success(probes[0]))
			f.expectClaim(of("e2", names[0])...)
		},
	},
	{
		"held/closed", "a success clears an open Circuit with its block, and the other deliveries follow at once",
		func(f *fixture) {
			names := f.endpoints("acme", 60)
			f.send("acme", "e1", names...)
			early := f.event("acme", "early", f.held(names...)...)
			f.publish(early)
			for _, id := range names {
				f.block("acme", id, time.Hour, true)
			}
			f.expectClaim()
			f.expectClaim()
			f.settle(f.success(f.own(early, names[7])))
			f.expectClaim(of("e1", names[7])...)
		},
	},
	{
		"held/leases", "Claim leases deliveries whose lease ended while their endpoint was passed over",
		func(f *fixture) {
			names := f.holdMany(f.pause)
			f.resume(names...)
			f.expectClaim(of("e1", names...)...)
			for _, id := range names {
				f.pause(id)
			}
			f.advance(leaseTime + grace)
			f.expectClaim()
			f.expectClaim()
			f.resume(names[5:]...)
			for _, l := range f.expectClaim(of("e1", names[5:]...)...) {
				if l.LeaseNo != 2 {
					f.Errorf("%s has lease number %d, want 2", f.name(l), l.LeaseNo)
				}
			}
		},
	},
	{
		"held/by-hand", "Retry and Cancel change deliveries of endpoints that Claim passes over",
		func(f *fixture) {
			names := f.holdMany(f.pause)
			f.retry(webhook.Query{Tenant: "acme", EventID: "e1", EndpointID: names[0]}, 1, 0)
			f.cancel(webhook.Query{Tenant: "acme", EventID: "e1", EndpointID: names[1]}, 1, 0)
			f.expectClaim()
			f.resume(names[:3]...)
			f.expectClaim(of("e1", names[0], names[2])...)
			f.expectClaim()
			f.expectState("acme", "e1", names[1], webhook.DeliveryCanceled, webhook.ReasonCanceled)
		},
	},
	{
		"held/stats", "Held are those that are due, behind an endpoint that is paused, disabled, blocked or beyond its Rate",
		func(f *fixture) {
			names := f.holdMany(f.pause)
			f.equal("stats", f.stats(), webhook.Stats{Pending: len(names), Held: len(names)})
			f.resume(names[:10]...)
			f.equal("after some resumed", f.stats(), webhook.Stats{Pending: len(names), Held: len(names) - 10, Due: 10, OldestAt: base})
		},
	},
	{
		"held/stopped", "Prune cancels pending deliveries of disabled endpoints and of deleted ones, also those that were passed over for long",
		func(f *fixture) {
			names := f.holdMany(f.pause)
			for _, id := range names[:20] {
				f.remove("acme", id)
			}
			for _, id := range names[20:40] {
				f.setState("acme", id, webhook.EndpointDisabled)
			}
			f.is("CreateEndpoint", f.store.CreateEndpoint(f.ctx(), f.newEndpoint("acme", names[0]), 0), webhook.ErrConflict)
			f.expectClaim()
			f.prune(forEver)
			f.expectState("acme", "e1", names[0], webhook.DeliveryCanceled, webhook.ReasonDeleted)
			f.expectState("acme", "e1", names[39], webhook.DeliveryCanceled, webhook.ReasonCustomer)
			f.equal("stats", f.stats(), webhook.Stats{Pending: 20, Held: 20})
			f.resume(names[20:40]...)
			f.resume(names[40:]...)
			f.send("acme", "e2", names[20:40]...)
			f.expectClaim(append(of("e1", names[40:]...), of("e2", names[20:40]...)...)...)
		},
	},
	{
		"held/beside", "Claim goes round the endpoints that have due deliveries, also beside many endpoints that it passes over",
		func(f *fixture) {
			names := f.holdMany(f.pause)
			f.endpoints("beta", 3)
			f.send("beta", "b1", "ep0000", "ep0001", "ep0002")
			f.expectClaim(of("b1", "ep0000", "ep0001", "ep0002")...)
			f.resume(names[9])
			f.send("beta", "b2", "ep0001")
			want := append(of("e1", names[9]), "b2.ep0001")
			slices.Sort(want)
			f.expectClaim(want...)
		},
	},
}
