package main

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/sqlstore"
)

// Stores of the library.
const (
	storePostgres = "postgres"
	storeSQLite   = "sqlite"
	storeMemory   = "memory"
)

// webhookConnections is the size of the library's pool. Its documentation says that ten are plenty for a process; twenty leave
// room for whatever it does at the same time.
const webhookConnections = 20

// network lets requests go to the receiver. All else is as the library has it by default.
var network = webhook.Network{AllowHTTP: true, AllowLoopback: true}

// A webhookPeer is the library.
type webhookPeer struct {
	d      *webhook.Dispatcher
	store  webhook.Store
	sql    *sqlstore.Store // nil in memory
	tracer *tracer
	layout layout
	meter  *storeMeter
}

func openWebhook(ctx context.Context, s *spec, done *ledger) (*webhookPeer, error) {
	p := &webhookPeer{layout: s.Layout, meter: &storeMeter{done: done}}
	var err error
	switch s.Store {
	case storeMemory:
		n := s.Load.Events + history // room to warm up
		p.store = memstore.New(memstore.Options{MaxPending: n, MaxFinished: n, MaxBytes: int64(n) * 8 * bodySize})
	case storeSQLite:
		p.sql, err = sqlstore.OpenSQLite("sqlite", s.File, sqlstore.Options{})
	default:
		p.tracer = &tracer{}
		var db *sql.DB
		if db, err = openSQL(ctx, s.Postgres, s.Database, webhookConnections, p.tracer); err == nil {
			p.sql, err = sqlstore.New(db, sqlstore.Postgres, sqlstore.Options{})
		}
	}
	if err != nil {
		return nil, err
	}
	if p.sql != nil {
		p.store = p.sql
	}
	logs := slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}) // that secrets are stored in clear is known
	if p.d, err = webhook.New(p.meter.around(p.store), webhook.Config{Network: network, Logger: slog.New(logs)}); err != nil {
		return nil, err
	}
	if s.Store == storeMemory {
		err = createEndpoints(ctx, p.d, append(s.Layout.endpoints(s.Receiver), pastEndpoint(s.Receiver)), eventType)
	}
	return p, err
}

func (p *webhookPeer) begin(ctx context.Context) error {
	go func() { _ = p.d.Run(ctx) }()
	return nil
}

func (p *webhookPeer) emit(ctx context.Context, e event) error {
	_, err := p.d.Emit(ctx, webhookEvent(e))
	return err
}

func webhookEvent(e event) webhook.Event {
	tenant := past
	if e.Tenant != toThePast {
		tenant = tenantID(e.Tenant)
	}
	return webhook.Event{Tenant: tenant, Type: eventType, Data: e.Data}
}

// stored waits until the Store has expanded the events that were too large for Emit.
func (p *webhookPeer) stored(ctx context.Context) error {
	for {
		left, err := p.unexpanded(ctx)
		if err != nil || !left {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

// unexpanded reports whether there are events whose deliveries are not made yet.
func (p *webhookPeer) unexpanded(ctx context.Context) (left bool, err error) {
	err = p.sql.DB().QueryRowContext(uncounted(ctx), "SELECT EXISTS (SELECT 1 FROM webhook_outbox)").Scan(&left)
	return left, err
}

// finish returns at once: what Settle has stored is final.
func (*webhookPeer) finish(context.Context) error { return nil }

func (p *webhookPeer) statements() int64 {
	if p.tracer == nil {
		return -1
	}
	return p.tracer.count.Load()
}

func (p *webhookPeer) figures() map[string]float64 { return p.meter.figures() }

func (p *webhookPeer) forget() { p.meter.forget() }

// logged counts by reading the log, in memory.
func (p *webhookPeer) logged(ctx context.Context) (int, error) {
	if p.sql != nil {
		return -1, nil
	}
	total := 0
	for _, e := range p.layout.endpoints(addresses{}) {
		q := webhook.Query{EndpointID: e.ID, Limit: 1000}
		for {
			page, err := p.d.Tenant(e.Tenant).Attempts(ctx, q)
			if err != nil {
				return total, err
			}
			total += len(page.Items)
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
	}
	return total, nil
}

// createEndpoints subscribes endpoints to one type of events.
func createEndpoints(ctx context.Context, d *webhook.Dispatcher, endpoints []endpoint, typ string) error {
	for _, e := range endpoints {
		_, err := d.Tenant(e.Tenant).CreateEndpoint(ctx, webhook.Endpoint{ID: e.ID, URL: e.URL, Secret: secret, Events: []string{typ}})
		if err != nil {
			return fmt.Errorf("create endpoint %s: %w", e.ID, err)
		}
	}
	return nil
}
