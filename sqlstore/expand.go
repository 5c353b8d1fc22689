package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
)

// outboxEvents is how many events one Claim takes out of the outbox.
const outboxEvents = 200

// expand makes the deliveries of events in the outbox that are due. It does a part of the work, and reports whether that was
// all.
func (s *Store) expand(ctx context.Context, now time.Time) (done bool, err error) {
	err = s.write(ctx, "expand", writing{}, func(t *tx) error {
		x := expansion{tx: t, now: micros(now)}
		done, err = x.run()
		return err
	})
	return done, err
}

// An expansion is one transaction of expand.
type expansion struct {
	*tx
	now    int64
	events []*outboxEvent
	gone   []uuid.UUID // events that are not stored any more
}

// An outboxEvent is an event whose deliveries are to be made.
type outboxEvent struct {
	uid          uuid.UUID
	after        string // the endpoint that its last delivery is for
	tenant       string
	typ, channel string
	keep         bool
	created      int64
	notBefore    int64
	size         int64
	found        bool
}

func (x *expansion) run() (done bool, err error) {
	if err := x.query(dueOutbox, nil, func(r *sql.Rows) error {
		e := &outboxEvent{}
		x.events = append(x.events, e)
		return r.Scan((*id)(&e.uid), &e.after)
	}, num(x.now), num(outboxEvents)); err != nil || len(x.events) == 0 {
		return true, err
	}
	if err := x.read(); err != nil {
		return false, err
	}
	done = len(x.events) < outboxEvents
	slices.SortFunc(x.events, func(a, b *outboxEvent) int { return byRef(a.uid, b.uid) })
	matched, err := x.matchAll()
	if err != nil {
		return false, err
	}
	var (
		queue  = newTable(len(x.events), 16)
		over   = x.gone    // events that are through
		drop   []uuid.UUID // those of them that nobody receives
		budget = claimWork
	)
	for i, e := range x.events {
		list := matched[i]
		if len(list) > budget || len(list) >= claimWork {
			if budget < claimWork { // it is the first of the next call
				done = false
				continue
			}
			list = list[:budget]
			if _, err := x.exec(moveOutbox, uid(e.uid), text(list[len(list)-1].Key.ID)); err != nil {
				return false, err
			}
			done = false
		} else {
			over = append(over, e.uid)
			if len(list) == 0 && e.after == "" && !e.keep {
				drop = append(drop, e.uid)
			}
		}
		budget -= len(list)
		for _, status := range list {
			q := queued{
				rowKey: rowKey{e.uid, status.Key.ID}, ref: refOf(status.Key), version: status.Version,
				since: min(max(e.created, e.notBefore), x.now), size: e.size, fanout: true,
			}
			q.place(q.since, x.now)
			queue.add(q.cells()...)
		}
	}
	drop, err = x.free(drop)
	if err != nil {
		return false, err
	}
	return done, x.execEach(batch{insertQueue, queue}, batch{deleteOutboxOf, uids(over)}, batch{deleteEvents, uids(drop)})
}

// free locks events, and returns those that nobody else holds. A transaction that has emitted one of the others again may stay
// open for long; what it holds is left to retention.
func (x *expansion) free(list []uuid.UUID) (locked []uuid.UUID, err error) {
	if len(list) == 0 {
		return nil, nil
	}
	err = x.query(lockEvents, uids(list), func(r *sql.Rows) error {
		var u id
		err := r.Scan(&u)
		locked = append(locked, u.uid())
		return err
	})
	return locked, err
}

// read completes the events.
func (x *expansion) read() error {
	byUID := make(map[uuid.UUID]*outboxEvent, len(x.events))
	list := make([]uuid.UUID, len(x.events))
	for i, e := range x.events {
		byUID[e.uid], list[i] = e, e.uid
	}
	err := x.query(eventsOfOutbox, uids(list), func(r *sql.Rows) error {
		var (
			u id
			e outboxEvent
		)
		if err := r.Scan(&u, &e.tenant, &e.typ, &e.channel, &e.keep, &e.created, &e.notBefore, &e.size); err != nil {
			return err
		}
		into := byUID[u.uid()]
		e.uid, e.after, e.found = into.uid, into.after, true
		*into = e
		return nil
	})
	x.events = slices.DeleteFunc(x.events, func(e *outboxEvent) bool {
		if !e.found {
			x.gone = append(x.gone, e.uid)
		}
		return !e.found
	})
	return err
}

// matchAll returns who receives each event, asking once for each kind of event.
func (x *expansion) matchAll() ([][]webhook.EndpointStatus, error) {
	type kind struct{ tenant, typ, channel, after string }
	var (
		reqs  []webhook.MatchRequest
		after []string
		asked = make(map[kind]int)
		which = make([]int, len(x.events))
	)
	for i, e := range x.events {
		k := kind{e.tenant, e.typ, e.channel, e.after}
		n, known := asked[k]
		if !known {
			n = len(reqs)
			asked[k] = n
			r := webhook.EventRecord{Type: e.typ}
			reqs = append(reqs, webhook.MatchRequest{Tenant: e.tenant, Channel: e.channel, Patterns: r.Patterns(), Limit: claimWork})
			after = append(after, e.after)
		}
		which[i] = n
	}
	answers, err := x.match(reqs, after)
	if err != nil {
		return nil, err
	}
	matched := make([][]webhook.EndpointStatus, len(x.events))
	for i, n := range which {
		matched[i] = answers[n]
	}
	return matched, nil
}
