package sqlstore

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/paging"
)

// Publish implements [webhook.Publisher].
//
// An event that the database refuses for itself does not keep the others from being stored: its Published.Err says why.
func (s *Store) Publish(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
	if err := checkTenants(req.Events); err != nil {
		return nil, err
	}
	if len(req.Events) == 0 {
		return nil, noCtx(ctx)
	}
	if refused := s.oversized(ctx, nil, req.Events); refused != nil {
		return s.publishRest(ctx, req, refused)
	}
	patient := req.Atomic || len(req.Events) == 1 && !req.NoWait
	results, err := s.publish(ctx, &req, patient)
	switch {
	case err == nil, req.Atomic, ctx.Err() != nil, hopeless(err):
		return results, err
	case len(req.Events) > 1:
		return s.publishEach(ctx, &req)
	case lockedOut(err):
		return []webhook.Published{{Held: true, Err: err}}, nil
	}
	return nil, err
}

// publishEach publishes events one by one. Those whose ids other transactions hold come last, and each id is waited for
// once.
func (s *Store) publishEach(ctx context.Context, req *webhook.PublishRequest) ([]webhook.Published, error) {
	results := make([]webhook.Published, len(req.Events))
	held := make(map[[2]string]error)
	one := func(i int, patient bool) error {
		r := &req.Events[i]
		key := [2]string{r.Tenant, r.ID}
		if err := held[key]; err != nil {
			results[i] = webhook.Published{Held: true, Err: err}
			return nil
		}
		alone := *req
		alone.Events = req.Events[i : i+1]
		result, err := s.publish(ctx, &alone, patient)
		switch {
		case err == nil:
			results[i] = result[0]
		case ctx.Err() != nil, hopeless(err):
			return err
		case lockedOut(err):
			held[key] = err
			results[i] = webhook.Published{Held: true, Err: err}
		default:
			results[i] = webhook.Published{Err: err}
		}
		return nil
	}
	for i := range req.Events {
		if err := one(i, false); err != nil {
			return nil, err
		}
	}
	if req.NoWait {
		return results, nil
	}
	clear(held)
	for i := range results {
		if !results[i].Held {
			continue
		}
		if err := one(i, true); err != nil {
			return nil, err
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

// publish publishes events in one transaction. Unless it is patient, it does not wait for transactions that hold ids.
func (s *Store) publish(ctx context.Context, req *webhook.PublishRequest, patient bool) (results []webhook.Published, err error) {
	p := publication{req: req, patient: patient, allNew: true}
	for i := range req.Events {
		p.allNew = p.allNew && req.Events[i].NewID
	}
	uncertain := false
	if p.allNew && s.ops[publishNew] != nil {
		results, err = s.publishNew(ctx, req)
		uncertain = uncertainCommit(err)
		if !uncertain && !duplicateKey(err) && !errors.Is(err, errNotPlain) {
			return results, err
		}
		p.allNew = errors.Is(err, errNotPlain)
	}
	run := func(t *tx) error {
		p := p
		t.rerun = t.rerun || uncertain
		p.tx, p.results = t, make([]webhook.Published, len(req.Events))
		p.allNew = p.allNew && !t.rerun
		results = p.results
		return p.run()
	}
	err = s.write(ctx, "publish", writing{plain: p.allNew, noWait: !patient && !p.allNew}, run)
	if duplicateKey(err) && p.allNew { // the request is repeated
		p.allNew = false
		err = s.write(ctx, "publish", writing{noWait: !patient}, run)
	}
	if errors.Is(err, errRefused) {
		return results, nil
	}
	if err != nil {
		return nil, err
	}
	return results, nil
}

// errRefused rolls back an atomic request.
var errRefused = errors.New("an event was refused")

// A publication is one transaction of Publish.
type publication struct {
	*tx
	req     *webhook.PublishRequest
	results []webhook.Published

	patient bool // it waits for transactions that hold ids

	allNew bool     // no id was used before
	hashes [][]byte // of the events' content
	stored []bool   // by this transaction
	found  [][]byte // hashes of what was stored before under the same ids
}

func (p *publication) run() error {
	events := p.req.Events
	p.hashes, p.stored, p.found = make([][]byte, len(events)), make([]bool, len(events)), make([][]byte, len(events))
	var order, twins []int
	first := make(map[[2]string]int, len(events))
	for i := range events {
		r := &events[i]
		p.hashes[i] = contentHash(r)
		key := [2]string{r.Tenant, r.ID}
		if _, twice := first[key]; twice {
			twins = append(twins, i)
			continue
		}
		first[key] = i
		order = append(order, i)
	}
	// Transactions that insert the same ids wait for each other in one order.
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(strings.Compare(events[a].Tenant, events[b].Tenant), strings.Compare(events[a].ID, events[b].ID))
	})
	if err := p.insertEvents(order); err != nil {
		return err
	}
	for _, i := range twins {
		earlier := first[[2]string{events[i].Tenant, events[i].ID}]
		hash := p.found[earlier]
		if hash == nil {
			hash = p.hashes[earlier]
		}
		p.results[i] = again(hash, p.hashes[i])
	}
	if p.req.Atomic {
		for i := range p.results {
			if p.results[i].Err != nil {
				return errRefused
			}
		}
	}
	return p.insertRows()
}

// again says what an event is whose id is there already.
func again(first, hash []byte) webhook.Published {
	if bytes.Equal(first, hash) {
		return webhook.Published{Duplicate: true}
	}
	return webhook.Published{Err: webhook.ErrConflict}
}

func eventCells(r *webhook.EventRecord, hash []byte) []cell {
	fanout := r.Deliveries == nil || len(r.Deliveries) > 1
	return []cell{
		uid(r.UID), text(r.Tenant), text(r.ID), text(r.Type), text(r.Channel), text(formatMap(r.Header)), at(r.Time),
		at(r.NotBefore), at(r.CreatedAt), flag(r.Keep), flag(fanout), flag(r.Test), bin(hash), bin(r.Data),
	}
}

// insertEvents stores the events that are new, and says of the others what they are.
func (p *publication) insertEvents(order []int) error {
	events := p.req.Events
	rows := newTable(len(order), 14)
	byUID := make(map[uuid.UUID]int, len(order))
	for _, i := range order {
		rows.add(eventCells(&events[i], p.hashes[i])...)
		if _, twice := byUID[events[i].UID]; twice {
			return fmt.Errorf("two events of the request have the UID %s", events[i].UID)
		}
		byUID[events[i].UID] = i
	}
	if p.store.dialect.returning {
		if err := p.query(insertEvents, rows, func(r *sql.Rows) error {
			var u id
			err := r.Scan(&u)
			p.stored[byUID[u.uid()]] = true
			return err
		}); err != nil {
			return err
		}
	} else {
		if err := p.execAll(p.insertion(), rows); err != nil {
			return err
		}
		if p.allNew {
			for _, i := range order {
				p.stored[i] = true
			}
		}
	}
	var open []int
	for _, i := range order {
		if !p.stored[i] {
			open = append(open, i)
		}
	}
	if len(open) == 0 {
		return nil
	}
	return p.compare(open)
}

// insertion returns the statement that inserts the events, of a database whose INSERT does not say which rows are new.
func (p *publication) insertion() op {
	waits := p.patient || p.store.dialect != &mysql // others bound the whole transaction
	switch {
	case p.allNew && waits:
		return insertNew
	case p.allNew:
		return insertNewAtOnce
	case waits:
		return insertEvents
	}
	return insertEventsAtOnce
}

// compare looks at what is stored under the ids of events that were not new, or that may not be.
func (p *publication) compare(open []int) error {
	events := p.req.Events
	rows := newTable(len(open), 2)
	byID := make(map[[2]string]int, len(open))
	for _, i := range open {
		rows.add(text(events[i].Tenant), text(events[i].ID))
		byID[[2]string{events[i].Tenant, events[i].ID}] = i
		p.results[i].Err = webhook.ErrConflict // its UID is another event's, unless one is found
	}
	return p.query(findEvents, rows, func(r *sql.Rows) error {
		var (
			u          id
			tenant, id string
			hash       []byte
			dup        int64
		)
		if err := r.Scan(&u, &tenant, &id, &hash, &dup); err != nil {
			return err
		}
		i, asked := byID[[2]string{tenant, id}]
		if !asked {
			return nil
		}
		own := u.uid() == events[i].UID
		switch {
		case own && !p.store.dialect.returning && dup == 0:
			p.results[i], p.stored[i] = webhook.Published{}, true
		case own && p.rerun: // the transaction that was thought lost was committed
			p.results[i] = webhook.Published{Deliveries: len(events[i].Deliveries)}
		default:
			p.results[i], p.found[i] = again(hash, p.hashes[i]), hash
		}
		return nil
	})
}

// insertRows stores the deliveries of the events that were stored.
func (p *publication) insertRows() error {
	rows := newEventRows(p.req)
	for i := range p.req.Events {
		if p.stored[i] {
			p.results[i].Deliveries = rows.add(&p.req.Events[i])
		}
	}
	return p.execEach(
		batch{insertOutbox, rows.outbox}, batch{insertQueue, rows.queue}, batch{insertDeliveries, rows.deliveries},
		batch{insertAttempts, rows.logs}, batch{insertBodies, rows.bodies},
	)
}
