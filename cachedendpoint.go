package webhook

import (
	"sync"
	"sync/atomic"
	"time"
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
	seen     atomic.Int64 // when the Store was last asked, on endpointCache.clock
	streak   *streak      // shared by the copies of an endpoint
}

// A streak counts an endpoint's successes and failures in this process. The Store learns of
// them only after the next request has begun, and in any order.
type streak struct {
	mu       sync.Mutex
	failures int   // since the last success in this process
	success  int64 // start of the latest successful attempt here, in microseconds
	ended    int   // failures before that success, which the Store may still count
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
