package memstore

import (
	"context"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/paging"
)

// Retry implements [webhook.Store].
func (s *Store) Retry(ctx context.Context, q webhook.Query, now time.Time) (webhook.BulkResult, error) {
	return s.change(ctx, q, change{
		now: micros(now),
		usual: func(d *delivery) bool {
			return d.state == webhook.DeliveryFailed || d.state == webhook.DeliveryCanceled
		},
		to: s.retry,
	})
}

// Cancel implements [webhook.Store].
func (s *Store) Cancel(ctx context.Context, q webhook.Query, now time.Time) (webhook.BulkResult, error) {
	return s.change(ctx, q, change{
		now:   micros(now),
		only:  func(d *delivery) bool { return d.state == webhook.DeliveryPending },
		to:    func(d *delivery, now int64) { s.cancel(d, webhook.ReasonCanceled, now) },
		first: s.takeOutOf,
	})
}

// A change is the operation of Retry or Cancel.
type change struct {
	now   int64
	usual func(*delivery) bool // selects among many if no state is asked for; nil selects all
	only  func(*delivery) bool // allows a delivery to be changed; nil allows all
	to    func(d *delivery, now int64)
	first func(selection) bool // changes an event beside its deliveries; nil for nothing
}

// change changes one delivery, or one page of many.
func (s *Store) change(ctx context.Context, q webhook.Query, c change) (webhook.BulkResult, error) {
	var done webhook.BulkResult
	if err := ctx.Err(); err != nil {
		return done, err
	}
	sel, err := newSelection(&q)
	if err != nil {
		return done, err
	}
	single := q.EventID != "" && q.EndpointID != ""
	if single && q.AllTenants {
		return done, paging.NoTenant("Query.Tenant") // ids are unique only within a tenant
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.shed()
	if single {
		err := s.changeOne(&q, c)
		if err == nil {
			done.Changed = 1
		}
		return done, err
	}
	sel.anyOf = func(d *delivery) bool {
		return !d.endpoint.dead() && (c.only == nil || c.only(d)) && (q.State != "" || c.usual == nil || c.usual(d))
	}
	if c.first != nil && c.first(sel) {
		done.Changed++
	}
	done.Next = s.each(sel, func(d *delivery) {
		if d.inFlight(c.now) {
			done.InFlight++
			return
		}
		c.to(d, c.now)
		done.Changed++
	})
	return done, nil
}

func (s *Store) changeOne(q *webhook.Query, c change) error {
	ev := s.events[eventKey{q.Tenant, q.EventID}]
	if ev == nil {
		return webhook.ErrNotFound
	}
	d := ev.delivery(q.EndpointID)
	switch {
	case d == nil, d.endpoint.tombstone:
		return webhook.ErrNotFound
	case d.inFlight(c.now):
		return webhook.ErrInFlight
	case d.endpoint.dead(), c.only != nil && !c.only(d):
		return webhook.ErrConflict
	}
	c.to(d, c.now)
	return nil
}

// takeOutOf takes the event of a selection out of the outbox. It reports whether the event was
// there.
func (s *Store) takeOutOf(sel selection) bool {
	if !paging.IsOfEvent(sel.Query) {
		return false
	}
	ev := s.events[eventKey{sel.Tenant, sel.EventID}]
	if ev == nil || !ev.unmade || !ev.matches(sel.Query) {
		return false
	}
	s.takeOut(ev)
	return true
}

// retry makes a delivery due now.
func (s *Store) retry(d *delivery, now int64) {
	s.unpark(d, now)
	if d.state != webhook.DeliveryPending {
		s.reopen(d)
	}
	s.revoke(d)
	d.reason, d.failures = "", 0
	d.due, d.since, d.waited = now, now, 0
	s.park(d, now)
}

// cancel finishes a pending delivery.
func (s *Store) cancel(d *delivery, reason webhook.Reason, now int64) {
	s.unpark(d, now)
	s.revoke(d)
	s.finish(d, webhook.DeliveryCanceled, reason, now)
}

// revoke changes the lease number. A process whose lease has ended may believe that it still
// holds it, and can then change nothing.
func (s *Store) revoke(d *delivery) {
	d.leaseNo++
	d.leased, d.settled = false, false
}

// reopen makes a finished delivery pending.
func (s *Store) reopen(d *delivery) {
	if d.event.closed {
		s.closed.remove(d.event)
	}
	s.finished--
	s.open(d)
}
