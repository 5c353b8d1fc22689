package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"

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
	if refused := s.oversized(ctx, nil, req.Events); refused != nil {
		return s.publishRest(ctx, req, refused)
	}
	results, err := s.publish(ctx, &req, false)
	switch {
	case err == nil, ctx.Err() != nil, engine.Hopeless(err):
		return results, err
	case len(req.Events) == 1 && engine.LockedOut(err):
		return []webhook.Published{{Held: true, Err: err}}, nil
	case len(req.Events) == 1, req.Atomic && !engine.LockedOut(err):
		return nil, err
	case req.Atomic:
		return s.publishSingly(ctx, &req)
	}
	return s.publishEach(ctx, &req)
}

// publishSingly publishes an atomic request again, to see which event's id is held. The wait
// may also be for another lock, for example while a table grows. Then publishSingly reports the
// first event with a given id as held.
func (s *Store) publishSingly(ctx context.Context, req *webhook.PublishRequest) ([]webhook.Published, error) {
	results, err := s.publish(ctx, req, true)
	given := slices.IndexFunc(req.Events, func(r webhook.EventRecord) bool { return !r.NewID })
	if !engine.LockedOut(err) || ctx.Err() != nil || given < 0 {
		return results, err
	}
	results = make([]webhook.Published, len(req.Events))
	results[given] = webhook.Published{Held: true, Err: err}
	return results, nil
}

// publishEach publishes events one by one, each in a transaction of its own.
func (s *Store) publishEach(ctx context.Context, req *webhook.PublishRequest) ([]webhook.Published, error) {
	results := make([]webhook.Published, len(req.Events))
	held := make(map[[2]string]error)
	for i := range req.Events {
		key := [2]string{req.Events[i].Tenant, req.Events[i].ID}
		if err := held[key]; err != nil {
			results[i] = webhook.Published{Held: true, Err: err}
			continue
		}
		alone := *req
		alone.Events = req.Events[i : i+1]
		result, err := s.publish(ctx, &alone, false)
		switch {
		case err == nil:
			results[i] = result[0]
		case ctx.Err() != nil, engine.Hopeless(err):
			return nil, err
		case engine.LockedOut(err):
			held[key] = err
			results[i] = webhook.Published{Held: true, Err: err}
		default:
			results[i] = webhook.Published{Err: err}
		}
	}
	return results, nil
}

func checkTenants(events []webhook.EventRecord) error {
	for i := range events {
		if events[i].Tenant == "" {
			return paging.NoTenant(fmt.Sprintf("PublishRequest.Events[%d].Tenant", i))
		}
	}
	return nil
}

// publish publishes events in one transaction, which does not wait for transactions that hold
// ids. If singly is set, it inserts one event after the other, to see which one is held.
func (s *Store) publish(ctx context.Context, req *webhook.PublishRequest, singly bool) (results []webhook.Published, err error) {
	p := publication{req: req, singly: singly, allNew: true}
	for i := range req.Events {
		p.allNew = p.allNew && req.Events[i].NewID
	}
	uncertain := false
	if p.allNew && s.dialect.publishesAtOnce {
		results, err = s.publishNew(ctx, req)
		uncertain = engine.Uncertain(err)
		if !uncertain && !engine.DuplicateKey(err) && !errors.Is(err, errNotPlain) {
			return results, err
		}
		p.allNew = errors.Is(err, errNotPlain)
	}
	run := func(t *tx) error {
		p := p
		p.unsure = t.Unsure() || uncertain
		p.tx, p.results = t, make([]webhook.Published, len(req.Events))
		p.allNew = p.allNew && !p.unsure
		results = p.results
		return p.run()
	}
	err = s.write(ctx, txOptions{DefaultPlans: p.allNew, KeepPlans: true, NoWait: !p.allNew}, run)
	if engine.DuplicateKey(err) && p.allNew { // the request is repeated
		p.allNew = false
		err = s.write(ctx, txOptions{KeepPlans: true, NoWait: true}, run)
	}
	if errors.Is(err, errRefused) {
		return results, nil
	}
	if err != nil {
		return nil, err
	}
	return results, nil
}
