package sqlstore

import (
	"context"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/paging"
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
	call := settleCall{store: s, ctx: ctx, now: now, items: items}
	return call.run()
}
