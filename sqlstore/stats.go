package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/gowebhook/webhook"
)

// Stats implements [webhook.Store]. It reads the whole queue and the status of all endpoints.
// That takes about a second for a million unfinished deliveries.
func (s *Store) Stats(ctx context.Context, now time.Time) (webhook.Stats, error) {
	var (
		out    webhook.Stats
		oldest sql.NullInt64
		at     = micros(now)
	)
	err := s.read(ctx, func(t *tx) error {
		_, err := t.Row(countStats, []cell{num(at), num(at + leaseGrace)},
			&out.Pending, &out.InFlight, &out.Waiting, &out.Held, &oldest, &out.Outbox)
		if err != nil {
			return err
		}
		return t.Query(countEndpoints, nil, func(r *sql.Rows) error { return addEndpoints(r, &out) })
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

// addEndpoints adds a row of countEndpoints to the counts.
func addEndpoints(r *sql.Rows, out *webhook.Stats) error {
	var (
		state   webhook.EndpointState
		failing bool
		n       int
	)
	if err := r.Scan(&state, &failing, &n); err != nil {
		return err
	}
	count := &out.Endpoints
	switch state {
	case webhook.EndpointActive:
		count.Active += n
	case webhook.EndpointPaused:
		count.Paused += n
	default:
		count.Disabled += n
		return nil
	}
	if failing {
		count.Failing += n
	}
	return nil
}
