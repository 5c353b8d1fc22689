package storetest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/gowebhook/webhook"
)

// replayStepCases check the effects and the pace of the steps of a replay.
var replayStepCases = []testCase{
	{
		"replay/as-retry", "a step makes finished ones pending again as Retry does",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			f.settle(f.failure(f.take("e1.ep1")))
			f.advance(time.Second)
			f.replay(f.newReplay("acme", "ep1"), 1)
			if d := f.delivery("acme", "e1", "ep1"); d.State != webhook.DeliveryPending || d.Reason != "" || d.Failures != 0 || !d.FinishedAt.IsZero() {
				f.Errorf("got %+v, want it pending without failures", d)
			}
			l := f.take("e1.ep1")
			if l.LeaseNo != 3 || l.Attempts != 1 || l.Failures != 0 || !l.Since.Equal(f.now) {
				f.Errorf("got %+v, want lease number 3 after 1 attempt, since %v", l, f.now)
			}
			f.settle(f.success(l))
			f.expectLog("acme", "e1", "ep1", "1 http_status", "2")
		},
	},
	{
		"replay/creates", "a step creates the missed ones, due at once under the present version of the endpoint",
		func(f *fixture) {
			f.publish(f.event("acme", "e1"))
			f.endpoint("acme", "ep1")
			f.advance(time.Minute)
			version := f.update("acme", "ep1", func(e *webhook.Endpoint) { e.Description = "new" }).Version
			f.replay(f.newMissed("acme", "ep1"), 1)
			l := f.take("e1.ep1")
			if l.LeaseNo != 1 || l.Attempts != 0 || l.Version != version || !l.Since.Equal(f.now) {
				f.Errorf("got %+v, want lease number 1 of version %d, since %v", l, version, f.now)
			}
			f.settle(f.success(l))
			f.expectLog("acme", "e1", "ep1", "1")
		},
	},
	{
		"replay/beside", "the delivery of a missed event stands beside the others of its event in every list",
		func(f *fixture) {
			f.endpoint("acme", "ep2")
			f.send("acme", "e1", "ep2")
			f.send("acme", "e2", "ep2")
			leases := f.expectClaim("e1.ep2", "e2.ep2")
			f.settle(f.failure(leases[0]))
			for _, id := range []string{"ep1", "ep3"} {
				f.endpoint("acme", id)
				f.advance(time.Second)
				f.replay(f.newMissed("acme", id), 2)
			}
			f.settle(f.failure(leases[1]))
			for _, l := range f.expectClaim("e1.ep1", "e1.ep3", "e2.ep1", "e2.ep3") {
				f.settle(f.success(l))
			}
			for _, e := range []string{"e1", "e2"} {
				q := webhook.Query{Tenant: "acme", EventID: e}
				f.ordered("deliveries of "+e, deliveryIDs(f.deliveries(q)), e+".ep1", e+".ep2", e+".ep3")
				f.equal("attempts of "+e, len(f.attempts(q)), 3)
				q.Class = webhook.ClassStatus
				f.equal("failed attempts of "+e, len(f.attempts(q)), 1)
			}
			f.equal("stats", f.stats(), webhook.Stats{})
		},
	},
	{
		"replay/each-once", "a step visits the next of the selected deliveries, each once in the whole replay",
		func(f *fixture) {
			f.endpoints("acme", 3)
			for i := range 5 {
				f.publish(f.event("acme", fmt.Sprint("e", i),
					finalRow("ep0000", webhook.DeliveryFailed), finalRow("ep0001", webhook.DeliveryCanceled), finalRow("ep0002", webhook.DeliverySucceeded)))
			}
			f.advance(time.Second)
			r := f.newReplay("acme", "")
			r.Request.Rate = 3
			f.startReplay(r)
			var seen []string
			for range 4 {
				stepped, next := f.step(r.ID)
				leases := f.claim()
				for _, l := range leases {
					f.settle(f.failure(l)) // which a later step must not select
				}
				seen = append(seen, f.leaseNames(leases)...)
				if stepped.Changed != len(seen) {
					f.Errorf("Changed is %d after %d deliveries", stepped.Changed, len(seen))
				}
				if next.After(f.now) {
					f.now = next
				}
			}
			if last := f.finish(); !isDone(last) && !isDone(f.replays(webhook.Query{AllTenants: true})[0]) {
				f.Errorf("got %+v, want it finished", last)
			}
			f.names("deliveries", seen, "e0.ep0000", "e1.ep0000", "e2.ep0000", "e3.ep0000", "e4.ep0000",
				"e0.ep0001", "e1.ep0001", "e2.ep0001", "e3.ep0001", "e4.ep0001")
		},
	},
	{
		"replay/pace", "at a rate of 10, a step that has changed 10 is followed by one a second later",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.failed("acme", "e", "ep1", 15)
			f.advance(time.Second)
			r := f.newReplay("acme", "ep1")
			r.Request.Rate = 10
			f.startReplay(r)
			stepped, next := f.step(r.ID)
			if stepped.Changed != 10 || !stepped.FinishedAt.IsZero() || !next.Equal(f.now.Add(time.Second)) {
				f.Errorf("got %+v, next %v; want 10 changed, and the next step at %v", stepped, next, f.now.Add(time.Second))
			}
			f.advance(time.Second - instant)
			if _, again := f.step(""); !again.Equal(next) {
				f.Errorf("next is %v, then %v", next, again)
			}
			f.advance(instant)
			if stepped, _ = f.step(r.ID); stepped.Changed != 15 {
				f.Errorf("got %d changed, want 15", stepped.Changed)
			}
		},
	},
	{
		"replay/slow", "at a rate of 0.1, a step changes one delivery, and the next follows after 10 seconds",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.failed("acme", "e", "ep1", 2)
			f.advance(time.Second)
			r := f.newReplay("acme", "ep1")
			r.Request.Rate = 0.1
			f.startReplay(r)
			if stepped, next := f.step(r.ID); stepped.Changed != 1 || !next.Equal(f.now.Add(10*time.Second)) {
				f.Errorf("got %d changed, next %v; want 1, and the next step at %v", stepped.Changed, next, f.now.Add(10*time.Second))
			}
		},
	},
	{
		"replay/turns", "of several it takes the one that has been due the longest",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.failed("acme", "e", "ep1", 6)
			f.advance(time.Second)
			var ids []string
			for range 3 {
				r := f.newReplay("acme", "ep1")
				r.Request.Rate = 1
				ids = append(ids, f.startReplay(r).ID)
				f.advance(instant)
			}
			for range 2 {
				for _, id := range ids {
					f.step(id)
				}
				f.step("")
				f.advance(time.Second)
			}
			f.equal("deliveries", len(f.claim()), 6)
		},
	},
	{
		"replay/none", "if none is due, it does nothing; next is zero if none is unfinished",
		func(f *fixture) {
			if _, next := f.step(""); !next.IsZero() {
				f.Errorf("next is %v without any replay", next)
			}
			f.endpoint("acme", "ep1")
			r := f.newReplay("acme", "ep1")
			f.startReplay(r)
			if stepped, next := f.step(r.ID); !isDone(stepped) || !stepped.FinishedAt.Equal(f.now) || !next.IsZero() {
				f.Errorf("got %+v, next %v; want it finished, and no next", stepped, next)
			}
		},
	},
	{
		"replay/cancels", "with Cancels it cancels as Cancel does; it passes over leased ones, and counts them in Skipped",
		func(f *fixture) {
			f.everyState("acme", "e1")
			f.advance(time.Second)
			f.startReplay(f.newCancel("acme", ""))
			if last := f.finish(); last.Changed != 1 || last.Skipped != 1 || !isDone(last) {
				f.Errorf("got %+v, want 1 changed and 1 skipped", last)
			}
			f.expectState("acme", "e1", "waiting", webhook.DeliveryCanceled, webhook.ReasonCanceled)
			f.expectState("acme", "e1", "flight", webhook.DeliveryPending, "")
			f.expectState("acme", "e1", "failed", webhook.DeliveryFailed, webhook.ReasonExhausted)
			f.advance(48 * time.Hour)
			f.expectClaim("e1.flight")
		},
	},
	{
		"replay/no-twins", "no event ever has two deliveries to one endpoint",
		func(f *fixture) {
			f.publish(f.event("acme", "e1"), f.event("acme", "e2"), f.event("acme", "e3"))
			f.endpoint("acme", "ep1")
			f.advance(time.Second)
			for range 2 {
				r := f.newMissed("acme", "ep1")
				r.Request.Rate = 1
				f.startReplay(r)
			}
			f.finish()
			for _, l := range f.expectClaim("e1.ep1", "e2.ep1", "e3.ep1") {
				if l.LeaseNo != 1 {
					f.Errorf("%s was made due twice", f.name(l))
				}
			}
			changed := 0
			for _, r := range f.replays(webhook.Query{Tenant: "acme"}) {
				changed += r.Changed
			}
			f.equal("deliveries that were created", changed, 3)
		},
	},
	{
		"replay/ends", "if it is for one endpoint of a tenant, and that is disabled or deleted, the step ends it as canceled",
		func(f *fixture) {
			f.endpoints("acme", 2)
			f.failed("acme", "a", "ep0000", 1)
			f.failed("acme", "b", "ep0001", 1)
			f.advance(time.Second)
			f.setState("acme", "ep0000", webhook.EndpointDisabled)
			f.remove("acme", "ep0001")
			for id, reason := range map[string]webhook.Reason{"ep0000": webhook.ReasonCustomer, "ep0001": webhook.ReasonDeleted, "none": webhook.ReasonDeleted} {
				for _, r := range []webhook.Replay{f.newReplay("acme", id), f.newMissed("acme", id)} {
					f.startReplay(r)
					stepped, _ := f.step(r.ID)
					if stepped.Reason != reason || stepped.Changed != 0 || !stepped.FinishedAt.Equal(f.now) {
						f.Errorf("%s: got %+v, want it canceled as %s", id, stepped, reason)
					}
				}
			}
		},
	},
	{
		"replay/at-the-same-time", "two calls never step the same replay at the same time",
		func(f *fixture) {
			f.endpoints("acme", 2)
			events := make([]webhook.EventRecord, 60)
			for i := range events {
				events[i] = f.event("acme", fmt.Sprintf("e%03d", i), finalRow("ep0000", webhook.DeliveryFailed))
			}
			f.publish(events...)
			f.advance(time.Second)
			again, missed, twin := f.newReplay("acme", "ep0000"), f.newMissed("acme", "ep0001"), f.newMissed("acme", "ep0001")
			again.Request.Rate, missed.Request.Rate, twin.Request.Rate = 7, 5, 11
			for _, r := range []webhook.Replay{again, missed, twin} {
				f.startReplay(r)
			}
			f.stepTogether()
			changed := 0
			for _, r := range f.replays(webhook.Query{Tenant: "acme"}) {
				if !isDone(r) {
					f.Errorf("got %+v, want it finished", r)
				}
				changed += r.Changed
			}
			leases := f.claim()
			if len(leases) != 120 || changed != 120 {
				f.Errorf("%d deliveries are due, and %d were changed; want 120 each", len(leases), changed)
			}
			for _, l := range leases {
				if want := map[string]int64{"ep0000": 3, "ep0001": 1}[l.Endpoint.ID]; l.LeaseNo != want {
					f.Errorf("%s has the lease number %d, want %d", f.name(l), l.LeaseNo, want)
				}
			}
		},
	},
}

// stepTogether steps from several goroutines, each with a clock of its own, until no
// replay is unfinished.
func (f *fixture) stepTogether() {
	f.Helper()
	var mu sync.Mutex
	var problems []error
	together(callers, func(int) {
		now := f.now
		for range 10_000 {
			_, next, err := f.store.StepReplay(f.ctx(), now)
			if err != nil {
				mu.Lock()
				problems = append(problems, err)
				mu.Unlock()
				return
			}
			if next.IsZero() {
				return
			}
			if next.After(now) {
				now = next
			}
		}
	})
	f.advance(time.Hour)
	if i := slices.IndexFunc(problems, func(err error) bool { return err != nil }); i >= 0 {
		f.Fatalf("StepReplay: %v", problems[i])
	}
}
