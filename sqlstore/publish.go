package sqlstore

import (
	"bytes"
	"context"
	"fmt"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/paging"
	"github.com/gowebhook/webhook/sqlstore/internal/engine"
)

// Publish implements [webhook.Publisher].
//
// If the database refuses one event, the other events are stored all the same. The refused
// event's Published.Err says why.
//
// MySQL, unlike MariaDB and PostgreSQL, waits at least a second for a transaction that holds an
// id.
func (s *Store) Publish(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
	if err := checkTenants(req.Events); err != nil {
		return nil, err
	}
	if len(req.Events) == 0 {
		return nil, ctx.Err()
	}
	results := make([]webhook.Published, len(req.Events))
	fit := indexes(len(req.Events))
	if refused := s.oversized(ctx, nil, req.Events); refused != nil {
		fit = fit[:0]
		for i := range req.Events {
			if results[i].Err = refused[i]; results[i].Err == nil {
				fit = append(fit, i)
			}
		}
		if req.Atomic || len(fit) == 0 {
			return results, nil
		}
	}
	if req.Atomic && len(fit) > 1 {
		return s.publishAtomic(ctx, &req)
	}
	return results, s.publishParts(ctx, &req, fit, results)
}

func checkTenants(events []webhook.EventRecord) error {
	for i := range events {
		if events[i].Tenant == "" {
			return paging.NoTenant(fmt.Sprintf("PublishRequest.Events[%d].Tenant", i))
		}
	}
	return nil
}

// publishParts publishes the events with these indexes. If the database refuses them,
// each gets a transaction of its own.
func (s *Store) publishParts(ctx context.Context, req *webhook.PublishRequest, list []int, results []webhook.Published) error {
	held := make(map[eventKey]error) // the ids that other transactions hold
	parts := splitter{ctx: ctx, size: singles}
	parts.try = func(items []int) error {
		if err := held[keyOf(&req.Events[items[0]])]; err != nil {
			return err // waiting for the id again would delay the other events
		}
		part := *req
		part.Events = selected(req.Events, items)
		stored, err := s.publish(ctx, &part)
		for n := range stored {
			results[items[n]] = stored[n]
		}
		return err
	}
	parts.alone = func(i int, problem error) error {
		results[i] = webhook.Published{Err: problem}
		switch {
		case engine.LockedOut(problem):
			results[i].Held = true
			held[keyOf(&req.Events[i])] = problem
		case len(list) == 1:
			return problem
		}
		return nil
	}
	return parts.run(list)
}

// publishAtomic publishes several events, all or none.
func (s *Store) publishAtomic(ctx context.Context, req *webhook.PublishRequest) ([]webhook.Published, error) {
	results, err := s.publish(ctx, req)
	if !engine.LockedOut(err) || ctx.Err() != nil {
		return results, err
	}
	if allNew(req.Events) && !s.dialect.locksGaps {
		return nil, err // it waited for another lock, for example while a table grows
	}
	return s.findHeld(ctx, req)
}

// publish publishes events in one transaction.
func (s *Store) publish(ctx context.Context, req *webhook.PublishRequest) ([]webhook.Published, error) {
	if allNew(req.Events) {
		return s.publishNew(ctx, req)
	}
	return s.publishGiven(ctx, givenPublication{req: req})
}

// allNew reports whether the library has made the ids of all events.
func allNew(events []webhook.EventRecord) bool {
	for i := range events {
		if !events[i].NewID {
			return false
		}
	}
	return true
}

// An eventKey identifies an event as the application does.
type eventKey struct{ tenant, id string }

func keyOf(r *webhook.EventRecord) eventKey { return eventKey{r.Tenant, r.ID} }

// repeated returns the result for an event whose id is stored already: a duplicate or a
// conflict. first is the hash of the stored event.
func repeated(first, hash []byte) webhook.Published {
	if bytes.Equal(first, hash) {
		return webhook.Published{Duplicate: true}
	}
	return webhook.Published{Err: webhook.ErrConflict}
}
