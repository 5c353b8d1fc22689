package memstore

import (
	"context"
	"math"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/contract"
	"github.com/gowebhook/webhook/internal/paging"
)

// Backlog implements [webhook.Store]. It also looks at each leased delivery of all endpoints.
func (s *Store) Backlog(ctx context.Context, key webhook.EndpointKey, now time.Time) (webhook.Stats, error) {
	var b webhook.Stats
	if err := ctx.Err(); err != nil {
		return b, err
	}
	if key.Tenant == "" {
		return b, paging.NoTenant("EndpointKey.Tenant")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.live(key)
	if e == nil {
		return b, webhook.ErrNotFound
	}
	at := micros(now)
	closed := e.isOff() || e.opensAt() > at
	oldest, next := int64(math.MaxInt64), int64(math.MaxInt64)
	count := func(d *delivery) {
		b.Pending++
		switch {
		case d.inFlight(at):
			b.InFlight++
		case d.in == inWaiting && d.due > at:
			b.Waiting++
			next = min(next, d.due)
		case closed:
			b.Held++
		default:
			b.Due++
			oldest = min(oldest, d.due)
		}
	}
	for i := range s.leased.items {
		if d := s.leased.items[i].node.of; d.endpoint == e && b.Pending < contract.MaxBacklog {
			count(d)
		}
	}
	for d := e.unleased.First(); d != nil && b.Pending < contract.MaxBacklog; d = d.Next() {
		count(d)
	}
	if b.Due > 0 {
		b.OldestAt = fromMicros(oldest)
	}
	if b.Waiting > 0 {
		b.NextAt = fromMicros(next)
	}
	return b, nil
}
