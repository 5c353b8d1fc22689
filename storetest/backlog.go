package storetest

import (
	"time"

	"github.com/gowebhook/webhook"
)

// waitingFor returns the counts of one endpoint.
func (f *fixture) waitingFor(tenant, endpoint string) webhook.Stats {
	f.Helper()
	s, err := f.store.Backlog(f.ctx(), webhook.EndpointKey{Tenant: tenant, ID: endpoint}, f.now)
	f.must("Backlog", err)
	return s
}

// backlogCases check Backlog.
var backlogCases = []testCase{
	{
		"backlog/one", "Backlog counts the unfinished deliveries of one endpoint, and NextAt",
		func(f *fixture) {
			names := f.endpoints("acme", 2)
			f.endpoints("umbrella", 1) // has the same id as the first
			for id, wait := range map[string]time.Duration{"soon": time.Minute, "later": time.Hour} {
				f.send("acme", id, names[0])
				f.settle(f.retryIn(f.take(id+"."+names[0]), wait))
			}
			f.send("acme", "due", names...)
			f.send("umbrella", "due", names[0])
			f.publish(f.event("acme", "flight", f.held(names[0])...), f.outbox("acme", "outbox"))
			f.equal("backlog", f.waitingFor("acme", names[0]), webhook.Stats{
				Pending: 4, Due: 1, InFlight: 1, Waiting: 2, OldestAt: base, NextAt: f.now.Add(time.Minute),
			})
			f.equal("of the other endpoint", f.waitingFor("acme", names[1]), webhook.Stats{Pending: 1, Due: 1, OldestAt: base})
			f.equal("of the other tenant", f.waitingFor("umbrella", names[0]), webhook.Stats{Pending: 1, Due: 1, OldestAt: base})
			f.advance(time.Minute)
			got := f.waitingFor("acme", names[0])
			f.equal("a minute later, next", got.NextAt, base.Add(time.Hour))
			f.equal("a minute later, waiting", got.Waiting, 1)
		},
	},
	{
		"backlog/held", "Backlog counts as Stats does: due ones of a paused, disabled or blocked endpoint are Held",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			f.setState("acme", "ep1", webhook.EndpointPaused)
			f.equal("of a paused one", f.waitingFor("acme", "ep1"), webhook.Stats{Pending: 1, Held: 1})
			f.setState("acme", "ep1", webhook.EndpointActive)
			f.block("acme", "ep1", time.Minute, false)
			f.equal("of a blocked one", f.waitingFor("acme", "ep1"), webhook.Stats{Pending: 1, Held: 1})
			f.advance(time.Minute)
			f.equal("after the block", f.waitingFor("acme", "ep1"), webhook.Stats{Pending: 1, Due: 1, OldestAt: base})
			f.setState("acme", "ep1", webhook.EndpointDisabled)
			f.equal("of a disabled one", f.waitingFor("acme", "ep1"), webhook.Stats{Pending: 1, Held: 1})
		},
	},
	{
		"backlog/finished", "Backlog leaves out finished deliveries, and leases that have ended are due",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.equal("without any", f.waitingFor("acme", "ep1"), webhook.Stats{})
			f.send("acme", "e1", "ep1")
			f.settle(f.success(f.take("e1.ep1")))
			f.send("acme", "e2", "ep1")
			f.take("e2.ep1")
			f.equal("one in flight", f.waitingFor("acme", "ep1"), webhook.Stats{Pending: 1, InFlight: 1})
			f.advance(leaseTime + grace + instant)
			got := f.waitingFor("acme", "ep1")
			got.OldestAt = time.Time{} // it may be the end of the lease
			f.equal("after its lease", got, webhook.Stats{Pending: 1, Due: 1})
		},
	},
	{
		"backlog/missing", "Backlog returns ErrNotFound if there is no such endpoint",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			f.remove("acme", "ep1")
			for _, key := range []webhook.EndpointKey{{Tenant: "acme", ID: "ep1"}, {Tenant: "acme", ID: "ep2"}, {Tenant: "umbrella", ID: "ep1"}} {
				_, err := f.store.Backlog(f.ctx(), key, f.now)
				f.is(key.Tenant+" "+key.ID, err, webhook.ErrNotFound)
			}
		},
	},
}
