package storetest

import (
	"fmt"
	"time"

	"github.com/gowebhook/webhook"
)

// replaySelectCases check which deliveries and events a replay selects. CountReplay and
// StepReplay must agree.
var replaySelectCases = []testCase{
	{
		"replay/count", "CountReplay counts the deliveries that a replay selects, and changes nothing",
		func(f *fixture) {
			f.everyState("acme", "e1", "e2")
			f.advance(time.Second)
			before := f.deliveries(webhook.Query{AllTenants: true})
			f.count(f.newReplay("acme", ""), 4)
			f.count(f.newReplay("acme", "failed"), 2)
			f.count(f.newReplay("acme", "succeeded"), 0)
			f.count(f.newCancel("acme", ""), 4)
			f.count(f.newReplay("umbrella", ""), 0)
			f.equal("deliveries", f.deliveries(webhook.Query{AllTenants: true}), before)
			f.names("replays", replayIDs(f.replays(webhook.Query{AllTenants: true})))
		},
	},
	{
		"replay/states", "a replay selects deliveries with one of Request.States",
		func(f *fixture) {
			f.everyState("acme", "e1")
			f.advance(time.Second)
			r := f.newReplay("acme", "")
			r.Request.States = []webhook.DeliveryState{webhook.DeliverySucceeded, webhook.DeliveryCanceled}
			f.count(r, 2)
			f.replay(r, 2)
			f.expectClaim("e1.canceled", "e1.succeeded")
			f.expectState("acme", "e1", "failed", webhook.DeliveryFailed, webhook.ReasonExhausted)
		},
	},
	{
		"replay/filters", "the events must match the other fields of the Request",
		func(f *fixture) {
			for i, q := range f.replayFilters() {
				r := f.newReplay("acme", "")
				r.Request = q.request
				f.count(r, len(q.want))
				f.replay(r, len(q.want))
				for _, l := range f.expectClaim(q.want...) {
					f.settle(f.failure(l))
				}
				f.advance(time.Duration(i+1) * time.Minute)
			}
		},
	},
	{
		"replay/finished", "finished ones must have finished before CreatedAt",
		func(f *fixture) {
			times := f.finishedAtTimes()
			f.advance(time.Second)
			r := f.newReplay("acme", "")
			r.Request.FinishedFrom, r.Request.FinishedTo = times[1], times[2]
			f.count(r, 1)
			r.Request.FinishedTo = time.Time{}
			f.count(r, 2)
			r.CreatedAt = times[2]
			f.count(r, 1)
			f.replay(r, 1)
			f.expectClaim("e1.ep0001")
		},
	},
	{
		"replay/as-of", "the events must have been emitted before CreatedAt",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.setState("acme", "ep1", webhook.EndpointDisabled)
			f.publish(f.event("acme", "e1"))
			f.advance(time.Second)
			r := f.newMissed("acme", "ep1")
			f.publish(f.event("acme", "e2"))
			f.setState("acme", "ep1", webhook.EndpointActive)
			f.count(r, 1)
			f.replay(r, 1)
			f.expectClaim("e1.ep1")
		},
	},
	{
		"replay/missed", "events that match the subscriptions and the channel of the endpoint, and have no delivery to it",
		func(f *fixture) {
			f.endpoint("acme", "other")
			f.endpoint("umbrella", "ep1")
			e := f.newEndpoint("acme", "ep1", "member.*")
			e.Channel = "west"
			f.create(e)
			for _, id := range []string{"none", "others", "had", "pending", "typed", "east", "plain"} {
				ev := f.event("acme", id)
				ev.Channel = "west"
				switch id {
				case "others":
					ev.Deliveries = []webhook.NewDelivery{finalRow("other", webhook.DeliverySucceeded)}
				case "had":
					ev.Deliveries = []webhook.NewDelivery{finalRow("ep1", webhook.DeliverySucceeded)}
				case "pending":
					ev.Deliveries = f.held("ep1")
				case "typed":
					ev.Type = "order.created"
				case "east":
					ev.Channel = "east"
				case "plain":
					ev.Channel = ""
				}
				f.publish(ev)
			}
			f.publish(f.event("umbrella", "u1"))
			f.advance(time.Second)
			r := f.newMissed("acme", "ep1")
			f.count(r, 2)
			f.replay(r, 2)
			f.expectClaim("none.ep1", "others.ep1")
			f.count(r, 0)
			f.update("acme", "ep1", func(e *webhook.Endpoint) { e.Channel, e.Events = "", []string{"*"} })
			f.count(r, 3)
			f.replay(f.newMissed("acme", "ep1"), 3)
			f.expectClaim("typed.ep1", "east.ep1", "plain.ep1")
		},
	},
	{
		"replay/missed-filters", "the events of Missed must match the other fields of the Request",
		func(f *fixture) {
			for _, id := range []string{"e1", "e2", "e3"} {
				e := f.event("acme", id)
				if id == "e2" {
					e.Type = "member.left"
				}
				f.publish(e)
				f.advance(time.Second)
			}
			f.endpoint("acme", "ep1")
			requests := map[string]webhook.ReplayRequest{
				"e1": {To: base.Add(time.Second)},
				"e2": {Types: []string{"member.left"}},
				"e3": {From: base.Add(2 * time.Second)},
			}
			missed := func(q webhook.ReplayRequest) webhook.Replay {
				q.Endpoint, q.Missed, q.Rate = "ep1", true, 1000
				r := f.newMissed("acme", "ep1")
				r.Request = q
				return r
			}
			for want, q := range requests {
				f.count(missed(q), 1)
				q.Event = want
				f.count(missed(q), 1)
				q.Event = "none"
				f.count(missed(q), 0)
			}
			for want, q := range requests {
				f.replay(missed(q), 1)
				f.expectClaim(want + ".ep1")
			}
		},
	},
	{
		"replay/missed-tests", "test events are left out",
		func(f *fixture) {
			e := f.event("acme", "e1")
			e.Test = true
			f.publish(e, f.event("acme", "e2"))
			f.endpoint("acme", "ep1")
			f.advance(time.Second)
			f.count(f.newMissed("acme", "ep1"), 1)
			f.replay(f.newMissed("acme", "ep1"), 1)
			f.expectClaim("e2.ep1")
		},
	},
	{
		"replay/missed-outbox", "events whose deliveries the Store is still to make are left out",
		func(f *fixture) {
			e := f.outbox("acme", "e1")
			e.NotBefore = f.now.Add(time.Hour)
			f.publish(e)
			f.endpoint("acme", "ep1")
			f.advance(time.Second)
			f.count(f.newMissed("acme", "ep1"), 0)
			f.replay(f.newMissed("acme", "ep1"), 0)
			f.advance(time.Hour)
			f.settle(f.success(f.take("e1.ep1")))
			f.count(f.newMissed("acme", "ep1"), 0)
		},
	},
	{
		"replay/pending", "a pending one is left out if Retry has made it due at CreatedAt",
		func(f *fixture) {
			f.everyState("acme", "e1")
			f.advance(time.Second)
			r := f.newReplay("acme", "")
			r.Request.States = []webhook.DeliveryState{webhook.DeliveryPending}
			f.count(r, 2)
			f.retry(webhook.Query{Tenant: "acme", EndpointID: "waiting", State: webhook.DeliveryPending}, 1, 0)
			f.count(r, 1)
		},
	},
	{
		"replay/stopped", "deliveries of disabled and deleted endpoints are left out",
		func(f *fixture) {
			f.endpoints("acme", 3)
			for _, id := range []string{"ep0000", "ep0001", "ep0002"} {
				f.failed("acme", id, id, 2)
			}
			f.setState("acme", "ep0000", webhook.EndpointDisabled)
			f.remove("acme", "ep0001")
			f.advance(time.Second)
			f.count(f.newReplay("acme", ""), 2)
			f.count(f.newReplay("acme", "ep0000"), 0)
			f.replay(f.newReplay("acme", ""), 2)
			f.expectClaim("ep0002000.ep0002", "ep0002001.ep0002")
		},
	},
	{
		"replay/all-tenants", "only AllTenants reaches all of them",
		func(f *fixture) {
			for _, tenant := range []string{"acme", "umbrella"} {
				f.endpoint(tenant, "ep1")
				f.endpoint(tenant, "ep2")
				f.failed(tenant, tenant+"-", "ep1", 1)
				f.failed(tenant, tenant+"+", "ep2", 1)
			}
			f.advance(time.Second)
			f.count(f.newReplay("acme", ""), 2)
			f.count(f.newReplay("", ""), 4)
			r := f.newReplay("", "ep2")
			r.Request.Event = "umbrella+000"
			f.count(r, 1)
			f.replay(r, 1)
			f.expectClaim("umbrella+000.ep2")
			f.replay(f.newReplay("", ""), 3)
			f.expectClaim("acme-000.ep1", "acme+000.ep2", "umbrella-000.ep1")
		},
	},
	{
		"replay/count-ends", "exact says that matched is the number of all: the count ends at 10,000",
		func(f *fixture) {
			const endpoints, events = 101, 99
			rows := make([]webhook.NewDelivery, endpoints)
			for i, id := range f.endpoints("acme", endpoints) {
				rows[i] = finalRow(id, webhook.DeliveryFailed)
			}
			for i := range events {
				f.publish(f.event("acme", fmt.Sprint("e", i), rows...))
			}
			f.publish(f.event("acme", "last", rows[0]))
			f.advance(time.Second)
			f.count(f.newReplay("acme", ""), endpoints*events+1) // 10,000
			f.publish(f.event("acme", "more", rows[1]))
			f.advance(time.Second)
			got, exact, err := f.store.CountReplay(f.ctx(), f.newReplay("acme", ""))
			f.must("CountReplay", err)
			if got != 10_000 || exact {
				f.Errorf("of 10,001: got %d, exact %v; want 10,000, not exact", got, exact)
			}
		},
	},
}

// A replayFilter is a request and the deliveries that it selects.
type replayFilter struct {
	request webhook.ReplayRequest
	want    []string
}

// replayFilters stores failed deliveries, one of them with the type member.left, and
// returns requests for some of them.
func (f *fixture) replayFilters() []replayFilter {
	f.Helper()
	f.filters(webhook.DeliveryFailed)
	f.advance(time.Second)
	second := base.Add(time.Second)
	list := []replayFilter{
		{webhook.ReplayRequest{Event: "e2"}, []string{"e2.ep0000", "e2.ep0001"}},
		{webhook.ReplayRequest{Endpoint: "ep0001"}, []string{"e1.ep0001", "e2.ep0001", "e3.ep0001"}},
		{webhook.ReplayRequest{Endpoint: "ep0000", Types: []string{"member.left"}}, []string{"e2.ep0000"}},
		{webhook.ReplayRequest{Endpoint: "ep0000", Types: []string{"member.*"}}, []string{"e1.ep0000", "e2.ep0000", "e3.ep0000"}},
		{webhook.ReplayRequest{Endpoint: "ep0000", Types: []string{"*"}, From: second}, []string{"e2.ep0000", "e3.ep0000"}},
		{webhook.ReplayRequest{Types: []string{"member", "joined"}}, nil},
		{webhook.ReplayRequest{From: second, To: base.Add(2 * time.Second)}, []string{"e2.ep0000", "e2.ep0001"}},
		{webhook.ReplayRequest{Endpoint: "ep0001", To: second}, []string{"e1.ep0001"}},
		{webhook.ReplayRequest{Event: "none"}, nil},
	}
	for i := range list {
		list[i].request.Rate = 1000
		list[i].request.States = []webhook.DeliveryState{webhook.DeliveryFailed, webhook.DeliveryCanceled}
	}
	return list
}
