package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/contract"
	"github.com/gowebhook/webhook/internal/paging"
)

// Backlog implements [webhook.Store]. It reads a row for each delivery that it counts.
func (s *Store) Backlog(ctx context.Context, key webhook.EndpointKey, now time.Time) (webhook.Stats, error) {
	var b webhook.Stats
	if key.Tenant == "" {
		return b, paging.NoTenant("EndpointKey.Tenant")
	}
	var (
		ref          = refOf(key)
		at           = micros(now)
		oldest, next sql.NullInt64
		closed       bool
	)
	err := s.read(ctx, func(t *tx) error {
		found, err := t.statuses(readStatus, []uuid.UUID{ref})
		if err != nil {
			return err
		}
		status := found[ref]
		if status == nil {
			return webhook.ErrNotFound
		}
		closed = status.State != webhook.EndpointActive || status.opensAt() > at
		_, err = t.Row(countBacklog, []cell{num(at), num(at + leaseGrace), uid(ref), num(contract.MaxBacklog)},
			&b.Pending, &b.InFlight, &b.Waiting, &oldest, &next)
		return err
	})
	if err != nil {
		return webhook.Stats{}, err
	}
	if rest := b.Pending - b.InFlight - b.Waiting; closed {
		b.Held = rest
	} else {
		b.Due = rest
	}
	if b.Due > 0 {
		b.OldestAt = always(oldest.Int64)
	}
	if b.Waiting > 0 {
		b.NextAt = always(next.Int64)
	}
	return b, nil
}
