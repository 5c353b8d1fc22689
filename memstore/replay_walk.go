package memstore

import (
	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/replay"
)

// A replayWalk visits what a replay selects, endpoint by endpoint.
type replayWalk struct {
	of          *webhook.Replay
	at          replayPosition // it goes on here
	rows        int            // how many rows it may still read
	most        int            // how many matches are still wanted
	begin, last key            // the first and last event that may be selected

	deliveries []*delivery // found
	missed     []missing
}

// A missing is an event without a delivery to an endpoint.
type missing struct {
	event    *event
	endpoint *endpoint
}

// walk goes on until it has found or read enough, and reports whether it has come to the
// end.
func (s *Store) walk(w *replayWalk) (ended bool) {
	w.last = lastKey
	if k, found, one := s.only(w.of); one {
		if !found {
			return true
		}
		w.begin, w.last = k, k
	}
	for e := range s.endpointsFrom(w) {
		if e.key() != w.at.endpoint {
			w.at = replayPosition{endpoint: e.key()}
		}
		if w.rows--; w.rows <= 0 {
			return false
		}
		if e.dead() {
			continue
		}
		var done bool
		if w.of.Request.Missed {
			done = s.walkMissed(w, e)
		} else {
			done = s.walkDeliveries(w, e)
		}
		if !done {
			return false
		}
		w.at.event = lastKey
	}
	return true
}

// endpointsFrom returns the endpoints of the replay, from the position of w on.
func (s *Store) endpointsFrom(w *replayWalk) func(yield func(*endpoint) bool) {
	r := w.of
	q := webhook.Query{Tenant: r.Tenant, AllTenants: r.AllTenants, EndpointID: r.Request.Endpoint}
	return func(yield func(*endpoint) bool) {
		from := w.at.endpoint
		if e := s.live(from); e != nil && !yield(e) {
			return
		}
		for e := range s.endpointsAfter(&q, from) {
			if (q.EndpointID == "" || e.ID == q.EndpointID) && !yield(e) {
				return
			}
		}
	}
}

// only returns the key of the single event that the replay is for. found is false if
// there is no such event. one is false if the replay is for many.
func (s *Store) only(r *webhook.Replay) (k key, found, one bool) {
	if r.Request.Event == "" || r.AllTenants {
		return key{}, false, false
	}
	if ev := s.events[eventKey{r.Tenant, r.Request.Event}]; ev != nil {
		return ev.key, true, true
	}
	return key{}, false, true
}

// first returns the key of the first event that may be selected.
func (w *replayWalk) first(emitted key) key {
	from := w.at.event
	for _, k := range []key{emitted, w.begin} {
		if from.less(k) {
			from = k
		}
	}
	return from
}

// isBeyond reports whether an event was emitted too late to be selected, and all after
// it.
func (w *replayWalk) isBeyond(ev *event) bool {
	return w.last.less(ev.key) || !ev.CreatedAt.Before(replay.To(w.of).Add(timeSlack))
}

func (w *replayWalk) takesEvent(ev *event) bool {
	return replay.TakesEvent(w.of, ev.ID, ev.Type, micros(ev.CreatedAt))
}

// walkDeliveries finds deliveries of one endpoint, and reports whether it has seen all.
func (s *Store) walkDeliveries(w *replayWalk, e *endpoint) bool {
	from := w.of.Request.From.Add(-timeSlack)
	begin := e.deliveries.where(func(d *delivery) bool { return !d.event.CreatedAt.Before(from) })
	for d := range e.deliveries.up(w.first(begin)) {
		if w.isBeyond(d.event) {
			return true
		}
		if w.most == 0 || w.rows <= 0 {
			return false
		}
		w.rows--
		w.at.event = d.event.key.next()
		if w.takesEvent(d.event) && w.takesDelivery(d) {
			w.most--
			w.deliveries = append(w.deliveries, d)
		}
	}
	return true
}

func (w *replayWalk) takesDelivery(d *delivery) bool {
	for _, state := range replay.States(w.of) {
		if d.state != state {
			continue
		}
		if state == webhook.DeliveryPending {
			return replay.TakesPending(w.of, d.since)
		}
		return replay.TakesFinished(w.of, d.finishedAt)
	}
	return false
}

// walkMissed finds events that an endpoint has missed, and reports whether it has seen
// all.
func (s *Store) walkMissed(w *replayWalk, e *endpoint) bool {
	from := w.of.Request.From.Add(-timeSlack)
	list := &e.tenant.events
	begin := list.where(func(ev *event) bool { return !ev.CreatedAt.Before(from) })
	for ev := range list.up(w.first(begin)) {
		if w.isBeyond(ev) {
			return true
		}
		if w.most == 0 || w.rows <= 0 {
			return false
		}
		w.rows--
		w.at.event = ev.key.next()
		if !ev.Test && !ev.unmade && ev.delivery(e.ID) == nil && w.takesEvent(ev) && replay.Receives(&e.Endpoint, ev.Type, ev.Channel) {
			w.most--
			w.missed = append(w.missed, missing{ev, e})
		}
	}
	return true
}
