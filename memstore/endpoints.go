package memstore

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/health"
	"github.com/gowebhook/webhook/internal/linked"
	"github.com/gowebhook/webhook/internal/paging"
	"github.com/gowebhook/webhook/internal/rate"
)

// An endpoint is a webhook.Endpoint with its deliveries, and is their lane. A deleted endpoint
// stays as a tombstone while deliveries of it are stored. So does one that never existed. A
// tombstone has only ID and Tenant.
type endpoint struct {
	webhook.Endpoint
	tombstone bool
	tenant    *tenant    // nil of a tombstone
	versions  []*version // in order; the last one is current
	mark      uint64
	told      health.Told

	deliveries index[delivery]                  // by the UIDs of their events
	attempts   index[attempt]                   // by StartedAt
	unfinished int                              // deliveries
	unleased   linked.List[delivery, *delivery] // unfinished deliveries that nobody holds, the oldest first
	doomed     bool                             // in Store.doomed

	laneState    laneState
	ready        heap[delivery]
	blockedUntil int64          // Health.BlockedUntil
	rateAt       int64          // when the rate allows the next request; 0 for a whole burst
	slot         node[endpoint] // in Store.blocked, by opensAt
	visited      uint64         // tick of the last visit, or of joining the ring
	expiry       node[endpoint] // in Store.expiring
	expiring     bool

	linked.Links[endpoint] // in Store.ring or, if it is dead, in Store.doomed
}

func (e *endpoint) key() webhook.EndpointKey {
	return webhook.EndpointKey{Tenant: e.Tenant, ID: e.ID}
}

func (e *endpoint) status() webhook.EndpointStatus {
	return webhook.EndpointStatus{Key: e.key(), Version: e.Version, State: e.State, Health: e.Health}
}

// limit returns the endpoint's Rate and Burst.
func (e *endpoint) limit() rate.Limit { return rate.Of(e.Rate, e.Burst) }

// opensAt returns the time before which nothing may be sent to the endpoint.
func (e *endpoint) opensAt() int64 { return max(e.blockedUntil, e.rateAt) }

// isOff reports whether nothing may be sent to the endpoint until somebody changes it.
func (e *endpoint) isOff() bool {
	return e.tombstone || e.State == webhook.EndpointPaused || e.State == webhook.EndpointDisabled
}

// dead reports whether the endpoint's unfinished deliveries must be canceled.
func (e *endpoint) dead() bool { return e.tombstone || e.State == webhook.EndpointDisabled }

// CreateEndpoint implements [webhook.Store].
func (s *Store) CreateEndpoint(ctx context.Context, e webhook.Endpoint, limit int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if e.Tenant == "" {
		return paging.NoTenant("Endpoint.Tenant")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.endpoints[webhook.EndpointKey{Tenant: e.Tenant, ID: e.ID}] != nil {
		return webhook.ErrConflict
	}
	t := s.tenant(e.Tenant)
	if limit > 0 && len(t.endpoints) >= limit {
		return webhook.ErrLimit
	}
	own := s.newEndpoint(e)
	own.tenant, own.versions = t, []*version{{number: e.Version}}
	own.takeCopies()
	s.watchSecrets(own)
	if len(t.endpoints) == 0 {
		i, _ := s.searchOwner(t.name)
		s.owners = slices.Insert(s.owners, i, t)
	}
	i, _ := t.search(e.ID)
	t.endpoints = slices.Insert(t.endpoints, i, own)
	s.subscribe(own)
	return nil
}

func (s *Store) newEndpoint(e webhook.Endpoint) *endpoint {
	own := &endpoint{Endpoint: e, blockedUntil: micros(e.Health.BlockedUntil)}
	own.slot.of, own.expiry.of = own, own
	s.endpoints[own.key()] = own
	return own
}

// takeCopies replaces the maps and slices by copies, because the caller may change its own.
func (e *endpoint) takeCopies() {
	e.Events = slices.Clone(e.Events)
	e.Metadata = maps.Clone(e.Metadata)
	e.Header = maps.Clone(e.Header)
	e.Secrets = slices.Clone(e.Secrets)
}

// UpdateEndpoint implements [webhook.Store].
func (s *Store) UpdateEndpoint(ctx context.Context, e webhook.Endpoint) (webhook.Endpoint, error) {
	if err := ctx.Err(); err != nil {
		return webhook.Endpoint{}, err
	}
	if e.Tenant == "" {
		return webhook.Endpoint{}, paging.NoTenant("Endpoint.Tenant")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.live(webhook.EndpointKey{Tenant: e.Tenant, ID: e.ID})
	if own == nil {
		return webhook.Endpoint{}, webhook.ErrNotFound
	}
	if own.Version != e.Version {
		return webhook.Endpoint{}, webhook.ErrConflict
	}
	s.unsubscribe(own)
	own.supersede(micros(e.UpdatedAt))
	e.Version, e.CreatedAt, e.Health = own.Version, own.CreatedAt, own.Health
	if health.IsReset(&own.Endpoint, &e) {
		e.Health = webhook.Health{}
	}
	if rate.Of(e.Rate, e.Burst) != own.limit() {
		own.rateAt = 0
	}
	own.Endpoint, own.told = e, health.Told{}
	own.takeCopies()
	s.watchSecrets(own)
	s.subscribe(own)
	s.stateChanged(own)
	return own.Endpoint, nil
}

// stateChanged updates the lane, the block and the cancelling of e after State or Health
// changed.
func (s *Store) stateChanged(e *endpoint) {
	e.blockedUntil = micros(e.Health.BlockedUntil)
	s.spare(e)
	s.place(e, s.now)
	if e.dead() {
		s.doom(e)
	}
}

// DeleteEndpoint implements [webhook.Store].
func (s *Store) DeleteEndpoint(ctx context.Context, key webhook.EndpointKey, version int64, _ time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if key.Tenant == "" {
		return paging.NoTenant("EndpointKey.Tenant")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.live(key)
	if e == nil {
		return webhook.ErrNotFound
	}
	if version != 0 && e.Version != version {
		return webhook.ErrConflict
	}
	s.bury(e)
	return nil
}

// bury hides an endpoint from all readers. While deliveries of it are stored, it remains as
// their lane.
func (s *Store) bury(e *endpoint) {
	s.unsubscribe(e)
	t := e.tenant
	i, _ := t.search(e.ID)
	t.endpoints = slices.Delete(t.endpoints, i, i+1)
	if len(t.endpoints) == 0 {
		i, _ := s.searchOwner(t.name)
		s.owners = slices.Delete(s.owners, i, i+1)
	}
	e.Endpoint = webhook.Endpoint{ID: e.ID, Tenant: e.Tenant}
	e.tombstone, e.tenant, e.versions, e.rateAt = true, nil, nil, 0
	s.watchSecrets(e)
	s.stateChanged(e)
	s.forget(e)
	s.release(t)
}

// forget drops a deleted endpoint that has no deliveries left.
func (s *Store) forget(e *endpoint) {
	if e.tombstone && e.deliveries.len() == 0 {
		s.spare(e)
		delete(s.endpoints, e.key())
	}
}

// live returns an endpoint that was not deleted, or nil.
func (s *Store) live(key webhook.EndpointKey) *endpoint {
	if e := s.endpoints[key]; e != nil && !e.tombstone {
		return e
	}
	return nil
}

// Refresh implements [webhook.Store].
func (s *Store) Refresh(ctx context.Context, keys []webhook.EndpointKey) ([]webhook.Endpoint, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for i := range keys {
		if keys[i].Tenant == "" {
			return nil, paging.NoTenant("EndpointKey.Tenant")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gen++
	found := make([]webhook.Endpoint, 0, len(keys))
	for _, key := range keys {
		if e := s.live(key); e != nil && e.mark != s.gen {
			e.mark = s.gen
			found = append(found, e.Endpoint)
		}
	}
	return found, nil
}

// tenant returns a tenant, and makes it if needed. The caller adds something to it, or calls
// release.
func (s *Store) tenant(name string) *tenant {
	t := s.tenants[name]
	if t == nil {
		t = &tenant{name: name}
		s.tenants[name] = t
	}
	return t
}

// release forgets a tenant that has nothing left.
func (s *Store) release(t *tenant) {
	if len(t.endpoints) == 0 && t.events.len() == 0 {
		delete(s.tenants, t.name)
	}
}

func (t *tenant) search(id string) (int, bool) {
	return slices.BinarySearchFunc(t.endpoints, id, func(e *endpoint, id string) int { return strings.Compare(e.ID, id) })
}

func (s *Store) searchOwner(name string) (int, bool) {
	return slices.BinarySearchFunc(s.owners, name, func(t *tenant, name string) int { return strings.Compare(t.name, name) })
}
