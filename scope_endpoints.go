package webhook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// CreateEndpoint registers an endpoint. URL and Events are required. ID, Secret, State (active
// or paused), Profile and the other fields are optional.
//
// It returns the endpoint as stored, with its Secret, which is shown only this once. To show
// it to the customer, write string(endpoint.Secret); it is redacted in JSON.
//
// A URL with an address that may not be dialed is refused. A URL with a name is accepted,
// because names change. Requests to it fail with [ClassBlocked] if the name has such an
// address. [Scope.Test] tells at once.
//
// Errors:
//
//   - A [*FieldError] for input that is refused.
//   - A [*FieldError] with [ErrLimit] when the tenant has Config.MaxEndpoints.
//   - [ErrConflict] if the id is taken, also by a deleted endpoint whose deliveries are still
//     stored.
//
// After another error of the Store, for example a connection that breaks during the commit,
// the endpoint may exist or not. CreateEndpoint then returns the endpoint beside the error,
// with its ID and its Secret. To avoid a second endpoint, call again with these two in your
// own Endpoint. ErrConflict then says that the first call did create it. With any
// other error the returned Endpoint has no ID.
func (s Scope) CreateEndpoint(ctx context.Context, e Endpoint) (created Endpoint, err error) {
	defer addOperation("create endpoint", &err)
	if err := s.one(); err != nil {
		return Endpoint{}, err
	}
	d := s.d
	if err := d.time.keepUp(ctx); err != nil {
		return Endpoint{}, err
	}
	e, err = d.newEndpoint(s.tenant, e)
	if err != nil {
		return Endpoint{}, err
	}
	limit := max(d.config.MaxEndpoints, 0)
	stored, err := d.sealer.seal(ctx, e, newURLTag())
	if err != nil {
		return Endpoint{}, err
	}
	stored.Secret = ""
	switch err := d.store.CreateEndpoint(ctx, stored, limit); {
	case errors.Is(err, ErrLimit):
		return Endpoint{}, fmt.Errorf("%w: %w", ErrLimit,
			&FieldError{"tenant", fmt.Sprintf("has %d endpoints, the limit", limit), "delete one, or raise Config.MaxEndpoints"})
	case errors.Is(err, ErrConflict):
		return Endpoint{}, fmt.Errorf("id %q is taken: %w", e.ID, err)
	case err != nil:
		return d.shown(e, true), fmt.Errorf("id %q: %w", e.ID, err)
	}
	return d.shown(e, true), nil
}

// Endpoint returns one endpoint.
func (s Scope) Endpoint(ctx context.Context, id string) (found Endpoint, err error) {
	defer addOperation("read endpoint", &err)
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
		return Endpoint{}, fmt.Errorf("id %q: %w", id, err)
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
		return e, fmt.Errorf("id %q: %w", id, err)
	}
	return e, nil
}

// Endpoints returns endpoints in the order of their ids. It honours EndpointID, Health, MaxBytes,
// Limit and Cursor. With Health it leaves out disabled endpoints. In the scope of all tenants
// the endpoints that have been failing longest then come first.
func (s Scope) Endpoints(ctx context.Context, q Query) (page Page[Endpoint], err error) {
	defer addOperation("list endpoints", &err)
	q, err = s.query(q, fieldEndpointID|fieldHealth|fieldMaxBytes)
	if err != nil {
		return Page[Endpoint]{}, err
	}
	page, err = s.d.store.Endpoints(ctx, q)
	if err != nil {
		return Page[Endpoint]{}, err
	}
	for _, problem := range page.Unreadable {
		s.d.report("a list left out an endpoint that cannot be read", problem)
	}
	page.Unreadable = nil
	for i := range page.Items {
		page.Items[i] = s.d.opened(ctx, page.Items[i])
	}
	return page, nil
}

// UpdateEndpoint replaces an endpoint that was read before: read it, change it, and pass it
// on. It returns [ErrConflict] if the endpoint has changed since, so that its Version is not
// e.Version. It returns [ErrNotFound] if the endpoint is gone. The change acts at once in this
// process and within a second in others.
//
// Secrets do not change, and a header with an empty value keeps its stored value. When the
// scheme, host or port of the URL changes, each header's value must be given again. Otherwise
// a [*FieldError] names the first header without a value.
//
// The state disabled gets ReasonCustomer. Health is kept, also when an endpoint is paused and
// resumed. It is cleared, with its block, when the URL changes or a disabled endpoint is
// enabled.
//
// The scope of all tenants may update an endpoint that it has read. e.Tenant names the tenant.
// Only this scope can suspend an endpoint, with the state disabled or paused and the reason
// [ReasonOperator]. A paused one keeps its deliveries. It lifts the suspension with the state
// active, or with another reason to let the tenant decide. [Scope.Pause] pauses many.
//
// During a suspension a tenant's scope may change the other fields of the endpoint. It may not
// change the state, test the endpoint or delete it: it gets a *FieldError for Endpoint.Reason.
// A suspension is of one endpoint. To keep a tenant from creating others, refuse that where
// the tenant is authorized.
func (s Scope) UpdateEndpoint(ctx context.Context, e Endpoint) (updated Endpoint, err error) {
	defer addOperation("update endpoint", &err)
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
		return Endpoint{}, fmt.Errorf("id %q: version %d is now %d: %w", e.ID, e.Version, old.Version, ErrConflict)
	}
	e.Tenant, e.Secret, e.Secrets, e.CreatedAt = old.Tenant, "", old.Secrets, old.CreatedAt
	setDefault(&e.Profile, s.d.config.Profile)
	if isSealedURL(old.URL) && e.URL == shownURL(old.URL) {
		e.URL = old.URL
	}
	if err := s.d.checkEndpoint(&e, &old); err != nil {
		return Endpoint{}, err
	}
	if !operator && e.State != old.State {
		if err := checkNotSuspended(&old); err != nil {
			return Endpoint{}, err
		}
	}
	e.Reason = nextReason(&e, &old, operator)
	if e.Profile != old.Profile {
		if closed != nil {
			return Endpoint{}, closed
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
		return Endpoint{}, err
	}
	now := d.now()
	e.Secrets = withoutExpired(e.Secrets, now)
	sealed, err := d.sealer.seal(ctx, e, tag)
	if err != nil {
		return Endpoint{}, err
	}
	sealed.UpdatedAt = now
	asOf := d.time.uptime()
	stored, err := d.store.UpdateEndpoint(ctx, sealed)
	if err != nil {
		return Endpoint{}, err
	}
	d.endpoints.put(&stored, asOf)
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
		d.reportOf(e.key(), "values of an endpoint cannot be opened", err)
	}
	return d.shown(e, false)
}

// shown returns an open endpoint as its owner may see it. It has its newest secret if isNew is
// set, and all secrets if Config.RevealSecrets is set.
func (d *Dispatcher) shown(e Endpoint, isNew bool) Endpoint {
	e.Header, e.URL = withoutValues(e.Header), shownURL(e.URL)
	e.Events, e.Metadata = slices.Clone(e.Events), maps.Clone(e.Metadata) // others share the stored ones
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

// changeTries is how often a change of an endpoint is tried while others change it.
const changeTries = 5

// DeleteEndpoint removes an endpoint for good, at once. Pending deliveries are canceled.
// Finished ones stay in the log for as long as Config.Retention says. It refuses an endpoint
// that the operator has suspended, because its tenant could otherwise create the same endpoint
// again.
func (s Scope) DeleteEndpoint(ctx context.Context, id string) (err error) {
	defer addOperation("delete endpoint", &err)
	return s.deleteEndpoint(ctx, id, 0)
}

// DeleteEndpointVersion is DeleteEndpoint for an endpoint that was read before. It returns
// [ErrConflict] if the endpoint has changed since, so that its Version is another. Version 0
// stands for any.
func (s Scope) DeleteEndpointVersion(ctx context.Context, id string, version int64) (err error) {
	defer addOperation("delete endpoint", &err)
	return s.deleteEndpoint(ctx, id, version)
}

func (s Scope) deleteEndpoint(ctx context.Context, id string, version int64) error {
	if err := s.one(); err != nil {
		return err
	}
	key := EndpointKey{s.tenant, id}
	if err := s.d.time.keepUp(ctx); err != nil {
		return err
	}
	if err := s.deleteUnlessSuspended(ctx, key, version); err != nil {
		return err
	}
	s.d.endpoints.drop(key)
	s.d.emptyLane(key)
	s.d.pruneSoon()
	return nil
}

// deleteUnlessSuspended deletes exactly the version that it has read as not suspended, so that
// a suspension in between is not lost. If version is 0 any version may be deleted, so it reads
// an endpoint that has changed meanwhile again.
func (s Scope) deleteUnlessSuspended(ctx context.Context, key EndpointKey, version int64) error {
	for tries := 1; ; tries++ {
		row, err := s.stored(ctx, key.ID)
		if err == nil {
			err = checkNotSuspended(&row)
		}
		if err != nil {
			return err
		}
		err = s.d.store.DeleteEndpoint(ctx, key, cmp.Or(version, row.Version), s.d.now())
		if errors.Is(err, ErrConflict) && version == 0 && tries < changeTries {
			continue
		}
		if err != nil {
			return fmt.Errorf("id %q: %w", key.ID, err)
		}
		return nil
	}
}
