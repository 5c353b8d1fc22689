package webhook

import (
	"context"
	"time"

	"github.com/gowebhook/webhook/internal/lane"
)

// A publication is one transaction that is being prepared, with the room that is reserved for
// it in lanes.
type publication struct {
	d       *Dispatcher
	session *session // nil if nothing is handed over
	asOf    time.Duration
	atomic  bool

	req       PublishRequest
	rows      int
	index     []int // of each event in results
	events    []handOff
	spare     *payload      // not shared
	refused   []EndpointKey // their lanes had no room
	unclaimed bool          // due deliveries must be claimed: the Store makes them, or a copy or room was missing
	stored    bool          // something was stored
	err       error         // of the last call to the Store that failed
}

// A handOff has the deliveries of one event for which their lanes have room.
type handOff struct {
	payload *payload
	rows    []handOffRow
}

type handOffRow struct {
	cached      *cachedEndpoint
	reservation lane.Reservation[EndpointKey, *work]
}

func (d *Dispatcher) newPublication(asOf time.Duration, atomic bool) *publication {
	p := &publication{d: d, session: d.session.Load(), asOf: asOf, atomic: atomic}
	if p.session != nil && p.session.isClosed() {
		p.session = nil
	}
	p.reset()
	return p
}

func (p *publication) reset() {
	now := p.d.now()
	p.req = PublishRequest{Now: now, LeaseUntil: now.Add(p.d.config.Lease), Atomic: p.atomic}
	p.rows, p.index, p.events, p.refused = 0, nil, nil, nil
}

// add makes the deliveries of one event.
func (p *publication) add(i int, r *EventRecord, statuses []EndpointStatus) {
	p.index = append(p.index, i)
	if len(statuses) > maxFanout || p.rows+len(statuses) > maxBatchRows {
		r.Deliveries = nil // the Store makes them
		p.req.Events, p.events = append(p.req.Events, *r), append(p.events, handOff{})
		p.unclaimed = true
		return
	}
	r.Deliveries = make([]NewDelivery, len(statuses))
	var h handOff
	due := p.req.Now
	if r.NotBefore.After(due) {
		due = r.NotBefore
	}
	for n := range statuses {
		status := &statuses[n]
		row := &r.Deliveries[n]
		*row = NewDelivery{EndpointID: status.Key.ID, Version: status.Version, DueAt: due}
		if p.session == nil || due.After(p.req.Now) || status.State != EndpointActive ||
			status.Circuit || status.BlockedUntil.After(p.req.Now) {
			continue
		}
		cached := p.d.endpoints.confirm(status, p.asOf)
		if cached == nil {
			p.unclaimed = true
			p.session.lanes.Behind(status.Key)
			continue
		}
		if h.payload == nil {
			h.payload, p.spare = p.spare, nil
			if h.payload == nil {
				h.payload = new(payload)
			}
			*h.payload = makePayload(r)
		}
		reservation, ok := p.session.lanes.Reserve(status.Key, cached.endpoint.MaxInFlight, &h.payload.weight)
		if ok {
			row.Leased, row.DueAt = true, time.Time{}
			h.rows = append(h.rows, handOffRow{cached, reservation})
		} else {
			p.refused = append(p.refused, status.Key)
		}
	}
	if h.rows == nil {
		p.spare = h.payload
	}
	p.rows += len(statuses)
	p.req.Events, p.events = append(p.req.Events, *r), append(p.events, h)
}

// publish commits the events that were added, and fills in their results. An error of the Store
// becomes the error of each of these events.
func (p *publication) publish(ctx context.Context, results []emitted) {
	if len(p.req.Events) == 0 {
		return
	}
	published, err := p.d.store.Publish(ctx, p.req)
	if err == nil && len(published) != len(p.req.Events) {
		err = errWrongResults
	}
	if err != nil {
		p.err = err
		for _, i := range p.index {
			results[i].err = p.err
		}
		p.giveBack()
		p.reset()
		return
	}
	failed := false
	for _, one := range published {
		failed = failed || one.Err != nil
	}
	for n, one := range published {
		result := &results[p.index[n]]
		result.held, result.err = one.Held, one.Err
		result.receipt.Duplicate = one.Duplicate
		if one.Err != nil || one.Duplicate || failed && p.atomic {
			continue // the reservation is given back by end
		}
		p.stored = true
		result.receipt.Deliveries = one.Deliveries
		if p.req.Events[n].Deliveries == nil {
			result.receipt.Deliveries = -1
		}
		if h := p.events[n]; h.rows != nil {
			p.events[n] = handOff{}
			p.session.handOver(&h, p.req.LeaseUntil)
		}
	}
	p.giveBack()
	for _, key := range p.refused {
		p.unclaimed = p.session.lanes.Behind(key) || p.unclaimed // the lane may be empty by now
	}
	p.reset()
}

// giveBack returns the room that was reserved for deliveries that do not exist.
func (p *publication) giveBack() {
	for _, h := range p.events {
		for _, row := range h.rows {
			p.session.lanes.Unreserve(row.reservation)
		}
	}
	p.events = nil
}

// end gives back the remaining reservations, and hints that there is something to claim.
func (p *publication) end() {
	p.giveBack()
	switch {
	case p.session != nil && p.unclaimed:
		p.session.wake()
	case p.session == nil && p.stored:
		p.d.Wake() // wakes other processes, and Run if it has begun meanwhile
	}
}
