package storetest

import (
	"fmt"
	"time"

	"github.com/gowebhook/webhook"
)

// endpointEffectCases check the effects of Settle on endpoints: BlockUntil, OpenCircuit and
// Disable.
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
			for _, l := range old { // the first lease is lost, the second is settled already
				s := f.item(l, webhook.DeliveryCanceled, nil)
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
		"version/acts", "BlockUntil, OpenCircuit and Disable count only if Version is the endpoint's when Settle begins",
		func(f *fixture) {
			l := f.leaseSome("ep1", 2)
			late := f.retryIn(l[0], time.Minute)
			late.BlockUntil, late.OpenCircuit, late.Disable = f.now.Add(24*time.Hour), true, webhook.ReasonGone
			f.update("acme", "ep1", func(e *webhook.Endpoint) { e.URL += "/v2" })
			f.settle(late)
			if got := f.get("acme", "ep1"); got.State != webhook.EndpointActive || got.Health != (webhook.Health{}) || got.Version != f.versions[key("acme", "ep1")] {
				f.Errorf("after an answer of the earlier URL: got %s, version %d, %+v; want it active, unchanged, the zero Health", got.State, got.Version, got.Health)
			}
			now := f.failure(l[1])
			now.BlockUntil, now.Disable, now.Version = f.now.Add(time.Hour), webhook.ReasonGone, f.versions[key("acme", "ep1")]
			f.settle(now)
			if got := f.get("acme", "ep1"); got.State != webhook.EndpointDisabled || !got.Health.BlockedUntil.Equal(now.BlockUntil) {
				f.Errorf("after an answer of this URL: got %s, %+v; want it disabled and blocked", got.State, got.Health)
			}
		},
	},
	{
		"version/health", "an Attempt is merged into Health only if Version is the endpoint's when Settle begins",
		func(f *fixture) {
			l := f.leaseSome("ep1", 4)
			f.update("acme", "ep1", func(e *webhook.Endpoint) { e.URL += "/v2" })
			late := []webhook.Settlement{f.at(l[0], time.Second, failed), f.at(l[1], 9*time.Second, "")}
			late[0].Version, late[1].Version = 1, 1
			f.settle(late[0], f.at(l[2], 2*time.Second, failed))
			f.settle(late[1])
			f.equal("health", f.health("acme", "ep1"), webhook.Health{
				Failures: 1, FailingSince: base.Add(2 * time.Second), LastFailureAt: base.Add(2 * time.Second),
			})
			f.expectLog("acme", "ep1-000", "ep1", "1 http_status")
			f.expectLog("acme", "ep1-001", "ep1", "1")
		},
	},
	{
		"version/due", "DeliveryPending makes it due at DueAt, or at BlockUntil if that is later and counts",
		func(f *fixture) {
			l := f.leaseSome("ep1", 2)
			items := []webhook.Settlement{f.retryIn(l[0], time.Minute), f.retryIn(l[1], time.Minute)}
			for i := range items {
				items[i].BlockUntil = f.now.Add(time.Hour)
			}
			f.settle(items[0])
			f.update("acme", "ep1", func(e *webhook.Endpoint) { e.URL += "/v2" })
			f.settle(items[1])
			for i, want := range []time.Time{items[0].BlockUntil, items[1].DueAt} {
				id := fmt.Sprintf("ep1-%03d", i)
				if d := f.delivery("acme", id, "ep1"); !d.DueAt.Equal(want) {
					f.Errorf("%s: due at base+%v, want base+%v", id, d.DueAt.Sub(base), want.Sub(base))
				}
			}
		},
	},
	{
		"disable/reason", "Disable disables an endpoint with that reason, and gives it its next Version",
		func(f *fixture) {
			l := f.leaseSome("ep1", 2)
			f.endpoint("acme", "ep2")
			f.setState("acme", "ep1", webhook.EndpointPaused)
			s := f.failure(l[0])
			s.Disable = reasonFailing
			f.settle(s)
			got, want := f.get("acme", "ep1"), nextVersion(f.versions[key("acme", "ep1")], f.now)
			if got.State != webhook.EndpointDisabled || got.Reason != reasonFailing || got.Version != want {
				f.Errorf("got %s, %q, version %d; want it disabled as failing, version %d", got.State, got.Reason, got.Version, want)
			}
			f.names("matched", f.match(asks("acme", "t")), "ep2")
			stale := got
			stale.Version--
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
			got, want := f.get("acme", "ep1"), nextVersion(1, f.now)
			if got.State != webhook.EndpointDisabled || got.Reason != webhook.ReasonGone || got.Version != want {
				f.Errorf("got %s, %q, version %d; want it disabled as gone, version %d", got.State, got.Reason, got.Version, want)
			}
		},
	},
}
