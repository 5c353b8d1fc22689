package storetest

import (
	"time"

	"github.com/gowebhook/webhook"
)

// one selects a single delivery.
func one(tenant, event, endpoint string) webhook.Query {
	return webhook.Query{Tenant: tenant, EventID: event, EndpointID: endpoint}
}

// tryRetry calls Retry until it is done, and adds up the results.
func (f *fixture) tryRetry(q webhook.Query) (webhook.BulkResult, error) {
	return f.recover(q, func(q webhook.Query) (webhook.BulkResult, error) { return f.store.Retry(f.ctx(), q, f.now) })
}

func (f *fixture) tryCancel(q webhook.Query) (webhook.BulkResult, error) {
	return f.recover(q, func(q webhook.Query) (webhook.BulkResult, error) { return f.store.Cancel(f.ctx(), q, f.now) })
}

func (f *fixture) recover(q webhook.Query, call func(webhook.Query) (webhook.BulkResult, error)) (webhook.BulkResult, error) {
	f.Helper()
	var sum webhook.BulkResult
	for range 1000 {
		r, err := call(q)
		if err != nil {
			return sum, err
		}
		sum.Changed += r.Changed
		sum.InFlight += r.InFlight
		if q.Cursor = r.Next; q.Cursor == "" {
			return sum, nil
		}
	}
	f.Fatalf("Next is not empty after 1,000 calls")
	return sum, nil
}

// retry retries, and checks how many deliveries changed, and how many were passed over because
// they are in flight.
func (f *fixture) retry(q webhook.Query, changed, inFlight int) {
	f.Helper()
	got, err := f.tryRetry(q)
	f.must("Retry", err)
	f.equal("Retry", got, webhook.BulkResult{Changed: changed, InFlight: inFlight})
}

func (f *fixture) cancel(q webhook.Query, changed, inFlight int) {
	f.Helper()
	got, err := f.tryCancel(q)
	f.must("Cancel", err)
	f.equal("Cancel", got, webhook.BulkResult{Changed: changed, InFlight: inFlight})
}

// everyState makes deliveries of each event in every state. Each endpoint is named after the
// state of its deliveries.
func (f *fixture) everyState(tenant string, events ...string) {
	f.Helper()
	names := []string{"canceled", "failed", "flight", "succeeded", "waiting"}
	for _, id := range names {
		f.endpoint(tenant, id)
	}
	for _, e := range events {
		f.send(tenant, e, names...)
		l := f.expectClaim(e+".canceled", e+".failed", e+".flight", e+".succeeded", e+".waiting")
		canceled := f.item(l[0], webhook.DeliveryCanceled, nil)
		canceled.Reason = webhook.ReasonGone
		f.settle(canceled, f.failure(l[1]), f.success(l[3]), f.retryIn(l[4], 24*time.Hour))
	}
}

// retryCases check Retry.
var retryCases = []testCase{
	{
		"retry/single", "Retry makes deliveries pending again: due at once, Failures 0; a single one in any state",
		func(f *fixture) {
			f.everyState("acme", "e1")
			f.advance(time.Second)
			for _, id := range []string{"canceled", "failed", "succeeded", "waiting"} {
				f.retry(one("acme", "e1", id), 1, 0)
				d := f.delivery("acme", "e1", id)
				if d.State != webhook.DeliveryPending || d.Reason != "" || d.Failures != 0 || d.InFlight || !d.FinishedAt.IsZero() || d.DueAt.After(f.now) {
					f.Errorf("%s: got %+v, want it pending, due now, without failures", id, d)
				}
			}
			for _, l := range f.expectClaim("e1.canceled", "e1.failed", "e1.succeeded", "e1.waiting") {
				if l.Failures != 0 || !l.Since.Equal(f.now) {
					f.Errorf("%s: got %d failures, since %v; want 0, %v", f.name(l), l.Failures, l.Since, f.now)
				}
			}
		},
	},
	{
		"retry/waited", "Retry makes deliveries pending again with Waited 0",
		func(f *fixture) {
			f.endpoints("acme", 2)
			f.send("acme", "e1", "ep0000", "ep0001")
			f.advance(time.Hour)
			l := f.expectClaim("e1.ep0000", "e1.ep0001")
			f.settle(f.failure(l[0]), f.retryIn(l[1], time.Hour))
			for _, id := range []string{"ep0000", "ep0001"} {
				f.retry(one("acme", "e1", id), 1, 0)
			}
			f.advance(time.Minute)
			for _, l := range f.expectClaim("e1.ep0000", "e1.ep0001") {
				f.equal(f.name(l), l.Waited, time.Minute)
			}
		},
	},
	{
		"retry/goes-on", "retried deliveries get a lease number one higher, so that their attempts go on counting",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			f.settle(f.failure(f.take("e1.ep1")))
			f.retry(one("acme", "e1", "ep1"), 1, 0)
			l := f.take("e1.ep1")
			if l.LeaseNo != 3 || l.Attempts != 1 {
				f.Errorf("got lease number %d after %d attempts, want 3 after 1", l.LeaseNo, l.Attempts)
			}
			f.settle(f.success(l))
			f.expectLog("acme", "e1", "ep1", "1 http_status", "2")
			if d := f.delivery("acme", "e1", "ep1"); d.Attempts != 2 || d.State != webhook.DeliverySucceeded {
				f.Errorf("got %+v, want it succeeded after 2 attempts", d)
			}
		},
	},
	{
		"retry/published-final", "Retry makes deliveries pending again, those that were stored as finished too",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			e := f.event("acme", "e1")
			a := f.attempt(f.own(e, "ep1"), webhook.ClassTLS)
			e.Deliveries = []webhook.NewDelivery{{
				EndpointID: "ep1", Version: 1, State: webhook.DeliveryFailed, Reason: webhook.ReasonExhausted, Attempt: a,
			}}
			f.publish(e)
			f.retry(one("acme", "e1", "ep1"), 1, 0)
			f.settle(f.success(f.take("e1.ep1")))
			f.expectLog("acme", "e1", "ep1", "1 tls", "2")
		},
	},
	{
		"retry/fences", "retried deliveries get a lease number one higher: a lease that had ended is lost",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			old := f.take("e1.ep1")
			f.advance(leaseTime + time.Second)
			f.retry(one("acme", "e1", "ep1"), 1, 0)
			f.lose(f.failure(old))
			f.expectState("acme", "e1", "ep1", webhook.DeliveryPending, "")
			f.settle(f.success(f.take("e1.ep1")))
			f.expectLog("acme", "e1", "ep1", "1 http_status late", "2")
		},
	},
	{
		"retry/not-found", "Retry of a single delivery returns ErrNotFound if there is none or its endpoint is deleted",
		func(f *fixture) {
			f.everyState("acme", "e1")
			f.endpoint("acme", "ep1")
			f.remove("acme", "failed")
			for _, q := range []webhook.Query{
				one("acme", "e2", "canceled"), one("acme", "e1", "ep1"), one("acme", "e1", "none"), one("umbrella", "e1", "canceled"),
				one("acme", "e1", "failed"), one("acme", "E1", "canceled"), one("acme", "e1", "Canceled"),
			} {
				_, err := f.tryRetry(q)
				f.is(q.Tenant+" "+q.EventID+"."+q.EndpointID, err, webhook.ErrNotFound)
			}
			f.expectClaim()
		},
	},
	{
		"retry/in-flight", "Retry of a single delivery returns ErrInFlight if it is leased at now",
		func(f *fixture) {
			f.everyState("acme", "e1")
			e := f.event("acme", "e2", f.held("failed")...)
			f.publish(e)
			for _, q := range []webhook.Query{one("acme", "e1", "flight"), one("acme", "e2", "failed")} {
				_, err := f.tryRetry(q)
				f.is("a leased one", err, webhook.ErrInFlight)
			}
			f.settle(f.success(f.own(e, "failed")))
			f.advance(leaseTime + time.Second)
			f.retry(one("acme", "e1", "flight"), 1, 0)
			f.expectClaim("e1.flight")
		},
	},
	{
		"retry/disabled", "Retry of a single delivery returns ErrConflict if its endpoint is disabled",
		func(f *fixture) {
			f.everyState("acme", "e1")
			f.setState("acme", "failed", webhook.EndpointDisabled)
			_, err := f.tryRetry(one("acme", "e1", "failed"))
			f.is("of a disabled endpoint", err, webhook.ErrConflict)
			f.expectState("acme", "e1", "failed", webhook.DeliveryFailed, webhook.ReasonExhausted)
			f.setState("acme", "failed", webhook.EndpointPaused)
			f.retry(one("acme", "e1", "failed"), 1, 0)
			f.expectClaim()
			f.setState("acme", "failed", webhook.EndpointActive)
			f.expectClaim("e1.failed")
		},
	},
	{
		"retry/matching", "otherwise Retry takes the deliveries that q matches, failed and canceled ones if q.State is empty",
		func(f *fixture) {
			f.everyState("acme", "e1", "e2")
			f.retry(webhook.Query{Tenant: "acme"}, 4, 0)
			f.expectClaim("e1.canceled", "e1.failed", "e2.canceled", "e2.failed")
		},
	},
	{
		"retry/state", "Retry takes the deliveries that q matches, by State too; it counts leased ones in InFlight",
		func(f *fixture) {
			f.everyState("acme", "e1")
			f.retry(webhook.Query{Tenant: "acme", State: webhook.DeliverySucceeded}, 1, 0)
			f.expectClaim("e1.succeeded")
			f.retry(webhook.Query{Tenant: "acme", State: webhook.DeliveryFailed}, 1, 0)
			f.expectClaim("e1.failed")
			f.retry(webhook.Query{Tenant: "acme", State: webhook.DeliveryPending}, 1, 3)
			f.expectClaim("e1.waiting")
			f.retry(webhook.Query{Tenant: "acme", State: webhook.DeliveryCanceled}, 1, 0)
			f.expectClaim("e1.canceled")
		},
	},
	{
		"retry/passes-over", "Retry by filter passes over deliveries of disabled and deleted endpoints",
		func(f *fixture) {
			f.endpoints("acme", 4)
			f.send("acme", "e1", "ep0000", "ep0001", "ep0002", "ep0003")
			for _, l := range f.claim() {
				f.settle(f.failure(l))
			}
			f.setState("acme", "ep0000", webhook.EndpointDisabled)
			f.remove("acme", "ep0001")
			f.setState("acme", "ep0002", webhook.EndpointPaused)
			f.retry(webhook.Query{Tenant: "acme"}, 2, 0)
			f.expectState("acme", "e1", "ep0000", webhook.DeliveryFailed, webhook.ReasonExhausted)
			f.expectState("acme", "e1", "ep0001", webhook.DeliveryFailed, webhook.ReasonExhausted)
			f.expectState("acme", "e1", "ep0002", webhook.DeliveryPending, "")
			f.expectClaim("e1.ep0003")
		},
	},
}
