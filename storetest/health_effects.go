package storetest

import (
	"time"

	"github.com/gowebhook/webhook"
)

// endpointEffectCases check what an item of Settle says of its endpoint: BlockUntil, OpenCircuit and Disable.
var endpointEffectCases = []testCase{
	{
		"block/latest", "BlockUntil moves Health.BlockedUntil if it is later",
		func(f *fixture) {
			l := f.leaseSome("ep1", 4)
			for i, step := range []struct{ block, want time.Duration }{
				{time.Minute, time.Minute}, {time.Second, time.Minute}, {time.Hour, time.Hour}, {0, time.Hour},
			} {
				s := f.giveBack(l[i], 0)
				if step.block > 0 {
					s.BlockUntil = base.Add(step.block)
				}
				f.settle(s)
				f.equal("health", f.health("acme", "ep1"), webhook.Health{BlockedUntil: base.Add(step.want)})
			}
		},
	},
	{
		"block/latest-in-one", "BlockUntil, of items in effect, moves Health.BlockedUntil if it is later",
		func(f *fixture) {
			l := f.leaseSome("ep1", 3)
			items := []webhook.Settlement{f.giveBack(l[0], 0), f.giveBack(l[1], 0), f.giveBack(l[2], 0)}
			for i, block := range []time.Duration{time.Second, time.Hour, time.Minute} {
				items[i].BlockUntil = base.Add(block)
			}
			f.settle(items...)
			f.equal("health", f.health("acme", "ep1"), webhook.Health{BlockedUntil: base.Add(time.Hour)})
			f.expectClaim()
		},
	},
	{
		"block/success", "a success clears an open Circuit with its block, no other block",
		func(f *fixture) {
			l := f.leaseSome("ep1", 3)
			limited := f.at(l[0], time.Second, failed)
			limited.BlockUntil = base.Add(time.Hour)
			f.settle(limited)
			f.settle(f.at(l[1], 2*time.Second, ""))
			if h := f.health("acme", "ep1"); !h.BlockedUntil.Equal(base.Add(time.Hour)) || h.Failures != 0 {
				f.Errorf("got health %+v, want it not failing and blocked for an hour", h)
			}
			f.settle(f.at(l[2], 3*time.Second, ""))
			if h := f.health("acme", "ep1"); !h.BlockedUntil.Equal(base.Add(time.Hour)) {
				f.Errorf("after a success of an endpoint that is not failing: got health %+v", h)
			}
		},
	},
	{
		"block/circuit", "OpenCircuit sets Circuit; a success clears it with its block",
		func(f *fixture) {
			l := f.leaseSome("ep1", 2)
			opens := f.at(l[0], time.Second, failed)
			opens.BlockUntil, opens.OpenCircuit = base.Add(time.Hour), true
			f.settle(opens)
			f.equal("after it opened", f.health("acme", "ep1"), webhook.Health{
				Failures: 1, FailingSince: base.Add(time.Second), LastFailureAt: base.Add(time.Second),
				BlockedUntil: base.Add(time.Hour), Circuit: true,
			})
			f.settle(f.at(l[1], 2*time.Second, ""))
			f.equal("after a success", f.health("acme", "ep1"), webhook.Health{
				LastFailureAt: base.Add(time.Second), RecoveredAt: base.Add(2 * time.Second),
			})
		},
	},
	{
		"block/not-in-effect", "BlockUntil and OpenCircuit are of items in effect; Disable too",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			f.send("acme", "e2", "ep1")
			old := f.expectClaim("e1.ep1", "e2.ep1")
			f.settle(f.giveBack(old[1], time.Hour))
			f.advance(leaseTime + grace)
			f.take("e1.ep1")
			for _, l := range old { // the first is lost, the second settled already
				s := item(l, webhook.DeliveryCanceled, nil)
				s.Reason, s.BlockUntil, s.OpenCircuit, s.Disable = webhook.ReasonGone, f.now.Add(time.Hour), true, webhook.ReasonGone
				f.trySettle(s)
			}
			got := f.get("acme", "ep1")
			f.equal("health", got.Health, webhook.Health{})
			if got.State != webhook.EndpointActive || got.Version != 1 {
				f.Errorf("got the endpoint %s, version %d; want it active, version 1", got.State, got.Version)
			}
		},
	},
	{
		"disable/reason", "Disable disables an endpoint with that reason, and adds one to its Version",
		func(f *fixture) {
			l := f.leaseSome("ep1", 2)
			f.endpoint("acme", "ep2")
			f.setState("acme", "ep1", webhook.EndpointPaused)
			s := f.failure(l[0])
			s.Disable = reasonFailing
			f.settle(s)
			got := f.get("acme", "ep1")
			if got.State != webhook.EndpointDisabled || got.Reason != reasonFailing || got.Version != 3 {
				f.Errorf("got %s, %q, version %d; want it disabled as failing, version 3", got.State, got.Reason, got.Version)
			}
			f.names("matched", f.match(asks("acme", "t")), "ep2")
			stale := got
			stale.Version = 2
			_, err := f.store.UpdateEndpoint(f.ctx(), stale)
			f.is("an update of the version before", err, webhook.ErrConflict)
		},
	},
	{
		"disable/already", "Disable disables an endpoint that is not disabled",
		func(f *fixture) {
			l := f.leaseSome("ep1", 3)
			first, second, third := f.failure(l[0]), f.failure(l[1]), f.failure(l[2])
			first.Disable, second.Disable, third.Disable = webhook.ReasonGone, webhook.ReasonGone, reasonFailing
			f.settle(first, second)
			f.settle(third)
			got := f.get("acme", "ep1")
			if got.State != webhook.EndpointDisabled || got.Reason != webhook.ReasonGone || got.Version != 2 {
				f.Errorf("got %s, %q, version %d; want it disabled as gone, version 2", got.State, got.Reason, got.Version)
			}
		},
	},
}
