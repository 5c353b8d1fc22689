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
	at, failing := micros(now), health.FailingOf(items)
	for i := range items {
		item := &items[i]
		d := s.delivery(item)
		if d == nil {
			out.Lost = append(out.Lost, i)
			if e := s.live(item.Endpoint); e != nil && e.mark != s.gen {
				e.mark = s.gen
				touched = append(touched, e)
			}
			continue
		}
		inEffect := d.leased && d.leaseNo == item.LeaseNo
		switch {
		case inEffect:
		case d.wasSettled(item.LeaseNo):
			out.Already = append(out.Already, i)
		default:
			out.Lost = append(out.Lost, i)
		}
		e := d.endpoint
		counts := health.Counts(item, e.Version)
		merge := item.Attempt != nil && s.log(d, item.LeaseNo, item.Attempt, !inEffect) && !item.Attempt.Test && counts
		if inEffect {
			s.settle(d, item, counts, at)
		}
		if e.gone {
			continue
		}
		if e.mark != s.gen {
			e.mark = s.gen
			touched = append(touched, e)
		}
		edit := health.Edit{Item: item, Merge: merge && (failing[item.Endpoint] || health.Failing(&e.Health)), Act: inEffect && counts && health.Acts(item)}
		if edit.Merge || edit.Act {
			edits = append(edits, edit)
		}
	}
	s.apply(edits, now)
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

// settle applies an item to its delivery. counts says whether the item's effects on the
// endpoint apply.
func (s *Store) settle(d *delivery, item *webhook.Settlement, counts bool, now int64) {
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
	d.due = micros(health.Due(item, counts))
	s.park(d, now)
}

// remember records a lease that was returned.
func (d *delivery) remember(leaseNo int64) {
	d.returned = append(d.returned, leaseNo)
	if n := len(d.returned); n > rememberReturned {
		d.returned = slices.Delete(d.returned, 0, n-rememberReturned)
	}
}
