package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/sqlstore"
)

// webhookConnections is the size of the library's pool. Ten are plenty for a process, as its
// documentation says. Twenty do not limit it.
const webhookConnections = 20

// A webhookPeer is the library, with its defaults.
type webhookPeer struct {
	d       *webhook.Dispatcher
	sql     *sqlstore.Store // nil in memory
	targets targets
	stop    context.CancelFunc
	stopped chan error
}

func openWebhook(ctx context.Context, s *sender) (*webhookPeer, error) {
	p := &webhookPeer{targets: s.Targets}
	var store webhook.Store
	if s.Store == storeMemory {
		n := s.Load.Events*s.Targets.Endpoints + 10_000 // room for the warm-up
		store = memoryStore{memstore.New(memstore.Options{MaxPending: n, MaxFinished: n, MaxBytes: int64(n) * 8 * bodySize}), &s.progress}
	} else {
		var err error
		if p.sql, err = openStore(ctx, s.Store, s.DSN, webhookConnections, &s.statements); err != nil {
			return nil, err
		}
		store = sqlStore{p.sql, &s.progress}
	}
	logs := slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}) // without the warning that secrets are in clear
	var err error
	if p.d, err = webhook.New(store, webhook.Config{Network: network(s.Receiver), Logger: slog.New(logs)}); err != nil {
		return nil, err
	}
	if s.Store == storeMemory {
		err = createEndpoints(ctx, p.d, append(s.Targets.endpoints(s.Receiver), pastEndpoint(s.Receiver)))
	}
	return p, err
}

// network allows requests to the receiver.
func network(at addresses) webhook.Network {
	return webhook.Network{AllowHTTP: true, AllowLoopback: true, TLS: &tls.Config{RootCAs: at.roots(), MinVersion: tls.VersionTLS12}}
}

// createEndpoints subscribes endpoints to the events of their tenants.
func createEndpoints(ctx context.Context, d *webhook.Dispatcher, endpoints []endpoint) error {
	for _, e := range endpoints {
		types := []string{eventType}
		if e.ID == hanging {
			types = append(types, backlogType)
		}
		_, err := d.Tenant(e.Tenant).CreateEndpoint(ctx, webhook.Endpoint{ID: e.ID, URL: e.URL, Secret: secret, Events: types})
		if err != nil {
			return fmt.Errorf("create endpoint %s: %w", e.ID, err)
		}
	}
	return nil
}

func (p *webhookPeer) begin(ctx context.Context) error {
	ctx, p.stop = context.WithCancel(ctx)
	p.stopped = make(chan error, 1)
	go func() { p.stopped <- p.d.Run(ctx) }()
	return nil
}

func (p *webhookPeer) emit(ctx context.Context, e event) error {
	_, err := p.d.Emit(ctx, webhook.Event{Tenant: tenantID(e.Tenant), Type: eventType, Data: e.Data})
	return err
}

func (p *webhookPeer) finish(context.Context) error {
	p.stop()
	return <-p.stopped
}

func (p *webhookPeer) logged(ctx context.Context) (n int, err error) {
	if p.sql != nil {
		err = p.sql.DB().QueryRowContext(uncounted(ctx), countRows("webhook_attempts")).Scan(&n)
		return n, err
	}
	for _, e := range p.targets.endpoints(addresses{}) {
		q := webhook.Query{EndpointID: e.ID, Limit: 1000}
		for more := true; more; more = q.Cursor != "" {
			page, err := p.d.Tenant(e.Tenant).Attempts(ctx, q)
			if err != nil {
				return n, err
			}
			n += len(page.Items)
			q.Cursor = page.Next
		}
	}
	return n, nil
}

// countRows is the query for the attempts in a log to endpoints that answer.
func countRows(table string) string {
	return "SELECT count(*) FROM " + table + " WHERE endpoint_id NOT IN ('" + hanging + "', '" + past + "')"
}
