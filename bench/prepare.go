package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

const (
	batchSize = 1000 // events that EmitBatch takes
	batchRows = 5000 // deliveries that it makes at once

	// created is how many endpoints are created one by one; more are made in SQL.
	created = 200
)

// database makes what a plan's peer needs, and says how to get rid of it.
func (b *bench) database(ctx context.Context, p *plan, s *spec) (drop func() error, err error) {
	switch {
	case p.usesPostgres():
		template, err := b.template(ctx, p)
		if err != nil {
			return nil, fmt.Errorf("prepare: %w", err)
		}
		s.Postgres = b.postgres
		s.Database, err = b.cluster.create(ctx, template)
		return func() error { return b.cluster.drop(ctx, s.Database) }, err
	case p.store == storeSQLite:
		dir, err := os.MkdirTemp(b.dir, "webhook-bench-")
		if err != nil {
			return nil, err
		}
		s.File = filepath.Join(dir, "webhook.db")
		return func() error { return os.RemoveAll(dir) }, b.prepareSQLite(ctx, &p.prepared, s.File)
	}
	return func() error { return nil }, nil
}

// template returns a database that holds what a plan begins with.
func (b *bench) template(ctx context.Context, p *plan) (string, error) {
	key := fmt.Sprintf("%s %+v", p.peer, p.prepared)
	if name, done := b.templates[key]; done {
		return name, nil
	}
	name, err := b.cluster.create(ctx, "")
	if err != nil {
		return "", err
	}
	if p.peer == peerRiver {
		err = prepareRiver(ctx, &p.prepared, b.postgres, name)
	} else {
		err = b.preparePostgres(ctx, &p.prepared, name)
	}
	if err != nil {
		return "", err
	}
	if err := b.vacuum(ctx, name); err != nil {
		return "", err
	}
	b.templates[key] = name
	return name, b.cluster.alone(ctx, name)
}

// vacuum leaves nothing for autovacuum to do, whenever that comes.
func (b *bench) vacuum(ctx context.Context, database string) error {
	pool, err := openPool(ctx, b.postgres, database, 1, nil)
	if err != nil {
		return err
	}
	defer pool.Close()
	_, err = pool.Exec(ctx, "VACUUM ANALYZE")
	return err
}

func (b *bench) preparePostgres(ctx context.Context, p *preparation, database string) error {
	db, err := openSQL(ctx, b.postgres, database, 4, nil)
	if err != nil {
		return err
	}
	defer db.Close()
	store, err := sqlstore.New(db, sqlstore.Postgres, sqlstore.Options{})
	if err != nil {
		return err
	}
	return p.fill(ctx, store, b.at)
}

func (b *bench) prepareSQLite(ctx context.Context, p *preparation, file string) error {
	store, err := sqlstore.OpenSQLite("sqlite", file, sqlstore.Options{})
	if err != nil {
		return err
	}
	return errors.Join(p.fill(ctx, store, b.at), store.Close())
}

// fill makes the tables, the endpoints, and events for them, in a database that is empty.
func (p *preparation) fill(ctx context.Context, store *sqlstore.Store, at addresses) error {
	if err := store.Migrate(ctx); err != nil {
		return err
	}
	d, err := webhook.New(store, webhook.Config{Network: network, MaxEndpoints: -1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if p.Match > 0 {
		return prepareMatch(ctx, d, store.DB(), p.Match, at)
	}
	if err := makeHistory(ctx, d, store, at); err != nil {
		return err
	}
	endpoints := p.Layout.endpoints(at)
	if len(endpoints) > created {
		err = createEndpoints(ctx, d, endpoints[:1], eventType)
		if err == nil {
			err = cloneEndpoints(ctx, store.DB(), clones{of: endpoints[0], from: 1, to: len(endpoints), perTenant: p.Layout.Fanout, at: at})
		}
	} else {
		err = createEndpoints(ctx, d, endpoints, eventType)
	}
	if err != nil {
		return err
	}
	return errors.Join(
		emitBatches(ctx, d, p.Preload, p.Layout.Fanout, func(n int) webhook.Event {
			return webhookEvent(event{n, n % p.Layout.Tenants, eventData(n, text)})
		}),
		emitBatches(ctx, d, p.Backlog, 1, func(n int) webhook.Event {
			return webhook.Event{Tenant: dead, Type: eventType, Data: eventData(n, "")}
		}),
		emitBatches(ctx, d, p.Waiting*p.Layout.Tenants, p.Layout.Fanout, func(n int) webhook.Event {
			e := webhookEvent(event{n, n % p.Layout.Tenants, eventData(n, "")})
			e.NotBefore = time.Now().Add(12 * time.Hour)
			return e
		}),
	)
}

// emitBatches stores events; nothing runs that delivers them.
func emitBatches(ctx context.Context, d *webhook.Dispatcher, count, fanout int, event func(n int) webhook.Event) error {
	size := min(batchSize, max(batchRows/fanout, 1))
	for begin := 0; begin < count; begin += size {
		var events []webhook.Event
		for n := begin; n < min(begin+size, count); n++ {
			events = append(events, event(n))
		}
		receipts, err := d.EmitBatch(ctx, events)
		if err != nil {
			return err
		}
		for _, r := range receipts {
			if r.Deliveries != fanout {
				return fmt.Errorf("an event has %d deliveries, not %d", r.Deliveries, fanout)
			}
		}
	}
	return nil
}
