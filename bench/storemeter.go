package main

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/gowebhook/webhook"
)

// A storeMeter sees what a Dispatcher asks of its Store.
type storeMeter struct {
	done *ledger

	mu      sync.Mutex
	claims  []time.Duration
	claimed int // deliveries
}

// around returns the store with the meter in front, and with the optional interfaces that the store has.
func (m *storeMeter) around(s webhook.Store) webhook.Store {
	metered := meteredStore{s, m}
	clock, hasClock := s.(webhook.Clock)
	listener, hasListener := s.(webhook.Listener)
	if hasClock && hasListener {
		return struct {
			meteredStore
			webhook.Clock
			webhook.Listener
		}{metered, clock, listener}
	}
	return metered
}

// figures are of the claims: how many there were, how long they took, and how many deliveries they brought. The others went from
// Emit to the lanes.
func (m *storeMeter) figures() map[string]float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.claims) == 0 {
		return nil
	}
	times := slices.Sorted(slices.Values(m.claims))
	return map[string]float64{
		"claims": float64(len(times)), "claim_ms": milliseconds(percentile(times, 0.5)), "claim_p99_ms": milliseconds(percentile(times, 0.99)),
		"claimed": float64(m.claimed),
	}
}

// forget makes it as if nothing had been claimed.
func (m *storeMeter) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.claims, m.claimed = nil, 0
}

type meteredStore struct {
	webhook.Store
	meter *storeMeter
}

// Claim implements [webhook.Store].
func (s meteredStore) Claim(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
	began := time.Now()
	claimed, err := s.Store.Claim(ctx, req)
	took := time.Since(began)
	s.meter.mu.Lock()
	s.meter.claims = append(s.meter.claims, took)
	s.meter.claimed += len(claimed.Deliveries)
	s.meter.mu.Unlock()
	return claimed, err
}

// Settle implements [webhook.Store]. What it stores as delivered is entered in the ledger.
func (s meteredStore) Settle(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
	settled, err := s.Store.Settle(ctx, now, items)
	if err != nil {
		return settled, err
	}
	n := 0
	for i := range items {
		if items[i].State == webhook.DeliverySucceeded && !slices.Contains(settled.Lost, i) && !slices.Contains(settled.Already, i) {
			n++
		}
	}
	if n > 0 {
		s.meter.done.add(n)
	}
	return settled, err
}
