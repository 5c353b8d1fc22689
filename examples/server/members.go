package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/examples/internal/database"
	"github.com/gowebhook/webhook/sqlstore"
)

// A member belongs to a community.
type member struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	JoinedAt time.Time `json:"joined_at"`
}

// members are the application's own data. They are in the database of the webhooks, so that
// one transaction can change both.
type members struct {
	store  *sqlstore.Store // nil: in memory
	insert string

	mu sync.Mutex
	of map[string][]member // by community
}

func newMembers(ctx context.Context, s webhook.Store, databaseName string) (*members, error) {
	store, ok := s.(*sqlstore.Store)
	if !ok {
		return &members{of: make(map[string][]member)}, nil
	}
	const table = `CREATE TABLE IF NOT EXISTS members (
		id VARCHAR(64) NOT NULL PRIMARY KEY, community VARCHAR(255) NOT NULL, name VARCHAR(255) NOT NULL, joined_at BIGINT NOT NULL)`
	if _, err := store.DB().ExecContext(ctx, table); err != nil {
		return nil, fmt.Errorf("create the table of members: %w", err)
	}
	const insert = "INSERT INTO members (id, community, name, joined_at) VALUES ($1, $2, $3, $4)"
	return &members{store: store, insert: database.Bind(databaseName, insert)}, nil
}

// join stores a member and the event "member.joined" in one transaction.
func (m *members) join(ctx context.Context, d *webhook.Dispatcher, community, name string) (member, webhook.Receipt, error) {
	joined := member{ID: "mem_" + strings.ToLower(rand.Text()), Name: name, JoinedAt: time.Now().UTC().Truncate(time.Second)}
	event := webhook.Event{Tenant: community, Type: "member.joined", Data: joined}
	if m.store == nil {
		receipt, err := m.joinInMemory(ctx, d, joined, event)
		return joined, receipt, err
	}

	tx, err := m.store.DB().BeginTx(ctx, nil)
	if err != nil {
		return joined, webhook.Receipt{}, err
	}
	defer tx.Rollback() // does nothing after Commit
	if _, err := tx.ExecContext(ctx, m.insert, joined.ID, community, joined.Name, joined.JoinedAt.Unix()); err != nil {
		return joined, webhook.Receipt{}, fmt.Errorf("insert a member: %w", err)
	}
	receipts, err := d.EmitTx(ctx, m.store.Tx(tx), event)
	if err != nil {
		return joined, webhook.Receipt{}, err
	}
	if err := tx.Commit(); err != nil {
		return joined, receipts[0], err
	}
	d.Wake()
	return joined, receipts[0], nil
}

// joinInMemory stores the member and then emits. Without a database there is no transaction.
func (m *members) joinInMemory(ctx context.Context, d *webhook.Dispatcher, joined member, event webhook.Event) (webhook.Receipt, error) {
	m.mu.Lock()
	m.of[event.Tenant] = append(m.of[event.Tenant], joined)
	m.mu.Unlock()
	return d.Emit(ctx, event)
}
