package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// batchSize is the number of events of one call.
const batchSize = 1000

// A dataset is the content of a database when a round begins.
type dataset struct {
	// History is the number of finished deliveries. PostgreSQL plans a statement by the size of
	// its table. Without a history it would keep plans for empty tables.
	History int

	Targets targets
	Preload int // events that are due
	Backlog int // deliveries that are due to the hanging endpoint
}

// fillStore makes the tables of the library and fills them.
func (d *dataset) fillStore(ctx context.Context, kind, dsn string, at addresses) error {
	store, err := openStore(ctx, kind, dsn, 4, nil)
	if err != nil {
		return err
	}
	defer store.DB().Close()
	if err := store.Migrate(ctx); err != nil {
		return err
	}
	if err := d.makeHistory(ctx, store, at); err != nil {
		return err
	}
	w, err := webhook.New(store, webhook.Config{Network: network(at), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if err := createEndpoints(ctx, w, d.Targets.endpoints(at)); err != nil {
		return err
	}
	return errors.Join(
		emitBatches(ctx, w, eventType, d.Preload, d.Targets.turn),
		emitBatches(ctx, w, backlogType, d.Backlog, d.Targets.turn),
	)
}

// emitBatches stores events. Nothing delivers them.
func emitBatches(ctx context.Context, w *webhook.Dispatcher, typ string, count int, tenant func(n int) int) error {
	for begin := 0; begin < count; begin += batchSize {
		var events []webhook.Event
		for n := begin; n < min(begin+batchSize, count); n++ {
			e := newEvent(n, tenant(n))
			events = append(events, webhook.Event{Tenant: tenantID(e.Tenant), Type: typ, Data: e.Data})
		}
		receipts, err := w.EmitBatch(ctx, events)
		if err != nil {
			return err
		}
		for _, r := range receipts {
			if r.Deliveries != 1 {
				return fmt.Errorf("an event has %d deliveries, not 1", r.Deliveries)
			}
		}
	}
	return nil
}

// makeHistory delivers events to nobody.
func (d *dataset) makeHistory(ctx context.Context, store *sqlstore.Store, at addresses) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := webhook.New(store, webhook.Config{
		Network: network(at), Transport: &nowhere{last: int64(d.History), stop: cancel}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	if err := createEndpoints(ctx, w, []endpoint{pastEndpoint(at)}); err != nil {
		return err
	}
	if err := emitBatches(ctx, w, eventType, d.History, func(int) int { return pastTenant }); err != nil {
		return err
	}
	return w.Run(ctx) // until the last delivery
}

// Nowhere is a transport that says that the receiver has accepted the request.
type nowhere struct {
	requests atomic.Int64
	last     int64  // request
	stop     func() // is called with it
}

// Send implements [webhook.Transport].
func (n *nowhere) Send(context.Context, *webhook.Request) (*webhook.Response, error) {
	if n.requests.Add(1) == n.last {
		n.stop()
	}
	return &webhook.Response{StatusCode: http.StatusNoContent}, nil
}

// fillRiver makes the tables of River and fills them.
func (d *dataset) fillRiver(ctx context.Context, dsn string) error {
	pool, err := openPool(ctx, dsn, 2, nil)
	if err != nil {
		return err
	}
	defer pool.Close()
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{})
	if err != nil {
		return err
	}
	peer := &riverPeer{client: client, targets: d.Targets}
	if err := peer.insertBatches(ctx, d.History, func(int) int { return pastTenant }); err != nil {
		return err
	}
	if err := makeRiverHistory(ctx, pool); err != nil {
		return err
	}
	return peer.insertBatches(ctx, d.Preload, d.Targets.turn)
}

// makeRiverHistory completes all jobs and logs their attempts.
func makeRiverHistory(ctx context.Context, pool *pgxpool.Pool) error {
	for _, statement := range []string{
		createLog,
		`UPDATE river_job SET state = 'completed', attempt = 1, attempted_at = now(), finalized_at = now()`,
		`INSERT INTO delivery_log (event_id, endpoint_id, attempt, started_at, duration_us, status, error)
			SELECT (args ->> 'event_id')::uuid, '` + past + `', 1, now(), 1000, 204, '' FROM river_job`,
	} {
		if _, err := pool.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}
