package webhook

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gowebhook/webhook/internal/batch"
)

const (
	maxSettings = 16 << 10    // endpoints remembered
	settingsAge = time.Second // how old settings may be when a request begins
)

// settings are this process's copies of endpoints. Every call that asks the Store about an
// endpoint confirms or replaces its copy, so busy endpoints need no lookups of their own. Other
// endpoints are looked up together, when a request is about to begin.
type settings struct {
	start   time.Time
	skipped atomic.Int64 // time that the monotonic clock has left out since start
	loads   *batch.Group[EndpointKey, loaded]

	mu sync.RWMutex
	of map[EndpointKey]*setting
}

// A setting is one endpoint as of one version, sealed as it is stored. Only the atomics and the
// streak change.
//
// The setting of a deleted endpoint has no endpoint. It outlives the deletion for a while,
// because an older answer may still be on its way.
type setting struct {
	endpoint *Endpoint
	snapshot *Endpoint                     // see Message.Endpoint
	opened   atomic.Pointer[openedSetting] // nil until the secrets are needed
	health   atomic.Pointer[Health]
	seen     atomic.Int64 // when the Store was last asked, on settings.clock
	streak   *streak      // shared by the settings of an endpoint
}

// A streak counts an endpoint's successes and failures in this process. The Store learns of
// them only after the next request has begun, and in any order.
type streak struct {
	mu       sync.Mutex
	failures int   // since the last success in this process
	success  int64 // start of the latest successful attempt here, in microseconds
	ended    int   // failures before that success, which the Store may still count
}

func newSettings(refresh func(context.Context, []EndpointKey) ([]Endpoint, error)) *settings {
	s := &settings{start: time.Now(), of: make(map[EndpointKey]*setting)}
	run := func(keys []EndpointKey) ([]loaded, error) { return s.load(refresh, keys) }
	s.loads = batch.New(batch.Limits{Running: 2, Items: 1000, Bytes: 1000}, func(EndpointKey) int { return 1 }, run)
	return s
}

// loaded is the answer for one key of a batch.
type loaded struct {
	setting *setting // nil if the endpoint does not exist
	err     error    // the Store cannot read the endpoint
}

// clock returns the time on which setting.seen is measured.
func (s *settings) clock() time.Duration {
	return time.Since(s.start) + time.Duration(s.skipped.Load())
}

// skip adds the time d for which the machine was suspended. All copies are that much older.
func (s *settings) skip(d time.Duration) { s.skipped.Add(int64(d)) }

// get returns the copy of an endpoint, of any age, or nil.
func (s *settings) get(key EndpointKey) *setting {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.of[key]
}

// put stores the Store's answer about an endpoint when it was asked at asOf.
func (s *settings) put(e *Endpoint, asOf time.Duration) *setting {
	n := &setting{endpoint: e, snapshot: snapshotOf(e), streak: new(streak)}
	health := e.Health
	n.health.Store(&health)
	n.seen.Store(int64(asOf))
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.of[e.key()]; old != nil {
		if old.isNewer(e.Version, asOf) {
			return old // a newer answer came first
		}
		if !old.isGone() {
			if !old.isReset(n) {
				n.streak = old.streak
			}
			if old.endpoint.Version == e.Version {
				n.opened.Store(old.opened.Load())
			}
		}
	}
	s.keep(e.key(), n)
	return n
}

// isNewer reports whether a setting is newer than the Store's answer at asOf.
func (n *setting) isNewer(version int64, asOf time.Duration) bool {
	seen := time.Duration(n.seen.Load())
	switch {
	case n.isGone():
		return seen >= asOf
	case n.endpoint.Version == version:
		return seen > asOf
	default:
		return n.endpoint.Version > version && !n.isOutdated(asOf)
	}
}

// isReset reports whether the endpoint's health began anew between a setting and a later one.
func (n *setting) isReset(later *setting) bool {
	sameURL := n.endpoint.URL == later.endpoint.URL || sameSealedURL(n.endpoint.URL, later.endpoint.URL)
	return !sameURL || n.endpoint.State == EndpointDisabled && later.endpoint.State != EndpointDisabled
}

// isOutdated reports whether a setting was last seen at least storeTimeout before asOf. No call
// that was under way then can still bring it. An answer of asOf then counts in any version,
// because a failover may have lost the setting's.
func (n *setting) isOutdated(asOf time.Duration) bool {
	return asOf-time.Duration(n.seen.Load()) >= storeTimeout
}

func (n *setting) isGone() bool { return n.endpoint == nil }

// note counts an attempt that was made with a setting.
func (s *settings) note(n *setting, a *Attempt, succeeded bool) {
	k := s.current(n)
	at, known := a.StartedAt.UnixMicro(), k.health.Load()
	k.streak.mu.Lock()
	defer k.streak.mu.Unlock()
	switch {
	case !succeeded:
		k.streak.failures++
	case at >= k.streak.success:
		k.streak.success, k.streak.ended, k.streak.failures = at, max(k.streak.failures, known.Failures), 0
	}
}

// judged returns the health that an attempt is judged by. It is the last health that the Store
// gave. If the Store does not know of a success here, it leaves out the failures that the
// success has ended.
func (s *settings) judged(n *setting) Health {
	k := s.current(n)
	h := *k.health.Load()
	k.streak.mu.Lock()
	defer k.streak.mu.Unlock()
	if h.Failures > 0 && k.streak.success >= h.FailingSince.UnixMicro() {
		if h.Failures = max(h.Failures-k.streak.ended, 0); h.Failures == 0 {
			h.FailingSince = time.Time{}
		}
	}
	return h
}

// current returns the latest copy of an endpoint. It returns n if there is none, or if the
// health has begun anew since n. An attempt that was made with n then does not count for the
// later copy.
func (s *settings) current(n *setting) *setting {
	if k := s.get(n.endpoint.key()); k != nil && !k.isGone() && !n.isReset(k) {
		return k
	}
	return n
}

// keep stores a setting; mu is held.
func (s *settings) keep(key EndpointKey, n *setting) {
	if len(s.of) >= maxSettings {
		for key := range s.of { // any one: a copy in use is soon back
			delete(s.of, key)
			break
		}
	}
	s.of[key] = n
}

// drop notes that an endpoint is gone, as of now.
func (s *settings) drop(key EndpointKey) {
	n := new(setting)
	n.seen.Store(int64(s.clock()))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep(key, n)
}

// forget lets the Store be asked about an endpoint before its next request.
func (s *settings) forget(key EndpointKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.of, key)
}

// confirm compares the copy of an endpoint with the Store's answer at asOf. It returns the copy
// if it is current, or nil.
func (s *settings) confirm(status *EndpointStatus, asOf time.Duration) *setting {
	n := s.get(status.Key)
	if n == nil || n.isGone() {
		return nil
	}
	if n.endpoint.Version != status.Version {
		if n.endpoint.Version < status.Version || n.isOutdated(asOf) {
			s.forget(status.Key)
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

// fresh returns an endpoint as it was at most settingsAge ago, or nil if it does not exist. An
// endpoint that the Store cannot read is an error of its own, and does not count as deleted.
func (s *settings) fresh(ctx context.Context, key EndpointKey) (*setting, error) {
	n, err := s.get(key), error(nil)
	if n == nil || s.clock()-time.Duration(n.seen.Load()) >= settingsAge {
		var l loaded
		if l, err = s.loads.Do(ctx, key); err == nil {
			n, err = l.setting, l.err
		}
	}
	if n != nil && n.isGone() {
		n = nil
	}
	return n, err
}

func (s *settings) load(refresh func(context.Context, []EndpointKey) ([]Endpoint, error), keys []EndpointKey) ([]loaded, error) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	results := make([]loaded, len(keys))
	asOf := s.clock()
	found, err := refresh(ctx, unique(keys))
	if err != nil && len(found) == 0 {
		return nil, err
	}
	byKey := make(map[EndpointKey]*setting, len(found))
	for i := range found {
		byKey[found[i].key()] = s.put(&found[i], asOf)
	}
	for i, key := range keys {
		results[i].setting = byKey[key]
		if results[i].setting == nil {
			results[i].err = err
			s.forget(key)
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

// snapshotOf returns the part of an endpoint that is input for bodies.
func snapshotOf(e *Endpoint) *Endpoint {
	return &Endpoint{
		ID: e.ID, Tenant: e.Tenant, URL: e.URL, Profile: e.Profile, Metadata: e.Metadata, Version: e.Version,
	}
}

// refresh is Store.Refresh, for settings.
func (d *Dispatcher) refresh(ctx context.Context, keys []EndpointKey) ([]Endpoint, error) {
	return d.store.Refresh(ctx, keys)
}

func (s *settings) dropTenant(tenant string) {
	s.mu.RLock()
	keys := slices.Collect(maps.Keys(s.of))
	s.mu.RUnlock()
	for _, key := range keys {
		if key.Tenant == tenant {
			s.drop(key)
		}
	}
}
