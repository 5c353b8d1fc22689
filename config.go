package webhook

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"
)

// A Config configures a Dispatcher. Its zero value is usable. New copies it; later changes have no effect.
type Config struct {
	// Profile names the profile of endpoints that are created without one: "standard", or one of Profiles. Defaults to
	// "standard".
	Profile string

	// Profiles are the application's own profiles by name. "standard" is reserved for the zero Profile. Defaults to
	// none.
	Profiles map[string]Profile

	// EventTypes is the catalogue of event types, each with a description for customers. Emit then refuses other types,
	// and endpoints cannot subscribe to anything that matches none. Defaults to nil, which allows every type.
	EventTypes map[string]string

	// KeepUnmatched stores events that no endpoint receives, so that they can be listed. Defaults to false.
	KeepUnmatched bool

	// RevealSecrets shows signing secrets whenever an endpoint is read, not only at creation and rotation. Defaults to
	// false.
	RevealSecrets bool

	// AllowShortSecrets accepts signing secrets of fewer than 16 bytes, for receivers that have such ones. A profile may ask for
	// more than this does. Defaults to false.
	AllowShortSecrets bool

	// Network says where requests may go, and how. It also says which URLs endpoints may have, whatever the Transport. The
	// zero Network allows https to public addresses.
	Network Network

	// Transport sends the requests. One of your own is trusted to judge addresses by itself. Defaults to a client for HTTP/1.1 with Network.
	Transport Transport

	// Cipher seals signing secrets, the values of endpoints' headers, and endpoints' URLs but for scheme, host and port, before
	// they are stored; NewCipher makes one. Rows of before stay readable, and are sealed when their endpoint is next changed.
	// Events, with their headers, and response bodies are stored in clear. Defaults to nil: secrets are stored in clear too, and
	// Run logs one warning about it, unless the Store has a method Volatile() bool that returns true, as memstore's does.
	Cipher Cipher

	// RequireSealed refuses secrets, header values and URLs that are stored in clear, as somebody who can write to the database
	// would plant them. Set it when every endpoint has been updated once with Cipher, which the example of NewCipher does.
	// Deliveries to an endpoint with such a value wait, without using up attempts, and are reported; tests fail; reads show its
	// host alone. It needs Cipher. Defaults to false.
	RequireSealed bool

	// MaxInFlight bounds the requests in flight, until their results are stored, 1 to 100,000. So that no receivers, however many
	// hang, keep the others waiting, those that take a second or more to answer, or have not answered yet, share half of it (three
	// quarters for the first request to each), and an endpoint with requests in flight gets at most half of what is free.
	// Defaults to 1,024.
	MaxInFlight int

	// PerEndpoint bounds the requests in flight to one endpoint, 1 to 1,000: 2 until the first answer, then this many, growing to
	// four times as many while answers come within a second, and falling to 1 after two timeouts in a row until one is answered.
	// Endpoint.MaxInFlight overrides it. Defaults to 8.
	PerEndpoint int

	// RequestTimeout bounds one request, from dial to the end of the response, at least 1 ms. Defaults to 15 s, or MaxTimeout
	// if that is less.
	RequestTimeout time.Duration

	// MaxTimeout bounds what an endpoint's own Timeout may be, 1 ms to 10 minutes. Defaults to 30 s.
	MaxTimeout time.Duration

	// PollInterval is how often the Store is asked for due deliveries when nothing else says that there are some, 10 ms to
	// 1 minute. Defaults to 1 s.
	PollInterval time.Duration

	// Lease is how long a delivery belongs to the process that claimed it, and so how long after a crash another one takes
	// over: at least MaxTimeout + 20 s, at most 1 hour. Defaults to 60 s, or MaxTimeout + 20 s if that is more.
	Lease time.Duration

	// DrainTimeout is how long Run waits for requests in flight when it ends. Those still out are then cut, and repeated
	// by the next process; with the default, requests to an endpoint whose own Timeout is longer may be. Negative means not to
	// wait. Defaults to 20 s.
	DrainTimeout time.Duration

	// MaxEventBytes bounds Event.Data when encoded, 1 byte to 16 MiB. Defaults to 256 KiB.
	MaxEventBytes int

	// MaxEndpoints bounds the endpoints of one tenant. Negative means no bound. Defaults to 100.
	MaxEndpoints int

	// Retention says how long finished events, attempts and response bodies are kept.
	Retention Retention

	// Logger gets what went wrong, without secrets and bodies. Defaults to slog.Default().
	Logger *slog.Logger

	// Observer is told what happens, for metrics and traces. Defaults to nobody.
	Observer Observer

	// Now is the clock that times are taken from. It must not go backwards by more than a few seconds. With a Store that is a
	// [Clock], only what passes is taken from it: what time it is, the Store says. Waiting uses the clock of package time.
	// Defaults to time.Now.
	Now func() time.Time
}

// An Observer is a set of functions that are told what happens; nil ones are skipped. They are called from many goroutines at
// once, on the path of the deliveries, and must return quickly.
type Observer struct {
	// Attempt is called after each request, before its result is stored. VerdictRetry with a zero NextAt means that no retries
	// are left. Requests that were cut at shutdown are no attempts.
	Attempt func(Attempt, Verdict)

	// Disabled is called when an attempt's verdict disables its endpoint; again for each such attempt that was under way.
	Disabled func(EndpointKey, Reason)

	// Error is called for errors that no caller gets to see: of the Store, of profiles. They are logged too: each kind, and each
	// endpoint, by itself, and a constant one after 1, 2, 4 seconds and so on, at most every minute.
	Error func(error)
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
	setDefault(&c.Retention.ResponseBodies, defaultBodyAge)
	setDefault(&c.Retention.Attempts, defaultAttemptAge)
	setDefault(&c.Retention.Events, defaultEventAge)
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
			return &FieldError{"Config.Profiles", `has the name "standard"`, "that is reserved for the zero Profile; choose another name"}
		}
		p := c.Profiles[name]
		if p.MaxAge < 0 {
			return &FieldError{fmt.Sprintf("Config.Profiles[%q].MaxAge", name), "is negative", "use 0 for no limit"}
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
		if err := checkType(fmt.Sprintf("Config.EventTypes[%q]", clip(typ, maxName)), typ); err != nil {
			return err
		}
	}
	if err := c.Network.validate(); err != nil {
		return err
	}
	if c.RequireSealed && c.Cipher == nil {
		return &FieldError{"Config.RequireSealed", "is set without Config.Cipher", "set Cipher, which seals what this requires to be sealed"}
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
	return nil
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
