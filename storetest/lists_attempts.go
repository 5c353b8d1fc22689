package storetest

import (
	"fmt"
	"time"

	"github.com/gowebhook/webhook"
)

// logged stores attempts of two events at two endpoints, one second apart. e1.ep0000 fails
// twice and then succeeds, e1.ep0001 times out, and e2.ep0000 succeeds.
func (f *fixture) logged() {
	f.Helper()
	f.endpoints("acme", 2)
	f.send("acme", "e1", "ep0000", "ep0001")
	f.advance(time.Millisecond)
	f.send("acme", "e2", "ep0000")
	l := f.expectClaim("e1.ep0000", "e1.ep0001", "e2.ep0000")
	log := func(s webhook.Settlement, second, status int) {
		s.Attempt.StartedAt, s.Attempt.Status = base.Add(time.Duration(second)*time.Second), status
		f.settle(s)
	}
	log(f.retryIn(l[0], 0), 1, 500)
	log(f.retryIn(f.take("e1.ep0000"), 0), 2, 503)
	log(f.success(f.take("e1.ep0000")), 5, 200)
	log(f.item(l[1], webhook.DeliveryFailed, f.attempt(l[1], webhook.ClassTimeout)), 3, 0)
	log(f.success(l[2]), 4, 200)
}

// attemptNames returns "<delivery id>#<number>" of each attempt.
func attemptNames(list []webhook.Attempt) []string {
	names := make([]string, len(list))
	for i, a := range list {
		names[i] = fmt.Sprintf("%s.%s#%d", a.EventID, a.EndpointID, a.Number)
	}
	return names
}

// attemptListCases check Attempts.
var attemptListCases = []testCase{
	{
		"attempts/order", "Attempts returns attempts of one event or one endpoint, the latest StartedAt first",
		func(f *fixture) {
			f.logged()
			for _, limit := range limits {
				what := fmt.Sprintf("in pages of %d", limit)
				f.ordered(what+", of an event", attemptNames(f.attempts(webhook.Query{Tenant: "acme", EventID: "e1", Limit: limit})),
					"e1.ep0000#3", "e1.ep0001#1", "e1.ep0000#2", "e1.ep0000#1")
				f.ordered(what+", of an endpoint", attemptNames(f.attempts(webhook.Query{Tenant: "acme", EndpointID: "ep0000", Limit: limit})),
					"e1.ep0000#3", "e2.ep0000#1", "e1.ep0000#2", "e1.ep0000#1")
			}
		},
	},
	{
		"attempts/one", "Attempts of one delivery honour Class, Status, From and To too",
		func(f *fixture) {
			f.logged()
			for what, c := range map[string]struct {
				change func(q *webhook.Query)
				want   string
			}{
				"Class":        {func(q *webhook.Query) { q.Class, q.Status = webhook.ClassStatus, 503 }, "e1.ep0000#2"},
				"Status":       {func(q *webhook.Query) { q.Status = 500 }, "e1.ep0000#1"},
				"From":         {func(q *webhook.Query) { q.From = base.Add(5 * time.Second) }, "e1.ep0000#3"},
				"To":           {func(q *webhook.Query) { q.To = base.Add(2 * time.Second) }, "e1.ep0000#1"},
				"Class and To": {func(q *webhook.Query) { q.Class, q.To = webhook.ClassStatus, base.Add(2*time.Second) }, "e1.ep0000#1"},
			} {
				q := one("acme", "e1", "ep0000")
				c.change(&q)
				f.ordered(what, attemptNames(f.attempts(q)), c.want)
			}
		},
	},
	{
		"attempts/filter", "Attempts honours EventID, EndpointID, Class, Status, From and To (of StartedAt)",
		func(f *fixture) {
			f.logged()
			at := func(second int) time.Time { return base.Add(time.Duration(second) * time.Second) }
			for _, c := range []struct {
				q    webhook.Query
				want []string
			}{
				{webhook.Query{EventID: "e1", EndpointID: "ep0000"}, []string{"e1.ep0000#3", "e1.ep0000#2", "e1.ep0000#1"}},
				{webhook.Query{EventID: "E1"}, nil},
				{webhook.Query{EventID: "e2", EndpointID: "ep0001"}, nil},
				{webhook.Query{EventID: "e1", Class: webhook.ClassStatus}, []string{"e1.ep0000#2", "e1.ep0000#1"}},
				{webhook.Query{EventID: "e1", Class: webhook.ClassTimeout}, []string{"e1.ep0001#1"}},
				{webhook.Query{EndpointID: "ep0000", Class: webhook.ClassTimeout}, nil},
				{webhook.Query{EndpointID: "ep0000", Status: 200}, []string{"e1.ep0000#3", "e2.ep0000#1"}},
				{webhook.Query{EventID: "e1", Status: 503}, []string{"e1.ep0000#2"}},
				{webhook.Query{EventID: "e1", From: at(2)}, []string{"e1.ep0000#3", "e1.ep0001#1", "e1.ep0000#2"}},
				{webhook.Query{EndpointID: "ep0000", To: at(4)}, []string{"e1.ep0000#2", "e1.ep0000#1"}},
				{webhook.Query{EndpointID: "ep0000", From: at(1).Add(instant), To: at(4).Add(instant)}, []string{"e2.ep0000#1", "e1.ep0000#2"}},
				{webhook.Query{EndpointID: "ep0000", From: at(4), Status: 200, EventID: "e1"}, []string{"e1.ep0000#3"}},
			} {
				for _, c.q.Limit = range []int{0, 1, 2} {
					c.q.Tenant = "acme"
					f.ordered(fmt.Sprintf("%+v", c.q), attemptNames(f.attempts(c.q)), c.want...)
				}
			}
		},
	},
	{
		"attempts/same-time", "Attempts returns pages of Limit rows, each row once",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.backlog("acme", "e", "ep1", 7)
			var want []string
			for _, l := range f.claim() {
				want = append(want, f.name(l)+"#1")
				f.settle(f.success(l)) // all at the same time
			}
			for _, limit := range limits {
				f.names(fmt.Sprintf("in pages of %d", limit), attemptNames(f.attempts(webhook.Query{Tenant: "acme", EndpointID: "ep1", Limit: limit})), want...)
			}
		},
	},
}
