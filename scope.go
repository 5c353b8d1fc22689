package webhook

import (
	"context"
)

// A Scope reads and changes the data of one tenant or, from [Dispatcher.AllTenants], of all
// tenants. It reaches nothing of another tenant: another tenant's id is [ErrNotFound]. Copies
// are equal. A Scope is safe for concurrent use.
type Scope struct {
	d      *Dispatcher
	tenant string
	all    bool
}

// check refuses the scope of an empty or invalid tenant.
func (s Scope) check() error {
	if s.all {
		return nil
	}
	return checkTenant("tenant", s.tenant)
}

// one also refuses the scope of all tenants, because an id alone does not name its tenant.
func (s Scope) one() error {
	if s.all {
		return &FieldError{"tenant", "is all of them", "use Dispatcher.Tenant: ids are the tenant's own"}
	}
	return s.check()
}

// query applies the scope to a query, and refuses fields that the method does not honour.
func (s Scope) query(q Query, honoured queryField) (Query, error) {
	if err := s.check(); err != nil {
		return q, err
	}
	switch {
	case !s.all && (q.AllTenants || q.Tenant != "" && q.Tenant != s.tenant):
		return q, &FieldError{"Query.Tenant", "is not the scope's", "leave it empty"}
	case !s.all:
		q.Tenant = s.tenant
	case q.Tenant == "":
		q.AllTenants = true
	default:
		q.AllTenants = false
		if err := checkTenant("Query.Tenant", q.Tenant); err != nil {
			return q, err
		}
	}
	if err := q.check(honoured); err != nil {
		return q, err
	}
	return q, nil
}

// Erase removes everything that is stored of the tenant: endpoints, events, deliveries and
// attempts. Requests in flight end without a record.
func (s Scope) Erase(ctx context.Context) (err error) {
	defer addOperation("erase", &err)
	if err := s.one(); err != nil {
		return err
	}
	if err := s.d.store.Erase(ctx, s.tenant); err != nil {
		return err
	}
	s.d.endpoints.dropTenant(s.tenant)
	return nil
}

// Tenant returns the Scope of one tenant. Its methods refuse an empty or invalid id.
func (d *Dispatcher) Tenant(id string) Scope { return Scope{d: d, tenant: id} }

// AllTenants returns the Scope of all tenants, for the application itself and its operators.
// It serves these methods: Endpoints, Events, Deliveries, Attempts, Retry, Cancel, Replay,
// Replays, CancelReplay, UpdateEndpoint, Pause and Resume. Query.Tenant narrows a query to one
// tenant; Attempts of an event or an endpoint requires it. The other methods return a *FieldError,
// because an id belongs to one tenant.
//
// To suspend an endpoint, read it with Endpoints and pass it to UpdateEndpoint with the state
// [EndpointDisabled] and the reason [ReasonOperator]. Its tenant cannot lift that. Pause holds the
// deliveries of many endpoints.
func (d *Dispatcher) AllTenants() Scope { return Scope{d: d, all: true} }
