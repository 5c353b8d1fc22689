package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore/internal/engine"
)

// errUsedID reports that the id of a new event is stored already.
var errUsedID = errors.New("an event has an id that is stored already")

// publishNew publishes events whose ids the library has made. It does not look for the
// ids in the database. If one of them is stored all the same, or the outcome is unknown,
// publishGiven publishes the events. That happens when a request is repeated.
func (s *Store) publishNew(ctx context.Context, req *webhook.PublishRequest) ([]webhook.Published, error) {
	p := newNewPublication(req)
	var err error
	if s.dialect.publishesAtOnce && p.isPlain() {
		err = s.write(ctx, txOptions{OneStatement: true, Once: true}, p.insertAtOnce)
	} else {
		err = s.write(ctx, txOptions{DefaultPlans: true, Once: true}, p.insert)
	}
	unknown := engine.Uncertain(err)
	switch {
	case err == nil:
		return p.results, nil
	case unknown, engine.DuplicateKey(err), errors.Is(err, errUsedID):
		return s.publishGiven(ctx, givenPublication{req: req, unsure: unknown})
	}
	return nil, err
}

// A newPublication is the rows of events whose ids the library has made.
type newPublication struct {
	events  *table
	rows    *eventRows
	results []webhook.Published
}

func newNewPublication(req *webhook.PublishRequest) *newPublication {
	p := &newPublication{
		events: newTable(len(req.Events)), rows: newEventRows(req), results: make([]webhook.Published, len(req.Events)),
	}
	for i := range req.Events {
		p.results[i].Deliveries = p.rows.add(&req.Events[i])
	}
	for _, r := range inKeyOrder(req.Events) {
		p.events.Add(eventCells(r, contentHash(r))...)
	}
	return p
}

// isPlain reports whether insertAtOnce can insert all rows. The events of nearly every
// Emit are plain: each has deliveries that are not made yet.
func (p *newPublication) isPlain() bool {
	r := p.rows
	return r.queue.Len() > 0 && r.outbox.Len()+r.deliveries.Len() == 0 && p.events.Fits() && r.queue.Fits()
}

// insertAtOnce inserts all rows by a single statement. A transaction of several
// statements takes several times as long.
//
// The statement runs at the isolation level of the session, which saves a round trip to
// set another. It reads nothing, so its effect is the same at each level. At SERIALIZABLE
// the server may refuse it because of other transactions. Then it is run again.
func (p *newPublication) insertAtOnce(t *tx) error {
	return t.ExecTwo(publishNew, p.events, p.rows.queue)
}

// insert inserts all rows.
func (p *newPublication) insert(t *tx) error {
	if err := p.insertEvents(t); err != nil {
		return err
	}
	return p.rows.insert(t)
}

func (p *newPublication) insertEvents(t *tx) error {
	if !t.store.dialect.returning {
		return t.ExecAll(insertNewAtOnce, p.events)
	}
	stored := 0
	err := t.Query(insertEvents, p.events, func(r *sql.Rows) error {
		stored++
		return r.Scan(new(id))
	})
	if err == nil && stored < p.events.Len() {
		err = errUsedID
	}
	return err
}
