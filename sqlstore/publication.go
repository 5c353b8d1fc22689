package sqlstore

import (
	"bytes"
	"cmp"
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

// A publication is one transaction of Publish.
type publication struct {
	*tx
	req     *webhook.PublishRequest
	results []webhook.Published

	unsure bool     // an earlier run may have been committed
	singly bool     // events are inserted one by one
	allNew bool     // no id was used before
	hashes [][]byte // of the events' content
	stored []bool   // by this transaction
	found  [][]byte // hashes of events that were stored before under the same ids
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
	// All transactions insert ids in the same order, so that they wait for each other and do
	// not deadlock.
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(strings.Compare(events[a].Tenant, events[b].Tenant), strings.Compare(events[a].ID, events[b].ID))
	})
	if err := p.insertAll(order); err != nil {
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

// again returns the result for an event whose id is stored already: a duplicate or a conflict.
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

// insertAll stores the events in this order, one by one if singly is set.
func (p *publication) insertAll(order []int) error {
	if !p.singly {
		return p.insertEvents(order)
	}
	for n, i := range order {
		err := p.insertEvents(order[n : n+1])
		if engine.LockedOut(err) {
			p.results[i] = webhook.Published{Held: true, Err: p.store.explain(p.Context(), err)}
			return errRefused
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// insertEvents stores the new events, and finds out for each other event whether it is a
// duplicate or a conflict.
func (p *publication) insertEvents(order []int) error {
	events := p.req.Events
	rows := newTable(len(order))
	byUID := make(map[uuid.UUID]int, len(order))
	for _, i := range order {
		rows.Add(eventCells(&events[i], p.hashes[i])...)
		if _, twice := byUID[events[i].UID]; twice {
			return fmt.Errorf("two events of the request have the UID %s", events[i].UID)
		}
		byUID[events[i].UID] = i
	}
	if p.store.dialect.returning {
		if err := p.Query(insertEvents, rows, func(r *sql.Rows) error {
			var u id
			err := r.Scan(&u)
			p.stored[byUID[u.uid()]] = true
			return err
		}); err != nil {
			return err
		}
	} else {
		o := insertEvents
		if p.allNew {
			o = insertNewAtOnce
		}
		if err := p.ExecAll(o, rows); err != nil {
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

// compare compares events that were not new, or may not be, with the events stored under their
// ids.
func (p *publication) compare(open []int) error {
	events := p.req.Events
	rows := newTable(len(open))
	byID := make(map[[2]string]int, len(open))
	for _, i := range open {
		rows.Add(text(events[i].Tenant), text(events[i].ID))
		byID[[2]string{events[i].Tenant, events[i].ID}] = i
		p.results[i].Err = webhook.ErrConflict // its UID belongs to another event, unless one is found
	}
	return p.Query(findEvents, rows, func(r *sql.Rows) error {
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
		case own && p.unsure: // the transaction that seemed lost was committed
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
	return p.ExecEach(
		batch(insertOutbox, rows.outbox), batch(insertQueue, rows.queue), batch(insertDeliveries, rows.deliveries),
		batch(insertAttempts, rows.logs), batch(insertBodies, rows.bodies),
	)
}
