package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/gowebhook/webhook"
)

// forgives makes a call that fails with err succeed instead.
func forgives(err error) func(*broken) {
	return recovered(func(_ *webhook.BulkResult, got *error) {
		if errors.Is(*got, err) {
			*got = nil
		}
	})
}

// recoverDefects are defects of Retry and Cancel.
var recoverDefects = []defect{
	{"Retry keeps Since", "retry/single", func(b *broken) {
		since := map[leaseKey]time.Time{}
		leased(func(l *webhook.Leased) {
			if first, ok := since[leaseOf(*l)]; ok {
				l.Since = first
			}
			since[leaseOf(*l)] = l.Since
		})(b)
	}},

	{"Retry waits a minute", "retry/single retry/goes-on retry/published-final retry/fences retry/in-flight retry/matching", recoveries(func(_ *webhook.Query, now *time.Time) {
		*now = now.Add(time.Minute)
	})},
	{"Retry keeps failures", "retry/single", delivered(func(d *webhook.Delivery) {
		if d.Attempts > 0 && d.State == webhook.DeliveryPending {
			d.Failures = 1
		}
	})},
	{"recovering nothing is fine", "retry/not-found cancel/not-found", forgives(webhook.ErrNotFound)},
	{"recovering a leased delivery succeeds", "retry/in-flight cancel/in-flight", forgives(webhook.ErrInFlight)},
	{"conflicts are fine", "retry/disabled cancel/finished", forgives(webhook.ErrConflict)},
	{"Retry takes all that are not pending", "retry/matching recover/tenant", func(b *broken) {
		b.retry = func(ctx context.Context, q webhook.Query, now time.Time) (webhook.BulkResult, error) {
			var more webhook.BulkResult
			if q.State == "" {
				also := q
				also.State, also.EventID, also.EndpointID = webhook.DeliverySucceeded, "", ""
				more, _ = b.Store.Retry(ctx, also, now)
			}
			r, err := b.Store.Retry(ctx, q, now)
			r.Changed += more.Changed
			return r, err
		}
	}},
	{"State is ignored", "retry/state recover/all-tenants deliveries/filter recover/cancel-filters", queries(func(q *webhook.Query) { q.State = "" })},
	{"leased ones are not counted", "retry/state cancel/matching recover/cancel-parts recover/tenant", recovered(func(r *webhook.BulkResult, _ *error) { r.InFlight = 0 })},
	{"Retry takes deliveries of disabled endpoints", "retry/passes-over", func(b *broken) {
		b.retry = func(ctx context.Context, q webhook.Query, now time.Time) (webhook.BulkResult, error) {
			for _, e := range tenantEndpoints(b, webhook.Query{Tenant: q.Tenant}) {
				if e.State == webhook.EndpointDisabled {
					e.State = webhook.EndpointPaused
					_, _ = b.Store.UpdateEndpoint(ctx, e)
				}
			}
			return b.Store.Retry(ctx, q, now)
		}
	}},
	{"canceled deliveries have no reason", "cancel/single cancel/matching cancel/expired", delivered(func(d *webhook.Delivery) { d.Reason = "" })},
	{"Cancel passes over deliveries of paused endpoints", "cancel/paused", func(b *broken) {
		b.cancel = func(ctx context.Context, q webhook.Query, now time.Time) (webhook.BulkResult, error) {
			for _, e := range tenantEndpoints(b, webhook.Query{Tenant: q.Tenant, EndpointID: q.EndpointID}) {
				if e.State == webhook.EndpointPaused {
					return webhook.BulkResult{}, nil
				}
			}
			return b.Store.Cancel(ctx, q, now)
		}
	}},
	{"Cancel leaves events in the outbox", "cancel/outbox cancel/outbox-begun", func(b *broken) {
		b.cancel = func(ctx context.Context, q webhook.Query, now time.Time) (webhook.BulkResult, error) {
			if q.EndpointID == "" && !q.AllTenants {
				q.State, q.Limit = webhook.DeliveryPending, 1000
				page, err := b.Store.Deliveries(ctx, q, now)
				done := webhook.BulkResult{Next: page.Next}
				for _, d := range page.Items {
					one, _ := b.Store.Cancel(ctx, webhook.Query{Tenant: d.Tenant, EventID: d.EventID, EndpointID: d.EndpointID}, now)
					done.Changed += one.Changed
				}
				return done, err
			}
			return b.Store.Cancel(ctx, q, now)
		}
	}},
	{"Cancel does not count the event of the outbox", "cancel/outbox", func(b *broken) {
		b.cancel = func(ctx context.Context, q webhook.Query, now time.Time) (webhook.BulkResult, error) {
			before, _ := b.Store.Stats(ctx, now)
			done, err := b.Store.Cancel(ctx, q, now)
			after, _ := b.Store.Stats(ctx, now)
			done.Changed -= before.Outbox - after.Outbox
			return done, err
		}
	}},
	{"Cancel by event ignores the tenant", "cancel/outbox", func(b *broken) {
		b.cancel = func(ctx context.Context, q webhook.Query, now time.Time) (webhook.BulkResult, error) {
			if q.EventID != "" && q.EndpointID == "" {
				for _, tenant := range []string{"acme", "umbrella"} {
					other := q
					other.Tenant = tenant
					_, _ = b.Store.Cancel(ctx, other, now)
				}
			}
			return b.Store.Cancel(ctx, q, now)
		}
	}},
	{"expired leases are leases", "cancel/expired retry/fences retry/in-flight", recoveries(func(_ *webhook.Query, now *time.Time) { *now = now.Add(-2 * time.Second) })},
	{"one call does all", "recover/parts", func(b *broken) {
		b.retry = func(ctx context.Context, q webhook.Query, now time.Time) (webhook.BulkResult, error) {
			q.Limit = 1000
			return b.Store.Retry(ctx, q, now)
		}
	}},
	{"one call is all", "recover/parts recover/cancel-parts recover/filters recover/cancel-filters", recovered(func(r *webhook.BulkResult, _ *error) { r.Next = "" })},
	{"recoveries reach all tenants", "recover/tenant erase/others tenant/writes", recoveries(func(q *webhook.Query, _ *time.Time) {
		if q.EventID == "" || q.EndpointID == "" {
			q.Tenant, q.AllTenants = "", true
			return
		}
		q.Tenant = "umbrella"
	})},
}

// listDefects are defects of the lists.
var listDefects = []defect{
	{"lists are in reverse", "endpoints/order endpoints/default-limit events/order events/filter deliveries/order deliveries/filter attempts/order attempts/filter attempts/failed", listed(func(items pageItems, _ *string, _ webhook.Query) {
		items.reverse()
	})},
	{"a page begins after the row that follows the cursor", "endpoints/order events/order deliveries/order attempts/order attempts/same-time page/bytes page/default-limit", listed(func(items pageItems, _ *string, q webhook.Query) {
		if q.Cursor != "" {
			items.dropFirst()
		}
	})},
	{"pages have no limit", "endpoints/default-limit page/default-limit endpoints/order attempts/same-time", queries(func(q *webhook.Query) { q.Limit = 1000 })},
	{"pages of events have no limit of bytes", "page/bytes", func(b *broken) {
		b.events = func(ctx context.Context, q webhook.Query) (webhook.Page[webhook.EventRecord], error) {
			var out webhook.Page[webhook.EventRecord]
			for {
				p, err := b.Store.Events(ctx, q)
				out.Items = append(out.Items, p.Items...)
				if q.Cursor = p.Next; q.Cursor == "" || err != nil {
					return out, err
				}
			}
		}
	}},
	{"lists have all bodies", "page/no-bodies", queries(func(q *webhook.Query) { q.NoBodies = false })},
	{"the bytes of a page are not bounded by the query", "page/max-bytes", queries(func(q *webhook.Query) { q.MaxBytes = 0 })},
	{"nothing is passed over", "page/skip page/skip-reads", queries(func(q *webhook.Query) { q.Skip = 0 })},
	{"an empty page is the last", "page/short-events page/short-deliveries page/short-fan-out page/short-attempts page/short-endpoints", listed(func(items pageItems, next *string, _ webhook.Query) {
		if items.len() == 0 {
			*next = ""
		}
	})},
	{"an empty page has a cursor", "page/empty", listed(func(items pageItems, next *string, _ webhook.Query) {
		if items.len() == 0 {
			*next = ""
			*next = "again"
		}
	})},
	{"To is inclusive", "events/filter deliveries/filter attempts/filter", func(b *broken) {
		queries(func(q *webhook.Query) {
			if !q.To.IsZero() {
				q.To = q.To.Add(time.Millisecond)
			}
		})(b)
	}},
	{"From is exclusive", "events/filter deliveries/filter attempts/filter", queries(func(q *webhook.Query) {
		if !q.From.IsZero() {
			q.From = q.From.Add(time.Millisecond)
		}
	})},
	{"Type is ignored", "events/filter deliveries/filter", queries(func(q *webhook.Query) { q.Type = "" })},
	{"FinishedFrom and FinishedTo are ignored by lists", "deliveries/finished", queries(func(q *webhook.Query) {
		q.FinishedFrom, q.FinishedTo = time.Time{}, time.Time{}
	})},
	{"FinishedFrom and FinishedTo are ignored by Retry", "recover/finished", recoveries(func(q *webhook.Query, _ *time.Time) {
		q.FinishedFrom, q.FinishedTo = time.Time{}, time.Time{}
	})},
	{"FinishedFrom is exclusive", "deliveries/finished", queries(func(q *webhook.Query) {
		if !q.FinishedFrom.IsZero() {
			q.FinishedFrom = q.FinishedFrom.Add(time.Millisecond)
		}
	})},
	{"FinishedTo is inclusive", "deliveries/finished", queries(func(q *webhook.Query) {
		if !q.FinishedTo.IsZero() {
			q.FinishedTo = q.FinishedTo.Add(time.Millisecond)
		}
	})},
	{"Status and Class are ignored", "attempts/filter attempts/failed-filter", queries(func(q *webhook.Query) { q.Status, q.Class = 0, "" })},
	{"Type is ignored by Retry and Cancel", "recover/filters recover/cancel-filters", func(b *broken) {
		recoveries(func(q *webhook.Query, _ *time.Time) { q.Type = "" })(b)
	}},
	{"only ids narrow the list of one delivery", "deliveries/one attempts/one", queries(func(q *webhook.Query) {
		if q.EventID != "" && q.EndpointID != "" {
			q.Type, q.State, q.Class, q.Status, q.From, q.To = "", "", "", 0, time.Time{}, time.Time{}
		}
	})},
	{"AllTenants is refused", "events/all-tenants deliveries/all-tenants endpoints/filter recover/all-tenants", queries(func(q *webhook.Query) { q.AllTenants = false })},
	{"deliveries with an ended lease are in flight", "deliveries/in-flight", func(b *broken) {
		b.deliveries = func(ctx context.Context, q webhook.Query, _ time.Time) (webhook.Page[webhook.Delivery], error) {
			return b.Store.Deliveries(ctx, q, base)
		}
	}},
	{"pages are kept by the store", "page/owned", func(b *broken) {
		var kept webhook.Page[webhook.Attempt]
		b.attempts = func(ctx context.Context, q webhook.Query) (webhook.Page[webhook.Attempt], error) {
			if len(kept.Items) > 0 {
				return kept, nil
			}
			p, err := b.Store.Attempts(ctx, q)
			kept = p
			return p, err
		}
	}},
}

// counted changes the result of Stats.
func counted(change func(s *webhook.Stats)) func(*broken) {
	return func(b *broken) {
		b.stats = func(ctx context.Context, now time.Time) (webhook.Stats, error) {
			s, err := b.Store.Stats(ctx, now)
			change(&s)
			return s, err
		}
	}
}

// statsDefects are defects of Stats.
var statsDefects = []defect{
	{"leased deliveries are due", "stats/all stats/finished", counted(func(s *webhook.Stats) { s.Due, s.InFlight = s.Due+s.InFlight, 0 })},
	{"a delivery with an ended lease counts as in flight", "stats/expired", func(b *broken) {
		b.stats = func(ctx context.Context, now time.Time) (webhook.Stats, error) {
			s, err := b.Store.Stats(ctx, now)
			before, _ := b.Store.Stats(ctx, base)
			s.Due, s.InFlight = s.Pending-before.InFlight, before.InFlight
			return s, err
		}
	}},
	{"held deliveries are due", "stats/all stats/held held/stats", counted(func(s *webhook.Stats) { s.Due, s.Held = s.Due+s.Held, 0 })},
	{"waiting deliveries are held", "stats/all stats/waiting", counted(func(s *webhook.Stats) { s.Held, s.Waiting = s.Held+s.Waiting, 0 })},
	{"the outbox is not counted", "stats/all", counted(func(s *webhook.Stats) { s.Outbox = 0 })},
	{"the oldest is one that is held or in flight", "stats/oldest", counted(func(s *webhook.Stats) { s.OldestAt = base })},
	{"the oldest is the newest", "stats/oldest", func(b *broken) {
		var newest time.Time
		events(func(e *webhook.EventRecord) { newest = e.CreatedAt })(b)
		counted(func(s *webhook.Stats) {
			if s.Due > 0 {
				s.OldestAt = newest
			}
		})(b)
	}},
	{"finished ones are counted", "stats/finished", func(b *broken) {
		b.stats = func(ctx context.Context, now time.Time) (webhook.Stats, error) {
			s, err := b.Store.Stats(ctx, now)
			p, _ := b.Store.Deliveries(ctx, webhook.Query{AllTenants: true, Limit: 1000}, now)
			s.Pending = len(p.Items)
			return s, err
		}
	}},
}

// keeping changes the arguments of Prune.
func keeping(change func(now *time.Time, r *webhook.Retention)) func(*broken) {
	return func(b *broken) {
		b.prune = func(ctx context.Context, now time.Time, r webhook.Retention) (bool, error) {
			change(&now, &r)
			return b.Store.Prune(ctx, now, r)
		}
	}
}

// pruneDefects are defects of Prune.
var pruneDefects = []defect{
	{"Prune does nothing", "prune/disabled prune/deleted prune/no-endpoint prune/waiting prune/forgets prune/many prune/secrets retention/bodies retention/attempts retention/events", func(b *broken) {
		b.prune = func(context.Context, time.Time, webhook.Retention) (bool, error) { return false, nil }
	}},
	{"Prune cancels all for one reason", "prune/disabled prune/leased", delivered(func(d *webhook.Delivery) {
		if d.State == webhook.DeliveryCanceled {
			d.Reason = webhook.ReasonDeleted
		}
	})},
	{"Prune cancels leased ones", "prune/leased", keeping(func(now *time.Time, _ *webhook.Retention) { *now = now.Add(leaseTime) })},
	{"Prune cancels deliveries of paused endpoints", "prune/others", func(b *broken) {
		b.prune = func(ctx context.Context, now time.Time, r webhook.Retention) (bool, error) {
			for _, e := range tenantEndpoints(b, webhook.Query{AllTenants: true}) {
				if e.State == webhook.EndpointPaused {
					_, _ = b.Store.Cancel(ctx, webhook.Query{Tenant: e.Tenant, EndpointID: e.ID}, now)
				}
			}
			return b.Store.Prune(ctx, now, r)
		}
	}},
	{"Prune remembers which endpoints were disabled", "prune/enabled", func(b *broken) {
		was := make(map[webhook.EndpointKey]bool)
		b.prune = func(ctx context.Context, now time.Time, r webhook.Retention) (bool, error) {
			more, err := b.Store.Prune(ctx, now, r)
			for _, e := range tenantEndpoints(b, webhook.Query{AllTenants: true}) {
				k := key(e.Tenant, e.ID)
				if was[k] = was[k] || e.State == webhook.EndpointDisabled; was[k] {
					_, _ = b.Store.Cancel(ctx, webhook.Query{Tenant: e.Tenant, EndpointID: e.ID}, now)
				}
			}
			return more, err
		}
	}},
	{"Prune remembers which endpoints were deleted", "prune/made-anew", func(b *broken) {
		gone := make(map[webhook.EndpointKey]bool)
		b.remove = func(ctx context.Context, k webhook.EndpointKey, version int64, now time.Time) error {
			gone[k] = true
			return b.Store.DeleteEndpoint(ctx, k, version, now)
		}
		b.prune = func(ctx context.Context, now time.Time, r webhook.Retention) (bool, error) {
			for k := range gone {
				_, _ = b.Store.Cancel(ctx, webhook.Query{Tenant: k.Tenant, EndpointID: k.ID}, now)
			}
			return b.Store.Prune(ctx, now, r)
		}
	}},
	{"an endpoint's log shows removed attempts", "prune/wide", func(b *broken) {
		var seen []webhook.Attempt
		b.prune = func(ctx context.Context, now time.Time, r webhook.Retention) (bool, error) {
			page, _ := b.Store.Attempts(ctx, webhook.Query{Tenant: "acme", EndpointID: "ep1"})
			seen = append(seen, page.Items...)
			return b.Store.Prune(ctx, now, r)
		}
		b.attempts = func(ctx context.Context, q webhook.Query) (webhook.Page[webhook.Attempt], error) {
			p, err := b.Store.Attempts(ctx, q)
			if q.EventID == "" && len(p.Items) == 0 {
				p.Items = seen
			}
			return p, err
		}
	}},
	{"there is never more", "prune/many", func(b *broken) {
		b.prune = func(ctx context.Context, now time.Time, r webhook.Retention) (bool, error) {
			_, err := b.Store.Prune(ctx, now, r)
			return false, err
		}
	}},
	{"there is always more", "prune/nothing", func(b *broken) {
		b.prune = func(ctx context.Context, now time.Time, r webhook.Retention) (bool, error) {
			_, err := b.Store.Prune(ctx, now, r)
			return true, err
		}
	}},
	{"a negative age is the default", "retention/for-ever", keeping(func(_ *time.Time, r *webhook.Retention) {
		r.ResponseBodies, r.Attempts, r.Events = max(0, r.ResponseBodies), max(0, r.Attempts), max(0, r.Events)
	})},
	{"an age of zero is no age", "retention/default", keeping(func(_ *time.Time, r *webhook.Retention) {
		r.ResponseBodies, r.Attempts, r.Events = max(1, r.ResponseBodies), max(1, r.Attempts), max(1, r.Events)
	})},
	{"bodies are kept as long as attempts", "retention/bodies", keeping(func(_ *time.Time, r *webhook.Retention) { r.ResponseBodies = r.Attempts })},
	{"attempts are kept as long as events", "retention/attempts retention/age", keeping(func(_ *time.Time, r *webhook.Retention) { r.Attempts = r.Events })},
	{"each call prunes only rows since the last call", "retention/finished-since", func(b *broken) {
		calls := 0
		b.prune = func(ctx context.Context, now time.Time, r webhook.Retention) (bool, error) {
			if calls++; calls > 2 {
				return false, nil
			}
			return b.Store.Prune(ctx, now, r)
		}
	}},
	{"unfinished events are pruned", "retention/unfinished", func(b *broken) {
		var before time.Time
		b.prune = func(ctx context.Context, now time.Time, r webhook.Retention) (bool, error) {
			before = now.Add(-r.Events)
			return b.Store.Prune(ctx, now, r)
		}
		b.events = func(ctx context.Context, q webhook.Query) (webhook.Page[webhook.EventRecord], error) {
			q.From = before
			return b.Store.Events(ctx, q)
		}
	}},
	{"the log of unfinished deliveries is pruned", "retention/unfinished", func(b *broken) {
		b.prune = func(ctx context.Context, now time.Time, r webhook.Retention) (bool, error) {
			loggedAs(func(list []webhook.Attempt) {
				for i := range list {
					list[i].ResponseBody = nil
				}
			})(b)
			return b.Store.Prune(ctx, now, r)
		}
	}},
	{"Erase leaves events", "erase/all erase/again erase/leases", func(b *broken) {
		b.erase = func(ctx context.Context, tenant string) error {
			for _, e := range tenantEndpoints(b, webhook.Query{Tenant: tenant}) {
				_ = b.Store.DeleteEndpoint(ctx, key(e.Tenant, e.ID), 0, base)
			}
			return nil
		}
	}},
	{"Erase reaches tenants with similar names", "erase/others", func(b *broken) {
		b.erase = func(ctx context.Context, _ string) error {
			for _, tenant := range []string{"acme", "Acme", "acme "} {
				if err := b.Store.Erase(ctx, tenant); err != nil {
					return err
				}
			}
			return nil
		}
	}},
}

// tenantDefects are defects that concern all methods.
var tenantDefects = []defect{
	{"the empty tenant is fine", "tenant/empty", both(
		recoveries(func(q *webhook.Query, _ *time.Time) { q.AllTenants = q.AllTenants || q.Tenant == "" }),
	)},
	{"lists reach other tenants", "tenant/reads endpoints/order events/order deliveries/order", queries(func(q *webhook.Query) {
		if q.Tenant != "" && q.EventID == "" {
			q.Tenant, q.AllTenants = "", true
		}
	})},
	{"logs reach other tenants", "tenant/reads", func(b *broken) {
		b.attempts = func(ctx context.Context, q webhook.Query) (webhook.Page[webhook.Attempt], error) {
			q.Tenant = "acme"
			return b.Store.Attempts(ctx, q)
		}
	}},
	{"Erase reaches all tenants", "tenant/writes", func(b *broken) {
		b.erase = func(ctx context.Context, _ string) error {
			for _, e := range tenantEndpoints(b, webhook.Query{AllTenants: true}) {
				_ = b.Store.Erase(ctx, e.Tenant)
			}
			return nil
		}
	}},
	{"contexts are ignored", "context/ended", both(
		func(b *broken) {
			b.stats = func(ctx context.Context, now time.Time) (webhook.Stats, error) {
				return b.Store.Stats(context.WithoutCancel(ctx), now)
			}
		},
	)},
}
