package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/contract"
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

func (t *tx) failing(q *webhook.Query, after paging.FailingPlace, limit int) (page webhook.Page[webhook.Endpoint], err error) {
	budget := paging.NewBudget(q)
	for read := 0; ; {
		found, atOnce := 0, min(wideAtOnce, limit+1, contract.MaxPageRead+1-read)
		err := t.Query(listFailing, nil, func(r *sql.Rows) error {
			found++
			_, e, err := scanEndpoint(r)
			bad := unreadable(err)
			if err != nil && !bad {
				return err
			}
			wanted := !bad && (q.EndpointID == "" || e.ID == q.EndpointID) && paging.HasHealth(q, &e)
			if len(page.Items) == limit || read == contract.MaxPageRead || wanted && !budget.Take(paging.EndpointSize(&e)) {
				page.Next = paging.FormatFailing(after)
				return errPageEnds
			}
			read++
			after = paging.FailingPlace{Since: micros(e.Health.FailingSince), Key: webhook.EndpointKey{Tenant: e.Tenant, ID: e.ID}}
			switch {
			case wanted:
				page.Items = append(page.Items, e)
			case bad:
				page.Unreadable = append(page.Unreadable, err)
			}
			return nil
		}, num(max(after.Since, 1)), uid(refOf(after.Key)), num(atOnce))
		if errors.Is(err, errPageEnds) {
			return page, nil
		}
		if err != nil || found < atOnce {
			return page, err
		}
	}
}
