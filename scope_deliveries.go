package webhook

import (
	"context"
	"fmt"
	"time"
)

const (
	// maxBulk is how many deliveries one call of Retry or Cancel changes or passes over,
	// and maxBulkPages how many pages it reads. A replay does the rest.
	maxBulk      = 10_000
	maxBulkPages = 200
)

// Events returns events, the newest first. An event's Header has its names with empty values.
// Events honours EventID, Type, From, To, NoBodies, MaxBytes, Limit and Cursor.
//
// From and To select by the time of the emission, which an Event does not show. Event.Time may
// be another time.
func (s Scope) Events(ctx context.Context, q Query) (page Page[Event], err error) {
	defer addOperation("list events", &err)
	q, err = s.query(q, fieldEventID|fieldType|fieldTimes|fieldNoBodies|fieldMaxBytes)
	if err != nil {
		return Page[Event]{}, err
	}
	records, err := s.d.store.Events(ctx, q)
	if err != nil {
		return Page[Event]{}, err
	}
	page = Page[Event]{Items: make([]Event, len(records.Items)), Next: records.Next}
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
// EndpointID, Type, State, Class and Status (of the last attempt), From and To (of the emission),
// FinishedFrom, FinishedTo, Limit and Cursor.
//
// A Class of ClassRefused selects deliveries with a LastClass of ClassDNS and ClassBlocked too.
// So an API for customers can offer one filter for all three, without telling them apart.
func (s Scope) Deliveries(ctx context.Context, q Query) (page Page[Delivery], err error) {
	defer addOperation("list deliveries", &err)
	q, err = s.query(q, deliveryFields|fieldClass|fieldStatus)
	if err != nil {
		return Page[Delivery]{}, err
	}
	return s.d.store.Deliveries(ctx, q, s.d.now())
}

// Backlog counts the unfinished deliveries of an endpoint, and says when the next is due. It
// counts up to 10,000 of them. If Stats.Pending is 10,000, there may be more, and the times are of
// those that were counted. Outbox and Endpoints stay zero.
//
// It returns [ErrNotFound] if there is no such endpoint.
func (s Scope) Backlog(ctx context.Context, endpointID string) (stats Stats, err error) {
	defer addOperation("backlog", &err)
	if err := s.one(); err != nil {
		return Stats{}, err
	}
	now := s.d.now()
	stats, err = s.d.store.Backlog(ctx, EndpointKey{s.tenant, endpointID}, now)
	if err != nil {
		return Stats{}, fmt.Errorf("id %q: %w", endpointID, err)
	}
	stats.At = now
	return stats, nil
}

// Attempts returns the delivery log of an event, of an endpoint or of one delivery, the latest
// attempt first. EventID or EndpointID is required, and a single tenant.
//
// In the scope of all tenants, a Query without EventID, EndpointID and Tenant returns the failed
// attempts of all tenants: those with a Class. From is then required. For example, this Query
// selects the requests that timed out in the last ten minutes:
//
//	Query{Class: ClassTimeout, From: time.Now().Add(-10 * time.Minute), NoBodies: true}
//
// Attempts honours EventID, EndpointID, Class, Status, From and To (of StartedAt), NoBodies,
// MaxBytes, Skip, Limit and Cursor.
func (s Scope) Attempts(ctx context.Context, q Query) (page Page[Attempt], err error) {
	defer addOperation("list attempts", &err)
	q, err = s.query(q, fieldEventID|fieldEndpointID|fieldClass|fieldStatus|fieldTimes|fieldNoBodies|fieldMaxBytes|fieldSkip)
	if err != nil {
		return Page[Attempt]{}, err
	}
	named := q.EventID != "" || q.EndpointID != ""
	switch {
	case !named && !q.AllTenants:
		return Page[Attempt]{}, &FieldError{"Query.EndpointID", "is empty", "say whose attempts: EndpointID, EventID, or both"}
	case named && q.AllTenants:
		return Page[Attempt]{}, &FieldError{"Query.Tenant", "is empty", "ids are the tenant's own"}
	case !named && q.From.IsZero():
		return Page[Attempt]{}, &FieldError{"Query.From", "is empty", "say since when, for example ten minutes ago"}
	}
	return s.d.store.Attempts(ctx, q)
}

// RetryDelivery sends one delivery again, in any state. It is due at once. Its retries and its
// age count from now, and its attempts go on counting.
//
// Errors:
//
//   - [ErrNotFound] if there is no such delivery, or its endpoint is deleted.
//   - [ErrInFlight] while the delivery is being sent.
//   - [ErrConflict] if its endpoint is disabled.
//   - A [*RateError] beyond the rate. An endpoint has 60 calls at once, and then one every 5
//     seconds. A tenant has 200 at once, and then one a second. Each process counts by itself.
func (s Scope) RetryDelivery(ctx context.Context, eventID, endpointID string) (err error) {
	defer addOperation("retry delivery", &err)
	if err := s.changeOne(ctx, eventID, endpointID, s.d.store.Retry, retryTolls(EndpointKey{s.tenant, endpointID})...); err != nil {
		return err
	}
	s.d.Wake()
	return nil
}

// CancelDelivery cancels one pending delivery. Its errors are those of RetryDelivery, but it has
// no rate limit. A delivery that has finished is [ErrConflict].
func (s Scope) CancelDelivery(ctx context.Context, eventID, endpointID string) (err error) {
	defer addOperation("cancel delivery", &err)
	return s.changeOne(ctx, eventID, endpointID, s.d.store.Cancel)
}

// A storeChange is the method Retry or Cancel of a Store.
type storeChange func(context.Context, Query, time.Time) (BulkResult, error)

func (s Scope) changeOne(ctx context.Context, eventID, endpointID string, change storeChange, tolls ...toll) error {
	if err := s.one(); err != nil {
		return err
	}
	if eventID == "" {
		return &FieldError{"eventID", "is empty", "name the event of the delivery"}
	}
	if endpointID == "" {
		return &FieldError{"endpointID", "is empty", "name the endpoint of the delivery"}
	}
	if err := s.d.pay(tolls...); err != nil {
		return err
	}
	if err := s.d.time.keepUp(ctx); err != nil {
		return err
	}
	_, err := change(ctx, Query{Tenant: s.tenant, EventID: eventID, EndpointID: endpointID}, s.d.now())
	return err
}

// Retry sends all deliveries again that q matches: failed and canceled ones if q.State is empty.
// It honours EventID, EndpointID, Type, State, From and To (of the emission), FinishedFrom and
// FinishedTo. For example, Query{State: DeliveryFailed, FinishedFrom: anHourAgo} selects the
// deliveries that failed in the last hour. A Query without any of these fields needs Query.All.
// EventID and EndpointID together are refused: call RetryDelivery.
//
// The deliveries are due at once, as after RetryDelivery. Retry passes over deliveries of
// disabled endpoints, and over deliveries that are being sent, which it counts. It may be
// repeated after an error.
//
// After 10,000 deliveries, or 200,000 that do not match, Retry leaves the rest to a job, with
// BulkResult.Replay as its id. The job goes on at 1,000 deliveries a second. See [Scope.Replay],
// whose limit of unfinished jobs applies.
//
// FinishedFrom alone reads all deliveries of the scope that are still stored. If you know when
// the events were emitted, set From too.
//
// A call counts as 20 calls of RetryDelivery for the tenant's rate, however many deliveries it
// selects. Beyond that rate Retry returns a [*RateError]. Calls of [Dispatcher.AllTenants] have no
// rate.
func (s Scope) Retry(ctx context.Context, q Query) (done BulkResult, err error) {
	defer addOperation("retry", &err)
	done, err = s.changeMany(ctx, q, bulk{honoured: deliveryFields, change: s.d.store.Retry, tolls: s.retryManyTolls()})
	if done.Changed > 0 {
		s.d.Wake()
	}
	return done, err
}

// Cancel cancels all pending deliveries that q matches. It honours EventID, EndpointID, Type,
// From and To (of the emission). A Query without any of these fields needs Query.All. EventID and
// EndpointID together are refused: call CancelDelivery.
//
// With EventID in the scope of a tenant, or with Query.Tenant, Cancel also ends an event of EmitTx
// whose deliveries are not made yet, for example until its NotBefore. It makes no more of them, and
// counts the event as one of BulkResult.Changed. The event stays stored. Replay can send it as a
// missed one.
//
// Cancel passes over deliveries of disabled endpoints, which are canceled anyway, and over
// deliveries that are being sent, which it counts. It may be repeated after an error. It leaves
// the rest of a large selection to a job, as Retry does.
func (s Scope) Cancel(ctx context.Context, q Query) (done BulkResult, err error) {
	defer addOperation("cancel", &err)
	return s.changeMany(ctx, q, bulk{honoured: deliveryFields &^ (fieldState | fieldFinished), change: s.d.store.Cancel, cancels: true})
}

// A bulk is the operation of Retry or Cancel for many deliveries.
type bulk struct {
	honoured queryField
	change   storeChange
	cancels  bool
	tolls    []toll
}

func (s Scope) changeMany(ctx context.Context, q Query, b bulk) (BulkResult, error) {
	err := q.checkBulk()
	if err == nil {
		q, err = s.query(q, b.honoured|fieldAll)
	}
	if err == nil {
		err = s.d.pay(b.tolls...)
	}
	if err == nil {
		err = s.d.time.keepUp(ctx)
	}
	if err != nil || q.Type != "" && checkType("Query.Type", q.Type) != nil { // no event has such a type
		return BulkResult{}, err
	}
	var total BulkResult
	now, page := s.d.now(), q.Limit
	q.All = false
	for pages := 1; ; pages++ {
		q.Limit = min(page, maxBulk-total.Changed-total.InFlight)
		done, err := b.change(ctx, q, now)
		total.Changed += done.Changed
		total.InFlight += done.InFlight
		if err != nil {
			return total, err
		}
		if q.Cursor = done.Next; q.Cursor == "" {
			return total, nil
		}
		if total.Changed+total.InFlight >= maxBulk || pages == maxBulkPages {
			rest := restOf(&q, now)
			if b.cancels {
				rest.Cancels, rest.Request.States = true, nil
			}
			total.Replay, err = s.leaveRest(ctx, rest)
			return total, err
		}
	}
}

// leaveRest starts a job for the deliveries that Retry or Cancel has not come to, and
// returns its id. It returns "" if there are none.
func (s Scope) leaveRest(ctx context.Context, rest Replay) (id string, err error) {
	rest.Matched, rest.Exact, err = s.d.store.CountReplay(ctx, rest)
	if err != nil || rest.Matched == 0 && rest.Exact {
		return "", err
	}
	job, err := s.d.startReplay(ctx, rest)
	return job.ID, err
}

// restOf returns the job for the deliveries that a call of Retry or Cancel did not reach. Those
// that the call has changed have the time now, so the job passes over them.
func restOf(q *Query, now time.Time) Replay {
	req := ReplayRequest{
		Endpoint: q.EndpointID, Event: q.EventID, From: q.From, To: q.To, FinishedFrom: q.FinishedFrom, FinishedTo: q.FinishedTo,
		States: []DeliveryState{q.State}, Rate: maxReplayRate,
	}
	if q.Type != "" {
		req.Types = []string{q.Type}
	}
	if q.State == "" {
		req.States = []DeliveryState{DeliveryCanceled, DeliveryFailed}
	}
	return Replay{Tenant: q.Tenant, AllTenants: q.AllTenants, CreatedAt: now, Request: req}
}
