package storetest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gowebhook/webhook"
)

// Types of notices, which are the types of operational events too.
const (
	tellFailing   = "webhook.endpoint.failing"
	tellDisabling = "webhook.endpoint.disabling_soon"
	tellDisabled  = "webhook.endpoint.disabled"
	tellRecovered = "webhook.endpoint.recovered"
	tellDelivery  = "webhook.delivery.failed"
)

// announcing makes an item announce its notices by events with the given id and type "" for the
// notice's own.
func (f *fixture) announcing(s webhook.Settlement, id string) webhook.Settlement {
	s.Announce = func(n *webhook.Notice) *webhook.EventRecord {
		e := f.outbox(s.Endpoint.Tenant, id)
		e.Type, e.About, e.NewID = n.Type, s.Endpoint.ID, true
		return &e
	}
	return s
}

// types returns the types of notices, in order.
func types(list []webhook.Notice) []string {
	names := make([]string, len(list))
	for i := range list {
		names[i] = list[i].Type
	}
	slices.Sort(names)
	return names
}

// moves makes an item that moves the status of an endpoint whose failures began at since.
func moves(s webhook.Settlement, status webhook.HealthStatus, since time.Duration) webhook.Settlement {
	s.Status, s.FailingSince = status, base.Add(since)
	return s
}

// fails makes an endpoint fail from a second after base on, and sets its status.
func (f *fixture) fails(tenant, id string, second int, status webhook.HealthStatus) {
	f.Helper()
	f.seq++
	e := f.event(tenant, fmt.Sprintf("fails%d", f.seq), f.held(id)...)
	f.publish(e)
	since := time.Duration(second) * time.Second
	s := moves(f.at(f.own(e, id), since, failed), status, since)
	s.State, s.Reason = webhook.DeliveryFailed, webhook.ReasonExhausted
	f.settle(s)
}

// statusCases check Health.Status and the other effects that follow from a run of failures.
var statusCases = []testCase{
	{
		"health/last", "Health has LastClass and LastStatus, of the latest failed attempt",
		func(f *fixture) {
			l := f.leaseSome("ep1", 3)
			f.settle(f.at(l[0], 2*time.Second, failed))
			f.settle(f.at(l[1], time.Second, webhook.ClassDNS))
			h := f.get("acme", "ep1").Health
			f.equal("after two failures", []any{h.LastClass, h.LastStatus}, []any{failed, 500})
			f.settle(f.at(l[2], 3*time.Second, ""))
			h = f.get("acme", "ep1").Health
			f.equal("after a success", []any{h.LastClass, h.LastStatus}, []any{failed, 500})
		},
	},
	{
		"health/excused", "an Excused attempt is logged, but is not part of Health",
		func(f *fixture) {
			l := f.leaseSome("ep1", 1)
			s := f.at(l[0], time.Second, webhook.ClassLocal)
			s.Excused = true
			f.settle(s)
			f.equal("health", f.get("acme", "ep1").Health, webhook.Health{})
			f.equal("attempts", len(f.attempts(webhook.Query{Tenant: "acme", EndpointID: "ep1"})), 1)
		},
	},
	{
		"block/numbers", "Holds and Throttles raise the numbers of Health, never lower them, and a success clears them",
		func(f *fixture) {
			l := f.leaseSome("ep1", 5)
			for i, step := range []struct{ holds, throttles, status, wantHolds, wantThrottles int }{
				{2, 3, http.StatusTooManyRequests, 2, 3},
				{1, 1, http.StatusTooManyRequests, 2, 3},
				{3, 0, http.StatusBadGateway, 3, 0},
				{0, 0, 200, 0, 0},
			} {
				s := f.at(l[i], time.Duration(i+1)*time.Second, failed)
				if step.status == 200 {
					s = f.at(l[i], time.Duration(i+1)*time.Second, "")
				}
				s.Attempt.Status, s.Holds, s.Throttles = step.status, step.holds, step.throttles
				f.settle(s)
				h := f.health("acme", "ep1")
				f.equal("holds and throttles", []int{h.Holds, h.Throttles}, []int{step.wantHolds, step.wantThrottles})
			}
		},
	},
	{
		"status/forward", "Status sets Health.Status and Since to now if it is later on the way to disabled",
		func(f *fixture) {
			l := f.leaseSome("ep1", 4)
			f.advance(time.Hour)
			f.settle(moves(f.at(l[0], time.Second, failed), webhook.HealthFailing, time.Second))
			h := f.health("acme", "ep1")
			f.equal("failing", []any{h.Status, h.Since}, []any{webhook.HealthFailing, f.now})
			began := f.now
			f.advance(time.Hour)
			f.settle(moves(f.at(l[1], 2*time.Second, failed), webhook.HealthFailing, time.Second))
			f.equal("failing again", f.health("acme", "ep1").Since, began)
			f.settle(moves(f.at(l[2], 3*time.Second, failed), webhook.HealthDisabling, time.Second))
			h = f.health("acme", "ep1")
			f.equal("disabling", []any{h.Status, h.Since}, []any{webhook.HealthDisabling, f.now})
			f.settle(moves(f.at(l[3], 4*time.Second, failed), webhook.HealthFailing, time.Second))
			f.equal("back", f.health("acme", "ep1").Status, webhook.HealthDisabling)
		},
	},
	{
		"status/run", "Status and a Disable with FailingSince apply only while Health.FailingSince is the item's",
		func(f *fixture) {
			l := f.leaseSome("ep1", 5)
			f.settle(f.at(l[0], time.Second, failed))
			f.settle(f.at(l[1], 2*time.Second, ""))
			late := moves(f.at(l[2], 3*time.Second, failed), webhook.HealthFailing, time.Second)
			late.Disable = webhook.ReasonFailing
			s := f.settle(late)
			e := f.get("acme", "ep1")
			f.equal("after a decision about an ended run", []any{e.Health.Status, e.State, len(s.Notices)},
				[]any{webhook.HealthStatus(""), webhook.EndpointActive, 0})
			s = f.settle(func() webhook.Settlement {
				d := moves(f.at(l[3], 4*time.Second, failed), "", 3*time.Second)
				d.Disable = webhook.ReasonFailing
				return d
			}())
			e = f.get("acme", "ep1")
			f.equal("after a decision about this run", []any{e.State, e.Reason}, []any{webhook.EndpointDisabled, webhook.ReasonFailing})
			f.equal("notices", types(s.Notices), []string{tellDisabled})
		},
	},
	{
		"status/recovered", "a success that ends a run of failures ends Status too",
		func(f *fixture) {
			l := f.leaseSome("ep1", 3)
			f.settle(moves(f.at(l[0], time.Second, failed), webhook.HealthFailing, time.Second))
			s := f.settle(f.at(l[1], 2*time.Second, ""))
			f.equal("notices", types(s.Notices), []string{tellRecovered})
			h := f.health("acme", "ep1")
			f.equal("health", []any{h.Status, h.Since}, []any{webhook.HealthStatus(""), base.Add(2 * time.Second)})
			s = f.settle(f.at(l[2], 3*time.Second, ""))
			f.equal("notices of another success", len(s.Notices), 0)
		},
	},
	{
		"status/update", "Health becomes the zero Health when a disabled endpoint is disabled no longer",
		func(f *fixture) {
			l := f.leaseSome("ep1", 1)
			s := moves(f.at(l[0], time.Second, failed), webhook.HealthFailing, time.Second)
			s.Disable, s.Holds, s.Throttles = webhook.ReasonGone, 4, 0
			s.FailingSince = base.Add(time.Second)
			f.settle(s)
			if h := f.health("acme", "ep1"); h.Status == "" || h.Holds != 4 {
				f.Errorf("got health %+v, want failing with 4 holds", h)
			}
			f.setState("acme", "ep1", webhook.EndpointActive)
			f.equal("health", f.get("acme", "ep1").Health, webhook.Health{})
		},
	},
}

// noticeCases check Settled.Notices and the operational events.
var noticeCases = []testCase{
	{
		"notice/once", "Settled.Notices has the notices, each once over all calls",
		func(f *fixture) {
			l := f.leaseSome("ep1", 2)
			first := moves(f.at(l[0], time.Second, failed), webhook.HealthFailing, time.Second)
			first.State, first.Reason, first.Failures = webhook.DeliveryFailed, webhook.ReasonExhausted, 3
			s := f.settle(first, moves(f.at(l[1], time.Second, failed), webhook.HealthFailing, time.Second))
			f.equal("types", types(s.Notices), []string{tellDelivery, tellFailing})
			for _, n := range s.Notices {
				if n.Endpoint != key("acme", "ep1") || !n.Time.Equal(f.now) || n.Silent || n.Withheld != 0 || n.Health.Failures == 0 {
					f.Errorf("got notice %+v", n)
				}
				if e := f.sent[l[0].UID]; n.Type == tellDelivery && (n.EventID != e.ID || n.EventType != e.Type || n.Attempts != 3 ||
					n.Reason != webhook.ReasonExhausted) {
					f.Errorf("got notice %+v of event %s", n, e.ID)
				}
			}
			again, err := f.store.Settle(f.ctx(), f.now, []webhook.Settlement{first})
			f.must("Settle again", err)
			f.equal("notices of a repeated call", len(again.Notices), 0)
		},
	},
	{
		"notice/lost", "a notice is made for an item in effect",
		func(f *fixture) {
			l := f.leaseSome("ep1", 1)
			f.advance(leaseTime + grace)
			f.claim()
			s := moves(f.at(l[0], time.Second, failed), webhook.HealthFailing, time.Second)
			s.State, s.Reason = webhook.DeliveryFailed, webhook.ReasonExhausted
			s.Disable = webhook.ReasonGone
			f.equal("notices", len(f.trySettle(s).Notices), 0)
			f.expectEvents(0)
		},
	},
	{
		"notice/event", "the Store stores the event of Announce with an outbox row; it is delivered to subscribers by name, not to About",
		func(f *fixture) {
			f.endpoint("acme", "named", tellDelivery)
			f.endpoint("acme", "prefix", "webhook.*")
			f.endpoint("acme", "all", "*")
			f.endpoint("acme", "member", "member.*")
			f.endpoint("other", "named", tellDelivery)
			f.endpoint("acme", "ep1", "member.joined", tellDelivery)
			f.send("acme", "e1", "ep1")
			f.settle(f.announcing(f.failure(f.take("e1.ep1")), "n1"))
			e := f.storedEvent("acme", "n1")
			f.equal("type", e.Type, tellDelivery)
			f.advance(instant)
			f.expectClaim("n1.named", "n1.prefix")
		},
	},
	{
		"notice/nobody", "an event without endpoints is deleted",
		func(f *fixture) {
			f.endpoint("acme", "ep1", "member.joined", tellDelivery)
			f.send("acme", "e1", "ep1")
			f.settle(f.announcing(f.failure(f.take("e1.ep1")), "n1"))
			f.expectClaim()
			f.expectEvents(0)
		},
	},
	{
		"notice/hour", "the Store leaves the event out, marks the Notice as Silent, and counts it in the next one's Withheld",
		func(f *fixture) {
			f.endpoint("acme", "ops", tellDelivery)
			f.endpoint("acme", "ep1")
			fail := func(n string) webhook.Notice {
				f.send("acme", "e"+n, "ep1")
				s := f.settle(f.announcing(f.failure(f.take("e"+n+".ep1")), "n"+n))
				f.equal("notices", len(s.Notices), 1)
				return s.Notices[0]
			}
			for i, step := range []struct {
				wait     time.Duration
				silent   bool
				withheld int
			}{{0, false, 0}, {time.Minute, true, 0}, {time.Hour - time.Minute - instant, true, 0}, {instant, false, 2}} {
				f.advance(step.wait)
				name := string(rune('a' + i))
				n := fail(name)
				f.equal("silent and withheld", []any{n.Silent, n.Withheld}, []any{step.silent, step.withheld})
				if !step.silent {
					f.settle(f.success(f.take("n" + name + ".ops")))
				}
			}
		},
	},
	{
		"notice/not-about-these", "there is no Notice about tests and deliveries of operational events",
		func(f *fixture) {
			f.endpoint("acme", "ep1", tellFailing)
			e := f.event("acme", "e1", f.ready("ep1")...)
			e.Type = tellFailing
			f.publish(e)
			f.sent[e.UID] = e
			s := f.settle(f.announcing(f.failure(f.take("e1.ep1")), "n1"))
			f.equal("notices of an operational event", len(s.Notices), 0)
			f.send("acme", "e2", "ep1")
			test := f.announcing(f.failure(f.take("e2.ep1")), "n2")
			test.Attempt.Test = true
			f.equal("notices of a test", len(f.settle(test).Notices), 0)
		},
	},
	{
		"notice/deleted", "there is no Notice about a deleted endpoint",
		func(f *fixture) {
			l := f.leaseSome("ep1", 1)
			f.remove("acme", "ep1")
			f.equal("notices", len(f.settle(f.announcing(f.failure(l[0]), "n1")).Notices), 0)
		},
	},
	{
		"match/dormant", "if nothing matches a request with Dormant, the answer has one disabled endpoint that would match",
		func(f *fixture) {
			for _, id := range []string{"b", "a", "other", "channel", "paused", "customer"} {
				e := f.newEndpoint("acme", id, "member.*", "left")
				switch id {
				case "other":
					e.Events = []string{"other"}
				case "channel":
					e.Channel = "c1"
				case "paused":
					e.Events, e.State = []string{"paused"}, webhook.EndpointPaused
				}
				f.create(e)
			}
			dormant := func(typ, channel string) []string {
				req := asks("acme", typ)
				req.Dormant, req.Channel = true, channel
				return f.match(req)
			}
			f.ordered("before", dormant("member.joined", ""), "a", "b", "customer")
			f.setState("acme", "a", webhook.EndpointDisabled)
			f.ordered("beside an active one", dormant("member.joined", ""), "b", "customer")
			f.send("acme", "e1", "b")
			gone := f.success(f.take("e1.b"))
			gone.Disable = webhook.ReasonGone
			f.settle(gone)
			f.setState("acme", "customer", webhook.EndpointDisabled)
			f.ordered("alone", dormant("member.joined", ""), "a")
			f.ordered("without Dormant", f.match(asks("acme", "member.joined")))
			f.ordered("another type", dormant("unknown", ""))
			f.ordered("paused", dormant("paused", ""), "paused")
			f.ordered("of a channel", dormant("member.joined", "c1"), "channel")
			f.setState("acme", "channel", webhook.EndpointDisabled)
			f.ordered("of a channel that is disabled", dormant("member.joined", "c2"), "a")
			f.remove("acme", "a")
			f.ordered("disabled by Settle", dormant("left", ""), "b")
			f.setState("acme", "b", webhook.EndpointActive)
			f.ordered("enabled again", f.match(asks("acme", "left")), "b")
			f.remove("acme", "b")
			f.ordered("disabled by its customer", dormant("left", ""), "customer")
			f.remove("acme", "customer")
			f.ordered("deleted", dormant("left", ""))
		},
	},
	{
		"match/dormant-longest", "a pattern may have the greatest length, also of a disabled endpoint",
		func(f *fixture) {
			long := strings.Repeat("x", 255)
			f.endpoint("acme", "ep1", long)
			f.setState("acme", "ep1", webhook.EndpointDisabled)
			req := asks("acme", long)
			req.Dormant = true
			f.ordered("matched", f.match(req), "ep1")
		},
	},
	{
		"outbox/dormant", "an event without such endpoints is kept if a disabled endpoint would match and it has no About",
		func(f *fixture) {
			f.endpoint("acme", "ep1", "member.*", tellDelivery)
			f.endpoint("acme", "ep2", "other", tellDelivery)
			f.setState("acme", "ep2", webhook.EndpointDisabled)
			e := f.outbox("acme", "e1")
			e.Type = "other"
			f.publish(e)
			none := f.outbox("acme", "e2")
			none.Type = "unknown"
			f.publish(none)
			f.send("acme", "e3", "ep1")
			f.settle(f.announcing(f.failure(f.take("e3.ep1")), "n1"))
			f.expectClaim()
			var ids []string
			for _, e := range f.events(webhook.Query{Tenant: "acme"}) {
				ids = append(ids, e.ID)
			}
			f.names("events", ids, "e1", "e3")
			if s := f.stats(); s.Outbox != 0 {
				f.Errorf("got %d events in the outbox, want 0", s.Outbox)
			}
		},
	},
	{
		"match/operational", `the pattern "*" does not match operational events`,
		func(f *fixture) {
			f.endpoint("acme", "all", "*")
			f.endpoint("acme", "prefix", "webhook.endpoint.*")
			f.endpoint("acme", "named", tellDisabled)
			e := f.outbox("acme", "e1")
			e.Type = tellDisabled
			f.publish(e)
			f.expectClaim("e1.named", "e1.prefix")
		},
	},
}

// expectEvents checks how many events of acme are stored that are not about member.joined.
func (f *fixture) expectEvents(want int) {
	f.Helper()
	events := f.events(webhook.Query{Tenant: "acme"})
	events = slices.DeleteFunc(events, func(e webhook.EventRecord) bool { return e.Type == "member.joined" })
	if len(events) != want {
		f.Errorf("got %d events, want %d", len(events), want)
	}
}
