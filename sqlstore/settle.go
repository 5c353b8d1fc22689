package sqlstore

import (
	"context"
	"slices"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/paging"
	"github.com/gowebhook/webhook/sqlstore/internal/engine"
)

// Settle implements [webhook.Store]. It waits for no row that another transaction holds. If a
// row stays held, its items are in Failed. Items that the database itself refuses are in Failed
// too.
//
// Example: endpoint a is healthy, and the last two attempts of endpoint b failed. One call has
// these items:
//
//	item  endpoint  attempt                    lease of the item  lease of the delivery
//	0     a         12:00:01, 200              1                  1
//	1     a         12:00:01, 200              1                  2
//	2     b         12:00:01, 503, then 12:05  1                  1
//	3     b         12:00:02, 200              3                  3
//
// Settle takes these steps:
//
//  1. On PostgreSQL, one statement tries items 0 and 1. It moves the delivery of item 0 from
//     the queue to the deliveries, and logs the attempt. It passes item 1 over, because another
//     process has the lease now. Items 2 and 3 are not plain successes of a healthy endpoint.
//  2. The rows of items 1, 2 and 3 are locked. Item 1 is in Settled.Lost, and its attempt is
//     stored as late.
//  3. The status of b is locked, because items 2 and 3 change it.
//  4. Item 2 goes back to the queue, due at 12:05 and without a lease. Item 3 is finished.
//  5. The attempts of b count in the order of their times: first the failure, then the
//     success. So b has no failures afterwards.
func (s *Store) Settle(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
	for i := range items {
		if items[i].Endpoint.Tenant == "" {
			return webhook.Settled{}, paging.NoTenant("Settlement.Endpoint.Tenant")
		}
	}
	if len(items) == 0 {
		return webhook.Settled{}, ctx.Err()
	}
	out, err := s.settleAll(ctx, now, items)
	if err == nil && len(out.Failed) > 0 {
		s.settleHeld(ctx, now, items, &out)
	}
	return out, err
}

// settleAll settles items in one transaction. If the database refuses the transaction, it
// settles them by halves.
func (s *Store) settleAll(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
	out, err := s.settle(ctx, now, items, s.dialect.settlesAtOnce)
	if err == nil || ctx.Err() != nil || engine.Hopeless(err) {
		return out, err
	}
	h := halver{store: s, ctx: ctx, now: now, items: items}
	h.settle(0, len(items))
	if h.end != nil {
		return webhook.Settled{}, h.end
	}
	return h.out, nil
}

// settle settles items in one transaction. If quick is set, it first tries the quick way for
// plain successes. The statement of that way may wait briefly for a held row.
func (s *Store) settle(ctx context.Context, now time.Time, items []webhook.Settlement, quick bool) (out webhook.Settled, err error) {
	err = s.write(ctx, txOptions{KeepPlans: true, Brief: true}, func(t *tx) error {
		r := settler{tx: t, now: now, items: items}
		err := r.run(quick)
		out = r.out
		return err
	})
	if err != nil {
		return webhook.Settled{}, err
	}
	for i := range items {
		if final(items[i].State) {
			s.sweepFrom(items[i].UID)
		}
		if items[i].Disable != "" {
			s.stopped.Store(true)
		}
	}
	return out, nil
}

// mergeReply adds the reply to a call for some of the items to the reply for all. index returns
// the place of an item among all items.
func mergeReply(all, some *webhook.Settled, index func(i int) int) {
	for _, i := range some.Already {
		all.Already = append(all.Already, index(i))
	}
	for _, i := range some.Lost {
		all.Lost = append(all.Lost, index(i))
	}
	for i, err := range some.Failed {
		fail(all, index(i), err)
	}
	for _, status := range some.Endpoints { // the later one counts
		same := func(s webhook.EndpointStatus) bool { return s.Key == status.Key }
		if at := slices.IndexFunc(all.Endpoints, same); at >= 0 {
			all.Endpoints[at] = status
		} else {
			all.Endpoints = append(all.Endpoints, status)
		}
	}
}

// fail records that an item was not stored.
func fail(out *webhook.Settled, i int, err error) {
	if out.Failed == nil {
		out.Failed = make(map[int]error)
	}
	out.Failed[i] = err
}
