package memstore

import (
	"context"
	"math"
	"time"

	"github.com/gowebhook/webhook"
)

// Stats implements [webhook.Store]. Its time grows with the number of endpoints, and with the
// number of deliveries and blocks that came due since the last Claim.
func (s *Store) Stats(ctx context.Context, now time.Time) (webhook.Stats, error) {
	if err := ctx.Err(); err != nil {
		return webhook.Stats{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := micros(now)
	stats := webhook.Stats{
		Pending: s.pending, Due: s.readyNow, Held: s.readyOff, InFlight: s.leased.len(), Waiting: s.waiting.len(), Outbox: s.outbox.len() + s.wide.len(),
	}
	for _, e := range s.endpoints {
		switch {
		case e.tombstone:
			continue
		case e.State == webhook.EndpointActive:
			stats.Endpoints.Active++
		case e.State == webhook.EndpointPaused:
			stats.Endpoints.Paused++
		default:
			stats.Endpoints.Disabled++
			continue
		}
		if e.Health.Status != "" {
			stats.Endpoints.Failing++
		}
	}
	oldest := int64(math.MaxInt64)
	for e := s.ring.First(); e != nil; e = e.Next() {
		oldest = min(oldest, e.ready.items[0].at)
	}
	s.blocked.until(at, func(e *endpoint) {
		stats.Held -= e.ready.len()
		stats.Due += e.ready.len()
		oldest = min(oldest, e.ready.items[0].at)
	})
	due := func(d *delivery) {
		if e := d.endpoint; e.isOff() || e.opensAt() > at {
			stats.Held++
			return
		}
		stats.Due++
		oldest = min(oldest, d.due)
	}
	s.waiting.until(at, func(d *delivery) {
		stats.Waiting--
		due(d)
	})
	s.leased.until(at, func(d *delivery) {
		stats.InFlight--
		due(d)
	})
	if stats.Due > 0 {
		stats.OldestAt = fromMicros(oldest)
	}
	return stats, nil
}
