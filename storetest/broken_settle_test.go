package storetest

import (
	"context"
	"slices"
	"time"

	"github.com/gowebhook/webhook"
)

// tracked keeps the last lease of each delivery that Claim has handed out, as a defect of Settle needs it.
func tracked(install func(b *broken, last map[leaseKey]webhook.Leased)) func(*broken) {
	return func(b *broken) {
		last := map[leaseKey]webhook.Leased{}
		b.claim = func(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
			c, err := b.Store.Claim(ctx, req)
			for _, l := range c.Deliveries {
				last[leaseOf(l)] = l
			}
			return c, err
		}
		install(b, last)
	}
}

// settleDefects are defects of Settle in the treatment of deliveries.
var settleDefects = []defect{
	{"lease numbers do not matter", "settle/lost settle/lost-after-end settle/early-number settle/mixed", tracked(func(b *broken, last map[leaseKey]webhook.Leased) {
		settlements(func(s *webhook.Settlement, _ time.Time) {
			if l, ok := last[itemOf(*s)]; ok {
				s.LeaseNo = l.LeaseNo
			}
		})(b)
	})},
	{"retry and cancel leave lease numbers alone", "retry/fences cancel/expired", func(b *broken) {
		lost := true
		recovered(func(*webhook.BulkResult, *error) { lost = false })(b)
		settled(func(s *webhook.Settled) {
			if !lost {
				s.Lost = nil
			}
		})(b)
	}},
	{"reasons are forgotten", "settle/final retry/disabled recover/tenant", settlements(func(s *webhook.Settlement, _ time.Time) { s.Reason = "" })},
	{"failures are not counted", "settle/retry claim/count settle/final", settlements(func(s *webhook.Settlement, _ time.Time) { s.Failures = 0 })},
	{"retries are due at once", "settle/retry settle/give-back retry/state", settlements(func(s *webhook.Settlement, now time.Time) { s.DueAt = now })},
	{"a lease that is given back is an attempt", "settle/give-back attempt/numbers settle/final", settlements(func(s *webhook.Settlement, now time.Time) {
		if s.Attempt == nil {
			s.Attempt = &webhook.Attempt{Tenant: s.Endpoint.Tenant, EndpointID: s.Endpoint.ID, StartedAt: now}
		}
	})},
	{"an expired lease is lost", "settle/expired", tracked(func(b *broken, last map[leaseKey]webhook.Leased) {
		settlements(func(s *webhook.Settlement, now time.Time) {
			if l, ok := last[itemOf(*s)]; ok && l.LeaseUntil.Before(now) {
				s.LeaseNo = -1
			}
		})(b)
	})},
	{"items that were settled already are lost", "settle/already settle/already-then settle/other-verdict settle/mixed attempt/once", settled(func(s *webhook.Settled) {
		s.Already, s.Lost = nil, append(s.Lost, s.Already...)
	})},
	{"an item that was settled already loses its attempt", "settle/already-attempt", func(b *broken) {
		settled := map[leaseKey]int64{}
		settlements(func(s *webhook.Settlement, _ time.Time) {
			if no, is := settled[itemOf(*s)]; is && no >= s.LeaseNo {
				s.Attempt = nil
			}
			settled[itemOf(*s)] = s.LeaseNo
		})(b)
	}},
	{"repeated items are not reported", "settle/already concurrent/settle attempt/once", settled(func(s *webhook.Settled) { s.Already = nil })},
	{"an unknown delivery is an error", "settle/unknown erase/leases", func(b *broken) {
		b.settle = func(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
			s, err := b.Store.Settle(ctx, now, items)
			if len(s.Lost) > 0 {
				err = webhook.ErrNotFound
			}
			return s, err
		}
	}},
	{"the last item has no status", "settle/statuses settle/deleted", settled(func(s *webhook.Settled) {
		s.Endpoints = s.Endpoints[:max(0, len(s.Endpoints)-1)]
	})},
	{"deleted endpoints have a status", "settle/deleted", func(b *broken) {
		b.settle = func(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
			s, err := b.Store.Settle(ctx, now, items)
			for _, item := range items {
				if !slices.ContainsFunc(s.Endpoints, func(e webhook.EndpointStatus) bool { return e.Key == item.Endpoint }) {
					s.Endpoints = append(s.Endpoints, webhook.EndpointStatus{Key: item.Endpoint})
				}
			}
			return s, err
		}
	}},
	{"statuses are from before the call", "settle/statuses", func(b *broken) {
		b.settle = func(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
			var before []webhook.EndpointStatus
			for _, k := range endpointsOfItems(items) {
				found, _ := b.Store.Refresh(ctx, []webhook.EndpointKey{k})
				for _, e := range found {
					before = append(before, statusOf(e))
				}
			}
			s, err := b.Store.Settle(ctx, now, items)
			s.Endpoints = before
			return s, err
		}
	}},
	{"items fail that were stored", "settle/failed settle/final settle/statuses", settled(func(s *webhook.Settled) {
		s.Failed = map[int]error{0: webhook.ErrConflict}
	})},
	{"an item fails and is not reported", "settle/failed settle/many", func(b *broken) {
		b.settle = func(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
			return b.Store.Settle(ctx, now, items[:max(1, len(items)-1)])
		}
	}},
	{"settles 200 items", "settle/many", func(b *broken) {
		b.settle = func(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
			return b.Store.Settle(ctx, now, items[:min(200, len(items))])
		}
	}},
}

func endpointsOfItems(items []webhook.Settlement) []webhook.EndpointKey {
	var keys []webhook.EndpointKey
	for _, s := range items {
		if !slices.Contains(keys, s.Endpoint) {
			keys = append(keys, s.Endpoint)
		}
	}
	return keys
}

// repeats counts the attempts that are settled again and again.
func repeats(install func(b *broken, again map[leaseKey]int)) func(*broken) {
	return func(b *broken) {
		again, seen := map[leaseKey]int{}, map[leaseKey]map[int64]bool{}
		b.settle = func(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
			for _, s := range items {
				k := itemOf(s)
				if seen[k] == nil {
					seen[k] = map[int64]bool{}
				}
				if s.Attempt != nil && seen[k][s.LeaseNo] {
					again[k]++
				}
				seen[k][s.LeaseNo] = true
			}
			return b.Store.Settle(ctx, now, items)
		}
		install(b, again)
	}
}

// attemptDefects are defects of the log of attempts.
var attemptDefects = []defect{
	{"late attempts are dropped", "settle/lost settle/mixed attempt/late attempt/late-between attempt/late-once health/late", tracked(func(b *broken, last map[leaseKey]webhook.Leased) {
		settlements(func(s *webhook.Settlement, _ time.Time) {
			if l, ok := last[itemOf(*s)]; ok && l.LeaseNo != s.LeaseNo {
				s.Attempt = nil
			}
		})(b)
	})},
	{"late attempts are not marked", "settle/lost attempt/late attempt/late-between cancel/expired", loggedAs(func(list []webhook.Attempt) {
		for i := range list {
			list[i].Late = false
		}
	})},
	{"late attempts have the last numbers", "attempt/late attempt/late-between settle/mixed retry/fences", loggedAs(func(list []webhook.Attempt) {
		slices.SortStableFunc(list, func(a, b webhook.Attempt) int {
			switch {
			case a.Late == b.Late:
				return a.Number - b.Number
			case a.Late:
				return 1
			default:
				return -1
			}
		})
		for i := range list {
			list[i].Number = i + 1
		}
	})},
	{"late attempts count", "attempt/late-not-counted", func(b *broken) {
		b.claim = func(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
			c, err := b.Store.Claim(ctx, req)
			for i, l := range c.Deliveries {
				q := webhook.Query{Tenant: l.Endpoint.Tenant, EndpointID: l.Endpoint.ID}
				page, _ := b.Store.Attempts(ctx, q)
				c.Deliveries[i].Attempts = len(page.Items)
			}
			return c, err
		}
	}},
	{"attempts are logged again and again", "attempt/once attempt/late-once settle/already settle/already-then settle/other-verdict", repeats(func(b *broken, again map[leaseKey]int) {
		b.attempts = func(ctx context.Context, q webhook.Query) (webhook.Page[webhook.Attempt], error) {
			p, err := b.Store.Attempts(ctx, q)
			for k, n := range again {
				if k.endpoint == key(q.Tenant, q.EndpointID) && len(p.Items) > 0 {
					p.Items = append(p.Items, slices.Repeat(p.Items[:1], n)...)
				}
			}
			return p, err
		}
	})},
	{"response bodies end at a NUL", "attempt/fields", attempted(func(a *webhook.Attempt, _ time.Time) {
		if i := slices.Index(a.ResponseBody, 0); i >= 0 {
			a.ResponseBody = a.ResponseBody[:i]
		}
	})},
	{"durations are in milliseconds", "attempt/fields", attempted(func(a *webhook.Attempt, _ time.Time) { a.Duration = a.Duration.Round(time.Millisecond) })},
	{"numbers begin again", "attempt/numbers attempt/each-delivery retry/goes-on retry/published-final", loggedAs(func(list []webhook.Attempt) {
		for i := range list {
			list[i].Number = 1
		}
	})},
	{"attempts have the numbers of leases", "attempt/numbers", func(b *broken) {
		given := map[string]int{}
		b.settle = func(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
			for _, s := range items {
				if s.Attempt == nil {
					given[s.Endpoint.ID]++
				}
			}
			return b.Store.Settle(ctx, now, items)
		}
		loggedAs(func(list []webhook.Attempt) {
			for i, a := range list {
				if a.Number > 1 {
					list[i].Number += given[a.EndpointID]
				}
			}
		})(b)
	}},
}

// healthDefects are defects of Health.
var healthDefects = []defect{
	{"failures do not count", "health/failures health/any-order health/any-order-of-calls health/each-endpoint health/old-failure health/late concurrent/health", attempted(func(a *webhook.Attempt, _ time.Time) {
		a.Test = a.Test || a.Class != ""
	})},
	{"successes do not count", "health/recovered circuit/closed block/circuit health/any-order", attempted(func(a *webhook.Attempt, _ time.Time) {
		a.Test = a.Test || a.Class == ""
	})},
	{"every success is written", "health/healthy", func(b *broken) {
		last := map[string]time.Time{}
		b.settle = func(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
			for _, s := range items {
				if s.State == webhook.DeliverySucceeded {
					last[s.Endpoint.ID] = s.Attempt.StartedAt
				}
			}
			return b.Store.Settle(ctx, now, items)
		}
		refreshed(func(e *webhook.Endpoint) { e.Health.RecoveredAt = last[e.ID] })(b)
	}},
	{"every success is an update", "health/healthy", settlesThen(func(e *webhook.Endpoint, s webhook.Settlement) {
		if s.State == webhook.DeliverySucceeded {
			e.UpdatedAt = s.Attempt.StartedAt
		}
	})},
	{"the order of items matters", "health/any-order", func(b *broken) {
		b.settle = func(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
			for i := range items {
				if _, err := b.Store.Settle(ctx, now, items[i:i+1]); err != nil {
					return webhook.Settled{}, err
				}
			}
			return webhook.Settled{}, nil
		}
	}},
	{"FailingSince comes from the first call", "health/any-order-of-calls", func(b *broken) {
		first := map[string]time.Time{}
		b.settle = func(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
			if _, ok := first[items[0].Endpoint.ID]; !ok {
				first[items[0].Endpoint.ID] = items[0].Attempt.StartedAt
			}
			return b.Store.Settle(ctx, now, items)
		}
		refreshed(func(e *webhook.Endpoint) { e.Health.FailingSince = first[e.ID] })(b)
	}},
	{"any failure makes failing", "health/old-failure health/failures", attempted(func(a *webhook.Attempt, _ time.Time) {
		if a.Class != "" {
			a.StartedAt = a.StartedAt.Add(time.Hour)
		}
	})},
	{"any success ends failing", "health/old-success", attempted(func(a *webhook.Attempt, _ time.Time) {
		if a.Class == "" {
			a.StartedAt = a.StartedAt.Add(time.Hour)
		}
	})},
	{"tests count", "health/tests", attempted(func(a *webhook.Attempt, _ time.Time) { a.Test = false })},
	{"repeated failures count", "health/once", repeats(func(b *broken, again map[leaseKey]int) {
		refreshed(func(e *webhook.Endpoint) {
			for k, n := range again {
				if k.endpoint == key(e.Tenant, e.ID) {
					e.Health.Failures += n
				}
			}
		})(b)
	})},
	{"health is the tenant's", "health/each-endpoint", func(b *broken) {
		refreshed(func(e *webhook.Endpoint) { e.Health = tenantEndpoints(b, webhook.Query{Tenant: e.Tenant})[0].Health })(b)
	}},
	{"health is the id's", "health/each-endpoint", func(b *broken) {
		refreshed(func(e *webhook.Endpoint) {
			e.Health = tenantEndpoints(b, webhook.Query{AllTenants: true, EndpointID: e.ID})[0].Health
		})(b)
	}},
	{"Retry-After is forgotten", "claim/blocked circuit/blocked circuit/failed-probe block/latest block/latest-in-one block/success match/status refresh/now stats/held", settlements(func(s *webhook.Settlement, _ time.Time) {
		s.BlockUntil = time.Time{}
	})},
	{"the last block stands, in effect or not", "block/latest block/latest-in-one block/not-in-effect", settlesThen(func(e *webhook.Endpoint, s webhook.Settlement) {
		e.Health.BlockedUntil = s.BlockUntil
	})},
	{"a success clears any block", "block/success", settlesThen(func(e *webhook.Endpoint, s webhook.Settlement) {
		if s.State == webhook.DeliverySucceeded {
			e.Health.BlockedUntil = time.Time{}
		}
	})},
	{"a success leaves the block of a circuit", "block/circuit", func(b *broken) {
		var until time.Time
		b.settle = func(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
			for _, s := range items {
				if s.OpenCircuit {
					until = s.BlockUntil
				}
			}
			return b.Store.Settle(ctx, now, items)
		}
		refreshed(func(e *webhook.Endpoint) { e.Health.BlockedUntil = until })(b)
	}},
	{"an answer of an earlier version counts", "version/acts version/health version/due", settlements(func(s *webhook.Settlement, now time.Time) {
		s.Version = max(s.Version, now.UnixMicro())
	})},
	{"nothing that an item says counts", "version/acts health/failures block/latest", settlements(func(s *webhook.Settlement, _ time.Time) { s.Version = -1 })},
	{"disabling keeps the version", "disable/reason disable/already", refreshed(func(e *webhook.Endpoint) {
		if e.State == webhook.EndpointDisabled {
			e.Version--
		}
	})},
	{"disabling counts versions from one", "disable/already", refreshed(func(e *webhook.Endpoint) {
		if e.State == webhook.EndpointDisabled {
			e.Version = 2
		}
	})},
	{"Disable is ignored", "disable/reason disable/already settle/statuses", settlements(func(s *webhook.Settlement, _ time.Time) { s.Disable = "" })},
	{"the last reason stands", "disable/already", settlesThen(func(e *webhook.Endpoint, s webhook.Settlement) {
		if s.Disable != "" {
			e.Reason = s.Disable
		}
	})},
}

// settlesThen changes each endpoint in the result of Refresh as the last item settled for it says.
func settlesThen(change func(e *webhook.Endpoint, s webhook.Settlement)) func(*broken) {
	return func(b *broken) {
		last := map[webhook.EndpointKey]webhook.Settlement{}
		b.settle = func(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
			for _, s := range items {
				last[s.Endpoint] = s
			}
			return b.Store.Settle(ctx, now, items)
		}
		refreshed(func(e *webhook.Endpoint) {
			if s, ok := last[key(e.Tenant, e.ID)]; ok {
				change(e, s)
			}
		})(b)
	}
}
