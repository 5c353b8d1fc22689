package webhook

import (
	"slices"
	"time"
)

// An Endpoint is a tenant's URL with its subscriptions, secrets and settings. URL and Events
// are required at creation.
//
// The methods of [Scope] return an Endpoint without secrets: Secret and the values in Secrets
// are empty, and Header has its names with empty values. Creation and rotation return the new
// secret, and with Config.RevealSecrets every read returns the secrets.
type Endpoint struct {
	// ID identifies the endpoint within its tenant: 1 to 255 bytes of visible ASCII without ".".
	// It may be given at creation and never changes. Defaults to a UUIDv7.
	ID string

	// Tenant is the owner. A Scope sets it.
	Tenant string

	// URL is where requests go: https, or http with Network.AllowHTTP, with a host that may be
	// dialed, without userinfo and fragment, at most 2,048 bytes of ASCII. A sealed URL that
	// Config.Cipher cannot open is read as "https://host/[redacted]". An update with that text
	// keeps the stored URL.
	URL string

	// Description is the customer's own text, at most 1,024 bytes.
	Description string

	// Events are the subscriptions, 1 to 100 patterns. A pattern is an exact type, a prefix such
	// as "member.*" for every type that begins with "member.", or "*" for all types but the
	// operational ones.
	Events []string

	// Channel limits the endpoint to the events of one channel. Empty means all events of its
	// types.
	Channel string

	// State says whether the endpoint receives events. Defaults to EndpointActive.
	State EndpointState

	// Reason says why the endpoint is disabled. A paused endpoint has ReasonOperator if the
	// operator has paused it, otherwise none. The library sets it, except for ReasonOperator:
	// see Scope.UpdateEndpoint.
	Reason Reason

	// Profile is the name of the endpoint's profile. Defaults to Config.Profile.
	Profile string

	// Metadata belongs to the application, up to 50 pairs. Keys have 1 to 255 bytes, values up to
	// 1,024. Profiles may use it in bodies.
	Metadata map[string]string

	// Header is sent with every request to the endpoint, up to 32 headers. In an update, a name
	// with an empty value keeps its stored value, and a missing name is removed.
	//
	// A stored value goes only to the scheme, host and port that it was given for. An update that
	// changes these must give every value again. Headers that HTTP or the library needs are
	// refused, and so are headers that route or rewrite requests, such as X-Forwarded-For, Cookie
	// and Range.
	Header map[string]Secret

	// Timeout bounds one request, from the dial to the end of the response, at most
	// Config.MaxTimeout. Zero means Config.RequestTimeout.
	Timeout time.Duration

	// MaxInFlight bounds the requests in flight to the endpoint, per process, 0 to 1,000. The
	// bound is fixed. Zero means four times Config.PerEndpoint.
	//
	// Requests in flight grow to the bound from Config.PerEndpoint while answers come within a
	// second. For example, with the default of 8, a MaxInFlight of 20 means 8 to 20 requests,
	// and a MaxInFlight of 4 means 4.
	MaxInFlight int

	// Rate bounds the requests to the endpoint, in requests a second over all processes: 0.001 to
	// 10,000, rounded to six decimals. Zero means no bound. Retries and probes count, test sends
	// do not. Nothing is dropped: deliveries wait in the Store, in their order.
	//
	// The bound applies when a process takes deliveries from the Store, up to Config.Lease before
	// it sends them. So a receiver that begins to hang may get the requests of some seconds at
	// once when it recovers. MaxInFlight bounds these. A delivery that is given back unsent counts
	// all the same.
	//
	// A change acts on the next deliveries that are taken, and allows a Burst at once.
	Rate float64

	// Burst is how many requests Rate allows at once after a quiet time, up to 10,000. Zero means the
	// requests of a fifth of a second, and at least 1. For example, a Rate of 10 has a Burst of 2,
	// so 12 requests may begin in the first second, and 10 in each second after it.
	//
	// Deliveries are taken some milliseconds late. A Burst below a tenth of Rate therefore lowers
	// the rate.
	Burst int

	// Secret is the newest signing secret. It may be given at creation, with 16 to 4,096 bytes.
	// Otherwise the profile makes one. Secrets are never sent. They stay when the URL changes:
	// rotate the secret if the former receiver must not be able to verify later requests.
	Secret Secret

	// Secrets are all live signing secrets, newest first. There are several while a rotation
	// overlaps.
	Secrets []EndpointSecret

	// Health tells whether recent attempts have failed.
	Health Health

	// Version grows with every change. UpdateEndpoint succeeds only if Version is still the
	// stored one.
	Version int64

	CreatedAt time.Time // set by the library
	UpdatedAt time.Time // set by the library
}

// An EndpointSecret is one of an endpoint's signing secrets.
type EndpointSecret struct {
	Value     Secret
	CreatedAt time.Time
	ExpiresAt time.Time // zero for the newest, which does not expire

	// PublicKey is set if the secret is an Ed25519 private key. Receivers verify signatures with
	// it. It is "whpk_" and base64. The library derives it from the secret at every read. It is
	// empty if the secret cannot be opened. A Scope never returns the private key itself, not
	// even at creation.
	PublicKey string
}

// expired reports whether the secret no longer signs at now.
func (s *EndpointSecret) expired(now time.Time) bool {
	return !s.ExpiresAt.IsZero() && !s.ExpiresAt.After(now)
}

// withoutExpired returns the secrets that still sign at now, in a new slice.
func withoutExpired(list []EndpointSecret, now time.Time) []EndpointSecret {
	return slices.DeleteFunc(slices.Clone(list), func(s EndpointSecret) bool { return s.expired(now) })
}

// An EndpointState says whether an endpoint receives events.
type EndpointState string

// Endpoint states.
const (
	// EndpointActive receives events.
	EndpointActive EndpointState = "active"
	// EndpointPaused collects deliveries. They use up no attempts and wait until the endpoint is
	// active again.
	EndpointPaused EndpointState = "paused"
	// EndpointDisabled receives nothing. No deliveries are created, and pending ones are canceled
	// with the endpoint's Reason. Events that only disabled endpoints would have received are
	// stored all the same. When the endpoint is enabled again, Scope.Retry repeats the canceled
	// deliveries.
	EndpointDisabled EndpointState = "disabled"
)

// An EndpointKey identifies an endpoint over all tenants.
type EndpointKey struct{ Tenant, ID string }

func (e *Endpoint) key() EndpointKey { return EndpointKey{e.Tenant, e.ID} }

// EndpointStatus is the part of an endpoint that tells the Dispatcher whether its copy is
// current.
type EndpointStatus struct {
	Key     EndpointKey
	Version int64
	State   EndpointState
	Health
}

// isSuspended reports whether the operator has paused or disabled the endpoint, which its tenant
// cannot undo.
func (e *Endpoint) isSuspended() bool {
	return e.State != EndpointActive && e.Reason == ReasonOperator
}
