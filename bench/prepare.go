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
	if !p.usesPostgres() && p.store != storeSQLite {
		return func() error { return nil }, nil
	}
	template, err := b.template(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	if p.store == storeSQLite {
		s.File, err = copyFile(template)
		return func() error { return os.RemoveAll(filepath.Dir(s.File)) }, err
	}
	s.Postgres = b.postgres
	s.Database, err = b.cluster.create(ctx, template)
	return func() error { return b.cluster.drop(ctx, s.Database) }, err
}

// template returns a database, or an SQLite file, that holds what a plan begins with. All begin with what has been in use.
func (b *bench) template(ctx context.Context, p *plan) (string, error) {
	base, err := b.once(ctx, p.peer+p.store, "", p, preparation{})
	if err != nil {
		return "", err
	}
	return b.once(ctx, fmt.Sprintf("%s %s %+v", p.peer, p.store, p.prepared), base, p, p.prepared)
}

// once makes what is to be copied, from a copy of base, unless it is there. Without a base it makes one.
func (b *bench) once(ctx context.Context, key, base string, p *plan, prepared preparation) (string, error) {
	if name, done := b.templates[key]; done {
		return name, nil
	}
	prepare := b.prepareDatabase
	if p.store == storeSQLite {
		prepare = b.prepareFile
	}
	name, err := prepare(ctx, base, p.peer, prepared)
	if err != nil {
		return "", err
	}
	b.templates[key] = name
	b.bases = append(b.bases, base)
	return name, nil
}

func (b *bench) prepareDatabase(ctx context.Context, base, peer string, prepared preparation) (string, error) {
	name, err := b.cluster.create(ctx, base)
	if err != nil {
		return "", err
	}
	if peer == peerRiver {
		err = prepareRiver(ctx, base == "", &prepared, b.postgres, name)
	} else {
		err = b.preparePostgres(ctx, base == "", &prepared, name)
	}
	if err == nil {
		err = b.vacuum(ctx, name)
	}
	if err != nil {
		return "", err
	}
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

func (b *bench) preparePostgres(ctx context.Context, isBase bool, p *preparation, database string) error {
	db, err := openSQL(ctx, b.postgres, database, 4, nil)
	if err != nil {
		return err
	}
	defer db.Close()
	store, err := sqlstore.New(db, sqlstore.Postgres, sqlstore.Options{})
	if err != nil {
		return err
	}
	return p.fill(ctx, isBase, store, b.at)
}

func (b *bench) prepareFile(ctx context.Context, base, _ string, prepared preparation) (file string, err error) {
	if base == "" {
		dir, err := os.MkdirTemp(b.files, "base-")
		if err != nil {
			return "", err
		}
		file = filepath.Join(dir, "webhook.db")
	} else if file, err = copyFile(base); err != nil {
		return "", err
	}
	store, err := sqlstore.OpenSQLite("sqlite", file, sqlstore.Options{})
	if err != nil {
		return "", err
	}
	return file, errors.Join(prepared.fill(ctx, base == "", store, b.at), store.Close())
}

// makeDir makes a directory for SQLite files in one that is on a disk.
func makeDir(in string) (string, error) {
	if err := onDisk(in); err != nil {
		return "", err
	}
	in, err := filepath.Abs(in)
	if err != nil {
		return "", err
	}
	return os.MkdirTemp(in, "webhook-bench-")
}

// copyFile copies an SQLite file that nobody has open into a directory of its own.
func copyFile(file string) (string, error) {
	dir, err := os.MkdirTemp(filepath.Dir(filepath.Dir(file)), "copy-")
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, filepath.Base(file)), os.CopyFS(dir, os.DirFS(filepath.Dir(file)))
}

// fill makes the tables and a history, or else the endpoints and events for them.
func (p *preparation) fill(ctx context.Context, isBase bool, store *sqlstore.Store, at addresses) error {
	d, err := webhook.New(store, webhook.Config{Network: network, MaxEndpoints: -1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if isBase {
		if err := store.Migrate(ctx); err != nil {
			return err
		}
		return makeHistory(ctx, d, store, at)
	}
	if p.Match > 0 {
		return prepareMatch(ctx, d, store.DB(), p.Match, at)
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
