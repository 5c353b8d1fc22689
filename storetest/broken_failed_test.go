package storetest

import (
	"context"
	"slices"
	"time"

	"github.com/gowebhook/webhook"
)

// failedLists changes the pages of failed attempts of all tenants.
func failedLists(change func(p *webhook.Page[webhook.Attempt], b *broken)) func(*broken) {
	return func(b *broken) {
		b.attempts = func(ctx context.Context, q webhook.Query) (webhook.Page[webhook.Attempt], error) {
			p, err := b.Store.Attempts(ctx, q)
			if err == nil && q.AllTenants {
				change(&p, b)
			}
			return p, err
		}
	}
}

// failedDefects are defects of Attempts of all tenants.
var failedDefects = []defect{
	{"failed attempts are of one tenant", "attempts/failed attempts/failed-filter attempts/failed-same-time", failedLists(func(p *webhook.Page[webhook.Attempt], _ *broken) {
		p.Items = slices.DeleteFunc(p.Items, func(a webhook.Attempt) bool { return a.Tenant != "acme" })
	})},
	{"failed attempts have no tenant", "attempts/failed", failedLists(func(p *webhook.Page[webhook.Attempt], _ *broken) {
		for i := range p.Items {
			p.Items[i].Tenant = ""
		}
	})},
	{"successes are listed with failed attempts", "attempts/failed", failedLists(func(p *webhook.Page[webhook.Attempt], b *broken) {
		more, _ := b.Store.Attempts(context.Background(), webhook.Query{Tenant: "acme", EndpointID: "ep0000", Status: 200})
		p.Items = append(more.Items, p.Items...)
	})},
	{"failed attempts are of a late page", "attempts/failed-same-time", func(b *broken) {
		var last time.Time
		b.attempts = func(ctx context.Context, q webhook.Query) (webhook.Page[webhook.Attempt], error) {
			if q.Cursor != "" && q.AllTenants {
				q.To, q.Cursor = last, ""
			}
			p, err := b.Store.Attempts(ctx, q)
			if n := len(p.Items); n > 0 {
				last = p.Items[n-1].StartedAt
			}
			return p, err
		}
	}},
	{"removed attempts stay in the list of all tenants", "attempts/failed-removed prune/wide", func(b *broken) {
		var seen []webhook.Attempt
		remember := func() {
			if p, _ := b.Store.Attempts(context.Background(), webhook.Query{AllTenants: true, Limit: 1000}); len(seen) < len(p.Items) {
				seen = p.Items
			}
		}
		b.prune = func(ctx context.Context, now time.Time, r webhook.Retention) (bool, error) {
			remember()
			return b.Store.Prune(ctx, now, r)
		}
		failedLists(func(p *webhook.Page[webhook.Attempt], _ *broken) {
			if len(seen) > 0 {
				p.Items = slices.Clone(seen)
			}
		})(b)
	}},
}
