package main

import (
	"context"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/sqlstore"
)

// A sqlStore counts the deliveries that it stores as delivered.
type sqlStore struct {
	*sqlstore.Store
	done *progress
}

// Settle implements [webhook.Store].
func (s sqlStore) Settle(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
	settled, err := s.Store.Settle(ctx, now, items)
	s.done.settled(items, &settled, err)
	return settled, err
}

// A memoryStore counts the deliveries that it stores as delivered.
type memoryStore struct {
	*memstore.Store
	done *progress
}

// Settle implements [webhook.Store].
func (s memoryStore) Settle(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
	settled, err := s.Store.Settle(ctx, now, items)
	s.done.settled(items, &settled, err)
	return settled, err
}
