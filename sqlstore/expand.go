package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
)

// outboxEvents is how many events one Claim takes from the outbox.
const outboxEvents = 200

// expand makes the deliveries of due events in the outbox. It does a bounded part of the work,
// and reports whether nothing is left.
func (s *Store) expand(ctx context.Context, now time.Time, from int64) (done bool, err error) {
	err = s.write(ctx, txOptions{}, func(t *tx) error {
		x := expansion{tx: t, now: micros(now), from: from}
		done, err = x.run()
		return err
	})
	return done, err
}

// An expansion is one transaction of expand.
type expansion struct {
	*tx
	now    int64
	from   int64 // start of the outbox scan, see floor
	events []*outboxEvent
	gone   []uuid.UUID // events that are not stored any more
}

// An outboxEvent is an event without its deliveries, or with only some of them.
type outboxEvent struct {
	uid          uuid.UUID
	after        string // the endpoint of its last delivery so far
	tenant       string
	typ, channel string
	about        string // an endpoint that gets no delivery
	keep         bool
	created      int64
	notBefore    int64
	size         int64
	found        bool
}

func (x *expansion) run() (done bool, err error) {
	if err := x.Query(dueOutbox, nil, func(r *sql.Rows) error {
		e := &outboxEvent{}
		x.events = append(x.events, e)
		return r.Scan((*id)(&e.uid), &e.after)
	}, num(x.now), num(outboxEvents), num(x.from)); err != nil || len(x.events) == 0 {
		return true, err
	}
	if err := x.read(); err != nil {
		return false, err
	}
	done = len(x.events) < outboxEvents
	wide, left := x.takeWide()
	slices.SortFunc(x.events, func(a, b *outboxEvent) int { return byRef(a.uid, b.uid) })
	matched, err := x.matchAll()
	if err != nil {
		return false, err
	}
	var (
		queue = newTable(len(x.events))
		over  = x.gone // events with all deliveries made
		// events among them that no endpoint receives
		unmatched []*outboxEvent
		budget    = claimWork
	)
	for i, e := range x.events {
		list := matched[i]
		switch {
		case len(list) <= budget && len(list) < claimWork:
			over = append(over, e.uid)
			if !e.keep && !e.anyReceives(list) {
				unmatched = append(unmatched, e)
			}
		case budget == 0: // a later call makes its deliveries
			left = true
			continue
		default:
			left = true
			list = list[:min(budget, len(list))]
			if err := x.move(e, list[len(list)-1].Key.ID); err != nil {
				return false, err
			}
		}
		budget -= len(list)
		x.add(queue, e, list)
	}
	if wide != nil {
		more, err := x.goOn(wide, queue)
		if err != nil {
			return false, err
		}
		if !more {
			over = append(over, wide.uid)
		}
		left = left || more
	}
	drop, err := x.unwanted(unmatched)
	if err != nil {
		return false, err
	}
	drop, err = x.free(drop)
	if err != nil {
		return false, err
	}
	return done && !left, x.ExecEach(batch(insertQueue, queue), batch(deleteOutboxOf, uids(over)), batch(deleteEvents, uids(drop)))
}

// unwanted returns the events of a list that no disabled endpoint would receive either.
// Operational events are not kept for disabled endpoints.
func (x *expansion) unwanted(list []*outboxEvent) (drop []uuid.UUID, err error) {
	reqs := make([]webhook.MatchRequest, len(list))
	for i, e := range list {
		r := x.request(e)
		reqs[i] = dormant(&r)
	}
	answers, err := x.match(reqs, nil)
	if err != nil {
		return nil, err
	}
	for i, e := range list {
		if len(answers[i]) == 0 || e.about != "" {
			drop = append(drop, e.uid)
		}
	}
	return drop, nil
}

// takeWide removes the events that have some deliveries already from the list. It returns the
// first of them, which has waited longest, and reports whether there are more. That event
// continues with a budget of its own, so that other events do not wait until a large fan-out
// ends.
func (x *expansion) takeWide() (wide *outboxEvent, more bool) {
	x.events = slices.DeleteFunc(x.events, func(e *outboxEvent) bool {
		switch {
		case e.after == "":
			return false
		case wide == nil:
			wide = e
		default:
			more = true
		}
		return true
	})
	return wide, more
}

// goOn makes more deliveries of an event, or adds them to queue. It reports whether the event
// needs still more.
func (x *expansion) goOn(e *outboxEvent, queue *table) (more bool, err error) {
	var n int
	var last string
	if rows := x.wanted(e); x.store.dialect.widensAtOnce && rows.Fits() && e.about == "" {
		err = x.Query(widen, rows, func(r *sql.Rows) error { return r.Scan(&n, &last) }, num(claimWork), uid(e.uid), num(e.since(x.now)), num(e.size))
	} else {
		var matched [][]webhook.EndpointStatus
		matched, err = x.match([]webhook.MatchRequest{x.request(e)}, []string{e.after})
		if err == nil && len(matched[0]) > 0 {
			n, last = len(matched[0]), matched[0][len(matched[0])-1].Key.ID
			x.add(queue, e, matched[0])
		}
	}
	if err != nil || n < claimWork {
		return false, err
	}
	return true, x.move(e, last)
}

// wanted returns the subscriptions that match an event and whose endpoints have no delivery of
// it yet.
func (x *expansion) wanted(e *outboxEvent) *table {
	patterns := x.request(e).Patterns
	rows := newTable(2 * len(patterns))
	for _, pattern := range patterns {
		rows.Add(text(e.tenant), text(pattern), text(""), text(e.after))
		if e.channel != "" {
			rows.Add(text(e.tenant), text(pattern), text(e.channel), text(e.after))
		}
	}
	return rows
}

// move records the last endpoint that got a delivery of the event. It also moves the event
// behind the other waiting events.
func (x *expansion) move(e *outboxEvent, last string) error {
	_, err := x.Exec(moveOutbox, uid(e.uid), text(last), num(x.now))
	return err
}

// anyReceives reports whether an event has a receiver in a list of endpoints that match it.
func (e *outboxEvent) anyReceives(list []webhook.EndpointStatus) bool {
	return slices.ContainsFunc(list, func(s webhook.EndpointStatus) bool { return s.Key.ID != e.about })
}

// add adds the rows of deliveries, which are due, to queue.
func (x *expansion) add(queue *table, e *outboxEvent, list []webhook.EndpointStatus) {
	for _, status := range list {
		if status.Key.ID == e.about {
			continue
		}
		q := queueRow{
			rowKey: rowKey{e.uid, status.Key.ID}, ref: refOf(status.Key), version: status.Version,
			since: e.since(x.now), size: e.size, fanout: true,
		}
		q.place(q.since, x.now)
		queue.Add(q.cells()...)
	}
}

// since returns when an event's deliveries were first due.
func (e *outboxEvent) since(now int64) int64 { return min(max(e.created, e.notBefore), now) }

// free locks events, and returns those that no other transaction holds. A transaction that has
// emitted an event again may hold it for long. Retention removes such an event later.
func (x *expansion) free(list []uuid.UUID) (locked []uuid.UUID, err error) {
	if len(list) == 0 {
		return nil, nil
	}
	return x.uidsOf(lockEvents, uids(list))
}

// read fills in the events from the table events.
func (x *expansion) read() error {
	byUID := make(map[uuid.UUID]*outboxEvent, len(x.events))
	list := make([]uuid.UUID, len(x.events))
	for i, e := range x.events {
		byUID[e.uid], list[i] = e, e.uid
	}
	err := x.Query(eventsOfOutbox, uids(list), func(r *sql.Rows) error {
		var (
			u id
			e outboxEvent
		)
		if err := r.Scan(&u, &e.tenant, &e.typ, &e.channel, &e.keep, &e.created, &e.notBefore, &e.size, &e.about); err != nil {
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

// matchAll returns the receivers of each event. It asks once for each kind of event.
func (x *expansion) matchAll() ([][]webhook.EndpointStatus, error) {
	type kind struct{ tenant, typ, channel string }
	var (
		reqs  []webhook.MatchRequest
		asked = make(map[kind]int)
		which = make([]int, len(x.events))
	)
	for i, e := range x.events {
		k := kind{e.tenant, e.typ, e.channel}
		n, known := asked[k]
		if !known {
			n = len(reqs)
			asked[k] = n
			reqs = append(reqs, x.request(e))
		}
		which[i] = n
	}
	answers, err := x.match(reqs, nil)
	if err != nil {
		return nil, err
	}
	matched := make([][]webhook.EndpointStatus, len(x.events))
	for i, n := range which {
		matched[i] = answers[n]
	}
	return matched, nil
}

func (x *expansion) request(e *outboxEvent) webhook.MatchRequest {
	r := webhook.EventRecord{Type: e.typ}
	return webhook.MatchRequest{Tenant: e.tenant, Channel: e.channel, Patterns: r.Patterns(), Limit: claimWork}
}
