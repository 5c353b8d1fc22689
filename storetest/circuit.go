package storetest

import (
	"time"

	"github.com/gowebhook/webhook"
)

// openCircuit makes an endpoint with two due deliveries and a circuit that is open for a minute.
func (f *fixture) openCircuit() {
	f.Helper()
	f.endpoint("acme", "ep1")
	f.send("acme", "e1", "ep1")
	f.advance(instant)
	f.send("acme", "e2", "ep1")
	f.block("acme", "ep1", time.Minute, true)
}

// probe claims the single delivery that an open circuit lets through.
func (f *fixture) probe(want string) webhook.Leased {
	f.Helper()
	l := f.take(want)
	if !l.Probe {
		f.Errorf("%s of an endpoint whose circuit is open is not marked Probe", want)
	}
	return l
}

// circuitCases check how Claim treats an endpoint with an open circuit.
var circuitCases = []testCase{
	{
		"circuit/blocked", "Claim passes over an endpoint whose BlockedUntil is after req.Now",
		func(f *fixture) {
			f.openCircuit()
			f.expectClaim()
			f.advance(time.Minute - instant)
			f.expectClaim()
			f.advance(instant)
			f.probe("e1.ep1")
		},
	},
	{
		"circuit/one-probe", "when a Circuit's BlockedUntil has passed Claim leases one delivery, marked Probe, and moves " +
			"BlockedUntil to req.LeaseUntil",
		func(f *fixture) {
			f.openCircuit()
			f.advance(time.Minute)
			l := f.probe("e1.ep1")
			h := f.health("acme", "ep1")
			if !h.Circuit || !h.BlockedUntil.Equal(l.LeaseUntil) {
				f.Errorf("got health %+v, want the circuit open and blocked until the lease ends", h)
			}
			f.expectClaim()
		},
	},
	{
		"circuit/reply", "the reply has the endpoints of Deliveries as they are now",
		func(f *fixture) {
			f.openCircuit()
			f.advance(time.Minute)
			c := f.call(f.room())
			if len(c.Endpoints) != 1 || !c.Endpoints[0].Health.Circuit {
				f.Errorf("got endpoints %+v, want one with an open circuit", c.Endpoints)
			}
		},
	},
	{
		"circuit/room", "Claim leases one delivery of an endpoint whose circuit is open, and none if its room is zero",
		func(f *fixture) {
			f.openCircuit()
			f.advance(time.Minute)
			req := f.room()
			req.Rooms = map[webhook.EndpointKey]int{key("acme", "ep1"): 0}
			f.names("claimed without room", f.leaseNames(f.leases(f.round(req))))
			f.probe("e1.ep1")
		},
	},
	{
		"circuit/lost-probe", "no other is leased until the probe is settled, or its lease ends",
		func(f *fixture) {
			f.openCircuit()
			f.advance(time.Minute)
			f.probe("e1.ep1")
			f.advance(leaseTime - instant)
			f.expectClaim()
			f.advance(instant)
			f.probe("e2.ep1")
			f.expectClaim()
		},
	},
	{
		"circuit/failed-probe", "no other is leased until the probe is settled; BlockUntil moves Health.BlockedUntil",
		func(f *fixture) {
			f.openCircuit()
			f.advance(time.Minute)
			failed := f.retryIn(f.probe("e1.ep1"), 2*time.Hour)
			failed.BlockUntil, failed.OpenCircuit = f.now.Add(time.Hour), true
			f.settle(failed)
			f.advance(time.Hour - instant)
			f.expectClaim()
			f.advance(instant)
			f.probe("e2.ep1")
		},
	},
	{
		"circuit/probe-until", "while Circuit is set and BlockedUntil is exactly ProbeUntil, it is replaced by BlockUntil, also by an " +
			"earlier or the zero one",
		func(f *fixture) {
			f.openCircuit()
			f.advance(time.Minute)
			l := f.probe("e1.ep1")
			failed := f.retryIn(l, 2*time.Hour)
			failed.BlockUntil, failed.OpenCircuit, failed.ProbeUntil = f.now.Add(10*time.Second), true, l.LeaseUntil
			f.settle(failed)
			f.advance(10*time.Second - instant)
			f.expectClaim()
			f.advance(instant)
			l = f.probe("e2.ep1")
			back := f.giveBack(l, 0)
			back.ProbeUntil = l.LeaseUntil
			f.settle(back)
			l = f.probe("e2.ep1") // the circuit is still open
			f.block("acme", "ep1", time.Hour, false)
			until := f.now.Add(time.Hour)
			failed = f.retryIn(l, 2*time.Hour)
			failed.BlockUntil, failed.OpenCircuit, failed.ProbeUntil = f.now.Add(10*time.Second), true, l.LeaseUntil
			f.settle(failed)
			if h := f.health("acme", "ep1"); !h.BlockedUntil.Equal(until) {
				f.Errorf("got health %+v, want the block that came after the claim", h)
			}
		},
	},
	{
		"circuit/stale", "an OpenCircuit with an Attempt from before Health.RecoveredAt does nothing, and neither do its BlockUntil and Holds",
		func(f *fixture) {
			l := f.leaseSome("ep1", 3)
			f.settle(f.at(l[0], 2*time.Second, failed))
			f.settle(f.at(l[1], 3*time.Second, ""))
			late := f.at(l[2], time.Second, failed)
			late.BlockUntil, late.OpenCircuit, late.Holds = f.now.Add(time.Hour), true, 1
			f.settle(late)
			f.equal("health", f.health("acme", "ep1"), webhook.Health{LastFailureAt: base.Add(2 * time.Second), RecoveredAt: base.Add(3 * time.Second)})
		},
	},
	{
		"circuit/closed", "a success clears an open Circuit with its block, and the other deliveries follow",
		func(f *fixture) {
			f.openCircuit()
			f.send("acme", "e3", "ep1")
			f.advance(time.Minute)
			f.settle(f.success(f.probe("e1.ep1")))
			for _, l := range f.expectClaim("e2.ep1", "e3.ep1") {
				if l.Probe {
					f.Errorf("%s is marked Probe, and the circuit is closed", f.name(l))
				}
			}
			h := f.health("acme", "ep1")
			if h.Circuit || !h.BlockedUntil.IsZero() {
				f.Errorf("got health %+v, want no circuit and no block", h)
			}
		},
	},
	{
		"circuit/moved", "the zero Health replaces Health when e.URL is another URL",
		func(f *fixture) {
			f.openCircuit()
			f.update("acme", "ep1", func(e *webhook.Endpoint) { e.URL += "/v2" })
			for _, l := range f.expectClaim("e1.ep1", "e2.ep1") {
				if l.Probe {
					f.Errorf("%s is marked Probe, and the circuit is closed", f.name(l))
				}
			}
		},
	},
	{
		"circuit/each-endpoint", "Claim leases one delivery of each endpoint whose circuit is open, and others as ever",
		func(f *fixture) {
			f.endpoints("acme", 3)
			f.send("acme", "e1", "ep0000", "ep0001", "ep0002")
			f.advance(instant)
			f.send("acme", "e2", "ep0000", "ep0001", "ep0002")
			f.block("acme", "ep0000", time.Minute, true)
			f.block("acme", "ep0001", time.Minute, true)
			f.advance(time.Minute)
			for _, l := range f.expectClaim("e1.ep0000", "e1.ep0001", "e1.ep0002", "e2.ep0002") {
				if l.Probe != (l.Endpoint.ID != "ep0002") {
					f.Errorf("%s: Probe is %v", f.name(l), l.Probe)
				}
			}
		},
	},
}
