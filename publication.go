package webhook

import (
	"context"
	"slices"
	"time"

	"github.com/gowebhook/webhook/internal/lane"
)

// ratedDelay is how long new deliveries of endpoints with a rate gather for a claim. A stream of
// them asks for at most 100 claims in a second.
const ratedDelay = 10 * time.Millisecond

// A publication is one transaction that is being prepared.
type publication struct {
	d       *Dispatcher
	session *session // nil if nothing is handed over
	asOf    time.Duration
	atomic  bool

	req       PublishRequest
	planned   []plannedEvent // one for each of req.Events
	rows      int
	spare     *payload      // not shared
	refused   []EndpointKey // their lanes had no room
	rated     bool          // deliveries of endpoints with a rate must be claimed
	unclaimed bool          // due deliveries must be claimed: the Store makes them, or a copy or room was missing
	stored    bool          // something was stored
	err       error         // of the last call to the Store that failed
}

// A plannedEvent is an event of a publication.
type plannedEvent struct {
	result *emitted
	room   reservation
}

// A reservation is room in lanes for deliveries of one event. It is committed when they are
// stored, or released.
type reservation struct {
	payload *payload
	rows    []reservedRow
}

type reservedRow struct {
	cached *cachedEndpoint
	inLane lane.Reservation[EndpointKey, *work]
}

// commit hands the deliveries over to their lanes.
func (r *reservation) commit(s *session, leaseUntil time.Time) {
	if len(r.rows) > 0 {
		s.handOver(r, leaseUntil)
	}
	*r = reservation{}
}

// release gives the room back.
func (r *reservation) release(s *session) {
	for _, row := range r.rows {
		s.lanes.Unreserve(row.inLane)
	}
	*r = reservation{}
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
	p.rows, p.planned, p.refused = 0, nil, nil
}

// add makes the deliveries of one event. Its result will be in result.
func (p *publication) add(result *emitted, r *EventRecord, statuses []EndpointStatus) {
	event := plannedEvent{result: result}
	if len(statuses) > maxFanout || p.rows+len(statuses) > maxBatchRows {
		r.Deliveries = nil // the Store makes them
		p.unclaimed = true
	} else {
		event.room = p.deliver(r, statuses)
		p.rows += len(statuses)
	}
	p.req.Events, p.planned = append(p.req.Events, *r), append(p.planned, event)
}

// deliver makes the deliveries of r, leased as far as their lanes have room.
func (p *publication) deliver(r *EventRecord, statuses []EndpointStatus) reservation {
	r.Deliveries = make([]NewDelivery, len(statuses))
	var room reservation
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
		if p.reserve(&room, r, status) {
			row.Leased, row.DueAt = true, time.Time{}
		}
	}
	if room.rows == nil {
		p.spare = room.payload
	}
	return room
}

// reserve adds room for a delivery to an endpoint, and reports whether there is room.
func (p *publication) reserve(room *reservation, r *EventRecord, status *EndpointStatus) bool {
	cached := p.d.endpoints.confirm(status, p.asOf)
	if cached == nil {
		p.unclaimed = true
		p.session.lanes.Behind(status.Key)
		return false
	}
	if cached.endpoint.Rate > 0 { // Claim knows what the rate allows over all processes
		p.rated = true
		return false
	}
	if room.payload == nil {
		room.payload, p.spare = p.spare, nil
		if room.payload == nil {
			room.payload = new(payload)
		}
		*room.payload = makePayload(r)
	}
	inLane, ok := p.session.lanes.Reserve(status.Key, cached.endpoint.MaxInFlight, &room.payload.weight)
	if !ok {
		p.refused = append(p.refused, status.Key)
		return false
	}
	room.rows = append(room.rows, reservedRow{cached, inLane})
	return true
}

// publish commits the events that were added, and fills in their results. An error of the Store
// becomes the error of each of these events.
func (p *publication) publish(ctx context.Context) {
	if len(p.req.Events) == 0 {
		return
	}
	published, err := p.d.store.Publish(ctx, p.req)
	if err == nil && len(published) != len(p.req.Events) {
		err = errWrongResults
	}
	if err != nil {
		p.err = err
		for i := range p.planned {
			p.planned[i].result.err = err
		}
		p.release()
		p.reset()
		return
	}
	failed := slices.ContainsFunc(published, func(one Published) bool { return one.Err != nil })
	for i, one := range published {
		result := p.planned[i].result
		result.held, result.err = one.Held, one.Err
		result.receipt.Duplicate = one.Duplicate
		if one.Err != nil || one.Duplicate || failed && p.atomic {
			continue // its room is released below
		}
		p.stored = true
		result.receipt.Deliveries = one.Deliveries
		if p.req.Events[i].Deliveries == nil {
			result.receipt.Deliveries = -1
		}
		p.planned[i].room.commit(p.session, p.req.LeaseUntil)
	}
	p.release()
	for _, key := range p.refused {
		p.unclaimed = p.session.lanes.Behind(key) || p.unclaimed // the lane may be empty by now
	}
	p.reset()
}

// release gives back the room that was reserved for deliveries that do not exist.
func (p *publication) release() {
	for i := range p.planned {
		p.planned[i].room.release(p.session)
	}
}

// end gives back the remaining room, and hints that there is something to claim.
func (p *publication) end() {
	p.release()
	switch {
	case p.session != nil && p.unclaimed:
		p.session.wake()
	case p.session != nil && p.rated:
		p.session.claimer.expect(p.d.now().Add(ratedDelay))
	case p.session == nil && p.stored:
		p.d.Wake() // wakes other processes, and Run if it has begun meanwhile
	}
}
