package webhook

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/gowebhook/webhook/internal/contract"
)

// A Config configures a Dispatcher. The zero value is usable. New copies it, so later changes
// have no effect.
type Config struct {
	// Profile is the profile of endpoints that are created without one: "standard", or a name
	// in Profiles. Defaults to "standard".
	Profile string

	// Profiles are the application's own profiles, by name. The name "standard" is reserved
	// for the zero Profile with DeliveryControl. Defaults to none.
	Profiles map[string]Profile

	// EventTypes is the catalogue of event types. Each has a description for customers. With a
	// catalogue, Emit refuses other types, and an endpoint cannot subscribe to a pattern that
	// matches no type. Nil or empty allows every type. The types of operational events ([Notice])
	// do not belong here: Emit refuses them, and endpoints may subscribe to them anyway.
	EventTypes map[string]string

	// KeepUnmatched stores all events that no endpoint receives, so that they can be listed. An
	// event that only disabled endpoints would have received is always stored. Defaults to
	// false.
	KeepUnmatched bool

	// RevealSecrets shows signing secrets whenever an endpoint is read, not only at creation
	// and rotation. Defaults to false.
	RevealSecrets bool

	// AllowShortSecrets accepts signing secrets of fewer than 16 bytes, for receivers that have
	// such secrets already. A profile may still refuse them. Defaults to false.
	AllowShortSecrets bool

	// Network says where requests may go, and how. It also says which URLs endpoints may have,
	// even with a Transport of your own. The zero Network allows https to public addresses.
	Network Network

	// Transport sends the requests. A Transport of your own must judge addresses itself.
	// Defaults to an HTTP/1.1 client that obeys Network.
	Transport Transport

	// Cipher seals secrets before they are stored: signing secrets, the values of endpoints'
	// headers, and the path and query of endpoints' URLs. NewCipher makes one. Events, with
	// their headers, and response bodies are stored in clear.
	//
	// Rows from before stay readable. They are sealed when their endpoint is next updated.
	//
	// Defaults to nil: secrets are stored in clear, and Run logs one warning. It logs none if
	// the Store is [Volatile].
	Cipher Cipher

	// RequireSealed refuses secrets, header values and URLs that are stored in clear, because
	// somebody who can write to the database could have put them there. Set it after every
	// endpoint was updated once with Cipher, as the example of NewCipher shows.
	//
	// Deliveries to an endpoint with such a value wait and use up no attempts, and the problem
	// is reported. Test sends to it fail, and reads show only the host of its URL.
	// RequireSealed needs Cipher. Defaults to false.
	RequireSealed bool

	// MaxInFlight bounds the requests in flight of this process, 1 to 100,000. A request counts
	// until its result is stored.
	//
	// Endpoints that are slow (1 s or more) or untested share at most half of it, so hanging
	// receivers cannot starve the others. The next quarter is for slow and untested endpoints
	// without a request in flight. For example, if MaxInFlight is 1,000 and slow endpoints have
	// 500 requests in flight, up to 250 other slow endpoints still get one request each.
	//
	// No endpoint takes the last free ones: one with 10 requests in flight gets another only
	// while more than 20 are free. Defaults to 1,024.
	MaxInFlight int

	// PerEndpoint is the normal number of requests in flight from this process to one endpoint,
	// 1 to 1,000. While answers come within a second, the number grows to four times as much,
	// for example from 8 to 32. Slow answers lower it to PerEndpoint again.
	//
	// An endpoint starts with at most 2, until its first answer. After two timeouts in a row it
	// has 1, until the next answer. When it was paused or held back, by a Retry-After, a 429 or its
	// circuit, it starts with 1, and each answer allows one more. So a backlog drains slowly at
	// first. Endpoint.MaxInFlight sets another bound. Defaults to 8.
	PerEndpoint int

	// RequestTimeout bounds one request, from the dial to the end of the response, 1 ms to
	// MaxTimeout. Defaults to 15 s, or to MaxTimeout if that is less.
	RequestTimeout time.Duration

	// MaxTimeout bounds Endpoint.Timeout, 1 ms to 10 minutes. Defaults to 30 s.
	MaxTimeout time.Duration

	// PollInterval is the time between polls of the Store for due deliveries, 10 ms to 1
	// minute. New deliveries usually start at once. Polling is the fallback for deliveries that
	// other processes left behind. Defaults to 1 s.
	PollInterval time.Duration

	// Lease is how long a delivery belongs to the process that claimed it. After a crash,
	// another process takes over when the lease has ended. At least MaxTimeout + 20 s, at most
	// 1 hour. Defaults to 60 s, or to MaxTimeout + 20 s if that is more.
	Lease time.Duration

	// DrainTimeout is how long Run waits for requests in flight when it ends. It then cuts the
	// remaining requests, and the next process repeats them. That may happen to an endpoint
	// whose own Timeout is longer than DrainTimeout. A negative value means no wait. Defaults
	// to 20 s.
	DrainTimeout time.Duration

	// MaxEventBytes bounds the encoded Event.Data, 1 byte to 16 MiB. Defaults to 256 KiB.
	MaxEventBytes int

	// MaxEndpoints bounds the endpoints of one tenant. A negative value means no bound.
	// Defaults to 100.
	MaxEndpoints int

	// Retention says how long finished events, attempts and response bodies are kept.
	Retention Retention

	// Health says when endpoints that fail are held back, and when they are disabled.
	Health HealthPolicy

	// Logger gets errors and warnings, without secrets and bodies. Defaults to slog.Default().
	Logger *slog.Logger

	// Observer gets attempts and errors, for metrics and traces. Defaults to no functions.
	Observer Observer

	// Now is the clock of this process. It must not go backwards by more than a few seconds.
	// If the Store is a [Clock], the Store says what time it is, and Now only measures the time
	// that passes in between. Waiting always uses the clock of package time. Defaults to
	// time.Now.
	Now func() time.Time
}

// Time that a lease must leave for anything but the request itself.
const (
	leaseMargin = 10 * time.Second // a request is begun only if its timeout ends this long before its lease
	laneWait    = 10 * time.Second // how long a delivery may wait in memory, at least
)

// complete returns c with its defaults filled in, or what is wrong with it.
func (c Config) complete() (Config, error) {
	c.Profiles = maps.Clone(c.Profiles)
	for name, p := range c.Profiles {
		p.Signers = slices.Clone(p.Signers)
		c.Profiles[name] = p
	}
	c.EventTypes = maps.Clone(c.EventTypes)
	c.Network.Allow, c.Network.Deny = slices.Clone(c.Network.Allow), slices.Clone(c.Network.Deny)
	c.Network.Ports = slices.Clone(c.Network.Ports)
	setDefault(&c.Profile, standardProfile)
	setDefault(&c.MaxInFlight, 1024)
	setDefault(&c.PerEndpoint, 8)
	setDefault(&c.MaxTimeout, 30*time.Second)
	setDefault(&c.RequestTimeout, min(15*time.Second, c.MaxTimeout))
	setDefault(&c.PollInterval, time.Second)
	setDefault(&c.Lease, max(time.Minute, c.MaxTimeout+leaseMargin+laneWait))
	setDefault(&c.DrainTimeout, 20*time.Second)
	setDefault(&c.MaxEventBytes, 256<<10)
	setDefault(&c.MaxEndpoints, 100)
	setDefault(&c.Retention.ResponseBodies, contract.BodyAge)
	setDefault(&c.Retention.Attempts, contract.AttemptAge)
	setDefault(&c.Retention.Events, contract.EventAge)
	c.Health = c.Health.complete()
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, c.check()
}

func (c *Config) check() error {
	for _, name := range slices.Sorted(maps.Keys(c.Profiles)) {
		if err := checkID(fmt.Sprintf("Config.Profiles[%q]", clip(name, maxName)), name); err != nil {
			return err
		}
		if name == standardProfile {
			return &FieldError{"Config.Profiles", `has the name "standard"`, "that is reserved for Standard Webhooks; choose another name"}
		}
		p := c.Profiles[name]
		if p.MaxAge < 0 {
			return &FieldError{fmt.Sprintf("Config.Profiles[%q].MaxAge", name), "is negative", "use 0 for no limit"}
		}
		if p.Signers != nil && len(p.Signers) == 0 {
			return &FieldError{
				fmt.Sprintf("Config.Profiles[%q].Signers", name), "is empty, so requests would be unsigned",
				"leave it nil for SignStandard; to send unsigned requests, pass a signer that does nothing",
			}
		}
		for i, sign := range p.Signers {
			if sign == nil {
				return &FieldError{fmt.Sprintf("Config.Profiles[%q].Signers[%d]", name, i), "is nil", "remove it, or give a function"}
			}
		}
	}
	if _, known := c.Profiles[c.Profile]; !known && c.Profile != standardProfile {
		return &FieldError{"Config.Profile", fmt.Sprintf("names an unknown profile: %q", c.Profile), "register it in Config.Profiles"}
	}
	for _, typ := range slices.Sorted(maps.Keys(c.EventTypes)) {
		field := fmt.Sprintf("Config.EventTypes[%q]", clip(typ, maxName))
		if err := cmp.Or(checkType(field, typ), checkNotOperational(field, typ)); err != nil {
			return err
		}
	}
	if err := c.Network.validate(); err != nil {
		return err
	}
	if c.RequireSealed && c.Cipher == nil {
		return &FieldError{"Config.RequireSealed", "is set without Config.Cipher", "set Cipher too, which seals the values"}
	}
	for _, err := range []error{
		checkRange("Config.MaxInFlight", c.MaxInFlight, 1, 100_000),
		checkRange("Config.PerEndpoint", c.PerEndpoint, 1, maxInFlightOwn),
		checkRange("Config.MaxTimeout", c.MaxTimeout, time.Millisecond, 10*time.Minute),
		checkRange("Config.RequestTimeout", c.RequestTimeout, time.Millisecond, c.MaxTimeout),
		checkRange("Config.PollInterval", c.PollInterval, 10*time.Millisecond, time.Minute),
		checkRange("Config.Lease", c.Lease, c.MaxTimeout+leaseMargin+laneWait, time.Hour),
		checkRange("Config.MaxEventBytes", c.MaxEventBytes, 1, 16<<20),
	} {
		if err != nil {
			return err
		}
	}
	return c.Health.check()
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func checkRange[T int | time.Duration](field string, value, low, high T) error {
	if value < low || value > high {
		return &FieldError{field, fmt.Sprintf("is %v", value), fmt.Sprintf("use %v to %v", low, high)}
	}
	return nil
}
