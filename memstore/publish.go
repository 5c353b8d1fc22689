package memstore

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/paging"
)

// Publish implements [webhook.Publisher].
func (s *Store) Publish(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for i := range req.Events {
		if req.Events[i].Tenant == "" {
			return nil, paging.NoTenant(fmt.Sprintf("PublishRequest.Events[%d].Tenant", i))
		}
	}
	results := make([]webhook.Published, len(req.Events))
	s.mu.Lock()
	defer s.mu.Unlock()
	if req.Atomic && len(req.Events) > 1 && !s.rehearse(req.Events, results) {
		return results, nil
	}
	for i := range req.Events {
		r := &req.Events[i]
		l := weigh(r)
		if results[i] = s.admit(r, l); results[i].Err == nil && !results[i].Duplicate {
			s.makeRoom(l.pending+l.finished, l.bytes)
			results[i].Deliveries = s.insert(r, &req)
		}
	}
	s.shed()
	return results, nil
}

// rehearse fills in the results of an all-or-nothing request, and reports whether all events
// can be stored.
func (s *Store) rehearse(events []webhook.EventRecord, results []webhook.Published) bool {
	var total load
	fine := true
	seen := make(map[eventKey]*webhook.EventRecord, len(events))
	for i := range events {
		r := &events[i]
		key := eventKey{r.Tenant, r.ID}
		if first := seen[key]; first != nil {
			results[i] = again(first, r)
		} else {
			l := weigh(r)
			l.add(total)
			if results[i] = s.admit(r, l); results[i] == (webhook.Published{}) {
				seen[key], total = r, l
			}
		}
		fine = fine && results[i].Err == nil
	}
	return fine
}

// admit returns the zero result if an event may be stored. l is the load of the event, plus the
// load of other events that must fit beside it.
func (s *Store) admit(r *webhook.EventRecord, l load) webhook.Published {
	if first := s.events[eventKey{r.Tenant, r.ID}]; first != nil {
		return again(&first.EventRecord, r)
	}
	if s.uids[r.UID] != nil {
		return webhook.Published{Err: webhook.ErrConflict}
	}
	if !s.fits(l) {
		return webhook.Published{Err: webhook.ErrFull}
	}
	return webhook.Published{}
}

// again returns the result for an event whose id exists already.
func again(first, r *webhook.EventRecord) webhook.Published {
	if first.Type == r.Type && first.Channel == r.Channel && bytes.Equal(first.Data, r.Data) {
		return webhook.Published{Duplicate: true}
	}
	return webhook.Published{Err: webhook.ErrConflict}
}

func final(state webhook.DeliveryState) bool {
	switch state {
	case webhook.DeliverySucceeded, webhook.DeliveryFailed, webhook.DeliveryCanceled:
		return true
	case webhook.DeliveryPending:
	}
	return false
}

// insert stores an event and returns the number of its deliveries. There must be room for them.
func (s *Store) insert(r *webhook.EventRecord, req *webhook.PublishRequest) int {
	rows := r.Deliveries
	ev := &event{EventRecord: *r, key: uidKey(r.UID), tenant: s.tenant(r.Tenant), unmade: rows == nil}
	ev.size = eventBytes(r)
	s.addBytes(ev, ev.size)
	ev.Deliveries = nil
	ev.fanout = ev.unmade || len(rows) > 1
	s.events[ev.eventKey()] = ev
	s.uids[ev.UID] = ev
	s.timeline.add(ev.key, ev)
	ev.tenant.events.add(ev.key, ev)

	if ev.unmade {
		ev.queued.of = ev
		s.seq++
		s.outbox.push(outboxDue(r), s.seq, &ev.queued)
		s.unfinished++
		return 0
	}
	rows = inOrder(rows)
	var some []delivery
	switch len(rows) {
	case 0:
		s.finished++
	case 1:
		ev.deliveries = ev.only[:0]
	default:
		some, ev.deliveries = make([]delivery, len(rows)), make([]*delivery, 0, len(rows))
	}
	now, leaseUntil := micros(req.Now), micros(req.LeaseUntil)
	for i := range rows {
		d := &ev.one
		if some != nil {
			d = &some[i]
		}
		s.insertDelivery(ev, d, &rows[i], now, leaseUntil)
	}
	if ev.open == 0 {
		s.close(ev)
	}
	return len(rows)
}

// inOrder returns rows ordered by endpoint id, each id once. Rows nearly always arrive in this
// order.
func inOrder(rows []webhook.NewDelivery) []webhook.NewDelivery {
	for i := 1; i < len(rows); i++ {
		if rows[i-1].EndpointID < rows[i].EndpointID {
			continue
		}
		rows = slices.Clone(rows)
		slices.SortStableFunc(rows, func(a, b webhook.NewDelivery) int { return cmp.Compare(a.EndpointID, b.EndpointID) })
		return slices.CompactFunc(rows, func(a, b webhook.NewDelivery) bool { return a.EndpointID == b.EndpointID })
	}
	return rows
}

// outboxDue returns the time when an event's deliveries are made.
func outboxDue(r *webhook.EventRecord) int64 {
	if r.NotBefore.IsZero() {
		return math.MinInt64
	}
	return micros(r.NotBefore)
}

func (s *Store) insertDelivery(ev *event, d *delivery, row *webhook.NewDelivery, now, leaseUntil int64) {
	s.attach(ev, d, row.EndpointID)
	d.version = row.Version
	if final(row.State) {
		d.state, d.reason, d.finishedAt = row.State, row.Reason, now
		d.since, d.leaseNo, d.settled = now, 1, true
		s.finished++
		if row.Attempt != nil {
			s.log(d, 1, row.Attempt, false)
		}
		return
	}
	s.open(d)
	if row.Leased {
		d.since = now
		s.lend(d, leaseUntil)
		return
	}
	d.due, d.since = micros(row.DueAt), micros(row.DueAt)
	s.park(d, now)
}

// attach adds a delivery to its event and its endpoint. The deliveries of an event must come in
// the order of their endpoints' ids.
func (s *Store) attach(ev *event, d *delivery, endpointID string) {
	e := s.endpoints[webhook.EndpointKey{Tenant: ev.Tenant, ID: endpointID}]
	if e == nil { // deleted, or never created: Prune cancels the delivery
		e = s.newEndpoint(webhook.Endpoint{ID: endpointID, Tenant: ev.Tenant})
		e.tombstone = true
	}
	s.seq++
	d.event, d.endpoint, d.seq, d.slot.of = ev, e, s.seq, d
	ev.deliveries = append(ev.deliveries, d)
	e.deliveries.add(ev.key, d)
}

// open makes a delivery pending. The caller must park or lend it.
func (s *Store) open(d *delivery) {
	e := d.endpoint
	d.state, d.reason, d.finishedAt = webhook.DeliveryPending, "", 0
	s.pending++
	s.unfinished++
	d.event.open++
	e.unfinished++
	e.bind(d)
	if e.dead() {
		s.doom(e)
	}
}

// finish finishes a pending delivery. The delivery must be in no heap.
func (s *Store) finish(d *delivery, state webhook.DeliveryState, reason webhook.Reason, now int64) {
	d.state, d.reason, d.finishedAt = state, reason, now
	d.leased = false
	s.pending--
	s.unfinished--
	s.finished++
	d.endpoint.unfinished--
	d.endpoint.unbind(d)
	if d.event.open--; d.event.open == 0 {
		s.close(d.event)
	}
}

// close marks an event as closed, so that it may be dropped. The event must have no unfinished
// deliveries. Events of the outbox stay open.
func (s *Store) close(ev *event) {
	if ev.unmade || ev.closed {
		return
	}
	s.closed.push(ev)
	s.sweepFrom(ev.key)
}
