package webhook

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/gowebhook/webhook/internal/hookurl"
	"github.com/gowebhook/webhook/internal/rate"
)

// newEndpoint checks the given fields of a new endpoint, and fills in the others.
func (d *Dispatcher) newEndpoint(tenant string, e Endpoint) (Endpoint, error) {
	if e.Tenant != "" && e.Tenant != tenant {
		return e, &FieldError{"Endpoint.Tenant", "is not the scope's", "leave it empty"}
	}
	now := d.now()
	// Two endpoints of one id never have the same version, and the later one has the higher.
	// Other processes thereby see that their copy is of an endpoint that was deleted.
	e.Version = max(now.UnixMicro(), 1)
	e.Tenant, e.CreatedAt, e.UpdatedAt, e.Reason, e.Health = tenant, now, now, "", Health{}
	setDefault(&e.Profile, d.config.Profile)
	setDefault(&e.State, EndpointActive)
	if e.State == EndpointDisabled {
		e.Reason = ReasonCustomer
	}
	if err := d.checkEndpoint(&e, nil); err != nil {
		return e, err
	}
	profile := d.profiles[e.Profile]
	if err := profile.issue(&e); err != nil {
		return e, err
	}
	if e.ID == "" {
		e.ID = d.uids.Next(now).String()
	}
	if err := checkID("Endpoint.ID", e.ID); err != nil {
		return e, err
	}
	if err := d.checkSecrets(profile, &e, []Secret{e.Secret}); err != nil {
		return e, err
	}
	e.Secrets = []EndpointSecret{secretSince(e.Secret, now)}
	return e, nil
}

// secretSince returns a secret that is new, with its public key if it is a private one.
func secretSince(s Secret, now time.Time) EndpointSecret {
	return EndpointSecret{Value: s, CreatedAt: now, PublicKey: publicKeyOf(s)}
}

// checkSecrets signs a sample with each of secrets, to refuse secrets that cannot sign.
func (d *Dispatcher) checkSecrets(p *Profile, e *Endpoint, secrets []Secret) (err error) {
	const field = "Endpoint.Secret"
	for _, secret := range secrets {
		if err := checkNotSealed(field, secret); err != nil {
			return err
		}
		if len(secret) > maxSecret {
			return &FieldError{field, fmt.Sprintf("has %d bytes, more than %d", len(secret), maxSecret), "use a shorter one"}
		}
	}
	if p.Keys != nil {
		return nil // the profile signs with other keys
	}
	for _, secret := range secrets {
		if len(secret) < minSecret && !d.config.AllowShortSecrets {
			return &FieldError{
				field, fmt.Sprintf("has %d bytes, fewer than %d: who sees a request can guess it", len(secret), minSecret),
				"leave it empty to get one made, or set Config.AllowShortSecrets",
			}
		}
	}
	defer func() {
		if err != nil {
			err = &FieldError{field, "cannot be used: " + err.Error(), "leave it empty to get one made; if that does not help, look at the profile's Signers"}
		}
	}()
	defer recovered(&err)
	now, snapshot := d.now(), snapshotOf(e)
	snapshot.URL = shownURL(e.URL)
	sample := &Request{
		Message: &Message{
			Event:      &Event{Tenant: e.Tenant, ID: "sample", Type: "sample", Data: json.RawMessage("{}"), Time: now},
			DeliveryID: "sample." + e.ID, CreatedAt: now, Endpoint: snapshot,
		},
		URL: snapshot.URL, Header: make(http.Header), Body: []byte("{}"), Time: now, Attempt: 1,
	}
	for _, sign := range p.Signers {
		if err := sign(sample, secrets); err != nil {
			return err
		}
	}
	return nil
}

// checkEndpoint checks the fields that customers may set. old is the stored endpoint, or nil at
// creation.
func (d *Dispatcher) checkEndpoint(e, old *Endpoint) error {
	e.Events, e.Metadata = slices.Clone(e.Events), maps.Clone(e.Metadata)
	// An endpoint may always be paused and disabled, even if it breaks rules that have changed
	// since.
	resting := old != nil && e.State != EndpointActive && e.URL == old.URL && e.Profile == old.Profile && maps.Equal(e.Metadata, old.Metadata)
	judged := e.URL
	if old == nil || e.URL != old.URL {
		if err := checkNotSealedURL("Endpoint.URL", e.URL); err != nil {
			return err
		}
	} else if isSealedURL(e.URL) {
		judged = e.URL[:hookurl.HostEnd(e.URL)] // the rest was judged when it was given, and is judged again at each request
	}
	if _, err := d.config.Network.checkURL("Endpoint.URL", judged); err != nil && !resting {
		return err
	}
	if err := checkText("Endpoint.Description", e.Description, maxDescription); err != nil {
		return err
	}
	if err := checkPatterns(e.Events, d.config.EventTypes); err != nil {
		return err
	}
	if err := checkText("Endpoint.Channel", e.Channel, maxName); err != nil {
		return err
	}
	switch e.State {
	case EndpointActive, EndpointPaused, EndpointDisabled:
	default:
		return &FieldError{"Endpoint.State", fmt.Sprintf("is unknown: %q", e.State), "use active, paused or disabled"}
	}
	if d.profiles[e.Profile] == nil {
		return &FieldError{"Endpoint.Profile", fmt.Sprintf("is unknown: %q", e.Profile), "register it in Config.Profiles"}
	}
	if err := checkMetadata(e.Metadata); err != nil {
		return err
	}
	if err := d.profiles[e.Profile].check(e); err != nil && !resting {
		return err
	}
	if e.Timeout != 0 {
		if err := checkRange("Endpoint.Timeout", e.Timeout, time.Millisecond, d.config.MaxTimeout); err != nil {
			return err
		}
	}
	if err := checkRange("Endpoint.MaxInFlight", e.MaxInFlight, 0, maxInFlightOwn); err != nil {
		return err
	}
	if err := e.checkRate(); err != nil {
		return err
	}
	return e.checkHeader(old)
}

// checkRate checks Rate and Burst, and rounds Rate as it is stored.
func (e *Endpoint) checkRate() error {
	if e.Rate != 0 && !(e.Rate >= minRate && e.Rate <= maxRate) { // also NaN
		return &FieldError{"Endpoint.Rate", fmt.Sprintf("is %v", e.Rate), fmt.Sprintf("use %v to %v requests a second, or 0 for no bound", minRate, maxRate)}
	}
	e.Rate = rate.Of(e.Rate, e.Burst).PerSecond()
	return checkRange("Endpoint.Burst", e.Burst, 0, maxBurst)
}

// checkHeader checks the endpoint's own headers. An empty value stands for the stored one. A
// stored value goes only to the origin that it was given for. At another origin, the person who
// changed the URL could read it.
func (e *Endpoint) checkHeader(old *Endpoint) error {
	header, err := checkHeaders("Endpoint.Header", e.Header)
	if err != nil {
		return err
	}
	moved := old != nil && hookurl.Origin(e.URL) != hookurl.Origin(old.URL)
	for name, value := range header {
		if value != "" {
			field := fmt.Sprintf("Endpoint.Header[%q]", name)
			if err := checkNotRefused(field, name); err != nil {
				return err
			}
			if err := checkNotSealed(field, value); err != nil {
				return err
			}
			continue
		}
		if old == nil || old.Header[name] == "" {
			return &FieldError{fmt.Sprintf("Endpoint.Header[%q]", name), "is empty", "give it a value, or leave it out"}
		}
		if moved {
			return &FieldError{
				fmt.Sprintf("Endpoint.Header[%q]", name), "has a stored value that was given for another scheme, host or port of the URL",
				"give the value again, or leave the header out",
			}
		}
		header[name] = old.Header[name]
	}
	e.Header = header
	return nil
}

// checkNotSuspended refuses a tenant's change of a suspended endpoint.
func checkNotSuspended(e *Endpoint) error {
	if e.isSuspended() {
		return &FieldError{"Endpoint.Reason", "is operator: the endpoint is suspended", "ask the operator to lift the suspension"}
	}
	return nil
}

// nextReason returns the reason of an updated endpoint. e.Reason comes from the caller. It
// counts only when the operator suspends an endpoint. When the operator updates a suspended
// endpoint with any other reason, the tenant gets it back: a disabled one with ReasonCustomer.
func nextReason(e, old *Endpoint, operator bool) Reason {
	switch {
	case e.State == EndpointActive:
		return ""
	case operator && e.Reason == ReasonOperator, !operator && old.isSuspended():
		return ReasonOperator
	case e.State == EndpointPaused:
		return ""
	case operator && old.isSuspended(), old.State != EndpointDisabled:
		return ReasonCustomer
	default:
		return old.Reason
	}
}
