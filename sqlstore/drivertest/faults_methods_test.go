package drivertest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// methods are all methods of a Store that need its tables.
func methods(s *scene) map[string]func() error {
	ctx := s.Context()
	one := func(_ any, err error) error { return err }
	key := webhook.EndpointKey{Tenant: "acme", ID: "ep1"}
	q := webhook.Query{Tenant: "acme"}
	e := webhook.Endpoint{Tenant: "acme", ID: "ep2", URL: "https://example.com", Events: []string{"*"}, State: webhook.EndpointActive, Version: 1}
	one2 := func(event webhook.EventRecord) error { return one(s.store.Publish(ctx, s.request(event))) }
	return map[string]func() error{
		"Publish": func() error { return one2(s.event("acme", "evt-x", "ep1")) },
		"Publish two": func() error {
			return one(s.store.Publish(ctx, s.request(s.event("acme", "evt-y", "ep1"), s.event("acme", "evt-z", "ep1"))))
		},
		"Publish in a transaction": func() error {
			tx, err := s.store.DB().BeginTx(context.WithoutCancel(ctx), nil)
			if err != nil {
				return err
			}
			defer tx.Rollback()
			event := s.event("acme", "evt-o")
			event.Deliveries = nil
			if _, err := s.store.Tx(tx).Publish(ctx, s.request(event)); err != nil {
				return err
			}
			return tx.Commit()
		},
		"Match": func() error {
			return one(s.store.Match(ctx, []webhook.MatchRequest{{Tenant: "acme", Patterns: []string{"*"}, Limit: 10}}))
		},
		"CreateEndpoint": func() error { return s.store.CreateEndpoint(ctx, e, 0) },
		"UpdateEndpoint": func() error { return one(s.store.UpdateEndpoint(ctx, e)) },
		"DeleteEndpoint": func() error { return s.store.DeleteEndpoint(ctx, key, 0, s.now) },
		"Endpoints":      func() error { return one(s.store.Endpoints(ctx, q)) },
		"Refresh":        func() error { return one(s.store.Refresh(ctx, []webhook.EndpointKey{key})) },
		"Claim": func() error {
			return one(s.store.Claim(ctx, webhook.ClaimRequest{Now: s.now, LeaseUntil: s.now, Max: 1, MaxBytes: 1, Room: 1}))
		},
		"Settle": func() error {
			return one(s.store.Settle(ctx, s.now, []webhook.Settlement{s.succeeded(webhook.Leased{Endpoint: key, LeaseNo: 1})}))
		},
		"Retry":      func() error { return one(s.store.Retry(ctx, q, s.now)) },
		"Cancel":     func() error { return one(s.store.Cancel(ctx, q, s.now)) },
		"Events":     func() error { return one(s.store.Events(ctx, q)) },
		"Deliveries": func() error { return one(s.store.Deliveries(ctx, q, s.now)) },
		"Attempts": func() error {
			return one(s.store.Attempts(ctx, webhook.Query{Tenant: "acme", EndpointID: "ep1"}))
		},
		"Backlog": func() error {
			return one(s.store.Backlog(ctx, webhook.EndpointKey{Tenant: "acme", ID: "ep1"}, s.now))
		},
		"Stats": func() error { return one(s.store.Stats(ctx, s.now)) },
		"Prune": func() error { return one(s.store.Prune(ctx, s.now, webhook.Retention{})) },
		"Erase": func() error { return s.store.Erase(ctx, "acme") },
	}
}

func TestEveryMethodSaysThatTheTablesAreMissing(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		s := newScene(t, d.store(t, d.dsn(t), sqlstore.Options{}))
		for name, call := range methods(s) {
			assert.ErrorContains(t, call(), "Migrate", name)
		}
	})
}
