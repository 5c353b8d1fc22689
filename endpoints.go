package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"
)

// CreateEndpoint registers an endpoint. URL and Events are required. ID, Secret, State (active
// or paused), Profile and the other fields are optional.
//
// It returns the endpoint as stored, with its Secret, which is shown only this once. To show it
// to the customer, write string(endpoint.Secret); it is redacted in JSON.
//
// A URL with an address that may not be dialed is refused. A URL with a name is accepted,
// because names change. Requests to it fail with [ClassBlocked] if the name has such an
// address. [Scope.Test] tells at once.
//
// Errors:
//
//   - A [FieldError] for input that is refused.
//   - A [FieldError] with [ErrFull] when the tenant has Config.MaxEndpoints.
//   - [ErrConflict] if the id is taken, also by a deleted endpoint whose deliveries are still
//     stored.
//
// After another error of the Store, for example a connection that breaks during the commit, the
// endpoint may exist or not. CreateEndpoint then returns the endpoint beside the error, with
// its ID and its Secret. To create no second one, set ID and Secret of your own Endpoint to
// these and call again. ErrConflict then says that the first call did create it. With any other
// error the returned Endpoint has no ID.
func (s Scope) CreateEndpoint(ctx context.Context, e Endpoint) (Endpoint, error) {
	if err := s.one(); err != nil {
		return Endpoint{}, err
	}
	d := s.d
	if err := d.time.keepUp(ctx); err != nil {
		return Endpoint{}, fmt.Errorf("webhook: create endpoint: %w", err)
	}
	e, err := d.newEndpoint(s.tenant, e)
	if err != nil {
		return Endpoint{}, err
	}
	limit := max(d.config.MaxEndpoints, 0)
	stored, err := d.sealer.seal(ctx, e, newURLTag())
	if err != nil {
		return Endpoint{}, fmt.Errorf("webhook: create endpoint: %w", err)
	}
	stored.Secret = ""
	switch err := d.store.CreateEndpoint(ctx, stored, limit); {
	case errors.Is(err, ErrFull):
		full := &FieldError{"Endpoint", fmt.Sprintf("exceeds the tenant's limit of %d endpoints", limit), "delete one, or raise Config.MaxEndpoints"}
		return Endpoint{}, fmt.Errorf("%w: %w", full, ErrFull)
	case errors.Is(err, ErrConflict):
		return Endpoint{}, fmt.Errorf("webhook: create endpoint: id %q is taken: %w", e.ID, err)
	case err != nil:
		return d.shown(e, true), fmt.Errorf("webhook: create endpoint %q: %w", e.ID, err)
	}
	return d.shown(e, true), nil
}

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
		return e, fmt.Errorf("webhook: create endpoint: %w", err)
	}
	if e.ID == "" {
		e.ID = d.uids.next(now).String()
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

// check asks Check about an endpoint. Check must not change anything of it.
func (p *Profile) check(e *Endpoint) (err error) {
	if p.Check == nil {
		return nil
	}
	defer recovered(&err)
	asked := *e
	asked.URL = shownURL(e.URL)
	return p.Check(&asked)
}

// issue fills in ID and Secret where they are empty.
func (p *Profile) issue(e *Endpoint) (err error) {
	defer recovered(&err)
	if p.Issue != nil && (e.ID == "" || e.Secret == "") {
		id, secret := e.ID, e.Secret
		if err := p.Issue(e); err != nil {
			return err
		}
		if id != "" {
			e.ID = id
		}
		if secret != "" {
			e.Secret = secret
		}
	}
	if e.Secret == "" {
		e.Secret = newSecret()
	}
	return nil
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
		judged = e.URL[:hostEnd(e.URL)] // the rest was judged when it was given, and is judged again at each request
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
	return e.checkHeader(old)
}

// checkHeader checks the endpoint's own headers. An empty value stands for the stored one. A
// stored value goes only to the origin that it was given for. At another origin, the person who
// changed the URL could read it.
func (e *Endpoint) checkHeader(old *Endpoint) error {
	header, err := checkHeaders("Endpoint.Header", e.Header)
	if err != nil {
		return err
	}
	moved := old != nil && originOf(e.URL) != originOf(old.URL)
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

// Endpoint returns one endpoint.
func (s Scope) Endpoint(ctx context.Context, id string) (Endpoint, error) {
	e, err := s.stored(ctx, id)
	if err != nil {
		return e, err
	}
	return s.d.opened(ctx, e), nil
}

// stored returns an endpoint with its secrets, sealed as they are stored.
func (s Scope) stored(ctx context.Context, id string) (Endpoint, error) {
	if err := s.one(); err != nil {
		return Endpoint{}, err
	}
	found, err := s.d.store.Refresh(ctx, []EndpointKey{{s.tenant, id}})
	if err == nil && len(found) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Endpoint{}, fmt.Errorf("webhook: endpoint %q: %w", id, err)
	}
	return found[0], nil
}

// opened returns an endpoint with the open values that requests need. It returns an error if
// one of these cannot be opened; see openToSign.
func (s Scope) opened(ctx context.Context, id string) (Endpoint, error) {
	e, err := s.stored(ctx, id)
	if err != nil {
		return e, err
	}
	if e, _, err = s.d.sealer.openToSign(ctx, e, s.d.now()); err != nil {
		return e, fmt.Errorf("webhook: endpoint %q: %w", id, err)
	}
	return e, nil
}

// Endpoints returns endpoints in the order of their ids. It honours EndpointID, MaxBytes, Limit
// and Cursor.
func (s Scope) Endpoints(ctx context.Context, q Query) (Page[Endpoint], error) {
	q, err := s.query(q, "EndpointID", "MaxBytes")
	if err != nil {
		return Page[Endpoint]{}, err
	}
	page, err := s.d.store.Endpoints(ctx, q)
	if err != nil {
		return Page[Endpoint]{}, fmt.Errorf("webhook: endpoints: %w", err)
	}
	for _, problem := range page.Unreadable {
		s.d.report(fmt.Errorf("endpoints: %w", problem))
	}
	page.Unreadable = nil
	for i := range page.Items {
		page.Items[i] = s.d.opened(ctx, page.Items[i])
	}
	return page, nil
}

// UpdateEndpoint replaces an endpoint that was read before: read it, change it, and pass it on.
// It returns [ErrConflict] if the endpoint has changed since, so that its Version is not
// e.Version. It returns [ErrNotFound] if the endpoint is gone. The change acts at once in this
// process and within a second in others.
//
// Secrets do not change, and a header with an empty value keeps its stored value. When the
// scheme, host or port of the URL changes, each header's value must be given again. Otherwise a
// [FieldError] names the first header without a value.
//
// The state disabled gets ReasonCustomer. Health is kept, also when an endpoint is paused and
// resumed. It is cleared, with its block, when the URL changes or a disabled endpoint is
// enabled.
//
// The scope of all tenants may update an endpoint that it has read; e.Tenant names the tenant.
// Only this scope can suspend an endpoint, with the state disabled and the reason
// [ReasonOperator]. It lifts the suspension with another state, or with ReasonCustomer to let
// the tenant decide.
//
// During a suspension a tenant's scope may change the other fields of the endpoint. It may not
// change the state, test the endpoint or delete it: it gets a FieldError for Endpoint.Reason. A
// suspension is of one endpoint. To keep a tenant from creating others, refuse that where the
// tenant is authorized.
func (s Scope) UpdateEndpoint(ctx context.Context, e Endpoint) (Endpoint, error) {
	operator := s.all
	if s.all {
		s = s.d.Tenant(e.Tenant)
	}
	if e.Tenant != "" && e.Tenant != s.tenant {
		return Endpoint{}, &FieldError{"Endpoint.Tenant", "is not the scope's", "leave it empty"}
	}
	row, err := s.stored(ctx, e.ID)
	if err != nil {
		return Endpoint{}, err
	}
	old, closed := s.d.sealer.open(ctx, row, s.d.now())
	if old.Version != e.Version {
		return Endpoint{}, fmt.Errorf("webhook: update endpoint: version %d is now %d: %w", e.Version, old.Version, ErrConflict)
	}
	e.Tenant, e.Secret, e.Secrets, e.CreatedAt = old.Tenant, "", old.Secrets, old.CreatedAt
	setDefault(&e.Profile, s.d.config.Profile)
	if isSealedURL(old.URL) && e.URL == shownURL(old.URL) {
		e.URL = old.URL
	}
	if err := s.d.checkEndpoint(&e, &old); err != nil {
		return Endpoint{}, err
	}
	if !operator && e.State != EndpointDisabled {
		if err := checkNotSuspended(&old); err != nil {
			return Endpoint{}, err
		}
	}
	e.Reason = nextReason(&e, &old, operator)
	if e.Profile != old.Profile {
		if closed != nil {
			return Endpoint{}, fmt.Errorf("webhook: update endpoint: %w", closed)
		}
		if err := s.d.checkSecrets(s.d.profiles[e.Profile], &e, liveSecrets(&e, s.d.now())); err != nil {
			return Endpoint{}, err
		}
	}
	tag := urlTag(row.URL)
	if tag == "" || e.URL != old.URL {
		tag = newURLTag()
	}
	return s.update(ctx, e, tag, false)
}

// update stores a change, lets it act in this process, and returns the endpoint as its owner
// may see it. The returned endpoint has its newest secret if newSecret is set. Secrets that
// have expired are dropped. tag is the tag of the URL; see newURLTag.
func (s Scope) update(ctx context.Context, e Endpoint, tag string, newSecret bool) (Endpoint, error) {
	d := s.d
	if err := d.time.keepUp(ctx); err != nil {
		return Endpoint{}, fmt.Errorf("webhook: update endpoint: %w", err)
	}
	now := d.now()
	e.Secrets = withoutExpired(e.Secrets, now)
	sealed, err := d.sealer.seal(ctx, e, tag)
	if err != nil {
		return Endpoint{}, fmt.Errorf("webhook: update endpoint: %w", err)
	}
	sealed.UpdatedAt = now
	asOf := d.settings.clock()
	stored, err := d.store.UpdateEndpoint(ctx, sealed)
	if err != nil {
		return Endpoint{}, fmt.Errorf("webhook: update endpoint: %w", err)
	}
	d.settings.put(&stored, asOf)
	if stored.State == EndpointActive {
		d.Wake()
	} else {
		d.emptyLane(e.key())
		d.pruneSoon()
	}
	shown := stored
	shown.URL, shown.Secrets = e.URL, e.Secrets // not opened again: an error of the Cipher could lose the one time that a secret is shown
	return d.shown(shown, newSecret), nil
}

// opened returns a stored endpoint as its owner may see it.
func (d *Dispatcher) opened(ctx context.Context, e Endpoint) Endpoint {
	e, err := d.sealer.openToShow(ctx, e, d.now(), d.config.RevealSecrets)
	if err != nil {
		d.report(fmt.Errorf("endpoint %q: %w", e.ID, err))
	}
	return d.shown(e, false)
}

// shown returns an open endpoint as its owner may see it. It has its newest secret if isNew is
// set, and all secrets if Config.RevealSecrets is set.
func (d *Dispatcher) shown(e Endpoint, isNew bool) Endpoint {
	e.Header, e.URL = withoutValues(e.Header), shownURL(e.URL)
	e.Secret, e.Secrets = "", slices.Clone(e.Secrets)
	for i := range e.Secrets {
		s := &e.Secrets[i]
		if isSealed(s.Value) { // nothing but the row says that the public key is its own
			s.Value, s.PublicKey = "", ""
		}
		if isPrivateKey(s.Value) {
			s.Value = ""
		}
		if i == 0 && (isNew || d.config.RevealSecrets) {
			e.Secret = s.Value
		}
		if !d.config.RevealSecrets {
			s.Value = ""
		}
	}
	return e
}

// pruneSoon lets deliveries of a disabled or deleted endpoint be canceled soon.
func (d *Dispatcher) pruneSoon() {
	if s := d.session.Load(); s != nil {
		s.prune()
	}
}
