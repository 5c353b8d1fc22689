package sqlstore

import (
	"context"
	"database/sql"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/paging"
)

// Erase implements [webhook.Store], but not in one transaction, because that could be a very large one: first the endpoints
// are deleted, then the events with all that belongs to them, the oldest first. If it fails in between, repeat it.
func (s *Store) Erase(ctx context.Context, tenant string) error {
	if tenant == "" {
		return paging.NoTenant("tenant")
	}
	const endpointsAtOnce, eventsAtOnce = 100, 200
	for more := true; more; {
		s.yield(ctx)
		if err := s.write(ctx, "erase", writing{}, func(t *tx) error {
			n, err := t.eraseEndpoints(tenant, endpointsAtOnce)
			more = n == endpointsAtOnce
			return err
		}); err != nil {
			return err
		}
	}
	for more := true; more; {
		s.yield(ctx)
		if err := s.write(ctx, "erase", writing{}, func(t *tx) error {
			var list []uuid.UUID
			if err := t.query(eventsOfTenant, nil, func(r *sql.Rows) error {
				var u id
				err := r.Scan(&u)
				list = append(list, u.uid())
				return err
			}, text(tenant), num(eventsAtOnce)); err != nil {
				return err
			}
			more = len(list) == eventsAtOnce
			rows := uids(list)
			// Who makes deliveries of an event holds its outbox row, or the event: after these, no more of them come.
			if err := t.execEach(batch{deleteOutboxOf, rows}, batch{deleteQueueOf, rows}); err != nil {
				return err
			}
			return t.removeEvents(list)
		}); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) eraseEndpoints(tenant string, most int) (int, error) {
	list := make(map[uuid.UUID]webhook.Endpoint)
	if err := t.query(refsOfTenant, nil, func(r *sql.Rows) error {
		var (
			ref    id
			e      webhook.Endpoint
			events string
		)
		err := r.Scan(&ref, &e.ID, &events, &e.Channel)
		if err == nil {
			e.Events, err = parseStrings(events)
		}
		e.Tenant = tenant
		list[ref.uid()] = e
		return err
	}, text(tenant), num(most)); err != nil {
		return 0, err
	}
	for _, ref := range sortedRefs(list) {
		if _, found, err := t.locked(ref); err != nil {
			return 0, err
		} else if !found {
			continue
		}
		e := list[ref]
		if err := t.remove(ref, &e); err != nil {
			return 0, err
		}
	}
	if len(list) == most {
		return most, nil
	}
	_, err := t.exec(deleteTenant, text(tenant))
	return len(list), err
}
