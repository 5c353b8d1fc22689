package webhook

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gowebhook/webhook/internal/pacing"
	"github.com/gowebhook/webhook/internal/sender"
)

// A cachedEndpoint is the copy of one endpoint as of one version, sealed as it is stored. Only
// the atomics and the streak change.
//
// The copy of a deleted endpoint has no endpoint. It outlives the deletion for a while,
// because an older answer may still be on its way.
type cachedEndpoint struct {
	endpoint *Endpoint
	snapshot *Endpoint                      // see Message.Endpoint
	opened   atomic.Pointer[openedEndpoint] // nil until the secrets are needed
	health   atomic.Pointer[Health]
	announce func(*Notice) *EventRecord // see Settlement.Announce
	seen     atomic.Int64               // when the Store was last asked, by storeTime.uptime
	streak   *streak                    // shared by the copies of an endpoint
}

// A streak counts an endpoint's successes and failures in this process. The Store learns of
// them only after the next request has begun, and in any order.
type streak struct {
	mu       sync.Mutex
	failures int   // since the last success in this process
	success  int64 // start of the latest successful attempt here, in microseconds
	ended    int   // failures before that success, which the Store may still count

	recent *pacing.Window // nil while no attempt within its time has failed
}

// count counts an attempt at now into the window of recent attempts. The window begins with a
// failure, and ends when it has none. The mutex is held.
func (s *streak) count(now, window time.Duration, succeeded bool) {
	if s.recent == nil {
		if succeeded {
			return
		}
		s.recent = pacing.NewWindow(window)
	}
	if !succeeded {
		s.recent.Failed(now)
		return
	}
	s.recent.Succeeded(now)
	if s.recent.Count(now).Failed == 0 {
		s.recent = nil
	}
}

// isNewer reports whether a copy is newer than the Store's answer at asOf.
func (n *cachedEndpoint) isNewer(version int64, asOf time.Duration) bool {
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

// mayBeRestored reports whether the Store's answer at asOf shows that the endpoint is held
// back, or may have been since the copy was last seen. Its lane then begins anew, so that
// its backlog does not reach the receiver all at once. n is nil if there is no copy.
//
// A copy that was seen a moment ago has missed no pause and no circuit. An older copy may
// have missed the whole of it: the endpoint is active in both, but its Version, RecoveredAt
// or BlockedUntil is another.
func (n *cachedEndpoint) mayBeRestored(state EndpointState, version int64, h *Health, asOf time.Duration) bool {
	if n == nil || n.isGone() {
		return state != EndpointActive || !h.RecoveredAt.IsZero() || !h.BlockedUntil.IsZero()
	}
	known := n.health.Load()
	switch {
	case n.endpoint.State != state, known.Circuit != h.Circuit, h.BlockedUntil.After(known.BlockedUntil):
		return true
	case asOf-time.Duration(n.seen.Load()) < cacheAge:
		return false
	}
	return n.endpoint.Version != version || h.RecoveredAt.After(known.RecoveredAt)
}

// isReset reports whether the endpoint's health began anew between a copy and a later one.
func (n *cachedEndpoint) isReset(later *cachedEndpoint) bool {
	sameURL := n.endpoint.URL == later.endpoint.URL || sameSealedURL(n.endpoint.URL, later.endpoint.URL)
	return !sameURL || n.endpoint.State == EndpointDisabled && later.endpoint.State != EndpointDisabled
}

// isOutdated reports whether a copy was last seen at least storeTimeout before asOf. No call
// that was under way then can still bring it. An answer of asOf then counts in any version,
// because a failover may have lost the version of the copy.
func (n *cachedEndpoint) isOutdated(asOf time.Duration) bool {
	return asOf-time.Duration(n.seen.Load()) >= storeTimeout
}

func (n *cachedEndpoint) isGone() bool { return n.endpoint == nil }

// snapshotOf returns the part of an endpoint that is input for bodies.
func snapshotOf(e *Endpoint) *Endpoint {
	return &Endpoint{
		ID: e.ID, Tenant: e.Tenant, URL: e.URL, Profile: e.Profile, Metadata: e.Metadata, Version: e.Version,
	}
}

// An openedEndpoint is a cached endpoint with the open values that requests need; see
// openToSign.
type openedEndpoint struct {
	endpoint Endpoint
	snapshot Endpoint       // see Message.Endpoint
	target   *sender.Target // of the URL; nil if it is not accepted
}

// openWork returns the open endpoint of a delivery, and opens the URL of the delivery's
// snapshot.
func (d *Dispatcher) openWork(ctx context.Context, n *cachedEndpoint, w *work, now time.Time, timeout time.Duration) (*openedEndpoint, error) {
	o, err := d.openCached(ctx, n, now, timeout)
	if err != nil || !isSealedURL(w.snapshot.URL) {
		return o, err
	}
	if w.snapshot.Version == o.endpoint.Version {
		w.snapshot = &o.snapshot
		return o, nil
	}
	snapshot := *w.snapshot
	if sameSealedURL(snapshot.URL, n.endpoint.URL) {
		snapshot.URL = o.endpoint.URL
	} else if snapshot.URL, err = d.openEarlier(ctx, n, o, &snapshot, timeout); err != nil {
		return nil, err
	}
	w.snapshot = &snapshot
	return o, nil
}

// openEarlier returns the URL of an earlier version. If the key of that URL is lost, the
// present URL stands for it, as for a version that is no longer kept.
//
// The key counts as lost if the Cipher, asked again, opens the present URL but not the earlier
// one. If it opens neither, the Cipher may only be unavailable, and openEarlier returns an
// error.
func (d *Dispatcher) openEarlier(
	ctx context.Context, n *cachedEndpoint, o *openedEndpoint, snapshot *Endpoint, timeout time.Duration,
) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	earlier, err := d.sealer.openURL(ctx, snapshot)
	if err == nil {
		return earlier, nil
	}
	err = fmt.Errorf("version %d: %w", snapshot.Version, err)
	if tag, text, ok := splitSealedURL(n.endpoint.URL); ok {
		if _, failed := d.sealer.openOne(ctx, text, urlBound(n.endpoint, tag)); failed == nil {
			d.reportOf(snapshot.key(), "an earlier URL cannot be opened; bodies are made with the present one", err)
			return o.endpoint.URL, nil
		}
	}
	return "", err
}

// openCached opens a cached endpoint, once.
func (d *Dispatcher) openCached(ctx context.Context, n *cachedEndpoint, now time.Time, timeout time.Duration) (*openedEndpoint, error) {
	if o := n.opened.Load(); o != nil {
		return o, nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	e, missing, err := d.sealer.openToSign(ctx, *n.endpoint, now)
	o := &openedEndpoint{endpoint: e, snapshot: *snapshotOf(&e), target: sender.NewTarget(d.config.Network.guard(), e.URL)}
	switch {
	case err != nil:
		return o, err
	case missing != nil:
		d.reportOf(e.key(), "an older secret cannot be opened; requests are not signed with it", missing)
	default:
		n.opened.Store(o)
	}
	return o, nil
}
