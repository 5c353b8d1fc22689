package sqlstore

import (
	"context"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/paging"
)

// failing returns a page of the failing endpoints of all tenants, those that have been failing
// longest first.
func (s *Store) failing(ctx context.Context, q *webhook.Query, limit int) (page webhook.Page[webhook.Endpoint], err error) {
	after, err := paging.ParseFailing(q.Cursor)
	if err != nil {
		return page, err
	}
	err = s.readPlanned(ctx, func(t *tx) error {
		page, err = t.failing(q, after, limit)
		return err
	})
	if err != nil {
		return webhook.Page[webhook.Endpoint]{}, err
	}
	return page, nil
}

func (t *tx) failing(q *webhook.Query, after paging.FailingPlace, limit int) (webhook.Page[webhook.Endpoint], error) {
	return t.endpointPage(q, limit, endpointOrder{
		list:  listFailing,
		begin: func() []cell { return []cell{num(max(after.Since, 1)), uid(refOf(after.Key))} },
		pass: func(e *webhook.Endpoint) {
			after = paging.FailingPlace{Since: micros(e.Health.FailingSince), Key: webhook.EndpointKey{Tenant: e.Tenant, ID: e.ID}}
		},
		cursor: func() string { return paging.FormatFailing(after) },
	})
}
