package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/gowebhook/webhook"
)

// An Execer is the caller's transaction. It may be a [*sql.Tx], a [*sql.Conn] in which a
// transaction was begun, an sqlx.Tx, the Tx inside a bun.Tx, or a gorm transaction's
// Statement.ConnPool. A bun.Tx itself does not pass arguments on. [Pgx] makes an Execer of
// pgx's own types.
type Execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// Tx adapts a transaction of yours to [webhook.Dispatcher.EmitTx]. The transaction must be on
// the database of the Store. The events exist if and only if it commits. Their deliveries are
// made after the commit, by the next process that claims. [webhook.Dispatcher.Wake] makes that
// happen at once.
//
// New events are stored by INSERTs only, which read and lock no rows of other transactions. Two
// open transactions with the same event id wait for each other, as for any key. A transaction
// that emits an id again holds the event's row until it ends.
//
// On MariaDB and MySQL such a transaction also holds the gap in front of that id in an index.
// If another transaction emits an Event.ID that sorts into this gap, it waits as well. So end a
// transaction with a repeated id soon. Ids that the library makes do not wait for it.
//
// After an error roll the transaction back: some of the call's events may be in it.
//
// On PostgreSQL x may also be a pool, if the call has a single event. Without a transaction of
// yours use Emit, or give EmitTx the Store itself.
//
// EmitTx reads the server's clock at times. It reads through x if x has the method
// QueryRowContext of [*sql.Tx] or was made by [Pgx]. The call then needs no connection except
// the transaction's. With any other x, a process's first call waits for a connection of the
// Store.
func (s *Store) Tx(x Execer) webhook.Publisher {
	p := txPublisher{store: s, on: x, asks: asker(x)}
	if p.asks == nil || s.dialect.clock == "" {
		return p
	}
	return clockedPublisher{p}
}

// A txPublisher publishes in a transaction of the application.
type txPublisher struct {
	store *Store
	on    Execer
	asks  ask // nil if on takes no queries
}

// Publish implements [webhook.Publisher]. It stores events with outbox rows.
func (p txPublisher) Publish(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
	if p.on == nil {
		return nil, errors.New("sqlstore: the transaction given to Tx is nil")
	}
	if err := checkTenants(req.Events); err != nil {
		return nil, err
	}
	for _, err := range p.store.oversized(ctx, p.asks, req.Events) {
		return nil, p.store.explain(ctx, err)
	}
	allNew := len(req.Events) > 1
	for i := range req.Events {
		if req.Events[i].Deliveries != nil {
			return nil, fmt.Errorf("sqlstore: event %d has deliveries; in a transaction of the caller's they are made after its commit", i)
		}
		allNew = allNew && req.Events[i].NewID
	}
	if isPool(p.on) && (!p.store.dialect.outboxWithEvent || len(req.Events) > 1 && !allNew) {
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
		return nil, p.store.explain(ctx, err)
	}
	return results, nil
}

// isPool reports whether each statement may get another connection. That is true of a *sql.DB,
// of a type that embeds one, and of a pgxpool. It does no harm on PostgreSQL, where one
// statement does everything.
func isPool(x Execer) bool {
	if _, pool := x.(interface{ Stats() sql.DBStats }); pool {
		return true
	}
	p, ok := x.(interface{ isPool() bool })
	return ok && p.isPool()
}

// insertAll inserts events whose ids were just made, so they cannot be duplicates.
func (p txPublisher) insertAll(ctx context.Context, events []webhook.EventRecord) ([]webhook.Published, error) {
	rows, outbox := newTable(len(events)), newTable(len(events))
	for i := range events {
		r := &events[i]
		rows.Add(eventCells(r, contentHash(r))...)
		outbox.Add(outboxCells(r)...)
	}
	if !p.store.dialect.outboxWithEvent { // before the events, see insert
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

// insertEach inserts events one by one. Some may have been emitted before.
func (p txPublisher) insertEach(ctx context.Context, req *webhook.PublishRequest) ([]webhook.Published, error) {
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

// insert inserts an event with its outbox row.
//
// On MySQL and SQLite these are two statements, and the outbox row comes first. If the second
// statement fails and the application commits all the same, an outbox row without an event is
// left. The next claim removes it. An event without an outbox row would be worse: a duplicate
// for ever that is never delivered.
func (p txPublisher) insert(ctx context.Context, r *webhook.EventRecord) (webhook.Published, error) {
	hash, two, added := contentHash(r), !p.store.dialect.outboxWithEvent, false
	if two {
		n, err := p.exec(ctx, insertOutboxRow, outboxCells(r)...)
		if err != nil {
			return webhook.Published{}, err
		}
		added = n == 1
	}
	n, err := p.exec(ctx, insertEvent, eventCells(r, hash)...)
	if err != nil || n == 1 { // a duplicate is 0, or 2 on MySQL
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

// remove undoes insert in the opposite order.
func (p txPublisher) remove(ctx context.Context, r *webhook.EventRecord) error {
	if _, err := p.exec(ctx, deleteEvent, uid(r.UID)); err != nil {
		return err
	}
	_, err := p.exec(ctx, deleteOutbox, uid(r.UID))
	return err
}

func (p txPublisher) exec(ctx context.Context, o op, scalars ...cell) (int64, error) {
	query, args := p.store.db.Render(o, scalars)
	return p.run(ctx, query, args)
}

func (p txPublisher) execAll(ctx context.Context, o op, rows *table) (sum int64, err error) {
	for part := range p.store.db.Parts(o, rows) {
		query, args := p.store.db.Render(o, nil, part)
		n, err := p.run(ctx, query, args)
		if err != nil {
			return sum, err
		}
		sum += n
	}
	return sum, nil
}

func (p txPublisher) run(ctx context.Context, query string, args []any) (int64, error) {
	result, err := p.on.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
