package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/gowebhook/webhook"
)

// A method is a method of Store, called with reasonable arguments.
type method struct {
	name   string
	tenant bool // requires a tenant
	call   func(ctx context.Context, tenant string) error
}

// methods returns all methods of the store. The tenant should have the endpoint "ep1" and the
// delivery "e1.ep1".
func (f *fixture) methods() []method {
	query := func(name string) method {
		return method{name, true, func(ctx context.Context, tenant string) error { return f.ask(ctx, name, one(tenant, "e1", "ep1")) }}
	}
	lease := webhook.Leased{UID: f.event("acme", "e1").UID, Endpoint: key("acme", "ep1"), LeaseNo: 1}
	return []method{
		{"Publish", true, func(ctx context.Context, tenant string) error {
			results, err := f.store.Publish(ctx, f.request(f.event(tenant, "new")))
			for _, r := range results {
				err = errors.Join(err, r.Err)
			}
			return err
		}},
		{"Match", true, func(ctx context.Context, tenant string) error {
			_, err := f.store.Match(ctx, []webhook.MatchRequest{asks("acme", "t"), asks(tenant, "t")})
			return err
		}},
		{"CreateEndpoint", true, func(ctx context.Context, tenant string) error {
			return f.store.CreateEndpoint(ctx, f.newEndpoint(tenant, "new"), 0)
		}},
		{"UpdateEndpoint", true, func(ctx context.Context, tenant string) error {
			_, err := f.store.UpdateEndpoint(ctx, f.newEndpoint(tenant, "ep1"))
			return err
		}},
		{"DeleteEndpoint", true, func(ctx context.Context, tenant string) error {
			return f.store.DeleteEndpoint(ctx, key(tenant, "ep1"), 0, f.now)
		}},
		{"Endpoints", true, func(ctx context.Context, tenant string) error {
			return f.ask(ctx, "Endpoints", webhook.Query{Tenant: tenant, EndpointID: "ep1"})
		}},
		{"Refresh", true, func(ctx context.Context, tenant string) error {
			_, err := f.store.Refresh(ctx, []webhook.EndpointKey{key("acme", "ep1"), key(tenant, "ep1")})
			return err
		}},
		{"Claim", false, func(ctx context.Context, _ string) error {
			_, err := f.store.Claim(ctx, f.room())
			return err
		}},
		{"Settle", false, func(ctx context.Context, _ string) error {
			_, err := f.store.Settle(ctx, f.now, []webhook.Settlement{f.success(lease)})
			return err
		}},
		query("Retry"),
		query("Cancel"),
		{"Events", true, func(ctx context.Context, tenant string) error {
			return f.ask(ctx, "Events", webhook.Query{Tenant: tenant, EventID: "e1"})
		}},
		query("Deliveries"),
		query("Attempts"),
		{"CountReplay", true, func(ctx context.Context, tenant string) error {
			r := f.newReplay(tenant, "ep1")
			r.AllTenants = false
			_, _, err := f.store.CountReplay(ctx, r)
			return err
		}},
		{"CreateReplay", true, func(ctx context.Context, tenant string) error {
			r := f.newReplay(tenant, "ep1")
			r.AllTenants = false
			_, err := f.store.CreateReplay(ctx, r)
			return err
		}},
		{"StepReplay", false, func(ctx context.Context, _ string) error {
			_, _, err := f.store.StepReplay(ctx, f.now)
			return err
		}},
		{"CancelReplay", true, func(ctx context.Context, tenant string) error {
			_, err := f.store.CancelReplay(ctx, webhook.Query{Tenant: tenant, ReplayID: f.newReplay("acme", "").ID}, f.now)
			return err
		}},
		{"Replays", true, func(ctx context.Context, tenant string) error {
			return f.ask(ctx, "Replays", webhook.Query{Tenant: tenant})
		}},
		{"Stats", false, func(ctx context.Context, _ string) error {
			_, err := f.store.Stats(ctx, f.now)
			return err
		}},
		{"Backlog", true, func(ctx context.Context, tenant string) error {
			_, err := f.store.Backlog(ctx, webhook.EndpointKey{Tenant: tenant, ID: "ep1"}, f.now)
			return err
		}},
		{"Prune", false, func(ctx context.Context, _ string) error {
			_, err := f.store.Prune(ctx, f.now, webhook.Retention{})
			return err
		}},
		{"Erase", true, func(ctx context.Context, tenant string) error { return f.store.Erase(ctx, tenant) }},
	}
}

// contextCases check how the methods use their context.
var contextCases = []testCase{
	{
		"context/ended", "if ctx ends, a method returns soon, with an error that wraps ctx.Err()",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			canceled, cancel := context.WithCancel(f.ctx())
			cancel()
			late, stop := context.WithDeadline(f.ctx(), base.AddDate(-20, 0, 0)) // ended long ago
			defer stop()
			for _, m := range f.methods() {
				f.is(m.name+" with a canceled context", m.call(canceled, "acme"), context.Canceled)
				f.is(m.name+" with a context past its deadline", m.call(late, "acme"), context.DeadlineExceeded)
			}
		},
	},
}

// tenantCases check that tenants are isolated from each other.
var tenantCases = []testCase{
	{
		"tenant/empty", "the empty tenant is ErrInvalid wherever a tenant is asked for",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			for _, m := range f.methods() {
				if m.tenant {
					f.is(m.name+" with the empty tenant", m.call(f.ctx(), ""), webhook.ErrInvalid)
				}
			}
			for _, method := range []string{"Endpoints", "Events", "Deliveries", "Retry", "Cancel", "Replays"} {
				f.is(method+" with the empty Query", f.ask(f.ctx(), method, webhook.Query{}), webhook.ErrInvalid)
			}
			f.names("events", eventIDs(f.events(webhook.Query{AllTenants: true})), "e1")
			f.expectClaim("e1.ep1")
		},
	},
	{
		"tenant/reads", "another tenant's rows do not exist",
		func(f *fixture) {
			tenants := []string{"acme", "Acme", "acme ", "ácme"}
			for _, tenant := range tenants {
				f.endpoint(tenant, "ep1")
				e := f.event(tenant, "e1", f.ready("ep1")...)
				e.Data = []byte(`"` + tenant + `"`)
				f.publish(e)
				f.settle(f.success(f.take("e1.ep1")))
			}
			for _, tenant := range append(tenants, "nobody", "acme%", "acm_") {
				var want []string
				for _, t := range tenants {
					if t == tenant {
						want = []string{t}
					}
				}
				q := webhook.Query{Tenant: tenant}
				var got [5][]string
				for _, e := range f.listEndpoints(q) {
					got[0] = append(got[0], e.Tenant)
				}
				for _, e := range f.events(q) {
					got[1] = append(got[1], string(e.Data[1:len(e.Data)-1]))
				}
				for _, d := range f.deliveries(q) {
					got[2] = append(got[2], d.Tenant)
				}
				for _, a := range f.attempts(webhook.Query{Tenant: tenant, EventID: "e1"}) {
					got[3] = append(got[3], a.Tenant)
				}
				for _, a := range f.attempts(webhook.Query{Tenant: tenant, EndpointID: "ep1"}) {
					got[4] = append(got[4], a.Tenant)
				}
				for i, what := range []string{"endpoints", "events", "deliveries", "attempts of e1", "attempts at ep1"} {
					f.names(what+" of "+tenant, got[i], want...)
				}
			}
		},
	},
	{
		"tenant/writes", "another tenant's rows do not exist",
		func(f *fixture) {
			for _, tenant := range []string{"umbrella", "acme"} {
				f.endpoint(tenant, "ep1")
				f.send(tenant, "e1", "ep1")
				f.settle(f.failure(f.take("e1.ep1")))
				f.send(tenant, "e2", "ep1")
				f.settle(f.giveBack(f.take("e2.ep1"), time.Hour))
			}
			all := func() [4]any {
				q := webhook.Query{Tenant: "umbrella"}
				return [4]any{
					f.listEndpoints(q), f.events(q), f.deliveries(q),
					f.attempts(webhook.Query{Tenant: "umbrella", EndpointID: "ep1"}),
				}
			}
			want := all()
			for _, m := range f.methods() {
				if !m.tenant {
					continue
				}
				_ = m.call(f.ctx(), "acme")
				for i, got := range all() {
					f.equal("the rows of umbrella, after "+m.name+" for acme", got, want[i])
				}
			}
		},
	},
}
