package memstore

import (
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/health"
)

// apply applies the edits of a Settle to the endpoints.
func (s *Store) apply(edits []health.Edit, now time.Time) {
	health.Sort(edits)
	for _, edit := range edits {
		e := s.live(edit.Item.Endpoint)
		if reason := edit.Apply(&e.Health); reason != "" && e.State != webhook.EndpointDisabled {
			e.supersede(micros(now))
			e.State, e.Reason, e.UpdatedAt = webhook.EndpointDisabled, reason, now
			s.unsubscribe(e)
		}
		s.stateChanged(e)
	}
}
