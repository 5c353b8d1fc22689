package storetest

import (
	"time"

	"github.com/gowebhook/webhook"
)

// outboxCases check how Claim expands outbox rows.
var outboxCases = []testCase{
	{
		"outbox/expanded", "outbox rows that are due become deliveries first",
		func(f *fixture) {
			f.endpoints("acme", 2)
			f.publish(f.outbox("acme", "e1"), f.outbox("acme", "e2"))
			for _, l := range f.expectClaim("e1.ep0000", "e1.ep0001", "e2.ep0000", "e2.ep0001") {
				if l.Version != 1 || l.LeaseNo != 1 || l.Attempts != 0 || l.Failures != 0 || l.Since.After(f.now) {
					f.Errorf("got %+v, want version 1, lease 1 and no attempts", l)
				}
			}
			f.names("deliveries", deliveryIDs(f.deliveries(webhook.Query{Tenant: "acme"})),
				"e1.ep0000", "e1.ep0001", "e2.ep0000", "e2.ep0001")
		},
	},
	{
		"outbox/once", "outbox rows become deliveries once",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.publish(f.outbox("acme", "e1"))
			f.settle(f.success(f.take("e1.ep1")))
			f.endpoint("acme", "ep2")
			f.expectClaim()
			if s := f.stats(); s.Outbox != 0 {
				f.Errorf("got %d events in the outbox, want 0", s.Outbox)
			}
		},
	},
	{
		"outbox/match-then", "outbox rows become deliveries to the endpoints that match then",
		func(f *fixture) {
			f.endpoints("acme", 3)
			f.publish(f.outbox("acme", "e1"))
			f.remove("acme", "ep0000")
			f.update("acme", "ep0001", func(e *webhook.Endpoint) { e.Description = "version 2" })
			f.update("acme", "ep0002", func(e *webhook.Endpoint) { e.Events = []string{"other"} })
			f.endpoint("acme", "new")
			for _, l := range f.expectClaim("e1.ep0001", "e1.new") {
				if want := f.versions[l.Endpoint]; l.Version != want {
					f.Errorf("%s was made under version %d, want %d", f.name(l), l.Version, want)
				}
			}
		},
	},
	{
		"outbox/as-match", "outbox rows become deliveries to the endpoints that match, as Match would say",
		func(f *fixture) {
			for id, patterns := range map[string][]string{
				"exact": {"member.joined"}, "prefix": {"member.*", "*"}, "other": {"member", "joined", "Member.joined"}, "off": {"*"}, "paused": {"*"},
			} {
				f.endpoint("acme", id, patterns...)
			}
			for _, channel := range []string{"web", "mobile"} {
				e := f.newEndpoint("acme", channel)
				e.Channel = channel
				f.create(e)
			}
			f.setState("acme", "off", webhook.EndpointDisabled)
			f.setState("acme", "paused", webhook.EndpointPaused)
			plain, web := f.outbox("acme", "e1"), f.outbox("acme", "e2")
			web.Channel = "web"
			f.publish(plain, web)
			f.expectClaim("e1.exact", "e1.prefix", "e2.exact", "e2.prefix", "e2.web")
			f.names("all deliveries", deliveryIDs(f.deliveries(webhook.Query{Tenant: "acme"})),
				"e1.exact", "e1.prefix", "e1.paused", "e2.exact", "e2.prefix", "e2.paused", "e2.web")
		},
	},
	{
		"outbox/tenant", "outbox rows become deliveries to the endpoints that match, as Match would say: of the tenant",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.endpoint("umbrella", "ep2")
			f.publish(f.outbox("acme", "e1"))
			f.expectClaim("e1.ep1")
			f.names("all deliveries", deliveryIDs(f.deliveries(webhook.Query{AllTenants: true})), "e1.ep1")
		},
	},
	{
		"outbox/not-before", "outbox rows that are due become deliveries",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			e := f.outbox("acme", "e1")
			e.NotBefore = f.now.Add(time.Hour)
			f.publish(e)
			f.advance(time.Hour - instant)
			f.expectClaim()
			f.advance(instant)
			f.expectClaim("e1.ep1")
		},
	},
	{
		"outbox/unmatched", "an event without endpoints is deleted unless Keep",
		func(f *fixture) {
			f.endpoint("acme", "ep1", "other")
			kept := f.outbox("acme", "e2")
			kept.Keep = true
			f.publish(f.outbox("acme", "e1"), kept)
			f.expectClaim()
			f.names("events", eventIDs(f.events(webhook.Query{Tenant: "acme"})), "e2")
			f.names("deliveries", deliveryIDs(f.deliveries(webhook.Query{Tenant: "acme"})))
			if s := f.stats(); s.Outbox != 0 {
				f.Errorf("got %d events in the outbox, want 0", s.Outbox)
			}
			f.publish(f.event("acme", "e1")) // the id is free again
		},
	},
	{
		"outbox/large", "outbox rows become deliveries, to however many endpoints, and none delays another: large ones take turns",
		func(f *fixture) {
			const n = 3100
			f.endpoints("acme", n)
			f.endpoint("b", "small")
			leased := map[string]int{}
			claim := func() {
				for _, l := range f.call(f.room()).Deliveries {
					leased[f.name(l)]++
				}
				f.advance(time.Millisecond)
			}
			f.publish(f.outbox("acme", "e1"))
			claim()
			f.publish(f.outbox("b", "small"), f.outbox("acme", "e2"))
			claim()
			if got := f.deliveries(webhook.Query{Tenant: "b"}); len(got) != 1 {
				f.Errorf("after a call of Claim the event of tenant b has %d deliveries, want 1", len(got))
			}
			s := f.stats()
			for calls := 0; s.Outbox == 2 && calls < 50; calls++ {
				claim()
				s = f.stats()
			}
			if other := s.Pending - 1 - n; other <= n/2 {
				f.Errorf("when a large event has all its %d deliveries, the other one has %d, want more than half", n, other)
			}
			for calls := 0; len(leased) < 2*n+1 && calls < 50; calls++ {
				claim()
			}
			for name, times := range leased {
				if times > 1 {
					f.Errorf("%s was leased %d times", name, times)
				}
			}
			f.expectClaim()
			if s := f.stats(); len(leased) != 2*n+1 || s.Outbox != 0 || s.Pending != 2*n+1 || s.InFlight != 2*n+1 {
				f.Errorf("leased %d deliveries, want %d; %+v", len(leased), 2*n+1, s)
			}
		},
	},
	{
		"outbox/beside", "outbox rows become deliveries, and those that are due already are leased all the same",
		func(f *fixture) {
			f.endpoints("acme", 2)
			f.send("acme", "e1", "ep0000", "ep0001")
			f.publish(f.outbox("acme", "e2"))
			f.expectClaim("e1.ep0000", "e1.ep0001", "e2.ep0000", "e2.ep0001")
		},
	},
}
