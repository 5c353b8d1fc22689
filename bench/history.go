package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// A database has been in use before anything is measured: PostgreSQL plans statements by what it knows of a table, and River's
// would be planned for an empty one, and stay so for the whole round.
const (
	history = 10_000 // deliveries that have succeeded

	past      = "past" // the tenant that received them, and its endpoint
	toThePast = -1     // the same tenant, as an event's number
)

// pastEndpoint gets nothing any more, but what warms up the sender.
func pastEndpoint(at addresses) endpoint { return endpoint{past, past, at.Healthy + "/" + past + "/0"} }

// makeHistory lets the library's store see events come and go.
func makeHistory(ctx context.Context, d *webhook.Dispatcher, store *sqlstore.Store, at addresses) error {
	if err := createEndpoints(ctx, d, []endpoint{pastEndpoint(at)}, eventType); err != nil {
		return err
	}
	if err := emitBatches(ctx, d, history, 1, func(n int) webhook.Event {
		return webhookEvent(event{n, toThePast, eventData(n, text)})
	}); err != nil {
		return err
	}
	for done := 0; done < history; {
		claimed, err := store.Claim(ctx, claimRequest(batchSize))
		if err != nil {
			return err
		}
		if len(claimed.Deliveries) == 0 {
			return errors.New("the deliveries of the past are not due")
		}
		now := time.Now().Truncate(time.Microsecond).UTC()
		settlements := make([]webhook.Settlement, len(claimed.Deliveries))
		for i := range settlements {
			l := &claimed.Deliveries[i]
			settlements[i] = webhook.Settlement{
				UID: l.UID, Endpoint: l.Endpoint, LeaseNo: l.LeaseNo, State: webhook.DeliverySucceeded,
				Attempt: &webhook.Attempt{StartedAt: now, Duration: time.Millisecond, Status: 204},
			}
		}
		if _, err := store.Settle(ctx, now, settlements); err != nil {
			return err
		}
		done += len(settlements)
	}
	return nil
}

// makeRiverHistory makes River's tables, and jobs as they are when they are over.
func makeRiverHistory(ctx context.Context, peer *riverPeer, pool *pgxpool.Pool) error {
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	if _, err := pool.Exec(ctx, deliveryLog); err != nil {
		return err
	}
	for begin := 0; begin < history; begin += batchSize {
		var jobs []river.InsertManyParams
		for n := range batchSize {
			jobs = append(jobs, peer.jobs(event{begin + n, toThePast, eventData(begin+n, text)})...)
		}
		if _, err := peer.client.InsertManyFast(ctx, jobs); err != nil {
			return err
		}
	}
	if _, err := pool.Exec(ctx, `UPDATE river_job SET state = 'completed', attempt = 1, attempted_at = now(), finalized_at = now()`); err != nil {
		return err
	}
	_, err = pool.Exec(ctx, `INSERT INTO delivery_log (event_id, endpoint_id, attempt, started_at, duration_us, status, error)
		SELECT (args ->> 'event_id')::uuid, $1, 1, now(), 1000, 204, '' FROM river_job`, past)
	return err
}
