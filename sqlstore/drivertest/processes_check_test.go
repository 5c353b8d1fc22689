package drivertest

import (
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

// An account is what the ledger and the store agree on.
type account struct {
	events     int // stored
	deliveries int
	requests   int // that arrived
	repeats    int // successes of a delivery beyond its first
	unlogged   int // requests of a process that was killed, or was not given time, before it stored what became of them
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

// settled waits until these events have arrived everywhere, and all that is stored has been delivered.
func (f *fleet) settled(acknowledged []string) {
	f.t.Helper()
	f.eventually("all that was acknowledged arrives", func() bool { return f.receiver.have(acknowledged, f.endpoints) })
	f.eventually("nothing waits", f.idle)
}

// check compares what arrived with what the log says, when all is over. Every request is in the log, once, and the log has no other
// that was answered, except those of lossy processes: of each at most as many as it may have had in flight. After the attempt that
// succeeded there is none. So a delivery is repeated only for want of a result that was stored.
func (f *fleet) check() (a account) {
	t := f.t
	t.Helper()
	logged, deliveries := f.attempts(), f.deliveries()
	requests := make(map[deliveryOf][]received)
	for _, r := range f.receiver.requests() {
		requests[r.deliveryOf] = append(requests[r.deliveryOf], r)
	}
	a.events, a.deliveries = len(f.events()), len(deliveries)
	lossy, unlogged := f.lossy(), make(map[string]int)
	for key := range requests {
		assert.Contains(t, deliveries, key, "what arrives is stored")
	}
	for key, d := range deliveries {
		assert.Equal(t, webhook.DeliverySucceeded, d.State, "%v", key)
		attempts := make(map[int64]webhook.Attempt)
		last, inEffect := 0, 0
		for _, one := range logged[key] {
			assert.NotContains(t, attempts, one.StartedAt.UnixMicro(), "%v: an attempt is logged twice", key)
			attempts[one.StartedAt.UnixMicro()] = one
			if one.Late {
				a.late++
				continue
			}
			inEffect++
			last = max(last, one.Number)
		}
		assert.Equal(t, d.Attempts, inEffect, "%v", key)
		over, successes := false, 0
		for _, r := range requests[key] {
			a.requests++
			assert.Equal(t, requests[key][0].body, r.body, "%v: all requests have the same body", key)
			assert.False(t, over, "%v: request %d came after the success was stored", key, r.nth)
			if r.succeeded() {
				successes++
			}
			one, found := attempts[r.started]
			delete(attempts, r.started)
			switch {
			case !found:
				assert.True(t, lossy[r.worker], "%v: request %d of %s is not in the log", key, r.nth, r.worker)
				unlogged[r.worker]++
				a.unlogged++
			case one.Class == webhook.ClassTimeout:
				a.timedOut++
			case r.status != 0:
				assert.Equal(t, r.status, one.Status, "%v", key)
			}
			if over = found && !one.Late && one.Class == ""; over {
				assert.Equal(t, last, one.Number, "%v: the success is the last attempt", key)
			}
		}
		assert.True(t, over, "%v: the last request is the success that is stored", key)
		a.repeats += max(successes-1, 0)
		for _, one := range attempts {
			assert.Equal(t, webhook.ClassTimeout, one.Class, "%v: an attempt that did not arrive", key)
		}
	}
	for name, n := range unlogged {
		assert.LessOrEqual(t, n, f.settings.InFlight, "requests of %s that were in flight when it ended", name)
	}
	assert.LessOrEqual(t, a.repeats, a.unlogged+a.timedOut+a.late, "repeats are explained")
	return a
}

// log tells what happened.
func (f *fleet) log(a account, acknowledged, kills int, began time.Time) {
	f.t.Helper()
	f.t.Logf("%d kills; events: %d acknowledged, %d stored; %d deliveries in %d requests, of which %d were repeats of successes; "+
		"%d requests were lost with their process, %d timed out, %d were logged late; %.1f s",
		kills, acknowledged, a.events, a.deliveries, a.requests, a.repeats, a.unlogged, a.timedOut, a.late, time.Since(began).Seconds())
}
