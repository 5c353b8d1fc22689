package storetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gowebhook/webhook"
)

var errBroken = errors.New("broken")

// publishDefects are defects of Publish.
var publishDefects = []defect{
	{"forgets Header and NotBefore", "publish/stored publish/first-stands claim/events outbox/not-before", events(func(e *webhook.EventRecord) {
		e.Header, e.NotBefore = nil, time.Time{}
	})},
	{"stores the first row of each event", "publish/deliveries publish/results rows/mixed claim/each-once", events(func(e *webhook.EventRecord) {
		e.Deliveries = e.Deliveries[:min(1, len(e.Deliveries))]
	})},
	{"returns results in another order", "publish/results publish/same-id-in-request", results(slices.Reverse[[]webhook.Published])},
	{"does not report duplicates", "publish/duplicate publish/duplicate-outbox publish/first-stands publish/same-id-in-request publish/atomic-duplicate concurrent/publish", results(func(list []webhook.Published) {
		for i := range list {
			list[i].Duplicate = false
		}
	})},
	{"takes conflicts for duplicates", "publish/conflict publish/results publish/conflict-alone publish/atomic concurrent/publish", results(func(list []webhook.Published) {
		for i, r := range list {
			if r.Err != nil {
				list[i] = webhook.Published{Duplicate: true}
			}
		}
	})},
	{"ids are unique over all tenants", "publish/other-tenant tenant/reads erase/others events/all-tenants", func(b *broken) {
		b.publish = func(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
			out, err := make([]webhook.Published, len(req.Events)), error(nil)
			for i, e := range req.Events {
				same, _ := b.Store.Events(ctx, webhook.Query{AllTenants: true, EventID: e.ID})
				if len(same.Items) > 0 && same.Items[0].Tenant != e.Tenant {
					out[i].Err = webhook.ErrConflict
					continue
				}
				one := req
				one.Events = req.Events[i : i+1]
				var r []webhook.Published
				if r, err = b.Store.Publish(ctx, one); err == nil {
					out[i] = r[0]
				}
			}
			return out, err
		}
	}},
	{"ids are compared without case", "publish/byte-by-byte", events(func(e *webhook.EventRecord) { e.ID = strings.ToLower(e.ID) })},
	{"spaces at the end do not count", "publish/byte-by-byte tenant/reads", events(func(e *webhook.EventRecord) { e.Tenant = strings.TrimRight(e.Tenant, " ") })},
	{"types are cut at 64 bytes", "publish/long-keys", events(func(e *webhook.EventRecord) { e.Type = e.Type[:min(64, len(e.Type))] })},
	{"data is normalized", "publish/bytes publish/conflict", events(func(e *webhook.EventRecord) {
		var out bytes.Buffer
		if json.Compact(&out, e.Data) == nil {
			e.Data = out.Bytes()
		}
	})},
	{"data is cut at 64 KiB", "publish/large", events(func(e *webhook.EventRecord) { e.Data = e.Data[:min(64<<10, len(e.Data))] })},
	{"a conflict undoes the request", "publish/conflict-alone publish/results", requests(func(req *webhook.PublishRequest) { req.Atomic = true })},
	{"Atomic is ignored", "publish/atomic", requests(func(req *webhook.PublishRequest) { req.Atomic = false })},
	{"Atomic takes duplicates for errors", "publish/atomic-duplicate", func(b *broken) {
		b.publish = func(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
			for i, e := range req.Events {
				same, _ := b.Store.Events(ctx, webhook.Query{Tenant: e.Tenant, EventID: e.ID})
				if req.Atomic && len(same.Items) > 0 {
					out := make([]webhook.Published, len(req.Events))
					out[i].Err = webhook.ErrConflict
					return out, nil
				}
			}
			return b.Store.Publish(ctx, req)
		}
	}},
	{"refuses a UID that it has", "publish/repeated", func(b *broken) {
		seen := map[uid]bool{}
		b.publish = func(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
			for _, e := range req.Events {
				if seen[e.UID] {
					return nil, errBroken
				}
				seen[e.UID] = true
			}
			return b.Store.Publish(ctx, req)
		}
	}},
}

// rowDefects are defects of the rows of Publish.
var rowDefects = []defect{
	{"rows are due at once", "rows/ready claim/due stats/waiting claim/longest-due", rows(func(r *webhook.NewDelivery, req *webhook.PublishRequest) {
		r.DueAt = req.Now
	})},
	{"rows are not leased", "rows/leased rows/lease-ends rows/mixed deliveries/in-flight retry/in-flight", rows(func(r *webhook.NewDelivery, _ *webhook.PublishRequest) {
		r.Leased = false
	})},
	{"final rows are pending", "rows/final rows/final-failed rows/mixed", rows(func(r *webhook.NewDelivery, _ *webhook.PublishRequest) { r.State = "" })},
	{"final rows have no attempt", "rows/final rows/final-failed retry/published-final", rows(func(r *webhook.NewDelivery, _ *webhook.PublishRequest) {
		r.Attempt = nil
	})},
	{"tests are not marked", "rows/test", events(func(e *webhook.EventRecord) { e.Test = false })},
	{"all events are tests", "rows/test publish/stored publish/deliveries", events(func(e *webhook.EventRecord) { e.Test = true })},
	{"a test that is retried is none", "rows/test", delivered(func(d *webhook.Delivery) { d.Test = d.Test && d.State != webhook.DeliveryPending })},
	{"no rows are an outbox row", "rows/none stats/finished", events(func(e *webhook.EventRecord) {
		if len(e.Deliveries) == 0 {
			e.Deliveries = nil
		}
	})},
	{"an outbox row is no rows", "rows/outbox outbox/expanded outbox/beside concurrent/outbox outbox/large retention/unfinished", events(func(e *webhook.EventRecord) {
		if e.Deliveries == nil {
			e.Deliveries = []webhook.NewDelivery{}
		}
	})},
	{"rows need an endpoint", "rows/no-endpoint prune/no-endpoint", func(b *broken) {
		b.publish = func(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
			for i, e := range req.Events {
				req.Events[i].Deliveries = slices.DeleteFunc(slices.Clone(e.Deliveries), func(r webhook.NewDelivery) bool {
					found, _ := b.Store.Refresh(ctx, []webhook.EndpointKey{key(e.Tenant, r.EndpointID)})
					return len(found) == 0
				})
			}
			return b.Store.Publish(ctx, req)
		}
	}},
}

// matching changes the request of Match, and its answer to each request.
func matching(ask func(*webhook.MatchRequest), answer func(b *broken, req webhook.MatchRequest, list []webhook.EndpointStatus) []webhook.EndpointStatus) func(*broken) {
	return func(b *broken) {
		b.match = func(ctx context.Context, reqs []webhook.MatchRequest) ([][]webhook.EndpointStatus, error) {
			changed := slices.Clone(reqs)
			for i := range changed {
				if ask != nil {
					ask(&changed[i])
				}
			}
			lists, err := b.Store.Match(ctx, changed)
			for i := range lists {
				if answer != nil {
					lists[i] = answer(b, reqs[i], lists[i])
				}
			}
			return lists, err
		}
	}
}

// tenantEndpoints lists the endpoints of a tenant.
func tenantEndpoints(b *broken, q webhook.Query) []webhook.Endpoint {
	q.Limit = 1000
	page, _ := b.Store.Endpoints(context.Background(), q)
	return page.Items
}

func statusOf(e webhook.Endpoint) webhook.EndpointStatus {
	return webhook.EndpointStatus{Key: key(e.Tenant, e.ID), Version: e.Version, State: e.State, Health: e.Health}
}

// matchDefects are defects of Match.
var matchDefects = []defect{
	{"prefixes do not match", "match/patterns", matching(func(r *webhook.MatchRequest) {
		r.Patterns = slices.DeleteFunc(slices.Clone(r.Patterns), func(p string) bool { return strings.HasSuffix(p, ".*") })
	}, nil)},
	{"an endpoint is there for each pattern", "match/once", matching(nil, func(_ *broken, _ webhook.MatchRequest, list []webhook.EndpointStatus) []webhook.EndpointStatus {
		return append(list, list...)
	})},
	{"ids are in the order of a dictionary", "match/order", matching(nil, func(_ *broken, _ webhook.MatchRequest, list []webhook.EndpointStatus) []webhook.EndpointStatus {
		slices.SortStableFunc(list, func(a, b webhook.EndpointStatus) int {
			return strings.Compare(strings.ToLower(a.Key.ID), strings.ToLower(b.Key.ID))
		})
		return list
	})},
	{"Limit is ignored", "match/limit match/requests", matching(func(r *webhook.MatchRequest) { r.Limit = 1000 }, nil)},
	{"Limit is of those looked at", "match/limit-after-filter", matching(nil, func(b *broken, req webhook.MatchRequest, list []webhook.EndpointStatus) []webhook.EndpointStatus {
		looked := ids(tenantEndpoints(b, webhook.Query{Tenant: req.Tenant}))
		looked = looked[:min(req.Limit, len(looked))]
		return slices.DeleteFunc(list, func(s webhook.EndpointStatus) bool { return !slices.Contains(looked, s.Key.ID) })
	})},
	{"channels of endpoints are forgotten", "match/channel outbox/as-match create/as-given update/match", endpoint(func(e *webhook.Endpoint) { e.Channel = "" })},
	{"channels of requests are ignored", "match/channel update/match", matching(func(r *webhook.MatchRequest) { r.Channel = "" }, nil)},
	{"disabled endpoints match", "match/states", matching(nil, func(b *broken, req webhook.MatchRequest, list []webhook.EndpointStatus) []webhook.EndpointStatus {
		for _, e := range tenantEndpoints(b, webhook.Query{Tenant: req.Tenant}) {
			if e.State == webhook.EndpointDisabled {
				list = append(list, statusOf(e))
			}
		}
		return list
	})},
	{"paused endpoints do not match", "match/states match/status", matching(nil, func(_ *broken, _ webhook.MatchRequest, list []webhook.EndpointStatus) []webhook.EndpointStatus {
		return slices.DeleteFunc(list, func(s webhook.EndpointStatus) bool { return s.State == webhook.EndpointPaused })
	})},
	{"statuses are as they were at creation", "match/status", matching(nil, func(_ *broken, _ webhook.MatchRequest, list []webhook.EndpointStatus) []webhook.EndpointStatus {
		for i, s := range list {
			list[i] = webhook.EndpointStatus{Key: s.Key, Version: 1, State: webhook.EndpointActive}
		}
		return list
	})},
	{"endpoints of all tenants match", "match/tenant match/requests", matching(nil, func(b *broken, req webhook.MatchRequest, list []webhook.EndpointStatus) []webhook.EndpointStatus {
		for _, e := range tenantEndpoints(b, webhook.Query{AllTenants: true}) {
			if e.Tenant != req.Tenant {
				list = append(list, statusOf(e))
			}
		}
		return list
	})},
	{"the first request answers for all", "match/requests", func(b *broken) {
		b.match = func(ctx context.Context, reqs []webhook.MatchRequest) ([][]webhook.EndpointStatus, error) {
			lists, err := b.Store.Match(ctx, reqs)
			for i := range lists {
				lists[i] = lists[0]
			}
			return lists, err
		}
	}},
	{"patterns are compared without case", "match/byte-by-byte", both(endpoint(func(e *webhook.Endpoint) {
		e.Events = slices.Clone(e.Events)
		for i, p := range e.Events {
			e.Events[i] = strings.ToLower(p)
		}
	}), matching(func(r *webhook.MatchRequest) {
		r.Patterns = slices.Clone(r.Patterns)
		for i, p := range r.Patterns {
			r.Patterns[i] = strings.ToLower(p)
		}
	}, nil))},
}

// endpointDefects are defects of CreateEndpoint, UpdateEndpoint, DeleteEndpoint, Endpoints and Refresh.
var endpointDefects = []defect{
	{"long URLs are cut", "create/long-url", endpoint(func(e *webhook.Endpoint) { e.URL = e.URL[:min(len(e.URL), 2048)] })},
	{"headers are forgotten", "create/as-given update/replaced claim/endpoints", endpoint(func(e *webhook.Endpoint) { e.Header = nil })},
	{"times are kept in milliseconds", "create/as-given update/replaced", endpoint(func(e *webhook.Endpoint) {
		e.UpdatedAt = e.UpdatedAt.Truncate(time.Millisecond)
	})},
	{"versions begin at 1", "create/as-given update/replaced", func(b *broken) {
		b.create = func(ctx context.Context, e webhook.Endpoint, limit int) error {
			e.Version = 1
			return b.Store.CreateEndpoint(ctx, e, limit)
		}
	}},
	{"creating an existing endpoint succeeds", "create/conflict create/deleted-id concurrent/create", func(b *broken) {
		b.create = func(ctx context.Context, e webhook.Endpoint, limit int) error {
			if err := b.Store.CreateEndpoint(ctx, e, limit); !errors.Is(err, webhook.ErrConflict) {
				return err
			}
			return nil
		}
	}},
	{"creating an existing endpoint replaces it", "create/conflict create/byte-by-byte", func(b *broken) {
		b.create = func(ctx context.Context, e webhook.Endpoint, limit int) error {
			e.ID = strings.ToLower(e.ID)
			err := b.Store.CreateEndpoint(ctx, e, limit)
			if errors.Is(err, webhook.ErrConflict) {
				_, err = b.Store.UpdateEndpoint(ctx, e)
			}
			return err
		}
	}},
	{"an id is used once", "create/deleted-unused create/limit prune/forgets erase/again", func(b *broken) {
		used := map[webhook.EndpointKey]bool{}
		b.create = func(ctx context.Context, e webhook.Endpoint, limit int) error {
			if used[key(e.Tenant, e.ID)] {
				return webhook.ErrConflict
			}
			used[key(e.Tenant, e.ID)] = true
			return b.Store.CreateEndpoint(ctx, e, limit)
		}
	}},
	{"the limit is ignored", "create/limit", func(b *broken) {
		b.create = func(ctx context.Context, e webhook.Endpoint, _ int) error { return b.Store.CreateEndpoint(ctx, e, 0) }
	}},
	{"the limit is one too high", "create/limit", func(b *broken) {
		b.create = func(ctx context.Context, e webhook.Endpoint, limit int) error {
			return b.Store.CreateEndpoint(ctx, e, limit+min(limit, 1))
		}
	}},
	{"limit 0 is a limit", "create/no-limit", func(b *broken) {
		b.create = func(ctx context.Context, e webhook.Endpoint, limit int) error {
			if limit == 0 {
				return webhook.ErrLimit
			}
			return b.Store.CreateEndpoint(ctx, e, limit)
		}
	}},
	{"deleted endpoints are seen", "delete/unseen update/not-found", func(b *broken) {
		b.remove = func(ctx context.Context, key webhook.EndpointKey, _ int64, _ time.Time) error {
			found, _ := b.Store.Refresh(ctx, []webhook.EndpointKey{key})
			if len(found) == 0 {
				return webhook.ErrNotFound
			}
			found[0].State = webhook.EndpointDisabled
			_, err := b.Store.UpdateEndpoint(ctx, found[0])
			return err
		}
	}},
	{"deleting a missing endpoint succeeds", "delete/not-found concurrent/delete", func(b *broken) {
		b.remove = func(ctx context.Context, key webhook.EndpointKey, version int64, now time.Time) error {
			if err := b.Store.DeleteEndpoint(ctx, key, version, now); !errors.Is(err, webhook.ErrNotFound) {
				return err
			}
			return nil
		}
	}},
	{"any version is deleted", "delete/version", func(b *broken) {
		b.remove = func(ctx context.Context, key webhook.EndpointKey, _ int64, now time.Time) error {
			return b.Store.DeleteEndpoint(ctx, key, 0, now)
		}
	}},
	{"Endpoints ignores EndpointID", "endpoints/filter delete/unseen", func(b *broken) {
		b.endpoints = func(ctx context.Context, q webhook.Query) (webhook.Page[webhook.Endpoint], error) {
			q.EndpointID = ""
			return b.Store.Endpoints(ctx, q)
		}
	}},
	{"Refresh repeats", "refresh/each-once", func(b *broken) {
		b.refresh = func(ctx context.Context, keys []webhook.EndpointKey) ([]webhook.Endpoint, error) {
			var out []webhook.Endpoint
			for _, k := range keys {
				found, err := b.Store.Refresh(ctx, []webhook.EndpointKey{k})
				if err != nil {
					return nil, err
				}
				out = append(out, found...)
			}
			return out, nil
		}
	}},
	{"Refresh has no Health", "refresh/now health/failures", refreshed(func(e *webhook.Endpoint) { e.Health = webhook.Health{} })},
	{"the last update wins", "update/conflict concurrent/update disable/reason", func(b *broken) {
		b.update = func(ctx context.Context, e webhook.Endpoint) (webhook.Endpoint, error) {
			for {
				if found, _ := b.Store.Refresh(ctx, []webhook.EndpointKey{key(e.Tenant, e.ID)}); len(found) > 0 {
					e.Version = found[0].Version
				}
				if out, err := b.Store.UpdateEndpoint(ctx, e); !errors.Is(err, webhook.ErrConflict) {
					return out, err
				}
			}
		}
	}},
	{"an update returns its argument", "update/replaced update/created-at update/health-kept", func(b *broken) {
		b.update = func(ctx context.Context, e webhook.Endpoint) (webhook.Endpoint, error) {
			_, err := b.Store.UpdateEndpoint(ctx, e)
			return e, err
		}
	}},
	{"an update counts versions from one", "update/replaced claim/endpoints concurrent/update", func(b *broken) {
		b.update = func(ctx context.Context, e webhook.Endpoint) (webhook.Endpoint, error) {
			e.UpdatedAt = time.UnixMicro(1).UTC()
			return b.Store.UpdateEndpoint(ctx, e)
		}
	}},
	{"an update keeps the subscriptions", "update/match outbox/match-then", func(b *broken) {
		b.update = func(ctx context.Context, e webhook.Endpoint) (webhook.Endpoint, error) {
			if found, _ := b.Store.Refresh(ctx, []webhook.EndpointKey{key(e.Tenant, e.ID)}); len(found) > 0 {
				e.Events = found[0].Events
			}
			return b.Store.UpdateEndpoint(ctx, e)
		}
	}},
	{"an update creates a missing endpoint", "update/not-found", func(b *broken) {
		b.update = func(ctx context.Context, e webhook.Endpoint) (webhook.Endpoint, error) {
			out, err := b.Store.UpdateEndpoint(ctx, e)
			if errors.Is(err, webhook.ErrNotFound) {
				return e, b.Store.CreateEndpoint(ctx, e, 0)
			}
			return out, err
		}
	}},
	{"a URL that is sealed again is another one", "update/health-sealed", func(b *broken) {
		n := 0
		b.update = func(ctx context.Context, e webhook.Endpoint) (webhook.Endpoint, error) {
			n++
			e.URL = strings.Replace(e.URL, "/sealed:", fmt.Sprintf("/sealed:%d", n), 1)
			return b.Store.UpdateEndpoint(ctx, e)
		}
	}},
	{"an update resets Health", "update/health-kept", func(b *broken) {
		b.update = func(ctx context.Context, e webhook.Endpoint) (webhook.Endpoint, error) {
			out, err := b.Store.UpdateEndpoint(ctx, e)
			out.Health = webhook.Health{}
			return out, err
		}
	}},
	{"an update keeps the block of an endpoint that becomes active", "update/health-reset circuit/moved", func(b *broken) {
		seq := uint64(1 << 40)
		b.update = func(ctx context.Context, e webhook.Endpoint) (webhook.Endpoint, error) {
			before, _ := b.Store.Refresh(ctx, []webhook.EndpointKey{key(e.Tenant, e.ID)})
			out, err := b.Store.UpdateEndpoint(ctx, e)
			if err == nil && !before[0].Health.BlockedUntil.IsZero() {
				f := newFixture(&recorder{ctx: ctx}, b.Store)
				seq++
				f.seq, f.now = seq, e.UpdatedAt
				f.versions[key(e.Tenant, e.ID)] = out.Version
				f.block(e.Tenant, e.ID, before[0].Health.BlockedUntil.Sub(f.now), before[0].Health.Circuit)
				out.Health = f.health(e.Tenant, e.ID)
			}
			return out, err
		}
	}},
	{"an update changes all endpoints of the tenant", "update/own-endpoint", func(b *broken) {
		b.update = func(ctx context.Context, e webhook.Endpoint) (webhook.Endpoint, error) {
			for _, other := range tenantEndpoints(b, webhook.Query{Tenant: e.Tenant}) {
				if other.ID != e.ID {
					other.State = e.State
					_, _ = b.Store.UpdateEndpoint(ctx, other)
				}
			}
			return b.Store.UpdateEndpoint(ctx, e)
		}
	}},
	{"an update changes the endpoint of all tenants", "update/own-endpoint tenant/writes", func(b *broken) {
		b.update = func(ctx context.Context, e webhook.Endpoint) (webhook.Endpoint, error) {
			for _, other := range tenantEndpoints(b, webhook.Query{AllTenants: true, EndpointID: e.ID}) {
				if other.Tenant != e.Tenant {
					other.State = e.State
					_, _ = b.Store.UpdateEndpoint(ctx, other)
				}
			}
			return b.Store.UpdateEndpoint(ctx, e)
		}
	}},
}
