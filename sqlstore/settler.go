package sqlstore

import (
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/health"
	"github.com/gowebhook/webhook/internal/versions"
)

// A settler is one transaction of Settle. Each of its steps needs the result of the one before:
//
//  1. settlePlain settles the plain successes by one statement, and returns the other items.
//  2. lockRows locks the deliveries of these items.
//  3. lockStatuses reads the status of their endpoints, and locks it if an item may change it.
//  4. judge decides each item by the locked rows, without the database.
//  5. write writes the decisions, and apply changes the endpoints.
//
// Steps 2 and 3 put an item off if another transaction holds a row that the item needs.
type settler struct {
	*tx
	now        time.Time
	items      []webhook.Settlement
	plainFirst bool // take step 1
	out        webhook.Settled
}

// run settles the items.
func (s *settler) run() error {
	rest := settleItems(s.items)
	var healthy map[uuid.UUID]*status
	if s.plainFirst {
		var err error
		if rest, healthy, err = s.settlePlain(rest); err != nil {
			return err
		}
	}
	after, err := s.settleEach(rest)
	if err != nil {
		return err
	}
	for ref, status := range healthy {
		if _, newer := after[ref]; !newer {
			after[ref] = status
		}
	}
	for _, ref := range sortedRefs(after) {
		s.out.Endpoints = append(s.out.Endpoints, after[ref].EndpointStatus)
	}
	return nil
}

// settlePlain settles plain successes by a single statement. Nearly all items are plain
// successes, which change nothing about their endpoint. It returns the items that it has not
// settled: items of endpoints that are failing or have other items, and items whose lease is
// not the caller's any more. It also returns the status of the endpoints of the settled items.
func (s *settler) settlePlain(items []settleItem) (rest []settleItem, healthy map[uuid.UUID]*status, err error) {
	mixed := make(map[uuid.UUID]bool) // endpoints with other items, because the order of an endpoint's successes and failures matters
	for i := range items {
		if !items[i].isPlain() {
			mixed[items[i].ref] = true
		}
	}
	plain := slices.DeleteFunc(slices.Clone(items), func(i settleItem) bool { return mixed[i.ref] })
	if len(plain) == 0 {
		return items, nil, nil
	}
	slices.SortFunc(plain, func(a, b settleItem) int { return a.key().compare(b.key()) })
	rows := newTable(len(plain))
	for i := range plain {
		item, a := &plain[i], plain[i].Attempt
		rows.Add(
			num(item.index), uid(item.UID), text(item.Endpoint.ID), uid(item.ref), num(item.LeaseNo), num(item.Failures),
			at(a.StartedAt), num(a.Duration.Microseconds()), num(a.Status), flag(a.Truncated), bin(a.ResponseBody),
		)
	}
	settled := make([]bool, len(items))
	healthy = make(map[uuid.UUID]*status)
	if err := s.Query(settleDelivered, rows, func(r *sql.Rows) error {
		var (
			indexes string
			st      status
		)
		if err := st.scan(r, &indexes); err != nil {
			return err
		}
		healthy[st.ref] = &st
		for one := range strings.SplitSeq(indexes, ",") {
			i, err := strconv.Atoi(one)
			if err != nil || i < 0 || i >= len(settled) {
				return fmt.Errorf("settled item %q", one)
			}
			settled[i] = true
		}
		return nil
	}, num(micros(s.now))); err != nil {
		return nil, nil, err
	}
	return slices.DeleteFunc(items, func(i settleItem) bool { return settled[i.index] }), healthy, nil
}

// settleEach settles items, each by itself. It returns the status of their endpoints
// afterwards.
func (s *settler) settleEach(items []settleItem) (after map[uuid.UUID]*status, err error) {
	if len(items) == 0 {
		return make(map[uuid.UUID]*status), nil
	}
	items, rows, err := s.lockRows(items)
	if err != nil {
		return nil, err
	}
	items, endpoints, err := s.lockStatuses(items)
	if err != nil {
		return nil, err
	}
	written := newSettleTables(len(items))
	edits := s.judge(items, rows, endpoints, written)
	if err := written.write(s.tx); err != nil {
		return nil, err
	}
	return endpoints.all, s.apply(edits, endpoints.locked)
}

// lockRows locks the items' deliveries. It also reads the logged attempts of items that do not
// hold their lease any more. It puts an item off if another transaction holds its delivery.
func (s *settler) lockRows(items []settleItem) (free []settleItem, rows *settleRows, err error) {
	wanted := make([]rowKey, len(items))
	for i := range items {
		wanted[i] = items[i].key()
	}
	slices.SortFunc(wanted, rowKey.compare)
	wanted = slices.Compact(wanted)
	rows = &settleRows{logged: make(map[attemptKey]bool)}
	if rows.queue, rows.finished, err = s.tx.lockRows(lockFreeQueue, lockFreeDeliveries, wanted); err != nil {
		return nil, nil, err
	}
	held, err := s.heldRows(rows, wanted)
	if err != nil {
		return nil, nil, err
	}
	free = s.putOff(items, func(i *settleItem) error {
		if ref, isHeld := held[i.key()]; !isHeld || ref != i.ref {
			return nil
		}
		return heldError(fmt.Sprintf("the delivery to endpoint %q of event %s", i.Endpoint.ID, i.UID))
	})
	lapsed := newTable(0)
	for i := range free {
		if !rows.leased(&free[i]) {
			lapsed.Add(append(free[i].key().cells(), num(free[i].LeaseNo))...)
		}
	}
	return free, rows, s.Query(findAttempts, lapsed, func(r *sql.Rows) error {
		var (
			k    attemptKey
			late bool
		)
		err := r.Scan((*id)(&k.uid), &k.endpoint, &k.leaseNo, &late)
		rows.logged[k] = late
		return err
	})
}

// heldRows returns the deliveries that other transactions hold, with their endpoints. Such
// deliveries exist but were not locked.
func (s *settler) heldRows(rows *settleRows, wanted []rowKey) (map[rowKey]uuid.UUID, error) {
	missing := newTable(0)
	for _, k := range wanted {
		if rows.queue[k] == nil && rows.finished[k] == nil {
			missing.Add(k.cells()...)
		}
	}
	held := make(map[rowKey]uuid.UUID)
	return held, s.Query(findRows, missing, func(r *sql.Rows) error {
		var (
			k   rowKey
			ref uuid.UUID
		)
		err := r.Scan((*id)(&k.uid), &k.endpoint, (*id)(&ref))
		held[k] = ref
		return err
	})
}

// putOff returns the items for which why returns nil. The others fail with its error.
func (s *settler) putOff(items []settleItem, why func(i *settleItem) error) []settleItem {
	return slices.DeleteFunc(items, func(i settleItem) bool {
		err := why(&i)
		if err != nil {
			fail(&s.out, i.index, s.store.explain(s.Context(), err))
		}
		return err != nil
	})
}

// settleStatuses are the status rows of a settler's endpoints.
type settleStatuses struct {
	all    map[uuid.UUID]*status
	locked map[uuid.UUID]*status // those that may be changed
}

// lockStatuses returns the status of the items' endpoints. It locks the status rows that the
// items may change. If another transaction holds such a row, it puts off the items that may
// change the row.
func (s *settler) lockStatuses(items []settleItem) (free []settleItem, found settleStatuses, err error) {
	changing, others := make(map[uuid.UUID]bool), make(map[uuid.UUID]bool)
	for i := range items {
		if items[i].changesStatus() {
			changing[items[i].ref] = true
		}
	}
	for i := range items {
		if ref := items[i].ref; !changing[ref] {
			others[ref] = others[ref] || items[i].counts()
		}
	}
	if found.all, err = s.statuses(readStatus, sortedRefs(others)); err != nil {
		return nil, found, err
	}
	for ref, status := range found.all {
		if others[ref] && health.Failing(&status.Health) { // a success ends the failing
			changing[ref] = true
		}
	}
	if found.locked, err = s.statuses(lockFreeStatus, sortedRefs(changing)); err != nil {
		return nil, found, err
	}
	maps.Copy(found.all, found.locked)
	maps.DeleteFunc(changing, func(ref uuid.UUID, _ bool) bool { return found.locked[ref] != nil })
	held, err := s.statuses(readStatus, sortedRefs(changing)) // a deleted endpoint has no row
	if err != nil {
		return nil, found, err
	}
	for ref := range changing {
		delete(found.all, ref)
	}
	maps.Copy(found.all, held)
	return s.putOff(items, func(i *settleItem) error {
		if held[i.ref] == nil || !i.counts() && !health.Acts(i.Settlement) {
			return nil
		}
		return heldError(fmt.Sprintf("the status of endpoint %q", i.Endpoint.ID))
	}), found, nil
}

// judge decides the items in their order, and adds the rows to write. It returns the edits of
// the endpoints.
func (s *settler) judge(items []settleItem, rows *settleRows, endpoints settleStatuses, written *settleTables) []health.Edit {
	var edits []health.Edit
	for i := range items {
		item := &items[i]
		verdict := health.Judge(item.Settlement, rows.facts(item, endpoints.all[item.ref]))
		switch verdict.Result {
		case health.Applied:
		case health.Already:
			s.out.Already = append(s.out.Already, item.index)
		case health.Lost:
			s.out.Lost = append(s.out.Lost, item.index)
		}
		q, _ := rows.find(item)
		if late := verdict.Result != health.Applied; verdict.Log {
			rows.logged[item.attemptKey()] = late
			if !late {
				q.attempts++
				q.last = lastOf(item.Attempt)
			}
			written.log(item, late, q == nil || q.fanout)
		}
		if verdict.Result == health.Applied {
			q.settledNo, q.failures, q.leasedUntil = q.leaseNo, int64(item.Failures), 0
			written.settle(q, item, micros(verdict.Due), micros(s.now))
		}
		if verdict.Edit.Merge || verdict.Edit.Act || verdict.Edit.Fail {
			edits = append(edits, verdict.Edit)
		}
	}
	return edits
}

// apply applies edits to locked statuses. It writes nothing about a healthy endpoint that stays
// healthy.
func (s *settler) apply(edits []health.Edit, locked map[uuid.UUID]*status) error {
	failures := health.FailuresOf(s.items)
	edits = slices.DeleteFunc(edits, func(e health.Edit) bool {
		status := locked[refOf(e.Item.Endpoint)]
		return status == nil || !failures.Changes(e, &status.Health)
	})
	if len(edits) == 0 {
		return nil
	}
	before := make(map[uuid.UUID]status, len(locked))
	for ref, status := range locked {
		before[ref] = *status
	}
	health.Sort(edits)
	var disabled []*status
	for _, edit := range edits {
		status := locked[refOf(edit.Item.Endpoint)]
		reason, notices := edit.Apply(health.Endpoint{Health: &status.Health, Told: &status.told, State: status.State}, s.now)
		if reason != "" {
			status.State, status.reason, status.updatedAt = webhook.EndpointDisabled, reason, micros(s.now)
			disabled = append(disabled, status)
		}
		if err := s.announce(edit.Item, notices); err != nil {
			return err
		}
	}
	if err := s.beginVersions(disabled); err != nil {
		return err
	}
	changed := newTable(len(locked))
	for _, ref := range sortedRefs(locked) {
		if *locked[ref] != before[ref] {
			changed.Add(locked[ref].updateCells()...)
		}
	}
	return s.ExecAll(updateStatus, changed)
}

// announce reports notices, and stores their operational events with outbox rows.
func (s *settler) announce(item *webhook.Settlement, notices []webhook.Notice) error {
	s.out.Notices = append(s.out.Notices, notices...)
	for i := range notices {
		if notices[i].Silent || item.Announce == nil {
			continue
		}
		r := item.Announce(&notices[i])
		if r == nil {
			continue
		}
		if _, err := s.Exec(insertNotice, append(eventCells(r, contentHash(r)), text(r.About))...); err != nil {
			return err
		}
		if _, err := s.Exec(insertOutboxRow, outboxCells(r)...); err != nil {
			return err
		}
	}
	return nil
}

// beginVersions begins the next version of endpoints that are disabled, and mutes their
// subscriptions.
func (s *settler) beginVersions(list []*status) error {
	if len(list) == 0 {
		return nil
	}
	if err := s.supersede(s.now, list...); err != nil {
		return err
	}
	refs := make([]uuid.UUID, len(list))
	for i, status := range list {
		refs[i] = status.ref
	}
	if err := s.ExecAll(muteSubscriptions, uids(refs)); err != nil {
		return err
	}
	for _, status := range list {
		status.Version = versions.Next(status.Version, s.now.UnixMicro())
	}
	return nil
}
