package webhook

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/gowebhook/webhook/internal/batch"
	"github.com/gowebhook/webhook/internal/bounded"
	"github.com/gowebhook/webhook/internal/pacing"
	"github.com/gowebhook/webhook/internal/uuidv7"
)

const (
	maxCached = 16 << 10    // endpoints remembered
	cacheAge  = time.Second // how old a copy may be when a request begins
)

// An endpointCache has this process's copies of endpoints. Every call that asks the Store
// about an endpoint confirms or replaces its copy, so busy endpoints need no lookups of their
// own. Other endpoints are looked up together, when a request is about to begin.
type endpointCache struct {
	uptime func() time.Duration // see storeTime
	ids    uuidv7.Generator     // of operational events
	window time.Duration        // HealthPolicy.CircuitWindow
	loads  *batch.Group[EndpointKey, loaded]

	// restart lets the lane of an endpoint begin anew. It may be called while the mutex is held.
	restart func(EndpointKey)

	mu sync.RWMutex
	of map[EndpointKey]*cachedEndpoint
}

func newEndpointCache(uptime func() time.Duration, refresh func(context.Context, []EndpointKey) ([]Endpoint, error)) *endpointCache {
	c := &endpointCache{uptime: uptime, of: make(map[EndpointKey]*cachedEndpoint), restart: func(EndpointKey) {}}
	run := func(keys []EndpointKey) ([]loaded, error) { return c.load(refresh, keys) }
	c.loads = batch.New(batch.Limits{Running: 2, Items: 1000, Bytes: 1000}, func(EndpointKey) int { return 1 }, run)
	return c
}

// loaded is the answer for one key of a batch.
type loaded struct {
	cached *cachedEndpoint // nil if the endpoint does not exist
	err    error           // the Store cannot read the endpoint
}

// get returns the copy of an endpoint, of any age, or nil.
func (c *endpointCache) get(key EndpointKey) *cachedEndpoint {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.of[key]
}

// hasCircuit reports whether the circuit of an endpoint was open when the Store last said so.
func (c *endpointCache) hasCircuit(key EndpointKey) bool {
	n := c.get(key)
	return n != nil && !n.isGone() && n.health.Load().Circuit
}

// put stores the Store's answer about an endpoint when it was asked at asOf.
func (c *endpointCache) put(e *Endpoint, asOf time.Duration) *cachedEndpoint {
	n := &cachedEndpoint{endpoint: e, snapshot: snapshotOf(e), streak: new(streak)}
	n.announce = func(notice *Notice) *EventRecord { return announce(e, notice, &c.ids) }
	health := e.Health
	n.health.Store(&health)
	n.seen.Store(int64(asOf))
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.of[e.key()]
	if old != nil && old.isNewer(e.Version, asOf) {
		return old // a newer answer came first
	}
	if old.mayBeRestored(e.State, e.Version, &e.Health, asOf) {
		c.restart(e.key())
	}
	if old != nil {
		if !old.isGone() {
			if !old.isReset(n) {
				n.streak = old.streak
			}
			if old.endpoint.Version == e.Version {
				n.opened.Store(old.opened.Load())
			}
		}
	}
	c.keep(e.key(), n)
	return n
}

// note counts an attempt that was made with a copy.
func (c *endpointCache) note(n *cachedEndpoint, a *Attempt, succeeded bool) {
	k := c.current(n)
	at, known := a.StartedAt.UnixMicro(), k.health.Load()
	k.streak.mu.Lock()
	defer k.streak.mu.Unlock()
	k.streak.count(c.uptime(), c.window, succeeded)
	switch {
	case !succeeded:
		k.streak.failures++
	case at >= k.streak.success:
		k.streak.success, k.streak.ended, k.streak.failures = at, max(k.streak.failures, known.Failures), 0
	}
}

// recent returns the attempts of an endpoint within the window, with one more that has failed.
func (c *endpointCache) recent(n *cachedEndpoint) pacing.Count {
	k := c.current(n)
	k.streak.mu.Lock()
	defer k.streak.mu.Unlock()
	var sum pacing.Count
	if w := k.streak.recent; w != nil {
		sum = w.Count(c.uptime())
	}
	sum.Attempts++
	sum.Failed++
	return sum
}

// judged returns the health that an attempt is judged by. It is the last health that the Store
// gave. If the Store does not know of a success here, it leaves out the failures that the
// success has ended, and their consequences.
func (c *endpointCache) judged(n *cachedEndpoint) Health {
	k := c.current(n)
	h := *k.health.Load()
	k.streak.mu.Lock()
	defer k.streak.mu.Unlock()
	if h.Failures > 0 && k.streak.success >= h.FailingSince.UnixMicro() {
		h.Status, h.Circuit, h.Holds, h.Throttles = "", false, 0, 0
		h.FailingSince = time.UnixMicro(k.streak.success).UTC() // the next failure came later
		if h.Failures = max(h.Failures-k.streak.ended, 0); h.Failures == 0 {
			h.FailingSince = time.Time{}
		}
	}
	return h
}

// current returns the latest copy of an endpoint. It returns n if there is none, or if the
// health has begun anew since n. An attempt that was made with n then does not count for the
// later copy.
func (c *endpointCache) current(n *cachedEndpoint) *cachedEndpoint {
	if k := c.get(n.endpoint.key()); k != nil && !k.isGone() && !n.isReset(k) {
		return k
	}
	return n
}

// keep stores a copy; mu is held.
func (c *endpointCache) keep(key EndpointKey, n *cachedEndpoint) {
	bounded.Put(&c.of, maxCached, key, n) // a copy in use is soon back
}

// drop notes that an endpoint is gone, as of now.
func (c *endpointCache) drop(key EndpointKey) {
	n := new(cachedEndpoint)
	n.seen.Store(int64(c.uptime()))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keep(key, n)
}

// forget lets the Store be asked about an endpoint before its next request.
func (c *endpointCache) forget(key EndpointKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.of, key)
}

// confirm compares the copy of an endpoint with the Store's answer at asOf. It returns the
// copy if it is current, or nil.
func (c *endpointCache) confirm(status *EndpointStatus, asOf time.Duration) *cachedEndpoint {
	n := c.get(status.Key)
	if n == nil || n.isGone() {
		return nil
	}
	if time.Duration(n.seen.Load()) <= asOf && n.mayBeRestored(status.State, status.Version, &status.Health, asOf) {
		c.restart(status.Key)
	}
	if n.endpoint.Version != status.Version {
		if n.endpoint.Version < status.Version || n.isOutdated(asOf) {
			c.forget(status.Key)
		}
		return nil
	}
	if time.Duration(n.seen.Load()) > asOf {
		return n // a later answer is known
	}
	if *n.health.Load() != status.Health {
		health := status.Health
		n.health.Store(&health)
	}
	for seen := n.seen.Load(); seen < int64(asOf) && !n.seen.CompareAndSwap(seen, int64(asOf)); {
		seen = n.seen.Load()
	}
	return n
}

// fresh returns an endpoint as it was at most cacheAge ago, or nil if it does not exist. An
// endpoint that the Store cannot read is an error of its own, and does not count as deleted.
func (c *endpointCache) fresh(ctx context.Context, key EndpointKey) (*cachedEndpoint, error) {
	n, err := c.get(key), error(nil)
	if n == nil || c.uptime()-time.Duration(n.seen.Load()) >= cacheAge {
		var l loaded
		if l, err = c.loads.Do(ctx, key); err == nil {
			n, err = l.cached, l.err
		}
	}
	if n != nil && n.isGone() {
		n = nil
	}
	return n, err
}

func (c *endpointCache) load(refresh func(context.Context, []EndpointKey) ([]Endpoint, error), keys []EndpointKey) ([]loaded, error) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	results := make([]loaded, len(keys))
	asOf := c.uptime()
	found, err := refresh(ctx, unique(keys))
	if err != nil && len(found) == 0 {
		return nil, err
	}
	byKey := make(map[EndpointKey]*cachedEndpoint, len(found))
	for i := range found {
		byKey[found[i].key()] = c.put(&found[i], asOf)
	}
	for i, key := range keys {
		results[i].cached = byKey[key]
		if results[i].cached == nil {
			results[i].err = err
			c.forget(key)
		}
	}
	return results, nil
}

func unique(keys []EndpointKey) []EndpointKey {
	seen := make(map[EndpointKey]bool, len(keys))
	var once []EndpointKey
	for _, key := range keys {
		if !seen[key] {
			seen[key] = true
			once = append(once, key)
		}
	}
	return once
}

// dropTenant notes that a tenant's endpoints are gone, as of now.
func (c *endpointCache) dropTenant(tenant string) {
	c.mu.RLock()
	keys := slices.Collect(maps.Keys(c.of))
	c.mu.RUnlock()
	for _, key := range keys {
		if key.Tenant == tenant {
			c.drop(key)
		}
	}
}
