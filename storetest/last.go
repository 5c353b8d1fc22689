package storetest

import (
	"fmt"
	"time"

	"github.com/gowebhook/webhook"
)

// expectLast expects the status and the class of a delivery's last attempt.
func (f *fixture) expectLast(what, event, endpoint string, status int, class webhook.Class) {
	f.Helper()
	if d := f.delivery("acme", event, endpoint); d.LastStatus != status || d.LastClass != class {
		f.Errorf("%s: got %d and %q as the last attempt's status and class, want %d and %q", what, d.LastStatus, d.LastClass, status, class)
	}
}

// retryAfter settles with an attempt that failed with a class, and a retry at once.
func (f *fixture) retryAfter(l webhook.Leased, class webhook.Class) webhook.Settlement {
	s := f.item(l, webhook.DeliveryPending, f.attempt(l, class))
	s.DueAt, s.Failures = f.now, l.Failures+1
	return s
}

// lastCases check LastStatus and LastClass of deliveries.
var lastCases = []testCase{
	{
		"last/settle", "an item in effect with an Attempt sets LastStatus and LastClass of the delivery",
		func(f *fixture) {
			f.endpoints("acme", 3)
			f.send("acme", "e1", "ep0000", "ep0001", "ep0002")
			f.expectLast("without an attempt", "e1", "ep0000", 0, "")
			l := f.expectClaim("e1.ep0000", "e1.ep0001", "e1.ep0002")
			f.settle(f.success(l[0]), f.failure(l[1]), f.retryAfter(l[2], webhook.ClassStatus))
			f.expectLast("a success", "e1", "ep0000", 200, "")
			f.expectLast("a failure", "e1", "ep0001", 500, webhook.ClassStatus)
			f.expectLast("one that is retried", "e1", "ep0002", 500, webhook.ClassStatus)

			f.settle(f.retryAfter(f.take("e1.ep0002"), webhook.ClassTimeout))
			f.expectLast("one that is retried again", "e1", "ep0002", 0, webhook.ClassTimeout)
			f.settle(f.giveBack(f.take("e1.ep0002"), 0))
			f.expectLast("one that is given back", "e1", "ep0002", 0, webhook.ClassTimeout)
			f.settle(f.success(f.take("e1.ep0002")))
			f.expectLast("a success after failures", "e1", "ep0002", 200, "")
		},
	},
	{
		"last/plain", "an item in effect with an Attempt sets LastStatus of a success, whichever it is",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			s := f.success(f.take("e1.ep1"))
			s.Attempt.Status = 204
			f.settle(s)
			f.expectLast("a success", "e1", "ep1", 204, "")
		},
	},
	{
		"last/late", "an item that is not in effect does not set LastStatus and LastClass",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			first := f.take("e1.ep1")
			f.advance(leaseTime + grace)
			f.settle(f.retryAfter(f.take("e1.ep1"), webhook.ClassTLS))
			late := f.failure(first)
			late.Attempt.StartedAt = f.now.Add(time.Second)
			f.lose(late)
			f.expectLast("after a late attempt", "e1", "ep1", 0, webhook.ClassTLS)
		},
	},
	{
		"last/ends", "a delivery that ends without an Attempt keeps LastStatus and LastClass",
		func(f *fixture) {
			f.endpoints("acme", 3)
			f.send("acme", "e1", "ep0000", "ep0001", "ep0002")
			l := f.expectClaim("e1.ep0000", "e1.ep0001", "e1.ep0002")
			f.settle(f.retryAfter(l[0], webhook.ClassStatus), f.retryAfter(l[1], webhook.ClassReset), f.retryAfter(l[2], webhook.ClassTLS))
			l = f.expectClaim("e1.ep0000", "e1.ep0001", "e1.ep0002")
			expired := f.item(l[0], webhook.DeliveryFailed, nil)
			expired.Reason = webhook.ReasonExpired
			f.settle(expired, f.giveBack(l[1], time.Hour), f.giveBack(l[2], time.Hour))
			f.expectLast("one that failed without a try", "e1", "ep0000", 500, webhook.ClassStatus)
			f.cancel(one("acme", "e1", "ep0001"), 1, 0)
			f.expectLast("one that is canceled", "e1", "ep0001", 0, webhook.ClassReset)
			f.remove("acme", "ep0002")
			f.prune(forEver)
			f.expectState("acme", "e1", "ep0002", webhook.DeliveryCanceled, webhook.ReasonDeleted)
			f.expectLast("one whose endpoint was deleted", "e1", "ep0002", 0, webhook.ClassTLS)
		},
	},
	{
		"last/retry", "LastStatus and LastClass stay when Retry makes a delivery pending again",
		func(f *fixture) {
			f.endpoints("acme", 3)
			f.send("acme", "e1", "ep0000", "ep0001", "ep0002")
			l := f.expectClaim("e1.ep0000", "e1.ep0001", "e1.ep0002")
			f.settle(f.success(l[0]), f.failure(l[1]), f.retryAfter(l[2], webhook.ClassDNS))
			for _, id := range []string{"ep0000", "ep0001", "ep0002"} {
				f.retry(one("acme", "e1", id), 1, 0)
			}
			f.expectLast("a success", "e1", "ep0000", 200, "")
			f.expectLast("a failure", "e1", "ep0001", 500, webhook.ClassStatus)
			f.expectLast("one that waited", "e1", "ep0002", 0, webhook.ClassDNS)
		},
	},
	{
		"last/published", "a row with a final State is stored with LastStatus and LastClass of its Attempt",
		func(f *fixture) {
			f.endpoints("acme", 2)
			e := f.event("acme", "e1")
			success, failure := f.attempt(f.own(e, "ep0000"), ""), f.attempt(f.own(e, "ep0001"), webhook.ClassTLS)
			success.Test, failure.Test = true, true
			e.Deliveries = []webhook.NewDelivery{
				{EndpointID: "ep0000", Version: 1, State: webhook.DeliverySucceeded, Attempt: success},
				{EndpointID: "ep0001", Version: 1, State: webhook.DeliveryFailed, Reason: webhook.ReasonExhausted, Attempt: failure},
			}
			f.publish(e)
			f.expectLast("a success", "e1", "ep0000", 200, "")
			f.expectLast("a failure", "e1", "ep0001", 0, webhook.ClassTLS)
		},
	},
	{
		"last/filter", "Deliveries honours Class and Status (of the last attempt); ClassRefused selects ClassDNS and ClassBlocked too",
		func(f *fixture) {
			f.send("acme", "e1", f.endpoints("acme", 7)...)
			l := f.expectClaim("e1.ep0000", "e1.ep0001", "e1.ep0002", "e1.ep0003", "e1.ep0004", "e1.ep0005", "e1.ep0006")
			rejected := f.failure(l[1])
			rejected.Attempt.Status = 400
			blocked := f.failure(l[6])
			blocked.Attempt = f.attempt(l[6], webhook.ClassBlocked)
			f.settle(f.success(l[0]), rejected, f.failure(l[2]), f.retryIn(l[3], time.Hour),
				f.retryAfter(l[4], webhook.ClassDNS), f.retryAfter(l[5], webhook.ClassRefused), blocked)
			f.send("acme", "e2", "ep0003") // without an attempt
			for _, c := range []struct {
				q    webhook.Query
				want []string
			}{
				{webhook.Query{Status: 200}, []string{"e1.ep0000"}},
				{webhook.Query{Status: 400}, []string{"e1.ep0001"}},
				{webhook.Query{Status: 500}, []string{"e1.ep0002", "e1.ep0003"}},
				{webhook.Query{Status: 500, State: webhook.DeliveryFailed}, []string{"e1.ep0002"}},
				{webhook.Query{Status: 500, EndpointID: "ep0003"}, []string{"e1.ep0003"}},
				{webhook.Query{Status: 500, EventID: "e2"}, nil},
				{webhook.Query{Status: 500, EventID: "e1", EndpointID: "ep0002"}, []string{"e1.ep0002"}},
				{webhook.Query{Status: 200, EventID: "e1", EndpointID: "ep0002"}, nil},
				{webhook.Query{Status: 503}, nil},
				{webhook.Query{Class: webhook.ClassStatus}, []string{"e1.ep0001", "e1.ep0002", "e1.ep0003"}},
				{webhook.Query{Class: webhook.ClassStatus, Status: 500}, []string{"e1.ep0002", "e1.ep0003"}},
				{webhook.Query{Class: webhook.ClassTLS}, nil},
				{webhook.Query{Class: webhook.ClassTLS, Status: 500}, nil},
				{webhook.Query{Class: webhook.ClassRefused}, []string{"e1.ep0004", "e1.ep0005", "e1.ep0006"}},
				{webhook.Query{Class: webhook.ClassRefused, EndpointID: "ep0006"}, []string{"e1.ep0006"}},
				{webhook.Query{Class: webhook.ClassDNS}, []string{"e1.ep0004"}},
				{webhook.Query{Class: webhook.ClassBlocked}, []string{"e1.ep0006"}},
			} {
				for _, c.q.Limit = range []int{0, 1, 2} {
					c.q.Tenant = "acme"
					f.ordered(fmt.Sprintf("%+v", c.q), deliveryIDs(f.deliveries(c.q)), c.want...)
				}
			}
			f.ordered("of all tenants", deliveryIDs(f.deliveries(webhook.Query{AllTenants: true, Status: 400})), "e1.ep0001")
		},
	},
}
