package webhook

import (
	"context"
	"fmt"
	"time"
)

// Events returns events, the newest first. It honours EventID, Type, From and To (of the
// emission), NoBodies, MaxBytes, Limit and Cursor.
func (s Scope) Events(ctx context.Context, q Query) (Page[Event], error) {
	q, err := s.query(q, "EventID", "Type", "From", "To", "NoBodies", "MaxBytes")
	if err != nil {
		return Page[Event]{}, err
	}
	records, err := s.d.store.Events(ctx, q)
	if err != nil {
		return Page[Event]{}, fmt.Errorf("webhook: events: %w", err)
	}
	page := Page[Event]{Items: make([]Event, len(records.Items)), Next: records.Next}
	for i := range records.Items {
		e := records.Items[i].event()
		e.Header, e.Test = withoutValues(e.Header), records.Items[i].Test
		page.Items[i] = *e
	}
	return page, nil
}

// withoutValues keeps only the names of headers. The value of an event's header may be a
// signature that was made with a key that is stored nowhere.
func withoutValues[V ~string](header map[string]V) map[string]V {
	if header == nil {
		return nil
	}
	names := make(map[string]V, len(header))
	for name := range header {
		names[name] = ""
	}
	return names
}

// Deliveries returns deliveries by their event, the newest first. It honours EventID,
// EndpointID, Type, State, From and To (of the emission), Limit and Cursor.
func (s Scope) Deliveries(ctx context.Context, q Query) (Page[Delivery], error) {
	q, err := s.query(q, "EventID", "EndpointID", "Type", "State", "From", "To")
	if err != nil {
		return Page[Delivery]{}, err
	}
	page, err := s.d.store.Deliveries(ctx, q, s.d.now())
	if err != nil {
		return Page[Delivery]{}, fmt.Errorf("webhook: deliveries: %w", err)
	}
	return page, nil
}

// Attempts returns the delivery log of an event, of an endpoint or of one delivery, the latest
// attempt first. EventID or EndpointID is required, and a single tenant. It honours EventID,
// EndpointID, Class, Status, From and To (of StartedAt), NoBodies, MaxBytes, Skip, Limit and
// Cursor.
func (s Scope) Attempts(ctx context.Context, q Query) (Page[Attempt], error) {
	q, err := s.query(q, "EventID", "EndpointID", "Class", "Status", "From", "To", "NoBodies", "MaxBytes", "Skip")
	if err != nil {
		return Page[Attempt]{}, err
	}
	if q.EventID == "" && q.EndpointID == "" {
		return Page[Attempt]{}, &FieldError{"Query.EndpointID", "is empty", "say whose attempts: EndpointID, EventID, or both"}
	}
	if q.AllTenants {
		return Page[Attempt]{}, &FieldError{"Query.Tenant", "is empty", "ids are the tenant's own"}
	}
	page, err := s.d.store.Attempts(ctx, q)
	if err != nil {
		return Page[Attempt]{}, fmt.Errorf("webhook: attempts: %w", err)
	}
	return page, nil
}

// Retry sends deliveries again. With EventID and EndpointID it sends that delivery, in any
// state. Otherwise it sends all deliveries that q matches: failed and canceled ones if q.State
// is empty. It honours EventID, EndpointID, Type, State, From and To (of the emission).
//
// The deliveries are due at once. Their retries and age count from now, and their attempts go
// on counting. Retry changes everything that matches, and may be repeated after an error.
//
// A single delivery is [ErrInFlight] while it is being sent, and [ErrConflict] if its endpoint
// is disabled. A call for many passes over such deliveries, and counts the ones in flight.
//
// A tenant's Scope takes 200 calls at once and then one each second. A call for many deliveries
// counts as 20, however many they are. Single deliveries of one endpoint are taken 60 at once
// and then one every 5 seconds. A call beyond these rates is a [RateError]. Each process counts
// by itself.
func (s Scope) Retry(ctx context.Context, q Query) (Recovered, error) {
	if err := s.d.payForRetry(s, &q); err != nil {
		return Recovered{}, fmt.Errorf("webhook: retry: %w", err)
	}
	r, err := s.recover(ctx, q, s.d.store.Retry)
	if err != nil {
		return r, fmt.Errorf("webhook: retry: %w", err)
	}
	s.d.Wake()
	return r, nil
}

// Cancel cancels pending deliveries. It selects and answers as Retry does, but only among
// pending deliveries, and has no rate limit. A single delivery that has finished is
// [ErrConflict].
func (s Scope) Cancel(ctx context.Context, q Query) (Recovered, error) {
	r, err := s.recover(ctx, q, s.d.store.Cancel)
	if err != nil {
		return r, fmt.Errorf("webhook: cancel: %w", err)
	}
	return r, nil
}

func (s Scope) recover(ctx context.Context, q Query, part func(context.Context, Query, time.Time) (Recovered, error)) (Recovered, error) {
	q, err := s.query(q, "EventID", "EndpointID", "Type", "State", "From", "To")
	if err != nil {
		return Recovered{}, err
	}
	if q.AllTenants && q.EventID != "" && q.EndpointID != "" {
		return Recovered{}, &FieldError{"Query.Tenant", "is empty", "ids are the tenant's own"}
	}
	if err := s.d.time.keepUp(ctx); err != nil {
		return Recovered{}, err
	}
	var total Recovered
	now := s.d.now()
	for {
		done, err := part(ctx, q, now)
		total.Changed += done.Changed
		total.InFlight += done.InFlight
		if err != nil {
			return total, err
		}
		if q.Cursor = done.Next; q.Cursor == "" {
			return total, nil
		}
	}
}
