package storetest

import (
	"context"
	"slices"
	"time"

	"github.com/gowebhook/webhook"
)

// lastDefects are defects of the last attempts of deliveries.
var lastDefects = []defect{
	{"last attempts are forgotten", "last/settle last/plain last/late last/ends last/retry last/published settle/final", delivered(func(d *webhook.Delivery) {
		d.LastStatus, d.LastClass = 0, ""
	})},
	{"every success is a 200", "last/plain", delivered(func(d *webhook.Delivery) {
		if d.State == webhook.DeliverySucceeded {
			d.LastStatus = 200
		}
	})},
	{"a success leaves the class of the last failure", "last/settle", func(b *broken) {
		last := map[string]webhook.Class{}
		delivered(func(d *webhook.Delivery) {
			if d.LastClass == "" {
				d.LastClass = last[d.ID]
			}
			last[d.ID] = d.LastClass
		})(b)
	}},
	{"a late attempt is the last one", "last/late", func(b *broken) {
		delivered(func(d *webhook.Delivery) {
			q := webhook.Query{Tenant: d.Tenant, EventID: d.EventID, EndpointID: d.EndpointID}
			if log, _ := b.Store.Attempts(context.Background(), q); len(log.Items) > 0 {
				d.LastStatus, d.LastClass = log.Items[0].Status, log.Items[0].Class
			}
		})(b)
	}},
	{"a delivery that ends without an attempt has none", "last/ends", delivered(func(d *webhook.Delivery) {
		if d.Reason == webhook.ReasonCanceled || d.Reason == webhook.ReasonDeleted || d.Reason == webhook.ReasonExpired {
			d.LastStatus, d.LastClass = 0, ""
		}
	})},
	{"Retry forgets the last attempt", "last/retry", delivered(func(d *webhook.Delivery) {
		if d.State == webhook.DeliveryPending && d.Failures == 0 {
			d.LastStatus, d.LastClass = 0, ""
		}
	})},
	{"published results are no last attempts", "last/published", rows(func(r *webhook.NewDelivery, _ *webhook.PublishRequest) {
		r.Attempt = nil
	})},
	{"lists of deliveries ignore Status", "last/filter", deliveryQueries(func(q *webhook.Query) { q.Status = 0 })},
	{"lists of deliveries ignore Class", "last/filter", deliveryQueries(func(q *webhook.Query) { q.Class = "" })},
	{"lists of deliveries tell the unreachable apart", "last/filter", func(b *broken) {
		b.deliveries = func(ctx context.Context, q webhook.Query, now time.Time) (webhook.Page[webhook.Delivery], error) {
			p, err := b.Store.Deliveries(ctx, q, now)
			if q.Class != "" {
				p.Items = slices.DeleteFunc(p.Items, func(d webhook.Delivery) bool { return d.LastClass != q.Class })
			}
			return p, err
		}
	}},
}

// deliveryQueries changes the Query of Deliveries.
func deliveryQueries(change func(q *webhook.Query)) func(*broken) {
	return func(b *broken) {
		b.deliveries = func(ctx context.Context, q webhook.Query, now time.Time) (webhook.Page[webhook.Delivery], error) {
			change(&q)
			return b.Store.Deliveries(ctx, q, now)
		}
	}
}
