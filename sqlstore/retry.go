package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/paging"
)

// Retry implements [webhook.Store].
func (s *Store) Retry(ctx context.Context, q webhook.Query, now time.Time) (webhook.BulkResult, error) {
	return s.change(ctx, q, now, true)
}

// Cancel implements [webhook.Store].
func (s *Store) Cancel(ctx context.Context, q webhook.Query, now time.Time) (webhook.BulkResult, error) {
	return s.change(ctx, q, now, false)
}

// change retries or cancels a single delivery, or some of many.
func (s *Store) change(ctx context.Context, q webhook.Query, now time.Time, retry bool) (done webhook.BulkResult, err error) {
	sel, err := newSelection(&q)
	if err != nil {
		return done, err
	}
	single := q.EventID != "" && q.EndpointID != ""
	if single && q.AllTenants {
		return done, paging.NoTenant("Query.Tenant") // ids are unique only within a tenant
	}
	if !retry && paging.IsOfEvent(&q) {
		return s.cancelEvent(ctx, sel, now)
	}
	var views []view
	next := ""
	if err := s.readPlanned(ctx, func(t *tx) error {
		views, next, err = t.deliveries(sel)
		return err
	}); err != nil {
		return done, err
	}
	if single && len(views) == 0 {
		return done, webhook.ErrNotFound
	}
	if !single {
		views = slices.DeleteFunc(views, func(v view) bool { return !wants(&q, retry, v.state, v.finishedAt) })
	}
	if len(views) > 0 {
		err = s.write(ctx, txOptions{Once: single}, func(t *tx) error {
			c := change{tx: t, now: micros(now), retry: retry, single: single, query: &q, done: &webhook.BulkResult{}}
			err := c.run(views)
			done = *c.done
			return err
		})
		if err != nil {
			return webhook.BulkResult{}, err
		}
		for i := range views {
			s.sweepFrom(views[i].uid)
		}
	}
	done.Next = next
	return done, nil
}

// cancelEvent takes an event out of the outbox, and cancels a page of its deliveries. In one
// transaction, it reads them after it has taken the event out: until then, a claim may make more.
func (s *Store) cancelEvent(ctx context.Context, sel *selection, now time.Time) (done webhook.BulkResult, err error) {
	var views []view
	err = s.write(ctx, txOptions{}, func(t *tx) error {
		taken, err := t.takeOut(sel.Query)
		if err != nil {
			return err
		}
		list, next, err := t.deliveries(sel)
		if err != nil {
			return err
		}
		views = slices.DeleteFunc(list, func(v view) bool { return v.state != webhook.DeliveryPending })
		c := change{tx: t, now: micros(now), query: sel.Query, done: &webhook.BulkResult{Changed: taken, Next: next}}
		if len(views) > 0 {
			err = c.run(views)
		}
		done = *c.done
		return err
	})
	if err != nil {
		return webhook.BulkResult{}, err
	}
	for i := range views {
		s.sweepFrom(views[i].uid)
	}
	return done, nil
}

// takeOut takes the event of a Query out of the outbox. It returns 1 if the event was there.
func (t *tx) takeOut(q *webhook.Query) (taken int, err error) {
	h, found, err := t.event(q.Tenant, q.EventID)
	if err != nil || !found || !h.matches(q) {
		return 0, err
	}
	return t.Exec(deleteOutbox, uid(h.uid))
}

// A change is one transaction of Retry or Cancel.
type change struct {
	*tx
	now    int64
	retry  bool
	single bool
	query  *webhook.Query
	done   *webhook.BulkResult
}

// run changes the deliveries as far as their present state allows.
func (c *change) run(views []view) error {
	slices.SortFunc(views, func(a, b view) int { return a.compare(b.rowKey) }) // all transactions lock rows in one order
	list := make([]rowKey, len(views))
	events, refs := make(map[uuid.UUID]bool), make(map[uuid.UUID]bool)
	for i := range views {
		list[i] = views[i].rowKey
		events[views[i].uid], refs[views[i].ref] = true, true
	}
	// Prune must not remove an event with a delivery that is about to be pending again.
	shared, err := c.uidsOf(shareEvents, uids(sortedRefs(events)))
	if err != nil {
		return err
	}
	clear(events)
	for _, u := range shared {
		events[u] = true
	}
	statuses, err := c.statuses(readStatus, sortedRefs(refs))
	if err != nil {
		return err
	}
	queue, ended, err := c.lockRows(lockQueue, lockDeliveries, list)
	if err != nil {
		return err
	}
	var open []*queueRow
	var finished []*finishedRow
	for i := range views {
		q, f := queue[views[i].rowKey], ended[views[i].rowKey]
		if q == nil && f == nil || !events[views[i].uid] { // removed meanwhile
			if c.single {
				return webhook.ErrNotFound
			}
			continue
		}
		s := statuses[views[i].ref]
		if c.single {
			if err := c.refuse(q, s); err != nil {
				return err
			}
		} else if s == nil || s.State == webhook.EndpointDisabled {
			continue
		} else if state, finishedAt := present(q, f); !wants(c.query, c.retry, state, finishedAt) {
			continue
		}
		if q != nil && q.inFlight(c.now) {
			c.done.InFlight++
			continue
		}
		c.done.Changed++
		if q != nil {
			open = append(open, q)
		} else {
			finished = append(finished, f)
		}
	}
	if c.retry {
		return c.retryAll(open, finished)
	}
	return c.cancel(open, webhook.ReasonCanceled, c.now)
}

// lockRows locks deliveries with the given statements for unfinished and finished ones. The keys
// must be sorted, without repeats.
func (t *tx) lockRows(unfinished, over op, list []rowKey) (queue map[rowKey]*queueRow, ended map[rowKey]*finishedRow, err error) {
	queue, ended = make(map[rowKey]*queueRow), make(map[rowKey]*finishedRow)
	inQueue := func(r *sql.Rows) error {
		q := &queueRow{}
		err := q.scan(r)
		queue[q.rowKey] = q
		return err
	}
	inEnded := func(r *sql.Rows) error {
		f := &finishedRow{}
		err := f.scan(r)
		ended[f.rowKey] = f
		return err
	}
	missing := func() *table {
		rest := newTable(0)
		for i := range list {
			if queue[list[i]] == nil && ended[list[i]] == nil {
				rest.Add(list[i].cells()...)
			}
		}
		return rest
	}
	if err := t.Query(unfinished, missing(), inQueue); err != nil {
		return nil, nil, err
	}
	if err := t.Query(over, missing(), inEnded); err != nil {
		return nil, nil, err
	}
	return queue, ended, t.Query(unfinished, missing(), inQueue) // a retry by hand may have moved them back meanwhile
}

// refuse returns why a single delivery is not changed.
func (c *change) refuse(q *queueRow, s *status) error {
	switch {
	case s == nil:
		return webhook.ErrNotFound
	case q != nil && q.inFlight(c.now):
		return webhook.ErrInFlight
	case s.State == webhook.EndpointDisabled, q == nil && !c.retry:
		return webhook.ErrConflict
	}
	return nil
}

// wants reports whether the Query selects a delivery with this state. finishedAt is 0 while it is
// pending.
func wants(q *webhook.Query, retry bool, state webhook.DeliveryState, finishedAt int64) bool {
	switch {
	case !paging.Finished(q, finishedAt), q.State != "" && state != q.State:
		return false
	case !retry:
		return state == webhook.DeliveryPending
	}
	return q.State != "" || state == webhook.DeliveryFailed || state == webhook.DeliveryCanceled
}

// present returns the state of a delivery that is in one of the two tables.
func present(q *queueRow, f *finishedRow) (state webhook.DeliveryState, finishedAt int64) {
	if q != nil {
		return webhook.DeliveryPending, 0
	}
	return f.state, f.finishedAt
}

// retryAll makes deliveries due at once.
func (c *change) retryAll(open []*queueRow, finished []*finishedRow) error {
	requeued, reopened, removed := newTable(len(open)), newTable(len(finished)), newTable(len(finished))
	for _, q := range open {
		q.leaseNo++
		q.failures, q.reason, q.since, q.waited = 0, "", c.now, 0
		q.place(c.now, c.now)
		requeued.Add(q.requeueCells()...)
	}
	sizes, err := c.sizes(finished)
	if err != nil {
		return err
	}
	for _, f := range finished {
		head := sizes[f.uid]
		q := queueRow{
			rowKey: f.rowKey, ref: f.ref, leaseNo: f.leaseNo + 1, settledNo: f.settledNo, version: f.version, attempts: f.attempts,
			pruned: f.pruned, since: c.now, size: head.size, fanout: head.fanout, last: f.last,
		}
		q.place(c.now, c.now)
		reopened.Add(q.cells()...)
		removed.Add(f.rowKey.cells()...)
	}
	return c.ExecEach(batch(requeue, requeued), batch(deleteDeliveries, removed), batch(insertQueue, reopened))
}

// sizes returns the events of finished deliveries, with the size of their data.
func (c *change) sizes(finished []*finishedRow) (map[uuid.UUID]head, error) {
	list := make([]uuid.UUID, len(finished))
	for i, f := range finished {
		list[i] = f.uid
	}
	slices.SortFunc(list, byRef)
	return c.tx.sizes(slices.Compact(list))
}

// cancel finishes pending deliveries, which are locked. The owner of an earlier lease can
// change nothing afterwards.
func (t *tx) cancel(open []*queueRow, reason webhook.Reason, now int64) error {
	dequeued, ended := newTable(len(open)), newTable(len(open))
	for _, q := range open {
		q.leaseNo++
		f := q.finish(webhook.DeliveryCanceled, reason, now)
		dequeued.Add(q.rowKey.cells()...)
		ended.Add(f.cells()...)
	}
	return t.ExecEach(batch(deleteQueue, dequeued), batch(insertDeliveries, ended))
}
