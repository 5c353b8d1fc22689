package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/gowebhook/webhook"
)

// An Execer is the caller's transaction: [*sql.Tx], a [*sql.Conn] in which one was begun, sqlx.Tx, the Tx inside a bun.Tx (a
// bun.Tx itself does not pass arguments on), or a gorm transaction's Statement.ConnPool. [Pgx] makes one of pgx's own types.
type Execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// Tx returns what [webhook.Dispatcher.EmitTx] needs to store events in a transaction of yours, which must be on the database
// that the Store is on: the events exist if and only if it commits. The deliveries are made after that, by whichever process
// claims next; [webhook.Dispatcher.Wake] makes that happen at once.
//
// New events are INSERTs only, which read and lock nothing that others use. Two open
// transactions with the same event id wait for each other, as they would for any key. One
// that emits an id again holds the event's row until it ends. On MariaDB and MySQL it also
// holds the gap in front of that id in an index, so an Event.ID of others that sorts there
// waits as well: end such a transaction soon. Ids that the library makes do not wait for
// it.
//
// After an error roll the transaction back: some of the call's events may be in it.
//
// On PostgreSQL x may also be a pool, if the call is a single event's. Without a transaction of yours use Emit, or give EmitTx the
// Store itself.
//
// EmitTx reads the server's clock at times. It does so through x, if x has the method
// QueryRowContext of [*sql.Tx] or was made by [Pgx], so a call needs no connection but the
// transaction's. Of another x the first call of a process waits for a connection of the
// Store's own.
func (s *Store) Tx(x Execer) webhook.Publisher {
	p := publisher{store: s, on: x, asks: asker(x)}
	if p.asks == nil || s.dialect.clock == "" {
		return p
	}
	return clockedPublisher{p}
}

type publisher struct {
	store *Store
	on    Execer
	asks  ask // nil: on takes no queries
}

// Publish implements [webhook.Publisher] for outbox rows.
func (p publisher) Publish(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
	if p.on == nil {
		return nil, errors.New("sqlstore: the transaction given to Tx is nil")
	}
	if err := checkTenants(req.Events); err != nil {
		return nil, err
	}
	for _, err := range p.store.oversized(ctx, p.asks, req.Events) {
		return nil, p.store.wrap(ctx, "publish in transaction", err)
	}
	allNew := len(req.Events) > 1
	for i := range req.Events {
		if req.Events[i].Deliveries != nil {
			return nil, fmt.Errorf("sqlstore: event %d has deliveries; in a transaction of the caller's they are made after its commit", i)
		}
		allNew = allNew && req.Events[i].NewID
	}
	if isPool(p.on) && (p.store.dialect != &postgres || len(req.Events) > 1 && !allNew) {
		return nil, errors.New("sqlstore: Tx was given a pool, which is no transaction: begin one, or give EmitTx the Store itself")
	}
	var results []webhook.Published
	var err error
	if allNew {
		results, err = p.insertAll(ctx, req.Events)
	} else {
		results, err = p.insertEach(ctx, &req)
	}
	if err != nil {
		return nil, p.store.wrap(ctx, "publish in transaction", err)
	}
	return results, nil
}

// isPool reports whether each statement may get another connection: a *sql.DB, what embeds one, or a pgxpool. On PostgreSQL, where
// one statement is all it takes, that does no harm.
func isPool(x Execer) bool {
	if _, pool := x.(interface{ Stats() sql.DBStats }); pool {
		return true
	}
	p, ok := x.(interface{ isPool() bool })
	return ok && p.isPool()
}

// insertAll inserts events whose ids were made a moment ago.
func (p publisher) insertAll(ctx context.Context, events []webhook.EventRecord) ([]webhook.Published, error) {
	rows, outbox := newTable(len(events), 14), newTable(len(events), 2)
	for i := range events {
		r := &events[i]
		rows.add(eventCells(r, contentHash(r))...)
		outbox.add(outboxCells(r)...)
	}
	if p.store.dialect != &postgres { // before the events, see insert
		if _, err := p.execAll(ctx, insertOutbox, outbox); err != nil {
			return nil, err
		}
	}
	n, err := p.execAll(ctx, insertNew, rows)
	if err == nil && n != int64(len(events)) {
		err = fmt.Errorf("%d of %d events were there already: roll back", int64(len(events))-n, len(events))
	}
	return make([]webhook.Published, len(events)), err
}

// insertEach inserts events of which some may have been emitted before.
func (p publisher) insertEach(ctx context.Context, req *webhook.PublishRequest) ([]webhook.Published, error) {
	results := make([]webhook.Published, len(req.Events))
	for i := range req.Events {
		result, err := p.insert(ctx, &req.Events[i])
		if err != nil {
			return nil, err
		}
		results[i] = result
		if result.Err == nil || !req.Atomic {
			continue
		}
		for n := range req.Events[:i] {
			if results[n].Duplicate {
				continue
			}
			if err := p.remove(ctx, &req.Events[n]); err != nil {
				return nil, err
			}
		}
		return results, nil
	}
	return results, nil
}

// insert inserts an event with its outbox row. On MySQL and SQLite, where these are two statements, the outbox row comes
// first: if the second fails, and the application commits all the same, an outbox row without an event is left, which the
// next claim removes. An event without an outbox row would be a duplicate for ever that nobody delivers.
func (p publisher) insert(ctx context.Context, r *webhook.EventRecord) (webhook.Published, error) {
	hash, two, added := contentHash(r), p.store.dialect != &postgres, false
	if two {
		n, err := p.exec(ctx, insertOutboxRow, outboxCells(r)...)
		if err != nil {
			return webhook.Published{}, err
		}
		added = n == 1
	}
	n, err := p.exec(ctx, insertEvent, eventCells(r, hash)...)
	if err != nil || n == 1 { // a duplicate is 0, or on MySQL 2
		return webhook.Published{}, err
	}
	if added {
		if _, err := p.exec(ctx, deleteOutbox, uid(r.UID)); err != nil {
			return webhook.Published{}, err
		}
	}
	same, err := p.exec(ctx, sameEvent, text(r.Tenant), text(r.ID), bin(hash))
	switch {
	case err != nil:
		return webhook.Published{}, err
	case same == 0:
		return webhook.Published{Err: webhook.ErrConflict}, nil
	}
	return webhook.Published{Duplicate: true}, nil
}

// remove undoes insert, in the opposite order.
func (p publisher) remove(ctx context.Context, r *webhook.EventRecord) error {
	if _, err := p.exec(ctx, deleteEvent, uid(r.UID)); err != nil {
		return err
	}
	_, err := p.exec(ctx, deleteOutbox, uid(r.UID))
	return err
}

func (p publisher) exec(ctx context.Context, o op, scalars ...cell) (int64, error) {
	return p.execTable(ctx, o, nil, scalars...)
}

func (p publisher) execAll(ctx context.Context, o op, rows *table) (sum int64, err error) {
	for part := range rows.parts(p.store.ops[o]) {
		n, err := p.execTable(ctx, o, part)
		if err != nil {
			return sum, err
		}
		sum += n
	}
	return sum, nil
}

func (p publisher) execTable(ctx context.Context, o op, rows *table, scalars ...cell) (int64, error) {
	query, args := p.store.dialect.renderer.render(p.store.ops[o], scalars, given(rows)...)
	result, err := p.on.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
