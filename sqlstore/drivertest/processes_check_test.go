package drivertest

import (
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

// An account has the counts on which the ledger and the store agree.
type account struct {
	events     int // stored
	deliveries int
	requests   int // that arrived
	repeats    int // successes of a delivery beyond its first
	unlogged   int // requests of a process that was killed, or ran out of time, before it stored their results
	timedOut   int // requests that were answered too late for the sender
	late       int // attempts that were logged without effect
}

// everything reads all pages of a list.
func everything[T any](f *fleet, read func(q webhook.Query) (webhook.Page[T], error)) (all []T) {
	f.t.Helper()
	for q := (webhook.Query{Limit: 1000}); ; {
		page, err := read(q)
		require.NoError(f.t, err)
		all = append(all, page.Items...)
		if q.Cursor = page.Next; q.Cursor == "" {
			return all
		}
	}
}

// events returns the ids of all that is stored.
func (f *fleet) events() map[string]bool {
	f.t.Helper()
	ids := make(map[string]bool)
	for _, e := range everything(f, func(q webhook.Query) (webhook.Page[webhook.Event], error) {
		return f.dispatcher.Tenant(fleetTenant).Events(f.t.Context(), q)
	}) {
		require.False(f.t, ids[e.ID], "event %s is stored twice", e.ID)
		ids[e.ID] = true
	}
	return ids
}

func (f *fleet) deliveries() map[deliveryOf]webhook.Delivery {
	f.t.Helper()
	of := make(map[deliveryOf]webhook.Delivery)
	for _, d := range everything(f, func(q webhook.Query) (webhook.Page[webhook.Delivery], error) {
		return f.dispatcher.Tenant(fleetTenant).Deliveries(f.t.Context(), q)
	}) {
		of[deliveryOf{d.EventID, d.EndpointID}] = d
	}
	return of
}

func (f *fleet) attempts() map[deliveryOf][]webhook.Attempt {
	f.t.Helper()
	of := make(map[deliveryOf][]webhook.Attempt)
	for _, id := range f.endpoints {
		for _, a := range everything(f, func(q webhook.Query) (webhook.Page[webhook.Attempt], error) {
			q.EndpointID = id
			return f.dispatcher.Tenant(fleetTenant).Attempts(f.t.Context(), q)
		}) {
			key := deliveryOf{a.EventID, a.EndpointID}
			of[key] = append(of[key], a)
		}
	}
	return of
}

// idle reports whether nothing that is stored waits to be delivered.
func (f *fleet) idle() bool {
	stats, err := f.dispatcher.Stats(f.t.Context())
	return err == nil && stats.Pending == 0 && stats.Outbox == 0
}

// settled waits until these events have arrived everywhere, and all that is stored has been
// delivered.
func (f *fleet) settled(acknowledged []string) {
	f.t.Helper()
	f.eventually("all that was acknowledged arrives", func() bool { return f.receiver.have(acknowledged, f.endpoints) })
	f.eventually("nothing waits", f.idle)
}

// A checking collects problems.
type checking struct {
	account
	lossy    map[string]bool // workers
	unlogged map[string]int  // requests of workers
	problems []string
}

func (c *checking) want(ok bool, format string, args ...any) {
	if !ok {
		c.problems = append(c.problems, fmt.Sprintf(format, args...))
	}
}

// check compares the requests that arrived with the log, when all is over. Every request is in
// the log, once, and the log has no other answered request. Lossy processes are the exception:
// each may lack as many as it had in flight or owed, which is 32 results of an endpoint. No
// attempt follows the one that succeeded. So a delivery is repeated only if its result was not
// stored.
func (f *fleet) check() account {
	f.t.Helper()
	logged, deliveries := f.attempts(), f.deliveries()
	requests := make(map[deliveryOf][]received)
	for _, r := range f.receiver.requests() {
		requests[r.deliveryOf] = append(requests[r.deliveryOf], r)
	}
	c := checking{lossy: f.lossy(), unlogged: make(map[string]int)}
	c.events, c.deliveries = len(f.events()), len(deliveries)
	for key := range requests {
		c.want(deliveries[key].State == webhook.DeliverySucceeded, "%v: it arrived and is %q", key, deliveries[key].State)
	}
	for key, d := range deliveries {
		c.delivery(key, d, logged[key], requests[key])
	}
	for name, n := range c.unlogged {
		c.want(n <= f.settings.InFlight+32*len(f.endpoints), "%d requests of %s were in flight or owed when it ended", n, name)
		c.account.unlogged += n
	}
	c.want(c.repeats <= c.account.unlogged+c.timedOut+c.late, "there are unexplained repeats: %+v", c.account)
	if n := len(c.problems); n > 0 {
		f.t.Errorf("%d problems:\n%s", n, strings.Join(c.problems[:min(n, 20)], "\n"))
	}
	return c.account
}

// delivery checks one delivery. The requests are in the order of arrival.
func (c *checking) delivery(key deliveryOf, d webhook.Delivery, logged []webhook.Attempt, requests []received) {
	attempts := make(map[int64]webhook.Attempt)
	last, inEffect := 0, 0
	for _, one := range logged {
		other, twice := attempts[one.StartedAt.UnixMicro()]
		c.want(!twice || one.Late != other.Late, "%v: an attempt is logged twice: %+v", key, one)
		if !twice || other.Late { // a late result may take effect after all, see webhook.Attempt
			attempts[one.StartedAt.UnixMicro()] = one
		}
		if one.Late {
			c.late++
			continue
		}
		inEffect++
		last = max(last, one.Number)
	}
	c.want(d.Attempts == inEffect, "%v: it has %d attempts, and %d are logged", key, d.Attempts, inEffect)
	over, successes := false, 0
	for _, r := range requests {
		c.requests++
		c.want(r.body == requests[0].body, "%v: request %d has another body than the first", key, r.nth)
		c.want(!over, "%v: request %d, of %s, came after the success was stored", key, r.nth, r.worker)
		if r.succeeded() {
			successes++
		}
		one, found := attempts[r.started]
		delete(attempts, r.started)
		switch {
		case !found:
			c.want(c.lossy[r.worker], "%v: request %d of %s is not in the log", key, r.nth, r.worker)
			c.unlogged[r.worker]++
		case one.Class == webhook.ClassTimeout:
			c.timedOut++
		case r.status != 0:
			c.want(one.Status == r.status, "%v: request %d was answered %d and is logged as %d", key, r.nth, r.status, one.Status)
		}
		if over = found && !one.Late && one.Class == ""; over {
			c.want(one.Number == last, "%v: attempt %d is the success, and there are %d", key, one.Number, last)
		}
	}
	c.want(over, "%v: the last request is not the success that is stored", key)
	c.repeats += max(successes-1, 0)
	for _, one := range attempts { // it may have waited for a connection
		c.want(one.Class == webhook.ClassTimeout, "%v: an attempt did not arrive: %+v", key, one)
	}
}

// log prints the counts.
func (f *fleet) log(a account, acknowledged, kills int, began time.Time) {
	f.t.Helper()
	f.t.Logf("%d kills; events: %d acknowledged, %d stored; %d deliveries in %d requests, %d of them repeats of successes; "+
		"%d requests were lost with their process, %d timed out, %d were logged late; %.1f s",
		kills, acknowledged, a.events, a.deliveries, a.requests, a.repeats, a.unlogged, a.timedOut, a.late, time.Since(began).Seconds())
}
