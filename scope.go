package webhook

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"maps"
	"slices"
	"time"
)

// A Scope reads and changes the data of one tenant or, from [Dispatcher.AllTenants], of all
// tenants. It reaches nothing of another tenant: another tenant's id is [ErrNotFound]. Copies
// are equal. A Scope is safe for concurrent use.
type Scope struct {
	d      *Dispatcher
	tenant string
	all    bool
}

// check refuses the scope of an empty or invalid tenant.
func (s Scope) check() error {
	if s.all {
		return nil
	}
	return checkTenant("tenant", s.tenant)
}

// one also refuses the scope of all tenants, because an id alone does not name its tenant.
func (s Scope) one() error {
	if s.all {
		return &FieldError{"tenant", "is all of them", "use Dispatcher.Tenant: ids are the tenant's own"}
	}
	return s.check()
}

// query applies the scope to a query, and refuses fields that the method does not honour.
func (s Scope) query(q Query, honoured ...string) (Query, error) {
	if err := s.check(); err != nil {
		return q, err
	}
	switch {
	case !s.all && (q.AllTenants || q.Tenant != "" && q.Tenant != s.tenant):
		return q, &FieldError{"Query.Tenant", "is not the scope's", "leave it empty"}
	case !s.all:
		q.Tenant = s.tenant
	case q.Tenant == "":
		q.AllTenants = true
	default:
		q.AllTenants = false
		if err := checkTenant("Query.Tenant", q.Tenant); err != nil {
			return q, err
		}
	}
	set := map[string]bool{
		"EventID": q.EventID != "", "EndpointID": q.EndpointID != "", "Type": q.Type != "", "State": q.State != "",
		"Class": q.Class != "", "Status": q.Status != 0, "From": !q.From.IsZero(), "To": !q.To.IsZero(),
		"NoBodies": q.NoBodies, "MaxBytes": q.MaxBytes != 0, "Skip": q.Skip != 0,
	}
	for _, field := range honoured {
		delete(set, field)
	}
	for _, field := range slices.Sorted(maps.Keys(set)) {
		if set[field] {
			return q, &FieldError{"Query." + field, "does not apply here", "leave it empty"}
		}
	}
	switch {
	case q.Limit < 0 || q.Limit > maxPage:
		return q, &FieldError{"Query.Limit", fmt.Sprintf("is %d", q.Limit), fmt.Sprintf("use 1 to %d, or 0 for %d", maxPage, defaultPage)}
	case q.Skip < 0 || q.Skip > maxPage:
		return q, &FieldError{"Query.Skip", fmt.Sprintf("is %d", q.Skip), fmt.Sprintf("use 0 to %d, and Cursor beyond that", maxPage)}
	case q.MaxBytes < 0 || q.MaxBytes > maxPageBytes:
		return q, &FieldError{
			"Query.MaxBytes", fmt.Sprintf("is %d", q.MaxBytes), fmt.Sprintf("use 1 to %d, or 0 for %[1]d", maxPageBytes),
		}
	}
	if q.Limit == 0 {
		q.Limit = defaultPage
	}
	switch q.State {
	case "", DeliveryPending, DeliverySucceeded, DeliveryFailed, DeliveryCanceled:
	default:
		return q, &FieldError{"Query.State", fmt.Sprintf("is unknown: %q", q.State), "use pending, succeeded, failed or canceled"}
	}
	q.From, q.To = micros(q.From), micros(q.To)
	return q, nil
}

// Limits of a page.
const (
	defaultPage  = 100
	maxPage      = 1000
	maxPageBytes = 4 << 20
)

// Events returns events, the newest first. It honours EventID, Type, From and To (of the
// emission), NoBodies, MaxBytes, Limit and Cursor.
func (s Scope) Events(ctx context.Context, q Query) (Page[Event], error) {
	q, err := s.query(q, "EventID", "Type", "From", "To", "NoBodies", "MaxBytes")
	if err != nil {
		return Page[Event]{}, err
	}
	records, err := s.d.store.Events(ctx, q)
	if err != nil {
		return Page[Event]{}, fmt.Errorf("webhook: events: %w", err)
	}
	page := Page[Event]{Items: make([]Event, len(records.Items)), Next: records.Next}
	for i := range records.Items {
		e := records.Items[i].event()
		e.Header, e.Test = withoutValues(e.Header), records.Items[i].Test
		page.Items[i] = *e
	}
	return page, nil
}

// withoutValues keeps only the names of headers. The value of an event's header may be a
// signature that was made with a key that is stored nowhere.
func withoutValues[V ~string](header map[string]V) map[string]V {
	if header == nil {
		return nil
	}
	names := make(map[string]V, len(header))
	for name := range header {
		names[name] = ""
	}
	return names
}

// Deliveries returns deliveries by their event, the newest first. It honours EventID,
// EndpointID, Type, State, From and To (of the emission), Limit and Cursor.
func (s Scope) Deliveries(ctx context.Context, q Query) (Page[Delivery], error) {
	q, err := s.query(q, "EventID", "EndpointID", "Type", "State", "From", "To")
	if err != nil {
		return Page[Delivery]{}, err
	}
	page, err := s.d.store.Deliveries(ctx, q, s.d.now())
	if err != nil {
		return Page[Delivery]{}, fmt.Errorf("webhook: deliveries: %w", err)
	}
	return page, nil
}

// Attempts returns the delivery log of an event, of an endpoint or of one delivery, the latest
// attempt first. EventID or EndpointID is required, and a single tenant. It honours EventID,
// EndpointID, Class, Status, From and To (of StartedAt), NoBodies, MaxBytes, Skip, Limit and
// Cursor.
func (s Scope) Attempts(ctx context.Context, q Query) (Page[Attempt], error) {
	q, err := s.query(q, "EventID", "EndpointID", "Class", "Status", "From", "To", "NoBodies", "MaxBytes", "Skip")
	if err != nil {
		return Page[Attempt]{}, err
	}
	if q.EventID == "" && q.EndpointID == "" {
		return Page[Attempt]{}, &FieldError{"Query.EndpointID", "is empty", "say whose attempts: EndpointID, EventID, or both"}
	}
	if q.AllTenants {
		return Page[Attempt]{}, &FieldError{"Query.Tenant", "is empty", "ids are the tenant's own"}
	}
	page, err := s.d.store.Attempts(ctx, q)
	if err != nil {
		return Page[Attempt]{}, fmt.Errorf("webhook: attempts: %w", err)
	}
	return page, nil
}

// Retry sends deliveries again. With EventID and EndpointID it sends that delivery, in any
// state. Otherwise it sends all deliveries that q matches: failed and canceled ones if q.State
// is empty. It honours EventID, EndpointID, Type, State, From and To (of the emission).
//
// The deliveries are due at once. Their retries and age count from now, and their attempts go
// on counting. Retry changes everything that matches, and may be repeated after an error.
//
// A single delivery is [ErrInFlight] while it is being sent, and [ErrConflict] if its endpoint
// is disabled. A call for many passes over such deliveries, and counts the ones in flight.
//
// A tenant's Scope takes 200 calls at once and then one each second. A call for many deliveries
// counts as 20, however many they are. Single deliveries of one endpoint are taken 60 at once
// and then one every 5 seconds. A call beyond these rates is a [RateError]. Each process counts
// by itself.
func (s Scope) Retry(ctx context.Context, q Query) (Recovered, error) {
	if err := s.d.payForRetry(s, &q); err != nil {
		return Recovered{}, fmt.Errorf("webhook: retry: %w", err)
	}
	r, err := s.recover(ctx, q, s.d.store.Retry)
	if err != nil {
		return r, fmt.Errorf("webhook: retry: %w", err)
	}
	s.d.Wake()
	return r, nil
}

// Cancel cancels pending deliveries. It selects and answers as Retry does, but only among
// pending deliveries, and has no rate limit. A single delivery that has finished is
// [ErrConflict].
func (s Scope) Cancel(ctx context.Context, q Query) (Recovered, error) {
	r, err := s.recover(ctx, q, s.d.store.Cancel)
	if err != nil {
		return r, fmt.Errorf("webhook: cancel: %w", err)
	}
	return r, nil
}

func (s Scope) recover(ctx context.Context, q Query, part func(context.Context, Query, time.Time) (Recovered, error)) (Recovered, error) {
	q, err := s.query(q, "EventID", "EndpointID", "Type", "State", "From", "To")
	if err != nil {
		return Recovered{}, err
	}
	if q.AllTenants && q.EventID != "" && q.EndpointID != "" {
		return Recovered{}, &FieldError{"Query.Tenant", "is empty", "ids are the tenant's own"}
	}
	if err := s.d.time.keepUp(ctx); err != nil {
		return Recovered{}, err
	}
	var total Recovered
	now := s.d.now()
	for {
		done, err := part(ctx, q, now)
		total.Changed += done.Changed
		total.InFlight += done.InFlight
		if err != nil {
			return total, err
		}
		if q.Cursor = done.Next; q.Cursor == "" {
			return total, nil
		}
	}
}

// Erase removes everything that is stored of the tenant: endpoints, events, deliveries and
// attempts. Requests in flight end without a record.
func (s Scope) Erase(ctx context.Context) error {
	if err := s.one(); err != nil {
		return err
	}
	if err := s.d.store.Erase(ctx, s.tenant); err != nil {
		return fmt.Errorf("webhook: erase: %w", err)
	}
	s.d.settings.dropTenant(s.tenant)
	return nil
}

// VerifySecret reports whether secret is one of the endpoint's live signing secrets. Its time
// does not depend on how much of the secret is right. It returns false for an endpoint that
// does not exist, after the work of an endpoint with a single secret. The Store's own time may
// still tell these two cases apart.
func (s Scope) VerifySecret(ctx context.Context, endpointID string, secret Secret) (bool, error) {
	if err := s.one(); err != nil {
		return false, err
	}
	found, err := s.d.store.Refresh(ctx, []EndpointKey{{s.tenant, endpointID}})
	if err != nil {
		return false, fmt.Errorf("webhook: verify secret: %w", err)
	}
	var live []Secret
	var closed error // a secret that did not open might have matched
	if len(found) == 1 {
		e, err := s.d.sealer.openSecrets(ctx, found[0], s.d.now())
		closed, live = err, liveSecrets(&e, s.d.now())
	} else {
		s.d.sealer.openDecoy(ctx)
	}
	// The number of comparisons is always the same, and so is the length of the digests.
	given := sha256.Sum256([]byte(secret))
	match := 0
	for i := range maxSecrets {
		var have Secret
		if i < len(live) {
			have = live[i]
		}
		sum := sha256.Sum256([]byte(have))
		present := subtle.ConstantTimeEq(int32(min(len(have), 1)), 1)
		match |= present & subtle.ConstantTimeCompare(sum[:], given[:])
	}
	if match == 0 && closed != nil {
		return false, fmt.Errorf("webhook: verify secret: %w", closed)
	}
	return match == 1, nil
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
