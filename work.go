package webhook

import (
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook/internal/lane"
)

// work is one delivery leased to this process.
type work struct {
	*payload
	key        EndpointKey
	snapshot   *Endpoint // see Message.Endpoint
	leaseNo    int64
	leaseUntil time.Time
	attempts   int
	failures   int
	since      time.Time
	waited     time.Duration // see Leased.Waited
	probe      bool
	test       bool // from Scope.Test
}

// release returns a settlement that gives the delivery back, due at due.
func (w *work) release(due time.Time) Settlement {
	s := Settlement{
		UID: w.uid, Endpoint: w.key, LeaseNo: w.leaseNo, State: DeliveryPending, DueAt: due, Failures: w.failures,
	}
	if w.probe {
		s.ProbeUntil = w.leaseUntil
	}
	return s
}

// cancel returns a settlement that ends a delivery which must not be sent.
func (w *work) cancel(reason Reason) Settlement {
	s := w.release(time.Time{})
	s.State, s.Reason = DeliveryCanceled, reason
	return s
}

// newAttempt returns the record of an attempt that begins at now.
func (w *work) newAttempt(now time.Time) *Attempt {
	return &Attempt{
		Tenant: w.key.Tenant, EventID: w.event.ID, EventType: w.event.Type, EndpointID: w.key.ID,
		Number: w.attempts + 1, StartedAt: now, Test: w.test,
	}
}

// A payload is an event in memory, shared by its deliveries.
type payload struct {
	uid       uuid.UUID
	event     Event
	createdAt time.Time // of event
	weight    lane.Weight
}

// makePayload returns the payload of an event.
func makePayload(r *EventRecord) payload {
	return payload{uid: r.UID, event: *r.event(), createdAt: r.CreatedAt, weight: lane.NewWeight(r.size())}
}
