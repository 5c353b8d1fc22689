package webhook

import "time"

// An Endpoint is a tenant's URL with its subscriptions, secrets and settings. URL and Events are required at creation.
//
// What [Scope] returns carries no secrets, except at creation and rotation (and with Config.RevealSecrets): Secret and the
// values in Secrets are empty, and Header has its names with empty values.
type Endpoint struct {
	// ID identifies the endpoint within its tenant: 1 to 255 bytes of visible ASCII without ".". It may be given at
	// creation and never changes. Defaults to a UUIDv7.
	ID string

	// Tenant is whose endpoint it is. A Scope sets it.
	Tenant string

	// URL is where requests go: https (http only with Network.AllowHTTP), a host that may be dialed, no userinfo, no
	// fragment, at most 2,048 bytes of ASCII. One that Config.Cipher sealed and cannot open is read as
	// "https://host/[redacted]", and an update with that text keeps the stored URL.
	URL string

	// Description is the customer's own text, at most 1,024 bytes.
	Description string

	// Events are the subscriptions, 1 to 100 patterns: an exact type, "member.*" for every type that begins with
	// "member.", or "*" for all.
	Events []string

	// Channel limits the endpoint to the events of one channel. Empty means all events of its types.
	Channel string

	// State is what the endpoint may receive now. Defaults to EndpointActive.
	State EndpointState

	// Reason says why a disabled endpoint is disabled. The library sets it, but for ReasonOperator; see Scope.UpdateEndpoint.
	Reason Reason

	// Profile names how the endpoint is spoken to. Defaults to Config.Profile.
	Profile string

	// Metadata is the application's own, up to 50 pairs; profiles may encode it. Keys are 1 to 255 bytes, values up to
	// 1,024.
	Metadata map[string]string

	// Header is sent with every request to the endpoint, up to 32 headers. In an update a name with an empty value
	// keeps its stored value, and a name left out is removed. A stored value goes only to the scheme, host and port
	// that it was given for: an update that changes those must give every value again. Headers that HTTP or the library needs
	// are refused, and so are those that route or rewrite requests, such as X-Forwarded-For, Cookie and Range.
	Header map[string]Secret

	// Timeout bounds one request from dial to the end of the response, at most Config.MaxTimeout. Zero means
	// Config.RequestTimeout.
	Timeout time.Duration

	// MaxInFlight bounds the requests in flight to the endpoint, per process, 0 to 1,000. Zero means
	// Config.PerEndpoint, growing to four times that while answers come quickly.
	MaxInFlight int

	// Secret is the newest signing secret. It may be given at creation, with 16 to 4,096 bytes; the profile makes one otherwise. Secrets are
	// never sent, and stay when the URL changes: rotate when a former receiver should not verify later requests.
	Secret Secret

	// Secrets are all live signing secrets, the newest first; more than one while a rotation overlaps.
	Secrets []EndpointSecret

	// Health is what the library has seen of the endpoint lately.
	Health Health

	// Version grows with every change. UpdateEndpoint succeeds only if it is still what was read.
	Version int64

	CreatedAt time.Time // set by the library
	UpdatedAt time.Time // set by the library
}

// An EndpointSecret is one of an endpoint's signing secrets.
type EndpointSecret struct {
	Value     Secret
	CreatedAt time.Time
	ExpiresAt time.Time // zero for the newest, which does not expire

	// PublicKey is what receivers verify signatures with, "whpk_" and base64, if the secret is an Ed25519 private key. The library
	// derives it from the secret at every read; it is empty if the secret cannot be opened. A Scope never returns such a secret
	// itself, not even at creation.
	PublicKey string
}

// expired reports whether the secret no longer signs at now.
func (s *EndpointSecret) expired(now time.Time) bool {
	return !s.ExpiresAt.IsZero() && !s.ExpiresAt.After(now)
}

// Health is what the library has seen of an endpoint over all processes. Only failures and recoveries are recorded: an
// endpoint that has never failed has the zero Health.
type Health struct {
	Failures      int       // failed attempts since the last success
	FailingSince  time.Time // the first of those; zero when not failing
	LastFailureAt time.Time
	RecoveredAt   time.Time // when a success ended the last run of failures; the latest success is in the log

	// BlockedUntil holds back all deliveries, because the receiver answered Retry-After or a circuit is open.
	BlockedUntil time.Time

	// Circuit says that the block is a circuit's: after BlockedUntil a single delivery probes the endpoint, over all
	// processes, and the others follow when an attempt has succeeded. Stores and lanes heed it; no policy of this version
	// opens a circuit.
	Circuit bool
}

// An EndpointState is what an endpoint may receive.
type EndpointState string

// Endpoint states.
const (
	// EndpointActive receives events.
	EndpointActive EndpointState = "active"
	// EndpointPaused collects deliveries, which are held without using up attempts until it is active again.
	EndpointPaused EndpointState = "paused"
	// EndpointDisabled receives nothing: no deliveries are created and pending ones are canceled, with Reason. They can
	// be replayed after enabling it; see Scope.Retry.
	EndpointDisabled EndpointState = "disabled"
)

// A Reason says why an endpoint is disabled, or why a delivery ended without success.
type Reason string

// Reasons of a disabled endpoint; a delivery canceled because of it has the same reason.
const (
	ReasonCustomer Reason = "customer" // disabled through UpdateEndpoint
	ReasonOperator Reason = "operator" // suspended by the scope of all tenants, which alone can lift it; see Scope.UpdateEndpoint
	ReasonGone     Reason = "gone"     // the receiver answered 410 Gone, or Judge said Disable
)

// Reasons of a delivery alone.
const (
	ReasonDeleted   Reason = "deleted"   // canceled: the endpoint was deleted
	ReasonCanceled  Reason = "canceled"  // canceled by Scope.Cancel
	ReasonExhausted Reason = "exhausted" // failed: no retries were left
	ReasonExpired   Reason = "expired"   // failed: it is older than the profile's MaxAge
	ReasonRejected  Reason = "rejected"  // failed: Judge said VerdictFail
)

// An EndpointKey identifies an endpoint over all tenants.
type EndpointKey struct{ Tenant, ID string }

func (e *Endpoint) key() EndpointKey { return EndpointKey{e.Tenant, e.ID} }

// EndpointStatus is the little that dispatch must know of an endpoint to be sure that its copy is current.
type EndpointStatus struct {
	Key     EndpointKey
	Version int64
	State   EndpointState
	Health
}
