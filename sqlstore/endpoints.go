package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/contract"
	"github.com/gowebhook/webhook/internal/health"
	"github.com/gowebhook/webhook/internal/paging"
	"github.com/gowebhook/webhook/internal/rate"
	"github.com/gowebhook/webhook/internal/secrets"
	"github.com/gowebhook/webhook/internal/versions"
)

// scanEndpoint reads endpointColumns.
func scanEndpoint(r *sql.Rows) (uuid.UUID, webhook.Endpoint, error) {
	var (
		s                              status
		t                              statusTimes
		e                              webhook.Endpoint
		events, metadata, header, keys string
		created, timeout               int64
	)
	err := scanRow(r, append(s.into(&t), &created, &e.URL, &e.Description, &events, &e.Channel, &e.Profile, &metadata, &header,
		&keys, &timeout, &e.MaxInFlight)...)
	if err != nil && !unreadable(err) {
		return s.ref, e, err
	}
	s.fill(&t)
	e.Tenant, e.ID, e.Version, e.State, e.Reason, e.Health = s.Key.Tenant, s.Key.ID, s.Version, s.State, s.reason, s.Health
	e.CreatedAt, e.UpdatedAt = fromMicros(created), fromMicros(s.updatedAt)
	e.Rate, e.Burst = s.limit.PerSecond(), int(s.limit.Burst)
	e.Timeout = time.Duration(timeout) * time.Microsecond
	if err == nil {
		e.Events, err = parseStrings(events)
	}
	if err == nil {
		e.Metadata, err = parseMetadata(metadata)
	}
	if err == nil {
		e.Header, err = parseMap[webhook.Secret](header)
	}
	if err == nil {
		e.Secrets, err = parseSecrets(keys)
	}
	if err != nil {
		err = badEndpoint(s.Key, err)
	}
	return s.ref, e, err
}

// configCells are the cells that UpdateEndpoint replaces in a row of the table endpoints.
func configCells(e *webhook.Endpoint) []cell {
	return []cell{
		text(e.URL), text(e.Description), text(formatStrings(e.Events)), text(e.Channel), text(e.Profile),
		text(formatMetadata(e.Metadata)), text(formatMap(e.Header)), text(formatSecrets(e.Secrets)),
		num(e.Timeout.Microseconds()), num(e.MaxInFlight), at(secrets.Expiry(e.Secrets)),
	}
}

func statusOf(ref uuid.UUID, e *webhook.Endpoint) *status {
	return &status{
		ref: ref, reason: e.Reason, updatedAt: micros(e.UpdatedAt), limit: rate.Of(e.Rate, e.Burst),
		EndpointStatus: webhook.EndpointStatus{
			Key: webhook.EndpointKey{Tenant: e.Tenant, ID: e.ID}, Version: e.Version, State: e.State, Health: e.Health,
		},
	}
}

// CreateEndpoint implements [webhook.Store].
func (s *Store) CreateEndpoint(ctx context.Context, e webhook.Endpoint, limit int) error {
	if e.Tenant == "" {
		return paging.NoTenant("Endpoint.Tenant")
	}
	ref := refOf(webhook.EndpointKey{Tenant: e.Tenant, ID: e.ID})
	return s.write(ctx, txOptions{Once: true}, func(t *tx) error {
		if _, err := t.Exec(countEndpoint, text(e.Tenant)); err != nil { // also locks out other calls for the tenant
			return err
		}
		var queued, finished, exists bool
		if _, err := t.Row(endpointUsed, []cell{uid(ref)}, &queued, &finished, &exists); err != nil {
			return err
		}
		if queued || finished || exists {
			return webhook.ErrConflict
		}
		var n int
		if _, err := t.Row(tenantEndpoints, []cell{text(e.Tenant)}, &n); err != nil {
			return err
		}
		if limit > 0 && n > limit {
			return webhook.ErrLimit
		}
		config := append([]cell{uid(ref), text(e.Tenant), text(e.ID), at(e.CreatedAt)}, configCells(&e)...)
		if _, err := t.Exec(insertEndpoint, config...); err != nil {
			return err
		}
		st := statusOf(ref, &e).updateCells()
		if _, err := t.Exec(insertStatus, append([]cell{st[0], text(e.Tenant), text(e.ID)}, st[1:]...)...); err != nil {
			return err
		}
		return t.subscribe(ref, &e)
	})
}

// subscribe stores the subscriptions of an endpoint. Those of a disabled endpoint are muted:
// Match reads none of them, however many a tenant has.
func (t *tx) subscribe(ref uuid.UUID, e *webhook.Endpoint) error {
	rows := newTable(len(e.Events))
	for _, pattern := range slices.Compact(slices.Sorted(slices.Values(e.Events))) {
		if e.State == webhook.EndpointDisabled {
			pattern = muted + pattern
		}
		rows.Add(text(e.Tenant), text(pattern), text(e.Channel), text(e.ID), uid(ref))
	}
	return t.ExecAll(insertSubscriptions, rows)
}

// unsubscribe stops endpoints from receiving events.
func (t *tx) unsubscribe(refs ...uuid.UUID) error { return t.ExecAll(deleteSubscriptions, uids(refs)) }

// A lockedEndpoint is an endpoint that no other transaction changes.
type lockedEndpoint struct {
	webhook.Endpoint
	rateAt int64 // see package rate
}

// locked reads an endpoint and locks it against changes.
func (t *tx) locked(ref uuid.UUID) (e lockedEndpoint, found bool, err error) {
	var version int64
	if found, err = t.Row(lockEndpoint, []cell{uid(ref)}, &version, &e.rateAt); err != nil || !found {
		return e, false, err
	}
	found = false // the lock may have been granted on a row that is deleted meanwhile
	err = t.Query(readEndpoints, uids([]uuid.UUID{ref}), func(r *sql.Rows) error {
		found = true
		_, e.Endpoint, err = scanEndpoint(r)
		if unreadable(err) { // an unreadable endpoint can still be replaced and deleted
			return nil
		}
		return err
	})
	return e, found, err
}

// UpdateEndpoint implements [webhook.Store].
func (s *Store) UpdateEndpoint(ctx context.Context, e webhook.Endpoint) (webhook.Endpoint, error) {
	if e.Tenant == "" {
		return webhook.Endpoint{}, paging.NoTenant("Endpoint.Tenant")
	}
	ref := refOf(webhook.EndpointKey{Tenant: e.Tenant, ID: e.ID})
	var updated webhook.Endpoint
	err := s.write(ctx, txOptions{Once: true}, func(t *tx) error {
		old, found, err := t.locked(ref)
		switch {
		case err != nil:
			return err
		case !found:
			return webhook.ErrNotFound
		case old.Version != e.Version:
			return webhook.ErrConflict
		}
		updated = e
		updated.Version, updated.CreatedAt, updated.Health = versions.Next(old.Version, e.UpdatedAt.UnixMicro()), old.CreatedAt, old.Health
		if health.IsReset(&old.Endpoint, &e) {
			updated.Health = webhook.Health{}
		}
		if err := t.supersede(e.UpdatedAt, statusOf(ref, &old.Endpoint)); err != nil {
			return err
		}
		if err := t.unsubscribe(ref); err != nil {
			return err
		}
		if _, err := t.Exec(updateEndpoint, append([]cell{uid(ref)}, configCells(&e)...)...); err != nil {
			return err
		}
		status := statusOf(ref, &updated)
		if status.limit == rate.Of(old.Rate, old.Burst) {
			status.rateAt = old.rateAt
		}
		rows := newTable(1)
		rows.Add(status.updateCells()...)
		if err := t.ExecAll(updateStatus, rows); err != nil {
			return err
		}
		return t.subscribe(ref, &updated)
	})
	if err != nil {
		return webhook.Endpoint{}, err
	}
	if updated.State == webhook.EndpointDisabled {
		s.stopped.Store(true)
	}
	s.passOverNoMore(ref)
	return updated, nil
}

// supersede ends the present versions of endpoints, whose status is locked. It keeps the old
// versions for the deliveries that were made under them.
func (t *tx) supersede(now time.Time, list ...*status) error {
	rows := newTable(len(list))
	for _, s := range list {
		rows.Add(uid(s.ref), num(s.Version), at(now))
	}
	return t.ExecAll(insertVersions, rows)
}

// DeleteEndpoint implements [webhook.Store]. The endpoint's deliveries stay where they are. An
// endpoint without a row is a deleted one.
func (s *Store) DeleteEndpoint(ctx context.Context, key webhook.EndpointKey, version int64, _ time.Time) error {
	if key.Tenant == "" {
		return paging.NoTenant("EndpointKey.Tenant")
	}
	err := s.write(ctx, txOptions{Once: true}, func(t *tx) error {
		ref := refOf(key)
		e, found, err := t.locked(ref)
		if err != nil {
			return err
		}
		if !found {
			return webhook.ErrNotFound
		}
		if version != 0 && e.Version != version {
			return webhook.ErrConflict
		}
		return t.remove(ref, e.Tenant)
	})
	if err == nil {
		s.stopped.Store(true)
	}
	return err
}

// remove deletes a locked endpoint.
func (t *tx) remove(ref uuid.UUID, tenant string) error {
	if err := t.unsubscribe(ref); err != nil {
		return err
	}
	for _, o := range []op{deleteVersions, deleteEndpoint, deleteStatus} {
		if _, err := t.Exec(o, uid(ref)); err != nil {
			return err
		}
	}
	if _, err := t.Exec(uncountEndpoint, text(tenant)); err != nil {
		return err
	}
	_, err := t.Exec(forgetTenant, text(tenant))
	return err
}

// Endpoints implements [webhook.Store].
func (s *Store) Endpoints(ctx context.Context, q webhook.Query) (webhook.Page[webhook.Endpoint], error) {
	var page webhook.Page[webhook.Endpoint]
	limit, err := paging.Rows(&q)
	if err != nil {
		return page, err
	}
	if q.AllTenants && q.Health != "" {
		return s.failing(ctx, &q, limit)
	}
	after, err := paging.ParseEndpoint(q.Cursor)
	if err != nil {
		return page, err
	}
	if !q.AllTenants && q.EndpointID != "" {
		key := webhook.EndpointKey{Tenant: q.Tenant, ID: q.EndpointID}
		if q.Cursor != "" && after.ID >= key.ID {
			return page, ctx.Err()
		}
		page.Items, err = s.Refresh(ctx, []webhook.EndpointKey{key})
		page.Items = slices.DeleteFunc(page.Items, func(e webhook.Endpoint) bool { return !paging.HasHealth(&q, &e) })
		return page, err
	}
	if !q.AllTenants && q.Cursor != "" && after.Tenant != q.Tenant {
		return page, paging.Malformed(paging.QueryCursor)
	}
	if after.Tenant == "" {
		after.Tenant = q.Tenant
	}
	err = s.readPlanned(ctx, func(t *tx) error {
		page, err = t.endpoints(&q, after, limit)
		return err
	})
	if err != nil {
		return webhook.Page[webhook.Endpoint]{}, err
	}
	return page, nil
}

// endpoints reads the page of endpoints that follows after.
func (t *tx) endpoints(q *webhook.Query, after webhook.EndpointKey, limit int) (webhook.Page[webhook.Endpoint], error) {
	o, of := listEndpoints, text[string]
	if q.AllTenants {
		o, of = listAllEndpoints, sought
	}
	return t.endpointPage(q, limit, endpointOrder{
		list:   o,
		begin:  func() []cell { return []cell{of(after.Tenant), sought(after.ID)} },
		pass:   func(e *webhook.Endpoint) { after = webhook.EndpointKey{Tenant: e.Tenant, ID: e.ID} },
		cursor: func() string { return paging.FormatEndpoint(after) },
	})
}

// An endpointOrder is an order in which endpoints are listed, and a place in it.
type endpointOrder struct {
	list   op                      // reads the endpoints behind the place
	begin  func() []cell           // the place, as values of list
	pass   func(*webhook.Endpoint) // moves the place behind an endpoint
	cursor func() string           // the place, as a cursor
}

// endpointPage reads the page of endpoints that follows a place.
func (t *tx) endpointPage(q *webhook.Query, limit int, by endpointOrder) (page webhook.Page[webhook.Endpoint], err error) {
	budget := paging.NewBudget(q)
	for read := 0; ; {
		found, atOnce := 0, min(wideAtOnce, limit+1, contract.MaxPageRead+1-read)
		err := t.Query(by.list, nil, func(r *sql.Rows) error {
			found++
			_, e, err := scanEndpoint(r)
			bad := unreadable(err)
			if err != nil && !bad {
				return err
			}
			wanted := !bad && (q.EndpointID == "" || e.ID == q.EndpointID) && paging.HasHealth(q, &e)
			if len(page.Items) == limit || read == contract.MaxPageRead || wanted && !budget.Take(paging.EndpointSize(&e)) {
				page.Next = by.cursor()
				return errPageEnds
			}
			read++
			by.pass(&e)
			switch {
			case wanted:
				page.Items = append(page.Items, e)
			case bad:
				page.Unreadable = append(page.Unreadable, err)
			}
			return nil
		}, append(by.begin(), num(atOnce))...)
		if errors.Is(err, errPageEnds) {
			return page, nil
		}
		if err != nil || found < atOnce {
			return page, err
		}
	}
}

// errPageEnds ends a statement early, when no more rows are wanted. A driver that is asked for
// the remaining rows would read them into memory.
var errPageEnds = errors.New("the page ends")

// Refresh implements [webhook.Store].
func (s *Store) Refresh(ctx context.Context, keys []webhook.EndpointKey) ([]webhook.Endpoint, error) {
	refs := make([]uuid.UUID, len(keys))
	for i, key := range keys {
		if key.Tenant == "" {
			return nil, paging.NoTenant("EndpointKey.Tenant")
		}
		refs[i] = refOf(key)
	}
	slices.SortFunc(refs, byRef)
	refs = slices.Compact(refs)
	var found []webhook.Endpoint
	var bad []error
	err := s.read(ctx, func(t *tx) error {
		return t.Query(readEndpoints, uids(refs), func(r *sql.Rows) error {
			_, e, err := scanEndpoint(r)
			if unreadable(err) {
				bad = append(bad, err)
				return nil
			}
			found = append(found, e)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return found, s.explain(ctx, errors.Join(bad...))
}
