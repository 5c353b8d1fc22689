package memstore

import (
	"context"
	"slices"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/health"
	"github.com/gowebhook/webhook/internal/paging"
)

// rememberReturned is the number of returned leases that a delivery remembers, so that
// returning one of them again is recognized. A lease that was settled with an attempt is
// recognized by the attempt.
const rememberReturned = 8

// Settle implements [webhook.Store].
func (s *Store) Settle(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
	if err := ctx.Err(); err != nil {
		return webhook.Settled{}, err
	}
	for i := range items {
		if items[i].Endpoint.Tenant == "" {
			return webhook.Settled{}, paging.NoTenant("Settlement.Endpoint.Tenant")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gen++
	var out webhook.Settled
	var edits []health.Edit
	var room [16]*endpoint
	touched := room[:0]
	at, failures := micros(now), health.FailuresOf(items)
	touch := func(e *endpoint) {
		if e != nil && !e.tombstone && e.mark != s.gen {
			e.mark = s.gen
			touched = append(touched, e)
		}
	}
	for i := range items {
		item := &items[i]
		d := s.delivery(item)
		v := health.Judge(item, d.facts(item))
		switch v.Result {
		case health.Applied:
		case health.Already:
			out.Already = append(out.Already, i)
		case health.Lost:
			out.Lost = append(out.Lost, i)
		}
		if d == nil {
			touch(s.live(item.Endpoint))
			continue
		}
		if v.Log {
			s.log(d, item.LeaseNo, item.Attempt, v.Result != health.Applied)
		}
		if v.Result == health.Applied {
			s.settle(d, item, micros(v.Due), at)
		}
		touch(d.endpoint)
		if failures.Changes(v.Edit, &d.endpoint.Health) {
			edits = append(edits, v.Edit)
		}
	}
	out.Notices = s.apply(edits, now)
	s.shed()
	out.Endpoints = make([]webhook.EndpointStatus, len(touched))
	for i, e := range touched {
		out.Endpoints[i] = e.status()
	}
	return out, nil
}

// delivery returns the delivery of an item, or nil.
func (s *Store) delivery(item *webhook.Settlement) *delivery {
	ev := s.uids[item.UID]
	if ev == nil || ev.Tenant != item.Endpoint.Tenant {
		return nil
	}
	return ev.delivery(item.Endpoint.ID)
}

// facts returns the facts about an item. d is its delivery, or nil.
func (d *delivery) facts(item *webhook.Settlement) health.Facts {
	if d == nil {
		return health.Facts{}
	}
	return health.Facts{
		Found: true, Leased: d.leased && d.leaseNo == item.LeaseNo, Settled: d.wasSettled(item.LeaseNo), Logged: d.hasLogged(item.LeaseNo),
		Exists: !d.endpoint.tombstone, Version: d.endpoint.Version,
	}
}

// wasSettled reports whether a lease is known to have been settled.
func (d *delivery) wasSettled(leaseNo int64) bool {
	if leaseNo == d.leaseNo {
		return d.settled
	}
	if i, found := d.attempt(leaseNo); found {
		return !d.attempts[i].Late
	}
	return slices.Contains(d.returned, leaseNo)
}

// settle applies an item to its delivery. due is for a delivery that stays pending.
func (s *Store) settle(d *delivery, item *webhook.Settlement, due, now int64) {
	s.unpark(d, now)
	d.leased, d.settled = false, true
	d.failures = item.Failures
	if item.Attempt == nil {
		d.remember(d.leaseNo)
	}
	if final(item.State) {
		s.finish(d, item.State, item.Reason, now)
		return
	}
	d.reason = item.Reason
	d.due = due
	d.waited += max(due-micros(item.DueAt), 0)
	s.park(d, now)
}

// remember records a lease that was returned.
func (d *delivery) remember(leaseNo int64) {
	d.returned = append(d.returned, leaseNo)
	if n := len(d.returned); n > rememberReturned {
		d.returned = slices.Delete(d.returned, 0, n-rememberReturned)
	}
}
