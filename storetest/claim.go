package storetest

import (
	"fmt"
	"time"

	"github.com/gowebhook/webhook"
)

// claimCases check which deliveries Claim leases, and the contents of its reply.
var claimCases = []testCase{
	{
		"claim/due", "Claim leases deliveries that are due at req.Now",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			for i, wait := range []time.Duration{-time.Second, 0, time.Minute} {
				rows := f.ready("ep1")
				rows[0].DueAt = f.now.Add(wait)
				f.publish(f.event("acme", fmt.Sprintf("e%d", i), rows...))
			}
			f.expectClaim("e0.ep1", "e1.ep1")
			f.advance(time.Minute - instant)
			f.expectClaim()
			f.advance(instant)
			f.expectClaim("e2.ep1")
		},
	},
	{
		"claim/leased", "each delivery is leased until req.LeaseUntil under a lease number one higher than its last",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			e := f.send("acme", "e1", "ep1")
			f.advance(time.Second)
			first := f.take("e1.ep1")
			f.equal("first lease", first, webhook.Leased{
				UID: e.UID, Endpoint: key("acme", "ep1"), Version: 1, LeaseNo: 1, LeaseUntil: f.now.Add(leaseTime), Since: base,
				Waited: time.Second,
			})
			if d := f.delivery("acme", "e1", "ep1"); !d.InFlight || !d.DueAt.Equal(first.LeaseUntil) {
				f.Errorf("got %+v, want it in flight until the lease ends", d)
			}
			f.settle(f.giveBack(first, 0))
			if second := f.take("e1.ep1"); second.LeaseNo != 2 || !second.LeaseUntil.Equal(f.now.Add(leaseTime)) {
				f.Errorf("second lease: got number %d until %v, want 2", second.LeaseNo, second.LeaseUntil)
			}
		},
	},
	{
		"claim/own-time", "Claim leases deliveries that are due at req.Now, of endpoints whose BlockedUntil is not after req.Now, " +
			"also when another caller's Now was later",
		func(f *fixture) {
			f.endpoints("acme", 2)
			rows := f.ready("ep0000")
			rows[0].DueAt = f.now.Add(time.Minute)
			f.publish(f.event("acme", "e1", rows...), f.event("acme", "e2", rows...))
			f.backlog("acme", "b", "ep0001", 2)
			f.block("acme", "ep0001", time.Minute, false)
			ahead := f.room()
			ahead.Now, ahead.Room = f.now.Add(time.Minute), 1
			ahead.LeaseUntil = ahead.Now.Add(leaseTime)
			if got := perEndpoint(f.round(ahead)); got["ep0000"] != 1 || got["ep0001"] != 1 {
				f.Errorf("a minute ahead: leased %v, want one of each endpoint", got)
			}
			f.expectClaim()
			f.advance(time.Minute)
			if got := perKey(f.claim()); got["acme/ep0000"] != 1 || got["acme/ep0001"] != 1 {
				f.Errorf("a minute later: leased %v, want the other one of each endpoint", got)
			}
		},
	},
	{
		"claim/not-twice", "Claim leases deliveries that are not leased",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			f.expectClaim("e1.ep1")
			f.expectClaim()
			f.advance(leaseTime - instant)
			f.expectClaim()
		},
	},
	{
		"claim/expired", "Claim leases deliveries whose lease ended at least 5 seconds ago",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			first := f.take("e1.ep1")
			f.advance(leaseTime + grace - instant)
			f.expectClaim()
			f.advance(instant)
			if second := f.take("e1.ep1"); second.LeaseNo != first.LeaseNo+1 {
				f.Errorf("got lease number %d after %d", second.LeaseNo, first.LeaseNo)
			}
			f.expectClaim()
		},
	},
	{
		"claim/finished", "Claim leases deliveries that are pending",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			for _, id := range []string{"e1", "e2", "e3"} {
				f.send("acme", id, "ep1")
			}
			l := f.expectClaim("e1.ep1", "e2.ep1", "e3.ep1")
			canceled := f.item(l[2], webhook.DeliveryCanceled, nil)
			canceled.Reason = webhook.ReasonGone
			f.settle(f.success(l[0]), f.failure(l[1]), canceled)
			f.advance(24 * time.Hour)
			f.expectClaim()
		},
	},
	{
		"claim/count", "a Leased says how many attempts were logged before, how many failed, and since when it is due",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			for i := range 3 {
				l := f.take("e1.ep1")
				if l.Attempts != i || l.Failures != i || !l.Since.Equal(base) {
					f.Errorf("claim %d: got %d attempts, %d failures, since %v; want %d, %d, %v", i, l.Attempts, l.Failures, l.Since, i, i, base)
				}
				f.settle(f.retryIn(l, time.Minute))
				f.advance(time.Minute)
			}
			f.settle(f.giveBack(f.take("e1.ep1"), 0))
			if l := f.take("e1.ep1"); l.Attempts != 3 || l.Failures != 3 {
				f.Errorf("after a lease that was given back: got %d attempts, %d failures; want 3, 3", l.Attempts, l.Failures)
			}
		},
	},
	{
		"claim/waited", "each lease adds to Waited the time since the delivery was due, or since 5 seconds after the end of its last lease",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			f.advance(10 * time.Minute)
			l := f.take("e1.ep1")
			f.equal("Waited of the first lease", l.Waited, 10*time.Minute)
			f.settle(f.retryIn(l, time.Minute))
			f.advance(5 * time.Minute)
			f.equal("Waited of a retry that was due for 4 minutes", f.take("e1.ep1").Waited, 14*time.Minute)
			f.advance(leaseTime + grace + 3*time.Minute)
			l = f.take("e1.ep1")
			f.equal("Waited after a lost lease", l.Waited, 17*time.Minute)
			f.advance(time.Second)
			f.settle(f.giveBack(l, 0))
			f.equal("Waited of a lease that was given back", f.take("e1.ep1").Waited, 17*time.Minute)
		},
	},
	{
		"claim/waited-paused", "each lease adds to Waited the time since the delivery was due, also while its endpoint was paused or blocked",
		func(f *fixture) {
			f.endpoints("acme", 2)
			f.send("acme", "e1", "ep0000", "ep0001")
			f.setState("acme", "ep0000", webhook.EndpointPaused)
			f.block("acme", "ep0001", 2*time.Hour, false)
			f.expectClaim()
			f.advance(2 * time.Hour)
			f.setState("acme", "ep0000", webhook.EndpointActive)
			for _, l := range f.expectClaim("e1.ep0000", "e1.ep0001") {
				f.equal(f.name(l), l.Waited, 2*time.Hour)
			}
		},
	},
	{
		"claim/waited-many", "each lease adds to Waited the time since the delivery was due, of as many as one call leases",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.backlog("acme", "b", "ep1", 100)
			f.advance(time.Minute)
			req := f.room()
			req.Room = 70
			first := f.leases(f.round(req))
			f.equal("leased", len(first), 70)
			f.advance(leaseTime + grace + time.Minute)
			again := make(map[string]bool)
			for _, l := range first {
				f.equal(f.name(l), l.Waited, time.Minute)
				again[f.name(l)] = true
			}
			for _, l := range f.claim() {
				want := 2*time.Minute + leaseTime + grace
				if again[f.name(l)] {
					want = 2 * time.Minute
				}
				f.equal(f.name(l), l.Waited, want)
			}
		},
	},
	{
		"claim/longest-due", "within an endpoint Claim takes the longest due first",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			for _, minutes := range []int{3, 1, 5, 2, 4} {
				rows := f.ready("ep1")
				rows[0].DueAt = f.now.Add(time.Duration(minutes) * time.Minute)
				f.publish(f.event("acme", fmt.Sprint(minutes), rows...))
			}
			f.advance(time.Hour)
			req := f.room()
			req.Room = 2
			for _, want := range [][]string{{"1.ep1", "2.ep1"}, {"3.ep1", "4.ep1"}, {"5.ep1"}} {
				f.ordered("claimed", f.leaseNames(f.leases(f.round(req))), want...)
			}
		},
	},
	{
		"claim/passed-over", "Claim passes over an endpoint that is paused, disabled or deleted",
		func(f *fixture) {
			f.endpoints("acme", 4)
			f.send("acme", "e1", "ep0000", "ep0001", "ep0002", "ep0003")
			f.setState("acme", "ep0000", webhook.EndpointPaused)
			f.setState("acme", "ep0001", webhook.EndpointDisabled)
			f.remove("acme", "ep0002")
			f.expectClaim("e1.ep0003")
			f.setState("acme", "ep0000", webhook.EndpointActive)
			f.setState("acme", "ep0001", webhook.EndpointActive)
			f.expectClaim("e1.ep0000", "e1.ep0001")
		},
	},
	{
		"claim/blocked", "Claim passes over an endpoint whose BlockedUntil is after req.Now",
		func(f *fixture) {
			f.endpoints("acme", 2)
			f.send("acme", "e1", "ep0000", "ep0001")
			f.send("acme", "e2", "ep0000")
			f.block("acme", "ep0000", time.Minute, false)
			f.expectClaim("e1.ep0001")
			f.advance(time.Minute - instant)
			f.expectClaim()
			f.advance(instant)
			for _, l := range f.expectClaim("e1.ep0000", "e2.ep0000") {
				if l.Probe {
					f.Errorf("%s is a probe, and no circuit is open", f.name(l))
				}
			}
		},
	},
	{
		"claim/each-once", "the reply has the events and endpoints of its Deliveries, each once",
		func(f *fixture) {
			f.endpoints("acme", 3)
			f.send("acme", "e1", "ep0000", "ep0001", "ep0002")
			f.send("acme", "e2", "ep0000", "ep0001")
			f.send("acme", "idle")
			for _, c := range f.round(f.room()) {
				events, endpoints := map[string]bool{}, map[string]bool{}
				for _, l := range c.Deliveries {
					events[f.sent[l.UID].ID], endpoints[l.Endpoint.ID] = true, true
				}
				f.names("events", eventIDs(c.Events), keys(events)...)
				f.names("endpoints", ids(c.Endpoints), keys(endpoints)...)
			}
		},
	},
	{
		"claim/events", "the reply has the events of Deliveries",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			e := f.event("acme", "e1", f.ready("ep1")...)
			e.Channel, e.Header, e.Time = "web", map[string]string{"A": "é"}, f.now.Add(-time.Hour+instant)
			e.NotBefore = f.now
			f.publish(e)
			f.sameEvent("event", f.claimedEvent(), e)
		},
	},
	{
		"claim/endpoints", "the reply has the endpoints of Deliveries, as they are now, with secrets",
		func(f *fixture) {
			e := fullEndpoint()
			e.State, e.Reason, e.Health = webhook.EndpointActive, "", webhook.Health{}
			f.create(e)
			f.send(e.Tenant, "e1", e.ID)
			f.update(e.Tenant, e.ID, func(e *webhook.Endpoint) { e.URL = "https://example.com/new" })
			e.URL, e.Version, e.UpdatedAt = "https://example.com/new", nextVersion(e.Version, f.now), f.now
			c := f.call(f.room())
			f.equal("endpoints", c.Endpoints, []webhook.Endpoint{e})
		},
	},
	{
		"claim/snapshots", "for each delivery made under another version than its endpoint's present one, Snapshots has " +
			"that version: key, Version, URL, Profile and Metadata, each once",
		func(f *fixture) {
			first := f.endpoint("acme", "ep1")
			f.endpoint("acme", "ep2")
			f.send("acme", "e1", "ep1", "ep2")
			f.send("acme", "e2", "ep1")
			second := f.update("acme", "ep1", func(e *webhook.Endpoint) {
				e.URL, e.Profile, e.Metadata = "https://example.com/2", "stripe", map[string]string{"n": "2"}
			})
			f.send("acme", "e3", "ep1")
			third := f.update("acme", "ep1", func(e *webhook.Endpoint) { e.Events = []string{"other"} })
			f.send("acme", "e4", "ep1")
			replies := f.round(f.room())
			f.snapshots(replies, first, second)
			made := map[string]int64{}
			for _, l := range f.leases(replies) {
				made[f.name(l)] = l.Version
			}
			f.equal("versions", made, map[string]int64{
				"e1.ep1": 1, "e1.ep2": 1, "e2.ep1": 1, "e3.ep1": second.Version, "e4.ep1": third.Version,
			})
		},
	},
	{
		"claim/snapshots-kept", "the previous version is kept while an unfinished delivery was made under it",
		func(f *fixture) {
			first := f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			f.send("acme", "e2", "ep1")
			l := f.expectClaim("e1.ep1", "e2.ep1")
			disable := f.success(l[0])
			disable.Disable = webhook.ReasonGone
			f.settle(disable, f.retryIn(l[1], time.Hour)) // disabling begins the second version
			f.update("acme", "ep1", func(e *webhook.Endpoint) {
				e.State, e.Reason, e.URL = webhook.EndpointActive, "", "https://example.com/3"
			})
			f.advance(time.Hour)
			f.prune(webhook.Retention{ResponseBodies: time.Minute, Attempts: time.Minute, Events: time.Minute})
			f.snapshots(f.round(f.room()), first)
		},
	},
	{
		"claim/nothing", "Claim leases due deliveries: without any the reply is empty",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			c := f.call(f.room())
			if len(c.Deliveries)+len(c.Events)+len(c.Endpoints)+len(c.Snapshots) != 0 || c.Next != "" {
				f.Errorf("got %+v, want nothing", c)
			}
		},
	},
}

// snapshots checks the snapshots of several replies. No reply may repeat a
// snapshot.
func (f *fixture) snapshots(replies []webhook.Claimed, want ...webhook.Endpoint) {
	f.Helper()
	found := map[string]webhook.Endpoint{}
	for _, c := range replies {
		seen := map[string]bool{}
		for _, s := range c.Snapshots {
			name := fmt.Sprintf("%s/%s at version %d", s.Tenant, s.ID, s.Version)
			if seen[name] {
				f.Errorf("%s is there twice", name)
			}
			seen[name], found[name] = true, s
		}
	}
	var names []string
	for _, e := range want {
		name := fmt.Sprintf("%s/%s at version %d", e.Tenant, e.ID, e.Version)
		names = append(names, name)
		if s, ok := found[name]; ok && (s.URL != e.URL || s.Profile != e.Profile || diff(s.Metadata, e.Metadata) != "") {
			f.Errorf("%s: got %s, %s, %v", name, s.URL, s.Profile, s.Metadata)
		}
	}
	f.names("snapshots", keys(found), names...)
}

func keys[V any](m map[string]V) []string {
	list := make([]string, 0, len(m))
	for k := range m {
		list = append(list, k)
	}
	return list
}
