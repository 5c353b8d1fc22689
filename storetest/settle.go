package storetest

import (
	"fmt"
	"time"

	"github.com/gowebhook/webhook"
)

// settleCases check the effects of Settle on deliveries.
var settleCases = []testCase{
	{
		"settle/final", "an item in effect sets State, Reason and Failures; a final State finishes the delivery",
		func(f *fixture) {
			f.endpoints("acme", 3)
			f.send("acme", "e1", "ep0000", "ep0001", "ep0002")
			l := f.expectClaim("e1.ep0000", "e1.ep0001", "e1.ep0002")
			f.advance(time.Second)
			canceled := f.item(l[2], webhook.DeliveryCanceled, nil)
			canceled.Reason = webhook.ReasonGone
			f.settle(f.success(l[0]), f.failure(l[1]), canceled)
			want := []webhook.Delivery{
				{State: webhook.DeliverySucceeded, Attempts: 1, LastStatus: 200},
				{State: webhook.DeliveryFailed, Reason: webhook.ReasonExhausted, Attempts: 1, Failures: 1, LastStatus: 500, LastClass: webhook.ClassStatus},
				{State: webhook.DeliveryCanceled, Reason: webhook.ReasonGone},
			}
			for i, w := range want {
				got := f.delivery("acme", "e1", l[i].Endpoint.ID)
				w.ID, w.EndpointID, w.Tenant, w.EventID, w.EventType = f.name(l[i]), l[i].Endpoint.ID, "acme", "e1", "member.joined"
				w.CreatedAt, w.FinishedAt, w.DueAt = base, f.now, got.DueAt
				f.equal("delivery", got, w)
			}
		},
	},
	{
		"settle/retry", "DeliveryPending makes it due at DueAt, without a lease",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			s := f.retryIn(f.take("e1.ep1"), time.Hour)
			s.Failures = 7
			f.settle(s)
			d := f.delivery("acme", "e1", "ep1")
			if d.State != webhook.DeliveryPending || d.InFlight || !d.DueAt.Equal(s.DueAt) || d.Failures != 7 || d.Attempts != 1 || !d.FinishedAt.IsZero() {
				f.Errorf("got %+v, want it pending in an hour, after 7 failures", d)
			}
			f.advance(time.Hour - instant)
			f.expectClaim()
			f.advance(instant)
			if l := f.take("e1.ep1"); l.LeaseNo != 2 || l.Failures != 7 || l.Attempts != 1 {
				f.Errorf("got %+v, want lease number 2 after 7 failures and one attempt", l)
			}
		},
	},
	{
		"settle/waited", "the time from DueAt to a later BlockUntil that counts is added to Waited",
		func(f *fixture) {
			f.endpoints("acme", 2)
			f.send("acme", "e1", "ep0000", "ep0001")
			l := f.expectClaim("e1.ep0000", "e1.ep0001")
			blocked, stale := f.retryIn(l[0], time.Minute), f.retryIn(l[1], time.Minute)
			blocked.BlockUntil, stale.BlockUntil = f.now.Add(time.Hour), f.now.Add(time.Hour)
			stale.Version--
			f.settle(blocked, stale)
			f.advance(time.Hour + 2*time.Minute)
			l = f.expectClaim("e1.ep0000", "e1.ep0001")
			f.equal("Waited of a delivery that blocked its endpoint", l[0].Waited, 61*time.Minute)
			f.equal("Waited of one whose BlockUntil does not count", l[1].Waited, 61*time.Minute)
		},
	},
	{
		"settle/give-back", "without an Attempt the lease is given back",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			f.settle(f.giveBack(f.take("e1.ep1"), 10*time.Second))
			f.expectLog("acme", "e1", "ep1")
			f.advance(10*time.Second - instant)
			f.expectClaim()
			f.advance(instant)
			f.settle(f.success(f.take("e1.ep1")))
			f.expectLog("acme", "e1", "ep1", "1")
		},
	},
	{
		"settle/expired", "whether LeaseUntil has passed does not matter",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			l := f.take("e1.ep1")
			f.advance(24 * time.Hour)
			f.settle(f.success(l))
			f.expectState("acme", "e1", "ep1", webhook.DeliverySucceeded, "")
			f.expectClaim()
		},
	},
	{
		"settle/lost", "an item takes effect only if its LeaseNo is still the delivery's; otherwise its index is in Lost, " +
			"and nothing but its Attempt is stored, as Late",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			first := f.take("e1.ep1")
			f.advance(leaseTime + grace)
			second := f.take("e1.ep1")
			before := f.delivery("acme", "e1", "ep1")
			f.lose(f.failure(first))
			after := f.delivery("acme", "e1", "ep1")
			before.Attempts, after.Attempts = 0, 0 // the contract does not say whether late attempts count
			f.equal("delivery", after, before)
			f.expectLog("acme", "e1", "ep1", "1 http_status late")
			f.settle(f.success(second))
			f.expectState("acme", "e1", "ep1", webhook.DeliverySucceeded, "")
		},
	},
	{
		"settle/lost-after-end", "an item takes effect only if its LeaseNo is still the delivery's, also when it has finished since",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			first := f.take("e1.ep1")
			f.advance(leaseTime + grace)
			f.settle(f.success(f.take("e1.ep1")))
			want := f.delivery("acme", "e1", "ep1")
			f.advance(time.Second)
			f.lose(f.retryIn(first, time.Minute))
			got := f.delivery("acme", "e1", "ep1")
			want.Attempts, got.Attempts = 0, 0
			f.equal("delivery", got, want)
			f.advance(time.Hour)
			f.expectClaim()
		},
	},
	{
		"settle/early-number", "an item takes effect only if its LeaseNo is still the delivery's",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			l := f.take("e1.ep1")
			for _, number := range []int64{0, l.LeaseNo + 1} {
				other := f.item(l, webhook.DeliverySucceeded, nil)
				other.LeaseNo = number
				f.lose(other)
			}
			f.settle(f.success(l))
		},
	},
	{
		"settle/already", "its index is in Already when the same lease was settled before",
		func(f *fixture) {
			f.endpoints("acme", 4)
			f.send("acme", "e1", "ep0000", "ep0001", "ep0002", "ep0003")
			l := f.expectClaim("e1.ep0000", "e1.ep0001", "e1.ep0002", "e1.ep0003")
			canceled := f.item(l[3], webhook.DeliveryCanceled, nil)
			canceled.Reason = webhook.ReasonGone
			items := []webhook.Settlement{f.success(l[0]), f.retryIn(l[1], time.Hour), f.giveBack(l[2], time.Hour), canceled}
			f.settle(items...)
			want := f.deliveries(webhook.Query{Tenant: "acme"})
			f.advance(time.Second)
			for range 2 {
				got := f.trySettle(items...)
				f.equal("already", got.Already, []int{0, 1, 2, 3})
				f.equal("lost", got.Lost, []int(nil))
			}
			f.equal("deliveries", f.deliveries(webhook.Query{Tenant: "acme"}), want)
			f.expectLog("acme", "e1", "ep0000", "1")
			f.expectLog("acme", "e1", "ep0001", "1 http_status")
		},
	},
	{
		"settle/already-then", "its index is in Already when the same lease was settled before, also when the delivery was leased again",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			s := f.retryIn(f.take("e1.ep1"), 0)
			f.settle(s)
			next := f.take("e1.ep1")
			f.equal("settled again", f.trySettle(s).Already, []int{0})
			f.expectClaim()
			f.settle(f.success(next))
			f.expectLog("acme", "e1", "ep1", "1 http_status", "2")
		},
	},
	{
		"settle/already-attempt", "only the Attempt is stored, as Late, and only if the log has none of the same lease number",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			first := f.take("e1.ep1")
			f.settle(f.giveBack(first, 0))
			for range 2 {
				f.equal("given back before", f.trySettle(f.failure(first)).Already, []int{0})
				f.expectLog("acme", "e1", "ep1", "1 http_status late")
			}
			second := f.take("e1.ep1")
			f.settle(f.retryIn(second, 0))
			f.equal("settled before", f.trySettle(f.success(second)).Already, []int{0})
			f.expectLog("acme", "e1", "ep1", "1 http_status late", "2 http_status")
			f.settle(f.success(f.take("e1.ep1")))
			f.equal("finished before", f.trySettle(f.success(second)).Already, []int{0})
			f.expectLog("acme", "e1", "ep1", "1 http_status late", "2 http_status", "3")
		},
	},
	{
		"settle/other-verdict", "an item takes effect only if the lease has not been settled",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			l := f.take("e1.ep1")
			f.settle(f.success(l))
			got := f.trySettle(f.retryIn(l, 0))
			f.equal("settled again", got.Already, []int{0})
			f.expectState("acme", "e1", "ep1", webhook.DeliverySucceeded, "")
			f.expectLog("acme", "e1", "ep1", "1")
			f.expectClaim()
		},
	},
	{
		"settle/failed", "an item that cannot be stored fails alone: nothing of it is stored, and the others take effect",
		func(f *fixture) {
			f.endpoints("acme", 3)
			f.send("acme", "e1", "ep0000", "ep0001", "ep0002")
			l := f.expectClaim("e1.ep0000", "e1.ep0001", "e1.ep0002")
			items := []webhook.Settlement{f.success(l[0]), f.failure(l[1]), f.success(l[2])}
			s, err := f.store.Settle(f.ctx(), f.now, items)
			f.must("Settle", err)
			for i, item := range items {
				want, log := item.State, 1
				if s.Failed[i] != nil {
					want, log = webhook.DeliveryPending, 0
				}
				d := f.delivery("acme", "e1", item.Endpoint.ID)
				if got := len(f.log("acme", "e1", item.Endpoint.ID)); d.State != want || got != log {
					f.Errorf("item %d, failed with %v: got the delivery %s, %d attempts; want it %s, %d", i, s.Failed[i], d.State, got, want, log)
				}
			}
			_, err = f.settleAll(items...)
			f.must("Settle again", err)
			for _, id := range []string{"ep0000", "ep0001", "ep0002"} {
				if n := len(f.log("acme", "e1", id)); n != 1 {
					f.Errorf("%s: %d attempts after it was settled again, want 1", id, n)
				}
			}
		},
	},
	{
		"settle/unknown", "an item that is not in effect is in Lost: so is one of a delivery that is not stored",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			l := f.take("e1.ep1")
			event, endpoint, tenant := l, l, l
			event.UID = f.event("acme", "never").UID
			endpoint.Endpoint.ID, tenant.Endpoint.Tenant = "ep2", "umbrella"
			f.lose(f.success(event), f.success(endpoint), f.success(tenant))
			f.settle(f.success(l))
			f.expectLog("acme", "e1", "ep1", "1")
		},
	},
	{
		"settle/mixed", "each item is judged by itself",
		func(f *fixture) {
			f.endpoints("acme", 2)
			f.send("acme", "e1", "ep0000", "ep0001")
			f.send("acme", "e2", "ep0000")
			old := f.expectClaim("e1.ep0000", "e1.ep0001", "e2.ep0000")
			f.settle(f.success(old[1]))
			f.advance(leaseTime + grace)
			now := f.expectClaim("e1.ep0000", "e2.ep0000")
			got := f.trySettle(
				f.failure(old[0]), f.success(now[0]), f.success(old[1]), f.retryIn(now[1], time.Hour), f.success(now[0]), f.failure(old[2]),
			)
			f.equal("already", got.Already, []int{2, 4})
			f.equal("lost", got.Lost, []int{0, 5})
			f.expectState("acme", "e1", "ep0000", webhook.DeliverySucceeded, "")
			f.expectState("acme", "e2", "ep0000", webhook.DeliveryPending, "")
			f.expectLog("acme", "e1", "ep0000", "1 http_status late", "2")
			f.expectLog("acme", "e2", "ep0000", "1 http_status late", "2 http_status")
		},
	},
	{
		"settle/statuses", "Settle returns the status of every endpoint among the items that did not fail, as it is afterwards",
		func(f *fixture) {
			f.endpoints("acme", 4)
			f.send("acme", "e1", "ep0000", "ep0001", "ep0002")
			f.send("acme", "e2", "ep0000")
			f.setState("acme", "ep0001", webhook.EndpointPaused)
			f.setState("acme", "ep0001", webhook.EndpointActive)
			l := f.expectClaim("e1.ep0000", "e1.ep0001", "e1.ep0002", "e2.ep0000")
			f.settle(f.success(l[2]))
			blocked, disabled := f.retryIn(l[0], time.Hour), f.failure(l[1])
			blocked.BlockUntil, blocked.OpenCircuit, disabled.Disable = f.now.Add(time.Minute), true, webhook.ReasonGone
			got := map[string]webhook.EndpointStatus{}
			for _, s := range f.trySettle(blocked, disabled, f.success(l[2]), f.retryIn(l[3], time.Hour)).Endpoints {
				got[s.Key.ID] = s
			}
			f.equal("statuses", got, map[string]webhook.EndpointStatus{
				"ep0000": {Key: key("acme", "ep0000"), Version: 1, State: webhook.EndpointActive, Health: webhook.Health{
					Failures: 2, FailingSince: f.now, LastFailureAt: f.now, LastClass: failed, LastStatus: 500,
					BlockedUntil: blocked.BlockUntil, Circuit: true,
				}},
				"ep0001": {Key: key("acme", "ep0001"), Version: nextVersion(f.versions[key("acme", "ep0001")], f.now), State: webhook.EndpointDisabled, Health: webhook.Health{
					Failures: 1, FailingSince: f.now, LastFailureAt: f.now, LastClass: failed, LastStatus: 500,
				}},
				"ep0002": {Key: key("acme", "ep0002"), Version: 1, State: webhook.EndpointActive},
			})
		},
	},
	{
		"settle/deleted", "Settle returns the status of every endpoint among the items that did not fail; deleted ones are left out",
		func(f *fixture) {
			f.endpoints("acme", 2)
			f.send("acme", "e1", "ep0000", "ep0001")
			l := f.expectClaim("e1.ep0000", "e1.ep0001")
			f.remove("acme", "ep0000")
			got := f.settle(f.success(l[0]), f.success(l[1]))
			f.ordered("statuses of", statusIDs(got.Endpoints), "ep0001")
			f.expectState("acme", "e1", "ep0000", webhook.DeliverySucceeded, "")
		},
	},
	{
		"settle/many", "Settle records the results of leased deliveries, however many",
		func(f *fixture) {
			f.endpoints("acme", 3)
			for i, id := range []string{"ep0000", "ep0001", "ep0002"} {
				f.backlog("acme", fmt.Sprintf("%c", 'a'+i), id, 100)
			}
			var items []webhook.Settlement
			for i, l := range f.claim() {
				if i%3 == 0 {
					items = append(items, f.retryIn(l, time.Hour))
				} else {
					items = append(items, f.success(l))
				}
			}
			f.settle(items...)
			done := f.deliveries(webhook.Query{Tenant: "acme", State: webhook.DeliverySucceeded})
			if s := f.stats(); len(done) != 200 || s.Waiting != 100 || s.Pending != 100 {
				f.Errorf("%d succeeded, %+v; want 200, and 100 waiting", len(done), s)
			}
		},
	},
}
