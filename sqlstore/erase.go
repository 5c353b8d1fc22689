package sqlstore

import (
	"context"
	"slices"

	"github.com/gowebhook/webhook/internal/paging"
)

// Erase implements [webhook.Store], but not in one transaction, because that could be very
// large. It first deletes the replays and the endpoints. Then it deletes the events with all
// their rows, the oldest first. Its transactions do not grow with a fan-out. If Erase fails in
// between, repeat it.
func (s *Store) Erase(ctx context.Context, tenant string) error {
	if tenant == "" {
		return paging.NoTenant("tenant")
	}
	const endpointsAtOnce, replaysAtOnce = 100, 1000
	for more := true; more; {
		s.yield(ctx)
		if err := s.write(ctx, txOptions{}, func(t *tx) error {
			n, err := t.eraseReplays(tenant, replaysAtOnce)
			more = n == replaysAtOnce
			return err
		}); err != nil {
			return err
		}
	}
	for more := true; more; {
		s.yield(ctx)
		if err := s.write(ctx, txOptions{}, func(t *tx) error {
			n, err := t.eraseEndpoints(tenant, endpointsAtOnce)
			more = n == endpointsAtOnce
			return err
		}); err != nil {
			return err
		}
	}
	for more := true; more; {
		s.yield(ctx)
		if err := s.write(ctx, txOptions{}, func(t *tx) (err error) {
			more, err = t.eraseEvents(tenant)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// eraseEvents does a bounded part of the work, and reports whether there is more.
func (t *tx) eraseEvents(tenant string) (more bool, err error) {
	hidden, err := t.uidsOf(removalsOfTenant, nil, text(tenant), num(removalsAtOnce))
	if err != nil {
		return false, err
	}
	if len(hidden) > 0 {
		done, err := t.takeDown(hidden, takedown{deliveriesOfRemovals, attemptsOf, bodiesOf, pruneWork, pruneAttempts})
		if err != nil {
			return false, err
		}
		return true, t.ExecAll(deleteRemovals, uids(done.gone))
	}
	list, err := t.uidsOf(eventsOfTenant, nil, text(tenant), num(removalsAtOnce))
	if err != nil || len(list) == 0 {
		return false, err
	}
	// A transaction that makes deliveries of an event holds its outbox row or the event. After
	// these statements no more deliveries appear.
	if err := t.ExecAll(deleteOutboxOf, uids(list)); err != nil {
		return false, err
	}
	open, err := t.rowKeysOf(queueOf, uids(list), num(pruneWork))
	if err != nil {
		return false, err
	}
	slices.SortFunc(open, rowKey.compare)
	if _, _, err := t.lockRows(lockQueue, lockDeliveries, open); err != nil {
		return false, err
	}
	if err := t.ExecAll(deleteQueue, rowKeys(open)); err != nil {
		return false, err
	}
	if len(open) == pruneWork {
		return true, nil
	}
	return true, t.hide(list)
}

func (t *tx) eraseEndpoints(tenant string, most int) (int, error) {
	list, err := t.uidsOf(refsOfTenant, nil, text(tenant), num(most))
	if err != nil {
		return 0, err
	}
	slices.SortFunc(list, byRef)
	for _, ref := range list {
		if _, found, err := t.locked(ref); err != nil {
			return 0, err
		} else if !found {
			continue
		}
		if err := t.remove(ref, tenant); err != nil {
			return 0, err
		}
	}
	if len(list) == most {
		return most, nil
	}
	_, err = t.Exec(deleteTenant, text(tenant))
	return len(list), err
}
