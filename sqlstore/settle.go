package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/health"
	"github.com/gowebhook/webhook/internal/paging"
)

// Settle implements [webhook.Store]. An item that the database refuses for itself does not keep the others from being stored.
func (s *Store) Settle(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
	for i := range items {
		if items[i].Endpoint.Tenant == "" {
			return webhook.Settled{}, paging.NoTenant("Settlement.Endpoint.Tenant")
		}
	}
	if len(items) == 0 {
		return webhook.Settled{}, noCtx(ctx)
	}
	out, err := s.settle(ctx, now, items)
	if err == nil || len(items) == 1 || ctx.Err() != nil || hopeless(err) {
		return out, err
	}
	return s.settleApart(ctx, now, items)
}

// settleApart settles items one by one, and returns the first error after all have been tried.
func (s *Store) settleApart(ctx context.Context, now time.Time, items []webhook.Settlement) (out webhook.Settled, first error) {
	latest := make(map[webhook.EndpointKey]webhook.EndpointStatus)
	held := make(map[webhook.EndpointKey]bool) // by another transaction
	for i := range items {
		if held[items[i].Endpoint] {
			continue
		}
		one, err := s.settle(ctx, now, items[i:i+1])
		if err != nil {
			first = cmp.Or(first, err)
			held[items[i].Endpoint] = lockedOut(err)
			if ctx.Err() != nil || hopeless(err) {
				break
			}
			continue
		}
		if len(one.Already) > 0 {
			out.Already = append(out.Already, i)
		}
		if len(one.Lost) > 0 {
			out.Lost = append(out.Lost, i)
		}
		for _, status := range one.Endpoints {
			latest[status.Key] = status
		}
	}
	for _, status := range latest {
		out.Endpoints = append(out.Endpoints, status)
	}
	return out, first
}

func (s *Store) settle(ctx context.Context, now time.Time, items []webhook.Settlement) (out webhook.Settled, err error) {
	err = s.write(ctx, "settle", writing{}, func(t *tx) error {
		b := settling{tx: t, now: micros(now), at: now, items: items}
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

// A settling is one transaction of Settle.
type settling struct {
	*tx
	now   int64
	at    time.Time
	items []webhook.Settlement
	refs  []uuid.UUID // of the items
	rest  []int       // items that are still to be settled

	well     map[uuid.UUID]*status // of endpoints whose items were delivered
	queue    map[rowKey]*queued
	finished map[rowKey]*finished
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

func (b *settling) run() error {
	b.refs, b.rest = make([]uuid.UUID, len(b.items)), make([]int, len(b.items))
	for i := range b.items {
		b.refs[i], b.rest[i] = refOf(b.items[i].Endpoint), i
	}
	if b.store.ops[settleDelivered] != nil {
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

// settleRest settles the items that are left, each judged by itself, and returns how their endpoints stand afterwards.
func (b *settling) settleRest() (map[uuid.UUID]*status, error) {
	refs := make(map[uuid.UUID]bool)
	for _, i := range b.rest {
		refs[b.refs[i]] = true
	}
	if len(refs) == 0 {
		return make(map[uuid.UUID]*status), nil
	}
	if err := b.read(); err != nil {
		return nil, err
	}
	n := len(b.rest)
	b.gone, b.requeued = newTable(n, 2), newTable(0, 10)
	b.deliveries, b.logs, b.bodies = newTable(n, 12), newTable(n, 14), newTable(n, 4)
	statuses, err := b.statuses(readStatus, sortedRefs(refs))
	if err != nil {
		return nil, err
	}
	for _, i := range b.rest {
		b.settle(i, statuses)
	}
	if err := b.execEach(
		batch{deleteQueue, b.gone}, batch{requeue, b.requeued}, batch{insertDeliveries, b.deliveries},
		batch{insertAttempts, b.logs}, batch{insertBodies, b.bodies},
	); err != nil {
		return nil, err
	}
	return statuses, b.apply(statuses)
}

func (b *settling) key(i int) rowKey { return rowKey{b.items[i].UID, b.items[i].Endpoint.ID} }

// read locks the items' deliveries, and reads what tells of the leases that are not theirs any more.
func (b *settling) read() error {
	wanted := make([]rowKey, len(b.rest))
	for n, i := range b.rest {
		wanted[n] = b.key(i)
	}
	slices.SortFunc(wanted, rowKey.compare)
	var err error
	if b.queue, b.finished, err = b.lockedRows(slices.Compact(wanted)); err != nil {
		return err
	}
	b.logged = make(map[attemptKey]bool)
	odd := newTable(0, 3)
	for _, i := range b.rest {
		if q := b.queue[b.key(i)]; q == nil || q.leasedUntil == 0 || q.leaseNo != b.items[i].LeaseNo {
			odd.add(append(b.key(i).cells(), num(b.items[i].LeaseNo))...)
		}
	}
	return b.query(findAttempts, odd, func(r *sql.Rows) error {
		var (
			k    attemptKey
			late bool
		)
		err := r.Scan((*id)(&k.uid), &k.endpoint, &k.leaseNo, &late)
		b.logged[k] = late
		return err
	})
}

// settle judges one item.
func (b *settling) settle(i int, statuses map[uuid.UUID]*status) {
	item := &b.items[i]
	k := b.key(i)
	q, f := b.queue[k], b.finished[k]
	if q != nil && q.ref != b.refs[i] || f != nil && f.ref != b.refs[i] { // another tenant's
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
	merge := false
	if item.Attempt != nil && (q != nil || f != nil) {
		merge = b.log(attemptKey{k, item.LeaseNo}, b.refs[i], item.Attempt, !inEffect, q) && !item.Attempt.Test
	}
	if inEffect {
		b.take(q, item)
	}
	s := statuses[b.refs[i]]
	if s == nil {
		return
	}
	edit := health.Edit{Item: item, Merge: merge, Act: inEffect && health.Acts(item)}
	if edit.Merge || edit.Act {
		b.edits = append(b.edits, edit)
	}
}

// wasSettled reports whether a lease is known to have been settled.
func (b *settling) wasSettled(q *queued, f *finished, k attemptKey) bool {
	if k.leaseNo > 0 && (q != nil && q.settledNo == k.leaseNo || f != nil && f.settledNo == k.leaseNo) {
		return true
	}
	late, logged := b.logged[k]
	return logged && !late
}

// log stores an attempt, and reports whether that is news.
func (b *settling) log(k attemptKey, ref uuid.UUID, a *webhook.Attempt, late bool, q *queued) bool {
	if _, logged := b.logged[k]; logged {
		return false
	}
	b.logged[k] = late
	if !late {
		q.attempts++
	}
	fanout := q == nil || q.fanout
	b.logs.add(attemptCells(k.rowKey, ref, k.leaseNo, a, late, fanout)...)
	if len(a.ResponseBody) > 0 {
		b.bodies.add(bodyCells(k.rowKey, k.leaseNo, a.ResponseBody)...)
	}
	return true
}

// take makes an item take effect.
func (b *settling) take(q *queued, item *webhook.Settlement) {
	q.settledNo, q.failures, q.leasedUntil = q.leaseNo, int64(item.Failures), 0
	if !final(item.State) {
		q.reason = string(item.Reason)
		q.place(micros(item.DueAt), b.now)
		b.requeued.add(q.requeueCells()...)
		return
	}
	f := q.finish(item.State, item.Reason, b.now)
	b.gone.add(q.rowKey.cells()...)
	b.deliveries.add(f.cells()...)
}

// apply makes what the items say of their endpoints take effect. Nothing is written of an endpoint that is well.
func (b *settling) apply(statuses map[uuid.UUID]*status) error {
	changed := make(map[uuid.UUID]bool)
	failing := health.FailingOf(b.items)
	b.edits = slices.DeleteFunc(b.edits, func(e health.Edit) bool {
		ref := refOf(e.Item.Endpoint)
		e.Merge = e.Merge && (failing[e.Item.Endpoint] || health.Failing(&statuses[ref].Health))
		if e.Merge || e.Act {
			changed[ref] = true
			return false
		}
		return true
	})
	if len(changed) == 0 {
		return nil
	}
	locked, err := b.statuses(lockStatus, sortedRefs(changed))
	if err != nil {
		return err
	}
	for ref := range changed {
		if locked[ref] == nil {
			delete(statuses, ref) // deleted meanwhile
		}
	}
	before := make(map[uuid.UUID]status, len(locked))
	for ref, s := range locked {
		before[ref], statuses[ref] = *s, s
	}
	health.Sort(b.edits)
	var disabled []uuid.UUID
	for _, edit := range b.edits {
		ref := refOf(edit.Item.Endpoint)
		s := locked[ref]
		if s == nil {
			continue
		}
		if reason := edit.Apply(&s.Health); reason != "" && s.State != webhook.EndpointDisabled {
			s.State, s.reason, s.updatedAt = webhook.EndpointDisabled, reason, b.now
			disabled = append(disabled, ref)
		}
	}
	if err := b.supersedeAll(disabled, locked); err != nil {
		return err
	}
	rows := newTable(len(locked), 11)
	for _, ref := range sortedRefs(locked) {
		if *locked[ref] != before[ref] {
			rows.add(locked[ref].updateCells()...)
		}
	}
	return b.execAll(updateStatus, rows)
}

// supersedeAll begins the next version of endpoints.
func (b *settling) supersedeAll(refs []uuid.UUID, locked map[uuid.UUID]*status) error {
	if len(refs) == 0 {
		return nil
	}
	list := make([]*status, len(refs))
	for i, ref := range refs {
		list[i] = locked[ref]
	}
	if err := b.supersede(b.at, list...); err != nil {
		return err
	}
	for _, s := range list {
		s.Version++
	}
	return nil
}
