package sqlstore

import (
	"database/sql"
	"slices"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/replay"
)

// replayPage is how many deliveries or events one statement of a walk reads at most.
const replayPage = 1000

// replayLanes is how many endpoints a walk reads at once.
const replayLanes = 200

// A replayWalk visits what a replay selects: endpoint by endpoint, state by state, the
// oldest event first.
type replayWalk struct {
	*tx
	of   *webhook.Replay
	at   replayPosition // it goes on here
	rows int            // how many rows it may still read
	most int            // how many matches are still wanted

	from, below uuid.UUID // bounds of the events
	found       []replayMatch
}

// A replayMatch is a delivery that a replay selects, or an event for which a delivery is
// missing.
type replayMatch struct {
	rowKey
	ref uuid.UUID
	at  replayPosition // of the match itself
}

// A replayLane is an endpoint that a walk visits.
type replayLane struct {
	ref    uuid.UUID
	key    webhook.EndpointKey
	wanted bool // it is selected and not disabled
}

// run goes on until it has found or read enough, and reports whether it has come to the
// end.
func (w *replayWalk) run() (ended bool, err error) {
	if some, err := w.bound(); err != nil || !some {
		return true, err
	}
	for {
		lanes, more, err := w.lanes()
		if err != nil {
			return false, err
		}
		filled, err := w.filled(lanes)
		if err != nil {
			return false, err
		}
		for _, l := range lanes {
			if l.key != w.at.endpoint {
				w.at = replayPosition{endpoint: l.key}
			}
			if w.rows--; w.rows <= 0 {
				return false, nil
			}
			if l.wanted && (filled == nil || filled[l.ref]) {
				if done, err := w.visit(&l); err != nil || !done {
					return false, err
				}
			}
		}
		if !more {
			return true, nil
		}
	}
}

// bound sets the bounds of the events. It reports false if no event is in them.
func (w *replayWalk) bound() (some bool, err error) {
	q := &w.of.Request
	w.below = uidAt(replay.To(w.of).Add(uidSlack))
	if !q.From.IsZero() {
		w.from = uidAt(q.From.Add(-uidSlack))
	}
	if q.Event == "" || w.of.AllTenants {
		return true, nil
	}
	h, found, err := w.event(w.of.Tenant, q.Event)
	if err != nil || !found {
		return false, err
	}
	w.from, w.below = h.uid, after(h.uid)
	return true, nil
}

// lanes returns the next endpoints, beginning with the one of the position, and reports
// whether there may be more.
func (w *replayWalk) lanes() (list []replayLane, more bool, err error) {
	r := w.of
	if r.Request.Endpoint != "" && !r.AllTenants {
		key := webhook.EndpointKey{Tenant: r.Tenant, ID: r.Request.Endpoint}
		found, err := w.statuses(readStatus, []uuid.UUID{refOf(key)})
		for _, s := range found {
			list = append(list, replayLane{s.ref, key, s.State != webhook.EndpointDisabled})
		}
		return list, false, err
	}
	o, tenant := replayEndpoints, r.Tenant
	if r.AllTenants {
		o, tenant = replayAllEndpoints, w.at.endpoint.Tenant
	}
	err = w.Query(o, nil, func(rows *sql.Rows) error {
		var (
			l     replayLane
			state webhook.EndpointState
		)
		err := rows.Scan((*id)(&l.ref), &l.key.Tenant, &l.key.ID, &state)
		l.wanted = state != webhook.EndpointDisabled && (r.Request.Endpoint == "" || l.key.ID == r.Request.Endpoint)
		list = append(list, l)
		return err
	}, text(tenant), text(w.at.endpoint.ID), num(replayLanes))
	return list, len(list) == replayLanes, err
}

// filled returns the endpoints that have deliveries of the selected states. It returns
// nil if there is no use in asking.
func (w *replayWalk) filled(lanes []replayLane) (map[uuid.UUID]bool, error) {
	if len(lanes) < 2 {
		return nil, nil
	}
	refs := make([]uuid.UUID, 0, len(lanes))
	for i := range lanes {
		if lanes[i].wanted {
			refs = append(refs, lanes[i].ref)
		}
	}
	filled := make(map[uuid.UUID]bool)
	for _, state := range replay.States(w.of) {
		o, scalars := replayableEndpoints, []cell{text(state), uid(w.from), uid(w.below)}
		if state == webhook.DeliveryPending {
			o, scalars = cancelableEndpoints, scalars[1:]
		}
		list, err := w.uidsOf(o, uids(refs), scalars...)
		if err != nil {
			return nil, err
		}
		for _, ref := range list {
			filled[ref] = true
		}
	}
	return filled, nil
}

// visit visits one endpoint, and reports whether it has seen all that is selected.
func (w *replayWalk) visit(l *replayLane) (done bool, err error) {
	if w.of.Request.Missed {
		return w.visitMissed(l)
	}
	states := replay.States(w.of)
	first := max(slices.Index(states, w.at.state), 0)
	for _, state := range states[first:] {
		if w.at.state != state {
			w.at.state, w.at.event = state, zeroID
		}
		if done, err := w.visitState(l); err != nil || !done {
			return false, err
		}
	}
	return true, nil
}

// A replayedRow is a delivery or an event that a walk reads.
type replayedRow struct {
	uid          uuid.UUID
	time         int64 // when the delivery finished, or since when it is pending
	id, typ      string
	created      int64
	channel      string
	test, served bool // of events: served ones have a delivery, or will have one
}

// visitState visits the deliveries of one endpoint with the state of the position.
func (w *replayWalk) visitState(l *replayLane) (done bool, err error) {
	pending := w.at.state == webhook.DeliveryPending
	return w.pages(l, func(n int) (list []replayedRow, err error) {
		o, scalars := replayFinished, []cell{uid(l.ref), text(w.at.state), uid(w.first()), uid(w.below), num(n)}
		if pending {
			o, scalars = replayPending, append(scalars[:1], scalars[2:]...)
		}
		err = w.Query(o, nil, func(rows *sql.Rows) error {
			var r replayedRow
			err := rows.Scan((*id)(&r.uid), &r.time, &r.id, &r.typ, &r.created)
			list = append(list, r)
			return err
		}, scalars...)
		return list, err
	}, func(r *replayedRow) bool {
		if pending {
			return replay.TakesPending(w.of, r.time)
		}
		return replay.TakesFinished(w.of, r.time)
	})
}

// visitMissed visits the events of the tenant of an endpoint.
func (w *replayWalk) visitMissed(l *replayLane) (done bool, err error) {
	var e webhook.Endpoint
	if err := w.Query(readEndpoints, uids([]uuid.UUID{l.ref}), func(r *sql.Rows) error {
		_, e, err = scanEndpoint(r)
		return err
	}); err != nil {
		return false, err
	}
	return w.pages(l, func(n int) (list []replayedRow, err error) {
		err = w.Query(replayMissed, nil, func(rows *sql.Rows) error {
			var r replayedRow
			err := rows.Scan((*id)(&r.uid), &r.id, &r.typ, &r.channel, &r.created, &r.test, &r.served)
			list = append(list, r)
			return err
		}, text(l.key.Tenant), text(l.key.ID), uid(w.first()), uid(w.below), num(n))
		return list, err
	}, func(r *replayedRow) bool { return !r.test && !r.served && replay.Receives(&e, r.typ, r.channel) })
}

// first returns the first event of the next page.
func (w *replayWalk) first() uuid.UUID {
	if byRef(w.at.event, w.from) < 0 {
		return w.from
	}
	return w.at.event
}

// pages reads pages of at most n rows until there are no more, or the walk must end. It
// adds the rows that the replay selects to found, and reports whether there are no more.
func (w *replayWalk) pages(l *replayLane, read func(n int) ([]replayedRow, error), takes func(*replayedRow) bool) (done bool, err error) {
	for {
		n := min(max(w.most+1, replayPage/10), replayPage, max(w.rows, 1))
		list, err := read(n)
		if err != nil {
			return false, err
		}
		slices.SortFunc(list, func(a, b replayedRow) int { return byRef(a.uid, b.uid) }) // as a join need not keep the order
		for i := range list {
			if w.most == 0 || w.rows <= 0 {
				return false, nil
			}
			r := &list[i]
			here := w.at
			here.event = r.uid
			w.at.event = after(r.uid)
			w.rows--
			if r.id != "" && replay.TakesEvent(w.of, r.id, r.typ, r.created) && takes(r) {
				w.most--
				w.found = append(w.found, replayMatch{rowKey{r.uid, l.key.ID}, l.ref, here})
			}
		}
		if len(list) < n {
			return true, nil
		}
	}
}
