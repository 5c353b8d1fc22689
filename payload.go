package webhook

import (
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook/internal/lane"
)

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
