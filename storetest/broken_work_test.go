package storetest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gowebhook/webhook"
)

// claimDefects are defects of Claim in the choice and the description of the leased deliveries.
var claimDefects = []defect{
	{"claims a second early", "claim/due claim/blocked circuit/blocked rows/ready settle/retry settle/give-back outbox/not-before", claims(func(req *webhook.ClaimRequest) {
		req.Now = req.Now.Add(time.Second)
	})},
	{"deliveries that were passed over are not found again", "held/resumed held/order held/again held/blocked held/circuit held/closed " +
		"held/leases held/by-hand held/beside held/own-time held/stopped", func(b *broken) {
		aside := map[webhook.EndpointKey]bool{}
		b.claim = func(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
			for _, e := range tenantEndpoints(b, webhook.Query{AllTenants: true}) {
				if e.State != webhook.EndpointActive || e.Health.BlockedUntil.After(req.Now) {
					aside[key(e.Tenant, e.ID)] = true
				}
			}
			c, err := b.Store.Claim(ctx, req)
			c.Deliveries = slices.DeleteFunc(c.Deliveries, func(l webhook.Leased) bool { return aside[l.Endpoint] })
			return c, err
		}
	}},
	{"takes leases that have just ended", "claim/expired rows/lease-ends", claims(func(req *webhook.ClaimRequest) { req.Now = req.Now.Add(grace) })},
	{"leases end at once", "claim/leased claim/not-twice settle/already-then concurrent/claim", claims(func(req *webhook.ClaimRequest) {
		req.LeaseUntil = req.Now.Add(-grace)
	})},
	{"never takes an expired lease", "claim/expired concurrent/expired settle/lost attempt/late", func(b *broken) {
		seen := map[leaseKey]bool{}
		b.claim = func(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
			c, err := b.Store.Claim(ctx, req)
			b.mu.Lock()
			defer b.mu.Unlock()
			c.Deliveries = slices.DeleteFunc(c.Deliveries, func(l webhook.Leased) bool {
				again := seen[leaseOf(l)]
				seen[leaseOf(l)] = true
				return again
			})
			return c, err
		}
	}},
	{"lease numbers are always 1", "claim/leased claim/expired rows/lease-ends settle/retry retry/goes-on cancel/number", leased(func(l *webhook.Leased) { l.LeaseNo = 1 })},
	{"a delivery that one caller saw as due is due for all", "claim/own-time", func(b *broken) {
		var latest time.Time
		claims(func(req *webhook.ClaimRequest) {
			if req.Now.After(latest) {
				latest = req.Now
			}
			req.Now = latest
		})(b)
	}},
	{"leases twice", "claim/not-twice concurrent/claim concurrent/expired concurrent/probe concurrent/outbox", func(b *broken) {
		var last webhook.Claimed
		b.claim = func(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
			c, err := b.Store.Claim(ctx, req)
			b.mu.Lock()
			defer b.mu.Unlock()
			if len(c.Deliveries) == 0 {
				c.Deliveries, last.Deliveries = last.Deliveries, nil
			} else {
				last = c
			}
			return c, err
		}
	}},
	{"a retry that comes second finds nothing", "concurrent/retry", func(b *broken) {
		done := map[string]bool{}
		b.retry = func(ctx context.Context, q webhook.Query, now time.Time) (webhook.BulkResult, error) {
			b.mu.Lock()
			again := done[q.EventID+"."+q.EndpointID+now.String()]
			done[q.EventID+"."+q.EndpointID+now.String()] = true
			b.mu.Unlock()
			if again {
				return webhook.BulkResult{}, webhook.ErrNotFound
			}
			return b.Store.Retry(ctx, q, now)
		}
	}},
	{"leases finished deliveries", "claim/finished outbox/once settle/other-verdict", func(b *broken) {
		seen := map[leaseKey]webhook.Leased{}
		b.claim = func(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
			c, err := b.Store.Claim(ctx, req)
			for _, l := range c.Deliveries {
				seen[leaseOf(l)] = l
			}
			if len(c.Deliveries) == 0 {
				for _, l := range seen {
					c.Deliveries = append(c.Deliveries, l)
				}
			}
			return c, err
		}
	}},
	{"attempts and failures count from zero", "claim/count retry/goes-on settle/retry attempt/late-not-counted", leased(func(l *webhook.Leased) {
		l.Attempts, l.Failures = 0, 0
	})},
	{"Since is the time of the claim", "claim/leased claim/count", func(b *broken) {
		b.claim = func(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
			c, err := b.Store.Claim(ctx, req)
			for i := range c.Deliveries {
				c.Deliveries[i].Since = req.Now
			}
			return c, err
		}
	}},
	{"deliveries have not waited", "claim/leased claim/waited claim/waited-paused claim/waited-many settle/waited retry/waited", leased(func(l *webhook.Leased) {
		l.Waited = 0
	})},
	{"deliveries wait while they are leased", "claim/waited claim/waited-many settle/waited", func(b *broken) {
		b.claim = func(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
			c, err := b.Store.Claim(ctx, req)
			for i := range c.Deliveries {
				c.Deliveries[i].Waited = req.Now.Sub(c.Deliveries[i].Since)
			}
			return c, err
		}
	}},
	{"a delivery that blocks its endpoint does not wait", "settle/waited", tracked(func(b *broken, _ map[leaseKey]webhook.Leased) {
		blocked, claim := map[leaseKey]time.Duration{}, b.claim
		settlements(func(s *webhook.Settlement, _ time.Time) { blocked[itemOf(*s)] += max(s.BlockUntil.Sub(s.DueAt), 0) })(b)
		b.claim = func(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
			c, err := claim(ctx, req)
			for i := range c.Deliveries {
				c.Deliveries[i].Waited -= blocked[leaseOf(c.Deliveries[i])]
			}
			return c, err
		}
	})},
	{"a retry by hand keeps the wait", "retry/waited", tracked(func(b *broken, last map[leaseKey]webhook.Leased) {
		claim := b.claim
		b.claim = func(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
			before := maps.Clone(last)
			c, err := claim(ctx, req)
			for i := range c.Deliveries {
				l := &c.Deliveries[i]
				if earlier, known := before[leaseOf(*l)]; known && l.Since.After(earlier.Since) {
					l.Waited += earlier.Waited
				}
			}
			return c, err
		}
	})},
	{"the shortest due comes first", "claim/longest-due", givesBack(func(b *broken, req webhook.ClaimRequest, all []webhook.Leased) []webhook.Leased {
		slices.SortFunc(all, func(a, b webhook.Leased) int { return b.Since.Compare(a.Since) })
		return all[min(req.Room, len(all)):]
	})},
	{"paused endpoints are active", "claim/passed-over stats/all stats/held round/behind-many", endpoint(func(e *webhook.Endpoint) {
		if e.State == webhook.EndpointPaused {
			e.State = webhook.EndpointActive
		}
	})},
	{"events are there for each delivery", "claim/each-once", claimed(func(c *webhook.Claimed) { c.Events = append(c.Events, c.Events...) })},
	{"endpoints are there for each delivery", "claim/each-once claim/endpoints", claimed(func(c *webhook.Claimed) { c.Endpoints = append(c.Endpoints, c.Endpoints...) })},
	{"events have no channel", "claim/events", claimed(func(c *webhook.Claimed) {
		for i := range c.Events {
			c.Events[i].Channel = ""
		}
	})},
	{"endpoints have no secrets", "claim/endpoints", claimed(func(c *webhook.Claimed) {
		for i := range c.Endpoints {
			c.Endpoints[i].Secrets = nil
		}
	})},
	{"there are no snapshots", "claim/snapshots claim/snapshots-kept", claimed(func(c *webhook.Claimed) { c.Snapshots = nil })},
	{"snapshots have the present URL", "claim/snapshots", claimed(func(c *webhook.Claimed) {
		for i := range c.Snapshots {
			c.Snapshots[i].URL = c.Endpoints[0].URL
		}
	})},
	{"Prune forgets versions in use", "claim/snapshots-kept", func(b *broken) {
		pruned := false
		b.prune = func(ctx context.Context, now time.Time, r webhook.Retention) (bool, error) {
			pruned = true
			return b.Store.Prune(ctx, now, r)
		}
		b.claim = func(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
			c, err := b.Store.Claim(ctx, req)
			if pruned {
				c.Snapshots = nil
			}
			return c, err
		}
	}},
	{"the version is the endpoint's", "claim/snapshots", claimed(func(c *webhook.Claimed) {
		for i := range c.Deliveries {
			c.Deliveries[i].Version = c.Endpoints[0].Version
		}
	})},
	{"a round never ends", "claim/nothing", claimed(func(c *webhook.Claimed) { c.Next = "more" })},
	{"an open circuit lets all through after its block", "circuit/one-probe circuit/lost-probe circuit/failed-probe circuit/each-endpoint circuit/reply block/circuit concurrent/probe", settlements(func(s *webhook.Settlement, _ time.Time) {
		s.OpenCircuit = false
	})},
	{"the claim of a probe blocks until its lease ends", "circuit/probe-until", settlements(func(s *webhook.Settlement, _ time.Time) {
		s.ProbeUntil = time.Time{}
	})},
	{"every settlement of a probe ends a block", "circuit/probe-until", func(b *broken) {
		var last time.Time
		settlements(func(s *webhook.Settlement, _ time.Time) {
			if !s.ProbeUntil.IsZero() {
				last = s.BlockUntil
			}
		})(b)
		refreshed(func(e *webhook.Endpoint) {
			if !last.IsZero() {
				e.Health.BlockedUntil = last
			}
		})(b)
	}},
	{"failures from before a recovery open circuits", "circuit/stale", func(b *broken) {
		opens := false
		settlements(func(s *webhook.Settlement, _ time.Time) {
			opens = opens || s.OpenCircuit && s.Attempt != nil && s.ProbeUntil.IsZero()
		})(b)
		refreshed(func(e *webhook.Endpoint) {
			e.Health.Circuit = e.Health.Circuit || opens && !e.Health.RecoveredAt.IsZero()
		})(b)
	}},
	{"a circuit does not wait for its probe", "circuit/one-probe circuit/lost-probe concurrent/probe", func(b *broken) {
		var ahead time.Time
		b.claim = func(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
			b.mu.Lock()
			if ahead.After(req.Now) {
				req.Now = ahead
			}
			b.mu.Unlock()
			c, err := b.Store.Claim(ctx, req)
			b.mu.Lock()
			defer b.mu.Unlock()
			for _, l := range c.Deliveries {
				if l.Probe {
					ahead = l.LeaseUntil
				}
			}
			return c, err
		}
	}},
	{"probes are not marked", "circuit/blocked circuit/one-probe circuit/each-endpoint circuit/room", leased(func(l *webhook.Leased) { l.Probe = false })},
	{"all deliveries are probes", "claim/blocked circuit/closed circuit/moved circuit/each-endpoint", leased(func(l *webhook.Leased) { l.Probe = true })},
}

// givesBack makes a Claim of all due deliveries, and gives back the ones that pick returns.
func givesBack(pick func(b *broken, req webhook.ClaimRequest, all []webhook.Leased) []webhook.Leased) func(*broken) {
	return func(b *broken) {
		b.claim = func(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
			wide := req
			wide.Max, wide.Room = 1000, 1000
			c, err := b.Store.Claim(ctx, wide)
			back := pick(b, req, slices.Clone(c.Deliveries))
			var items []webhook.Settlement
			for _, l := range back {
				s := webhook.Settlement{UID: l.UID, Endpoint: l.Endpoint, LeaseNo: l.LeaseNo, State: webhook.DeliveryPending}
				s.DueAt = l.Since
				items = append(items, s)
			}
			_, _ = b.Store.Settle(ctx, req.Now, items)
			c.Deliveries = slices.DeleteFunc(c.Deliveries, func(l webhook.Leased) bool { return slices.Contains(back, l) })
			return c, err
		}
	}
}

// roundDefects are defects of Claim in the number of leases and in the choice of endpoints.
var roundDefects = []defect{
	{"Max is ignored", "round/max", claims(func(req *webhook.ClaimRequest) { req.Max = 1000 })},
	{"MaxBytes is ignored", "round/max-bytes round/first-always", claims(func(req *webhook.ClaimRequest) { req.MaxBytes = 1 << 30 })},
	{"MaxBytes is for the first too", "round/first-always", func(b *broken) {
		b.claim = func(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
			if req.MaxBytes < 10 {
				return webhook.Claimed{}, nil
			}
			return b.Store.Claim(ctx, req)
		}
	}},
	{"Room is ignored", "round/room round/rooms claim/longest-due", claims(func(req *webhook.ClaimRequest) { req.Room = 1000 })},
	{"Rooms is ignored", "round/rooms round/no-room circuit/room", claims(func(req *webhook.ClaimRequest) { req.Rooms = nil })},
	{"Rooms go by id", "round/rooms", claims(func(req *webhook.ClaimRequest) {
		rooms := map[webhook.EndpointKey]int{}
		for k, n := range req.Rooms {
			for _, tenant := range []string{"acme", "umbrella"} {
				rooms[key(tenant, k.ID)] = n
			}
		}
		req.Rooms = rooms
	})},
	{"no room is no limit", "round/no-room circuit/room", claims(func(req *webhook.ClaimRequest) {
		if req.Room == 0 {
			req.Room = 1000
		}
		rooms := map[webhook.EndpointKey]int{}
		for k, n := range req.Rooms {
			if n > 0 {
				rooms[k] = n
			}
		}
		req.Rooms = rooms
	})},
	{"the oldest of all endpoints come first", "round/fair", givesBack(func(_ *broken, req webhook.ClaimRequest, all []webhook.Leased) []webhook.Leased {
		slices.SortFunc(all, func(a, b webhook.Leased) int {
			return cmp.Or(a.Since.Compare(b.Since), strings.Compare(string(a.UID[:]), string(b.UID[:])))
		})
		return all[min(req.Max, len(all)):]
	})},
	{"a round ends with its first call", "round/all-visited round/fair", claimed(func(c *webhook.Claimed) { c.Next = "" })},
	{"a round ends at many that are passed over", "round/behind-many", func(b *broken) {
		b.claim = func(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
			held := 0
			for _, e := range tenantEndpoints(b, webhook.Query{AllTenants: true}) {
				if e.State == webhook.EndpointPaused {
					held++
				}
			}
			if held > 256 {
				return webhook.Claimed{}, nil
			}
			return b.Store.Claim(ctx, req)
		}
	}},
	{"a round is of one tenant", "round/tenants round/rooms recover/all-tenants", claimed(func(c *webhook.Claimed) {
		first := ""
		c.Deliveries = slices.DeleteFunc(c.Deliveries, func(l webhook.Leased) bool {
			first = cmp.Or(first, l.Endpoint.Tenant)
			return l.Endpoint.Tenant != first
		})
	})},
}

// expandsAtOnce makes Publish write rows in place of an outbox row, to the endpoints that to returns.
func expandsAtOnce(to func(b *broken, e webhook.EventRecord) []webhook.EndpointStatus) func(*broken) {
	return func(b *broken) {
		b.publish = func(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
			var made []int
			req.Events = slices.Clone(req.Events)
			for i, e := range req.Events {
				if e.Deliveries != nil {
					continue
				}
				made = append(made, i)
				rows := []webhook.NewDelivery{}
				for _, s := range to(b, e) {
					rows = append(rows, webhook.NewDelivery{EndpointID: s.Key.ID, Version: s.Version, DueAt: req.Now})
				}
				req.Events[i].Deliveries = rows
			}
			results, err := b.Store.Publish(ctx, req)
			for _, i := range made {
				results[i].Deliveries = 0
			}
			return results, err
		}
	}
}

// waitsInOutbox makes some events wait for an hour while the outbox has others.
func waitsInOutbox(b *broken, waits func(webhook.EventRecord) bool) func(context.Context, webhook.PublishRequest) ([]webhook.Published, error) {
	return func(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
		if s, _ := b.Store.Stats(ctx, req.Now); s.Outbox > 0 {
			req.Events = slices.Clone(req.Events)
			for i, e := range req.Events {
				if waits(e) {
					req.Events[i].NotBefore = req.Now.Add(time.Hour)
				}
			}
		}
		return b.Store.Publish(ctx, req)
	}
}

func matched(b *broken, e webhook.EventRecord, limit int) []webhook.EndpointStatus {
	req := webhook.MatchRequest{Tenant: e.Tenant, Channel: e.Channel, Patterns: e.Patterns(), Limit: limit}
	lists, _ := b.Store.Match(context.Background(), []webhook.MatchRequest{req})
	return lists[0]
}

// outboxDefects are defects of the expansion of outbox rows.
var outboxDefects = []defect{
	{"expands when published", "outbox/match-then rows/outbox outbox/not-before outbox/unmatched", expandsAtOnce(func(b *broken, e webhook.EventRecord) []webhook.EndpointStatus {
		return matched(b, e, 1<<20)
	})},
	{"expands to all endpoints", "outbox/as-match", expandsAtOnce(func(b *broken, e webhook.EventRecord) []webhook.EndpointStatus {
		var all []webhook.EndpointStatus
		for _, e := range tenantEndpoints(b, webhook.Query{Tenant: e.Tenant}) {
			all = append(all, statusOf(e))
		}
		return all
	})},
	{"expands to the endpoints of all tenants", "outbox/tenant", expandsAtOnce(func(b *broken, _ webhook.EventRecord) []webhook.EndpointStatus {
		var all []webhook.EndpointStatus
		for _, e := range tenantEndpoints(b, webhook.Query{AllTenants: true}) {
			all = append(all, statusOf(e))
		}
		return all
	})},
	{"expands to 1,000 endpoints", "outbox/large", expandsAtOnce(func(b *broken, e webhook.EventRecord) []webhook.EndpointStatus {
		return matched(b, e, 1000)
	})},
	{"an event in the outbox waits for the one before it", "outbox/large", func(b *broken) {
		b.publish = waitsInOutbox(b, func(webhook.EventRecord) bool { return true })
	}},
	{"a large event in the outbox waits for the one before it", "outbox/large", func(b *broken) {
		b.publish = waitsInOutbox(b, func(e webhook.EventRecord) bool { return e.Tenant == "acme" })
	}},
	{"keeps all events", "outbox/unmatched", events(func(e *webhook.EventRecord) { e.Keep = true })},
	{"keeps no events", "outbox/unmatched", events(func(e *webhook.EventRecord) { e.Keep = false })},
	{"the outbox holds up all else", "outbox/beside", func(b *broken) {
		outbox := map[uid]bool{}
		b.publish = func(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
			for _, e := range req.Events {
				outbox[e.UID] = e.Deliveries == nil
			}
			return b.Store.Publish(ctx, req)
		}
		b.claim = func(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
			before, _ := b.Store.Stats(ctx, req.Now)
			c, err := b.Store.Claim(ctx, req)
			c.Deliveries = slices.DeleteFunc(c.Deliveries, func(l webhook.Leased) bool { return before.Outbox > 0 && !outbox[l.UID] })
			return c, err
		}
	}},
}
