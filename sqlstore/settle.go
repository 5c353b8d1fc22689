package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/health"
	"github.com/gowebhook/webhook/internal/paging"
	"github.com/gowebhook/webhook/sqlstore/internal/engine"
)

// Settle implements [webhook.Store]. It waits for no row that another transaction holds. If a
// row stays held, its items are in Failed. Items that the database itself refuses are in Failed
// too.
func (s *Store) Settle(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
	for i := range items {
		if items[i].Endpoint.Tenant == "" {
			return webhook.Settled{}, paging.NoTenant("Settlement.Endpoint.Tenant")
		}
	}
	if len(items) == 0 {
		return webhook.Settled{}, noCtx(ctx)
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
	out, err := s.settle(ctx, now, items, true)
	if err == nil || ctx.Err() != nil || engine.Hopeless(err) {
		return out, err
	}
	h := halving{store: s, ctx: ctx, now: now, items: items}
	h.settle(0, len(items))
	if h.end != nil {
		return webhook.Settled{}, h.end
	}
	return h.out, nil
}

// A halving settles the items of a refused transaction again. It halves them until each refused
// item is alone.
type halving struct {
	store *Store
	ctx   context.Context
	now   time.Time
	items []webhook.Settlement
	out   webhook.Settled
	end   error // the reason why nothing more can be settled
}

// settle settles the items with indexes from from to before to.
func (h *halving) settle(from, to int) {
	if h.end != nil {
		return
	}
	some, err := h.store.settle(h.ctx, h.now, h.items[from:to], false)
	switch {
	case err == nil:
		mergeReply(&h.out, &some, func(i int) int { return from + i })
	case h.ctx.Err() != nil, engine.Hopeless(err):
		h.end = err
	case to-from == 1:
		fail(&h.out, from, err)
	default:
		half := (from + to) / 2
		h.settle(from, half)
		h.settle(half, to)
	}
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

// settle settles items in one transaction. If quick is set, it first tries the quick way for
// plain successes. The statement of that way may wait briefly for a held row.
func (s *Store) settle(ctx context.Context, now time.Time, items []webhook.Settlement, quick bool) (out webhook.Settled, err error) {
	err = s.write(ctx, "settle", txOptions{Brief: true}, func(t *tx) error {
		b := settler{tx: t, now: micros(now), at: now, items: items, quick: quick && s.dialect.settlesAtOnce}
		err := b.run()
		out = b.out
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

// A settler is one transaction of Settle.
type settler struct {
	*tx
	now   int64
	at    time.Time
	items []webhook.Settlement
	quick bool        // plain successes by a single statement
	refs  []uuid.UUID // of the items
	rest  []int       // items that are still to be settled

	well     map[uuid.UUID]*status // of endpoints with items that delivered has settled
	locked   map[uuid.UUID]*status // status rows that may be changed
	queue    map[rowKey]*queueRow
	finished map[rowKey]*finishedRow
	logged   map[attemptKey]bool // attempts that are stored; true if late

	gone, requeued           *table
	deliveries, logs, bodies *table
	edits                    []health.Edit
	out                      webhook.Settled
}

type attemptKey struct {
	rowKey
	leaseNo int64
}

func (k *attemptKey) cells() []cell { return append(k.rowKey.cells(), num(k.leaseNo)) }

func (b *settler) run() error {
	b.refs, b.rest = make([]uuid.UUID, len(b.items)), make([]int, len(b.items))
	for i := range b.items {
		b.refs[i], b.rest[i] = refOf(b.items[i].Endpoint), i
	}
	if b.quick {
		if err := b.delivered(); err != nil {
			return err
		}
	}
	statuses, err := b.settleRest()
	if err != nil {
		return err
	}
	for ref, s := range b.well {
		if _, again := statuses[ref]; !again {
			statuses[ref] = s
		}
	}
	for _, ref := range sortedRefs(statuses) {
		b.out.Endpoints = append(b.out.Endpoints, statuses[ref].EndpointStatus)
	}
	return nil
}

// settleRest settles the remaining items, each by itself. It returns the status of their
// endpoints afterwards.
func (b *settler) settleRest() (map[uuid.UUID]*status, error) {
	if len(b.rest) == 0 {
		return make(map[uuid.UUID]*status), nil
	}
	if err := b.read(); err != nil {
		return nil, err
	}
	statuses, err := b.lockStatuses()
	if err != nil {
		return nil, err
	}
	n := len(b.rest)
	b.gone, b.requeued = newTable(n), newTable(0)
	b.deliveries, b.logs, b.bodies = newTable(n), newTable(n), newTable(n)
	for _, i := range b.rest {
		b.settle(i, statuses)
	}
	if err := b.ExecEach(
		batch(deleteQueue, b.gone), batch(requeue, b.requeued), batch(insertDeliveries, b.deliveries),
		batch(insertAttempts, b.logs), batch(insertBodies, b.bodies),
	); err != nil {
		return nil, err
	}
	return statuses, b.apply()
}

func (b *settler) key(i int) rowKey { return rowKey{b.items[i].UID, b.items[i].Endpoint.ID} }

// read locks the items' deliveries. It also reads the logged attempts of items that do not hold
// their lease any more. It removes an item from rest if another transaction holds its delivery.
func (b *settler) read() error {
	wanted := make([]rowKey, len(b.rest))
	for n, i := range b.rest {
		wanted[n] = b.key(i)
	}
	slices.SortFunc(wanted, rowKey.compare)
	if err := b.lockFree(slices.Compact(wanted)); err != nil {
		return err
	}
	b.logged = make(map[attemptKey]bool)
	odd := newTable(0)
	for _, i := range b.rest {
		if q := b.queue[b.key(i)]; q == nil || q.leasedUntil == 0 || q.leaseNo != b.items[i].LeaseNo {
			odd.Add(append(b.key(i).cells(), num(b.items[i].LeaseNo))...)
		}
	}
	return b.Query(findAttempts, odd, func(r *sql.Rows) error {
		var (
			k    attemptKey
			late bool
		)
		err := r.Scan((*id)(&k.uid), &k.endpoint, &k.leaseNo, &late)
		b.logged[k] = late
		return err
	})
}

// lockFree locks the deliveries that no other transaction holds. It recognizes held deliveries
// because they exist but were not locked, and puts their items off.
func (b *settler) lockFree(list []rowKey) error {
	var err error
	if b.queue, b.finished, err = b.lockRows(lockFreeQueue, lockFreeDeliveries, list); err != nil {
		return err
	}
	missing := newTable(0)
	for _, k := range list {
		if b.queue[k] == nil && b.finished[k] == nil {
			missing.Add(k.cells()...)
		}
	}
	held := make(map[rowKey]uuid.UUID)
	if err := b.Query(findRows, missing, func(r *sql.Rows) error {
		var (
			k   rowKey
			ref uuid.UUID
		)
		err := r.Scan((*id)(&k.uid), &k.endpoint, (*id)(&ref))
		held[k] = ref
		return err
	}); err != nil || len(held) == 0 {
		return err
	}
	b.putOff(func(i int) error {
		if held[b.key(i)] != b.refs[i] {
			return nil
		}
		return heldError(fmt.Sprintf("the delivery to endpoint %q of event %s", b.items[i].Endpoint.ID, b.items[i].UID))
	})
	return nil
}

// putOff removes the items from rest for which why returns an error. They fail with that error.
func (b *settler) putOff(why func(i int) error) {
	b.rest = slices.DeleteFunc(b.rest, func(i int) bool {
		err := why(i)
		if err != nil {
			fail(&b.out, i, b.store.wrap(b.Context(), "settle", err))
		}
		return err != nil
	})
}

// settle settles one item.
func (b *settler) settle(i int, statuses map[uuid.UUID]*status) {
	item := &b.items[i]
	k := b.key(i)
	q, f := b.queue[k], b.finished[k]
	if q != nil && q.ref != b.refs[i] || f != nil && f.ref != b.refs[i] { // the delivery belongs to another tenant
		q, f = nil, nil
	}
	inEffect := q != nil && f == nil && q.leasedUntil > 0 && q.leaseNo == item.LeaseNo
	if !inEffect {
		if b.wasSettled(q, f, attemptKey{k, item.LeaseNo}) {
			b.out.Already = append(b.out.Already, i)
		} else {
			b.out.Lost = append(b.out.Lost, i)
		}
	}
	s := statuses[b.refs[i]]
	counts := s != nil && health.Counts(item, s.Version)
	merge := false
	if item.Attempt != nil && (q != nil || f != nil) {
		merge = b.log(attemptKey{k, item.LeaseNo}, b.refs[i], item.Attempt, !inEffect, q) && !item.Attempt.Test
	}
	if inEffect {
		b.take(q, item, counts)
	}
	if !counts {
		return
	}
	edit := health.Edit{Item: item, Merge: merge, Act: inEffect && health.Acts(item)}
	if edit.Merge || edit.Act {
		b.edits = append(b.edits, edit)
	}
}

// wasSettled reports whether a lease is known to have been settled.
func (b *settler) wasSettled(q *queueRow, f *finishedRow, k attemptKey) bool {
	if k.leaseNo > 0 && (q != nil && q.settledNo == k.leaseNo || f != nil && f.settledNo == k.leaseNo) {
		return true
	}
	late, logged := b.logged[k]
	return logged && !late
}

// log stores an attempt, and reports whether it was not stored before.
func (b *settler) log(k attemptKey, ref uuid.UUID, a *webhook.Attempt, late bool, q *queueRow) bool {
	if _, logged := b.logged[k]; logged {
		return false
	}
	b.logged[k] = late
	if !late {
		q.attempts++
	}
	fanout := q == nil || q.fanout
	b.logs.Add(attemptCells(k.rowKey, ref, k.leaseNo, a, late, fanout)...)
	if len(a.ResponseBody) > 0 {
		b.bodies.Add(bodyCells(k.rowKey, k.leaseNo, a.ResponseBody)...)
	}
	return true
}

// take applies an item to its delivery. counts reports whether the item's effects on its
// endpoint apply.
func (b *settler) take(q *queueRow, item *webhook.Settlement, counts bool) {
	q.settledNo, q.failures, q.leasedUntil = q.leaseNo, int64(item.Failures), 0
	if !final(item.State) {
		q.reason = string(item.Reason)
		q.place(micros(health.Due(item, counts)), b.now)
		b.requeued.Add(q.requeueCells()...)
		return
	}
	f := q.finish(item.State, item.Reason, b.now)
	b.gone.Add(q.rowKey.cells()...)
	b.deliveries.Add(f.cells()...)
}
