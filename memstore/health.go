package memstore

import (
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/health"
)

// apply applies the edits of a Settle to the endpoints. It returns the notices of the changes.
func (s *Store) apply(edits []health.Edit, now time.Time) (all []webhook.Notice) {
	health.Sort(edits)
	for _, edit := range edits {
		e := s.live(edit.Item.Endpoint)
		reason, notices := edit.Apply(health.Endpoint{Health: &e.Health, Told: &e.told, State: e.State}, now)
		if reason != "" {
			e.supersede(micros(now))
			s.unsubscribe(e)
			e.State, e.Reason, e.UpdatedAt = webhook.EndpointDisabled, reason, now
			s.subscribe(e)
		}
		s.stateChanged(e)
		s.announce(edit.Item, notices)
		all = append(all, notices...)
	}
	return all
}

// announce stores the operational events of notices. If there is no room, it leaves them out.
func (s *Store) announce(item *webhook.Settlement, notices []webhook.Notice) {
	for i := range notices {
		if notices[i].Silent || item.Announce == nil {
			continue
		}
		r := item.Announce(&notices[i])
		if r == nil {
			continue
		}
		if l := weigh(r); s.admit(r, l) == (webhook.Published{}) {
			s.makeRoom(l.pending+l.finished, l.bytes)
			s.insert(r, &webhook.PublishRequest{})
		}
	}
}
