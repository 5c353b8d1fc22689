package webhook

import (
	"context"
	"errors"
	"fmt"
)

// Pause pauses the active endpoints that q matches, for example during an incident. Their
// deliveries wait. It is for operators, so only the scope of all tenants has it.
//
// The endpoints get the state paused with ReasonOperator, which their tenants cannot lift; see
// UpdateEndpoint. Pause passes over endpoints that are paused already. If the tenant has paused
// one, the tenant can still resume it, even during the incident.
//
// It honours Tenant, EndpointID and Health. A Query without any of these needs Query.All. For
// example, Query{Health: HealthFailing} selects the endpoints that keep failing. An EndpointID
// without a Tenant selects the endpoints of all tenants that have this id. Endpoints that are
// created later are not paused.
//
// Each endpoint is changed by itself. BulkResult.Changed counts those that were, also beside an
// error. An endpoint that cannot be read is left out, and reported to Observer.Error and the log.
// A call may be repeated.
func (s Scope) Pause(ctx context.Context, q Query) (done BulkResult, err error) {
	defer addOperation("pause", &err)
	return s.changeEndpoints(ctx, q, endpointChange{
		applies: func(e *Endpoint) bool { return e.State == EndpointActive },
		apply:   func(e *Endpoint) { e.State, e.Reason = EndpointPaused, ReasonOperator },
	})
}

// Resume makes the paused endpoints active that have ReasonOperator and that q matches, whether
// Pause or UpdateEndpoint has paused them. Endpoints that their tenants have paused stay so, and
// so do disabled ones. Its Query and its result are those of Pause.
//
// Deliveries that are due can then be sent, unless the endpoint is blocked. Each process begins
// with one request at a time to each endpoint, and each answer allows one more. Rate still holds.
func (s Scope) Resume(ctx context.Context, q Query) (done BulkResult, err error) {
	defer addOperation("resume", &err)
	done, err = s.changeEndpoints(ctx, q, endpointChange{
		applies: func(e *Endpoint) bool { return e.State == EndpointPaused && e.Reason == ReasonOperator },
		apply:   func(e *Endpoint) { e.State, e.Reason = EndpointActive, "" },
	})
	if done.Changed > 0 {
		s.d.Wake()
	}
	return done, err
}

// An endpointChange is the operation of Pause or Resume.
type endpointChange struct {
	applies func(*Endpoint) bool
	apply   func(*Endpoint)
}

// changeEndpoints changes the endpoints that q matches. It changes them as they are stored, so
// that it needs no Cipher.
func (s Scope) changeEndpoints(ctx context.Context, q Query, change endpointChange) (done BulkResult, err error) {
	if !s.all {
		return done, &FieldError{"scope", "is that of one tenant", "use Dispatcher.AllTenants: UpdateEndpoint pauses an endpoint for its tenant"}
	}
	if err := q.checkBulkEndpoints(); err != nil {
		return done, err
	}
	if q, err = s.query(q, fieldEndpointID|fieldHealth|fieldAll); err != nil {
		return done, err
	}
	if err := s.d.time.keepUp(ctx); err != nil {
		return done, err
	}
	q.All = false
	for {
		page, err := s.d.store.Endpoints(ctx, q)
		if err != nil {
			return done, err
		}
		for _, problem := range page.Unreadable {
			s.d.report("a change left out an endpoint that cannot be read", problem)
		}
		for i := range page.Items {
			changed, err := s.d.changeEndpoint(ctx, page.Items[i], change)
			if changed {
				done.Changed++
			}
			if err != nil {
				return done, fmt.Errorf("id %q of tenant %q: %w", page.Items[i].ID, page.Items[i].Tenant, err)
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return done, nil
		}
	}
}

// changeEndpoint changes a stored endpoint, and reports whether the change applied. If another
// changes the endpoint meanwhile, changeEndpoint decides again.
func (d *Dispatcher) changeEndpoint(ctx context.Context, e Endpoint, change endpointChange) (changed bool, err error) {
	for tries := 1; change.applies(&e); tries++ {
		change.apply(&e)
		e.UpdatedAt = d.now()
		asOf := d.time.uptime()
		stored, err := d.store.UpdateEndpoint(ctx, e)
		switch {
		case err == nil:
			d.endpoints.put(&stored, asOf)
			if stored.State != EndpointActive {
				d.emptyLane(stored.key())
			}
			return true, nil
		case errors.Is(err, ErrNotFound):
			return false, nil
		case !errors.Is(err, ErrConflict) || tries == changeTries:
			return false, err
		}
		found, err := d.store.Refresh(ctx, []EndpointKey{e.key()})
		if err != nil || len(found) == 0 {
			return false, err
		}
		e = found[0]
	}
	return false, nil
}
