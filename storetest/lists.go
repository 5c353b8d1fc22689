package storetest

import (
	"fmt"
	"time"

	"github.com/gowebhook/webhook"
)

// limits are the page sizes for reading lists of about six rows.
var limits = []int{1, 2, 3, 5, 6, 7, 1000, 0}

// eventListCases check Events.
var eventListCases = []testCase{
	{
		"events/order", "Events returns events, the newest first, in pages of Limit",
		func(f *fixture) {
			var want []string
			for i, id := range []string{"m", "z", "a", "Z", "k", "b"} {
				f.publish(f.event([]string{"acme", "umbrella"}[i%2], id))
				want = append([]string{id}, want...)
				f.advance(time.Millisecond)
			}
			for _, limit := range limits {
				what := fmt.Sprintf("in pages of %d", limit)
				f.ordered(what, eventIDs(f.events(webhook.Query{AllTenants: true, Limit: limit})), want...)
				f.ordered(what+", of one tenant", eventIDs(f.events(webhook.Query{Tenant: "acme", Limit: limit})), "k", "a", "m")
			}
		},
	},
	{
		"events/filter", "Events honours EventID, Type, From and To (of CreatedAt)",
		func(f *fixture) {
			for i := range 6 {
				e := f.event("acme", fmt.Sprint(i))
				e.Type, e.Time = []string{"a", "A", "a.b"}[i%3], base.Add(-time.Hour)
				f.publish(e)
				f.publish(f.event("umbrella", fmt.Sprint("u", i)))
				f.advance(time.Second)
			}
			from, to := base.Add(time.Second), base.Add(4*time.Second)
			for _, c := range []struct {
				q    webhook.Query
				want []string
			}{
				{webhook.Query{}, []string{"5", "4", "3", "2", "1", "0"}},
				{webhook.Query{EventID: "2"}, []string{"2"}},
				{webhook.Query{EventID: "u2"}, nil},
				{webhook.Query{Type: "a"}, []string{"3", "0"}},
				{webhook.Query{Type: "a.*"}, nil},
				{webhook.Query{From: from}, []string{"5", "4", "3", "2", "1"}},
				{webhook.Query{To: to}, []string{"3", "2", "1", "0"}},
				{webhook.Query{From: from, To: to}, []string{"3", "2", "1"}},
				{webhook.Query{From: from, To: to, Type: "a"}, []string{"3"}},
				{webhook.Query{From: from.Add(time.Millisecond), To: to.Add(time.Millisecond)}, []string{"4", "3", "2"}},
				{webhook.Query{EventID: "5", To: to}, nil},
			} {
				for _, c.q.Limit = range []int{0, 1, 2} {
					c.q.Tenant = "acme"
					f.ordered(fmt.Sprintf("%+v", c.q), eventIDs(f.events(c.q)), c.want...)
				}
			}
		},
	},
	{
		"events/all-tenants", "Events honours AllTenants",
		func(f *fixture) {
			f.publish(f.event("acme", "e1"), f.event("umbrella", "e1"), f.event("umbrella", "e2"))
			f.names("all", eventIDs(f.events(webhook.Query{AllTenants: true})), "e1", "e1", "e2")
			f.names("of this id", eventIDs(f.events(webhook.Query{AllTenants: true, EventID: "e1"})), "e1", "e1")
		},
	},
}

// deliveryListCases check Deliveries.
var deliveryListCases = []testCase{
	{
		"deliveries/order", "Deliveries returns deliveries by their event, the newest first, then by endpoint id",
		func(f *fixture) {
			names := []string{"b", "B", "_", "a"}
			for _, id := range names {
				f.endpoint("acme", id)
				f.endpoint("umbrella", id)
			}
			f.send("acme", "z", names...)
			f.advance(time.Millisecond)
			f.send("umbrella", "m", "a", "B")
			f.advance(time.Millisecond)
			f.send("acme", "a", "b", "B")
			f.settle(f.success(f.claim()[0]))
			for _, limit := range limits {
				what := fmt.Sprintf("in pages of %d", limit)
				f.ordered(what, deliveryIDs(f.deliveries(webhook.Query{Tenant: "acme", Limit: limit})), "a.B", "a.b", "z.B", "z._", "z.a", "z.b")
				f.ordered(what+", of all tenants", deliveryIDs(f.deliveries(webhook.Query{AllTenants: true, Limit: limit})),
					"a.B", "a.b", "m.B", "m.a", "z.B", "z._", "z.a", "z.b")
				f.ordered(what+", of one endpoint", deliveryIDs(f.deliveries(webhook.Query{Tenant: "acme", EndpointID: "b", Limit: limit})), "a.b", "z.b")
			}
		},
	},
	{
		"deliveries/one", "the list of one delivery honours Type, State, From and To too",
		func(f *fixture) {
			f.everyState("acme", "e1")
			for what, c := range map[string]struct {
				change func(q *webhook.Query)
				found  bool
			}{
				"its own State":       {func(q *webhook.Query) { q.State = webhook.DeliveryFailed }, true},
				"another State":       {func(q *webhook.Query) { q.State = webhook.DeliveryPending }, false},
				"its own Type":        {func(q *webhook.Query) { q.Type = "member.joined" }, true},
				"another Type":        {func(q *webhook.Query) { q.Type = "member.left" }, false},
				"its own time":        {func(q *webhook.Query) { q.From, q.To = base, base.Add(time.Second) }, true},
				"From later":          {func(q *webhook.Query) { q.From = base.Add(time.Second) }, false},
				"To that is its time": {func(q *webhook.Query) { q.To = base }, false},
			} {
				q := one("acme", "e1", "failed")
				c.change(&q)
				if got := f.deliveries(q); len(got) == 1 != c.found {
					f.Errorf("%s: got %d deliveries, found is to be %v", what, len(got), c.found)
				}
			}
		},
	},
	{
		"deliveries/filter", "Deliveries honours EventID, EndpointID, Type, State, From and To (of the event's CreatedAt)",
		func(f *fixture) {
			f.everyState("acme", "e1")
			f.endpoint("umbrella", "failed")
			f.send("umbrella", "e1", "failed")
			f.advance(time.Second)
			e2 := f.event("acme", "e2", f.ready("failed", "waiting")...)
			e2.Type = "member.left"
			f.publish(e2)
			f.advance(time.Second)
			f.send("acme", "e3", "failed")
			second, third := base.Add(time.Second), base.Add(2*time.Second)
			for _, c := range []struct {
				q    webhook.Query
				want []string
			}{
				{webhook.Query{EventID: "e2"}, []string{"e2.failed", "e2.waiting"}},
				{webhook.Query{EndpointID: "failed"}, []string{"e3.failed", "e2.failed", "e1.failed"}},
				{webhook.Query{EventID: "e1", EndpointID: "failed"}, []string{"e1.failed"}},
				{webhook.Query{EndpointID: "Failed"}, nil},
				{webhook.Query{Type: "member.left"}, []string{"e2.failed", "e2.waiting"}},
				{webhook.Query{Type: "member.left", EndpointID: "waiting"}, []string{"e2.waiting"}},
				{webhook.Query{Type: "member"}, nil},
				{webhook.Query{State: webhook.DeliveryFailed}, []string{"e1.failed"}},
				{webhook.Query{State: webhook.DeliverySucceeded}, []string{"e1.succeeded"}},
				{webhook.Query{State: webhook.DeliveryCanceled}, []string{"e1.canceled"}},
				{webhook.Query{State: webhook.DeliveryPending}, []string{"e3.failed", "e2.failed", "e2.waiting", "e1.flight", "e1.waiting"}},
				{webhook.Query{State: webhook.DeliveryPending, EndpointID: "failed", EventID: "e1"}, nil},
				{webhook.Query{From: second, EndpointID: "failed"}, []string{"e3.failed", "e2.failed"}},
				{webhook.Query{To: third, EndpointID: "failed"}, []string{"e2.failed", "e1.failed"}},
				{webhook.Query{From: second, To: third}, []string{"e2.failed", "e2.waiting"}},
				{webhook.Query{From: second.Add(time.Millisecond), To: third}, nil},
				{webhook.Query{To: second, State: webhook.DeliveryPending}, []string{"e1.flight", "e1.waiting"}},
			} {
				for _, c.q.Limit = range []int{0, 1, 2} {
					c.q.Tenant = "acme"
					f.ordered(fmt.Sprintf("%+v", c.q), deliveryIDs(f.deliveries(c.q)), c.want...)
				}
			}
		},
	},
	{
		"deliveries/finished", "FinishedFrom (inclusive) and FinishedTo (exclusive) select deliveries by the time when they finished; pending ones do not match",
		func(f *fixture) {
			times := f.finishedAtTimes()
			for _, c := range []struct {
				q    webhook.Query
				want []string
			}{
				{webhook.Query{FinishedFrom: times[0]}, []string{"e1.ep0000", "e1.ep0001", "e1.ep0002"}},
				{webhook.Query{FinishedFrom: times[0].Add(instant)}, []string{"e1.ep0001", "e1.ep0002"}},
				{webhook.Query{FinishedFrom: times[1]}, []string{"e1.ep0001", "e1.ep0002"}},
				{webhook.Query{FinishedTo: times[1]}, []string{"e1.ep0000"}},
				{webhook.Query{FinishedTo: times[1].Add(instant)}, []string{"e1.ep0000", "e1.ep0001"}},
				{webhook.Query{FinishedFrom: times[1], FinishedTo: times[2]}, []string{"e1.ep0001"}},
				{webhook.Query{FinishedFrom: times[1], EndpointID: "ep0002"}, []string{"e1.ep0002"}},
				{webhook.Query{FinishedFrom: times[0], State: webhook.DeliveryPending}, nil},
				{webhook.Query{FinishedFrom: times[2].Add(time.Hour)}, nil},
				{webhook.Query{FinishedTo: times[0]}, nil},
				{webhook.Query{FinishedTo: times[2].Add(time.Hour), To: base}, nil},
			} {
				for _, c.q.Limit = range []int{0, 1} {
					c.q.Tenant = "acme"
					f.ordered(fmt.Sprintf("%+v", c.q), deliveryIDs(f.deliveries(c.q)), c.want...)
				}
			}
			f.retry(one("acme", "e1", "ep0002"), 1, 0)
			f.ordered("one that is pending again", deliveryIDs(f.deliveries(webhook.Query{Tenant: "acme", FinishedFrom: times[1]})), "e1.ep0001")
		},
	},
	{
		"deliveries/in-flight", "now decides InFlight",
		func(f *fixture) {
			f.endpoints("acme", 2)
			f.send("acme", "e1", "ep0000")
			f.take("e1.ep0000")
			f.publish(f.event("acme", "e1b", f.held("ep0000")...))
			f.send("acme", "e2", "ep0001")
			until := f.now.Add(leaseTime)
			flight := func() []bool {
				return []bool{f.delivery("acme", "e1", "ep0000").InFlight, f.delivery("acme", "e1b", "ep0000").InFlight, f.delivery("acme", "e2", "ep0001").InFlight}
			}
			f.equal("in flight while leased", flight(), []bool{true, true, false})
			f.now = until.Add(-instant)
			f.equal("in flight just before the leases end", flight(), []bool{true, true, false})
			f.now = until.Add(time.Hour)
			f.equal("in flight an hour later", flight(), []bool{false, false, false})
		},
	},
	{
		"deliveries/all-tenants", "Deliveries honours AllTenants",
		func(f *fixture) {
			for _, tenant := range []string{"acme", "umbrella"} {
				f.endpoints(tenant, 2)
				f.send(tenant, "e1", "ep0000", "ep0001")
			}
			f.names("of this endpoint id", deliveryIDs(f.deliveries(webhook.Query{AllTenants: true, EndpointID: "ep0001"})), "e1.ep0001", "e1.ep0001")
			f.names("of one tenant", deliveryIDs(f.deliveries(webhook.Query{Tenant: "acme"})), "e1.ep0000", "e1.ep0001")
		},
	},
}
