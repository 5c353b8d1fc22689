package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/gowebhook/webhook"
)

// Stats implements [webhook.Store]. It reads the whole queue, which takes about a second for a
// million unfinished deliveries.
func (s *Store) Stats(ctx context.Context, now time.Time) (webhook.Stats, error) {
	var (
		out    webhook.Stats
		oldest sql.NullInt64
		at     = micros(now)
	)
	err := s.read(ctx, func(t *tx) error {
		_, err := t.Row(countStats, []cell{num(at), num(at + leaseGrace)},
			&out.Pending, &out.InFlight, &out.Waiting, &out.Held, &oldest, &out.Outbox)
		return err
	})
	if err != nil {
		return webhook.Stats{}, err
	}
	out.Due = out.Pending - out.InFlight - out.Waiting - out.Held
	if oldest.Valid {
		out.OldestAt = always(oldest.Int64)
	}
	return out, nil
}
