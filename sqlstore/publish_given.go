package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore/internal/engine"
)

// errRefused rolls back an atomic request.
var errRefused = errors.New("an event was refused")

// publishGiven publishes events of which the application gave some ids. Such an id may be
// stored already, or another transaction may hold it. publishGiven does not wait for that
// transaction.
func (s *Store) publishGiven(ctx context.Context, p givenPublication) (results []webhook.Published, err error) {
	err = s.write(ctx, txOptions{KeepPlans: true, NoWait: true}, func(t *tx) error {
		run := p
		run.tx, run.unsure = t, p.unsure || t.Unsure()
		err := run.run()
		results = run.results()
		return err
	})
	if err != nil && !errors.Is(err, errRefused) {
		return nil, err
	}
	return results, nil
}

// findHeld publishes an atomic request again, to see which event's id is held. The wait
// may also be for another lock, for example while a table grows. Then findHeld reports
// the first event with a given id as held.
func (s *Store) findHeld(ctx context.Context, req *webhook.PublishRequest) ([]webhook.Published, error) {
	results, err := s.publishGiven(ctx, givenPublication{req: req, singly: true})
	given := slices.IndexFunc(req.Events, func(r webhook.EventRecord) bool { return !r.NewID })
	if !engine.LockedOut(err) || ctx.Err() != nil || given < 0 {
		return results, err
	}
	results = make([]webhook.Published, len(req.Events))
	results[given] = webhook.Published{Held: true, Err: err}
	return results, nil
}

// A givenPublication is one transaction of publishGiven. Its steps are:
//
//  1. insert stores the events whose ids are not stored. In the same step, compare finds out
//     for each other event whether it is a duplicate or a conflict.
//  2. judgeTwins gives a result to events whose id an earlier event of the request has.
//  3. If the request is atomic and an event has an error, the transaction is rolled back.
//  4. insertRows stores the deliveries of the events that were stored.
type givenPublication struct {
	*tx
	req    *webhook.PublishRequest
	unsure bool // an earlier run may have been committed
	singly bool // events are inserted one by one, to see which one is held

	events []givenEvent // in the order of the request
}

// A givenEvent is an event of a givenPublication.
type givenEvent struct {
	*webhook.EventRecord
	hash   []byte      // of its content
	twin   *givenEvent // the first event of the request with the same id, if that is another one
	stored bool        // by this transaction
	found  []byte      // hash of the event that was stored before under the id
	result webhook.Published
}

func (p *givenPublication) run() error {
	if err := p.insertAll(p.distinct()); err != nil {
		return err
	}
	p.judgeTwins()
	if p.req.Atomic {
		for i := range p.events {
			if p.events[i].result.Err != nil {
				return errRefused
			}
		}
	}
	return p.insertRows()
}

// results returns the results in the order of the request.
func (p *givenPublication) results() []webhook.Published {
	results := make([]webhook.Published, len(p.events))
	for i := range p.events {
		results[i] = p.events[i].result
	}
	return results
}

// distinct fills in the events, and returns those with different ids in the order of
// their ids.
func (p *givenPublication) distinct() []*givenEvent {
	p.events = make([]givenEvent, len(p.req.Events))
	byKey := make(map[eventKey]*givenEvent, len(p.events))
	for i := range p.events {
		e := &p.events[i]
		e.EventRecord = &p.req.Events[i]
		e.hash = contentHash(e.EventRecord)
		key := keyOf(e.EventRecord)
		if e.twin = byKey[key]; e.twin == nil {
			byKey[key] = e
		}
	}
	list := make([]*givenEvent, 0, len(byKey))
	for _, r := range inKeyOrder(p.req.Events) {
		if e := byKey[keyOf(r)]; e.EventRecord == r {
			list = append(list, e)
		}
	}
	return list
}

// inKeyOrder returns events in the order in which all transactions insert them, so that
// they wait for each other and do not deadlock.
func inKeyOrder(events []webhook.EventRecord) []*webhook.EventRecord {
	list := make([]*webhook.EventRecord, len(events))
	for i := range events {
		list[i] = &events[i]
	}
	slices.SortFunc(list, func(a, b *webhook.EventRecord) int {
		return cmp.Or(strings.Compare(a.Tenant, b.Tenant), strings.Compare(a.ID, b.ID))
	})
	return list
}

// insertAll stores events, one by one if singly is set.
func (p *givenPublication) insertAll(list []*givenEvent) error {
	if !p.singly {
		return p.insert(list)
	}
	steps := splitter{ctx: p.Context(), size: singles}
	steps.try = func(items []int) error { return p.insert(selected(list, items)) }
	steps.alone = func(i int, problem error) error {
		if !engine.LockedOut(problem) {
			return problem
		}
		list[i].result = webhook.Published{Held: true, Err: p.store.explain(p.Context(), problem)}
		return errRefused
	}
	return steps.split(indexes(len(list)))
}

// insert stores the events that are new, and compares the others.
func (p *givenPublication) insert(list []*givenEvent) error {
	rows := newTable(len(list))
	byUID := make(map[uuid.UUID]*givenEvent, len(list))
	for _, e := range list {
		rows.Add(eventCells(e.EventRecord, e.hash)...)
		if byUID[e.UID] != nil {
			return fmt.Errorf("two events of the request have the UID %s", e.UID)
		}
		byUID[e.UID] = e
	}
	if !p.store.dialect.returning {
		if err := p.ExecAll(insertEvents, rows); err != nil {
			return err
		}
		return p.compare(list)
	}
	if err := p.Query(insertEvents, rows, func(r *sql.Rows) error {
		var u id
		err := r.Scan(&u)
		if e := byUID[u.uid()]; e != nil {
			e.stored = true
		}
		return err
	}); err != nil {
		return err
	}
	return p.compare(slices.DeleteFunc(slices.Clone(list), func(e *givenEvent) bool { return e.stored }))
}

// compare compares events that were not new, or may not be, with the events stored under
// their ids.
func (p *givenPublication) compare(list []*givenEvent) error {
	if len(list) == 0 {
		return nil
	}
	rows := newTable(len(list))
	byKey := make(map[eventKey]*givenEvent, len(list))
	for _, e := range list {
		rows.Add(text(e.Tenant), text(e.ID))
		byKey[keyOf(e.EventRecord)] = e
		e.result.Err = webhook.ErrConflict // its UID belongs to another event, unless one is found
	}
	return p.Query(findEvents, rows, func(r *sql.Rows) error {
		var (
			u    id
			key  eventKey
			hash []byte
			dup  int64
		)
		if err := r.Scan(&u, &key.tenant, &key.id, &hash, &dup); err != nil {
			return err
		}
		e := byKey[key]
		if e == nil {
			return nil
		}
		own := u.uid() == e.UID
		switch {
		case own && !p.store.dialect.returning && dup == 0:
			e.result, e.stored = webhook.Published{}, true
		case own && p.unsure: // the transaction that seemed lost was committed
			e.result = webhook.Published{Deliveries: len(e.Deliveries)}
		default:
			e.result, e.found = repeated(hash, e.hash), hash
		}
		return nil
	})
}

// judgeTwins gives a result to each event whose id an earlier event of the request has.
func (p *givenPublication) judgeTwins() {
	for i := range p.events {
		e := &p.events[i]
		if e.twin == nil {
			continue
		}
		first := e.twin.found
		if first == nil {
			first = e.twin.hash
		}
		e.result = repeated(first, e.hash)
	}
}

// insertRows stores the deliveries of the events that were stored.
func (p *givenPublication) insertRows() error {
	rows := newEventRows(p.req)
	for i := range p.events {
		if e := &p.events[i]; e.stored {
			e.result.Deliveries = rows.add(e.EventRecord)
		}
	}
	return rows.insert(p.tx)
}
