package sqlstore

import (
	"database/sql"
	"slices"
	"time"

	"github.com/google/uuid"
)

// sweep does one step of a sweep through rows that are older than before. It returns how many
// rows it has looked at. That number is bounded, however many deliveries an event has. No step
// removes more rows than it has looked at.
func (p *pruner) sweep(kind int, before time.Time) (rows int, err error) {
	if kind == sweepEvents {
		return p.sweepEvents(before)
	}
	return p.sweepLogs(kind, before)
}

func untilTime(before time.Time) cell { return uid(uidAt(before.Add(time.Millisecond))) }

// sweepEvents removes old events that have no unfinished deliveries.
func (p *pruner) sweepEvents(before time.Time) (rows int, err error) {
	list, err := p.uidsOf(oldEvents, nil, uid(p.swept[sweepEvents]), untilTime(before), num(p.atMost(pruneWork)))
	if err != nil || len(list) == 0 {
		return 0, err
	}
	n, rows, err := p.fitting(list)
	if err != nil {
		return 0, err
	}
	wide := n == 0
	list = list[:max(n, 1)]
	old, err := p.removable(list, micros(before))
	if err != nil {
		return 0, err
	}
	p.swept[sweepEvents] = after(list[len(list)-1])
	if wide {
		p.hidden = len(old) > 0
		return rows + 1, p.hide(old)
	}
	return rows + n, p.removeEvents(old)
}

// fitting returns how many of the first events one transaction may remove. It also returns how
// many rows it has counted to find that out. list is sorted. If the first event alone has too
// many deliveries or attempts, n is 0.
func (p *pruner) fitting(list []uuid.UUID) (n, rows int, err error) {
	n = len(list)
	for _, count := range []struct {
		op   op
		most int
	}{{countDeliveries, p.atMost(pruneWork)}, {countAttempts, p.atMost(pruneAttempts)}} {
		found, last := 0, zeroID
		if err := p.Query(count.op, nil, func(r *sql.Rows) error {
			var (
				u     id
				these int
			)
			err := r.Scan(&u, &these)
			found += these
			if byRef(last, u.uid()) < 0 {
				last = u.uid()
			}
			return err
		}, uid(list[0]), uid(after(list[len(list)-1])), num(count.most)); err != nil {
			return 0, 0, err
		}
		rows += found
		if found == count.most { // the last event may have more rows
			end, _ := slices.BinarySearchFunc(list, last, byRef)
			n = min(n, end)
		}
	}
	return n, rows, nil
}

// sweepLogs removes old response bodies, or old attempts together with their bodies. It removes
// the attempts of a delivery in the order of their numbers.
func (p *pruner) sweepLogs(kind int, before time.Time) (rows int, err error) {
	o := map[int]op{sweepAttempts: oldAttempts, sweepBodies: oldBodies}[kind]
	most := p.atMost(pruneWork)
	list, err := p.attemptKeys(o, nil, uid(p.swept[kind]), untilTime(before), num(most))
	if err != nil || len(list) == 0 {
		return 0, err
	}
	events := make([]uuid.UUID, len(list))
	for i := range list {
		events[i] = list[i].uid
	}
	rows, events = len(list), slices.Compact(events)
	old, err := p.removable(events, micros(before))
	if err != nil {
		return 0, err
	}
	last := events[len(events)-1]
	p.swept[kind] = after(last)
	if len(list) == most && slices.Contains(old, last) {
		p.swept[kind] = last // it may have more attempts
	}
	list = slices.DeleteFunc(list, func(k attemptKey) bool {
		_, isOld := slices.BinarySearchFunc(old, k.uid, byRef)
		return !isOld
	})
	removed, err := p.removeLogs(kind, list)
	if err != nil {
		return 0, err
	}
	if !removed[last] { // other transactions hold all rows that this step saw
		p.swept[kind] = after(last)
	}
	return rows, nil
}

// removeLogs removes attempts with their bodies, or bodies alone. It returns the events that
// they belonged to. It leaves an attempt if another transaction holds its row, its body or its
// delivery. The delivery matters because it counts the removed attempts.
func (p *pruner) removeLogs(kind int, list []attemptKey) (removed map[uuid.UUID]bool, err error) {
	switch {
	case p.plain && !p.store.dialect.logsWait:
	case kind == sweepBodies:
		list, err = p.attemptKeys(freeBodies, logTable(list))
	default:
		list, err = p.freeLogs(list)
	}
	if err != nil {
		return nil, err
	}
	removed = make(map[uuid.UUID]bool)
	counts, pruned := make(map[rowKey]int), newTable(0)
	for _, k := range list {
		removed[k.uid] = true
		counts[k.rowKey]++
	}
	for k, n := range counts {
		pruned.Add(append(k.cells(), num(n))...)
	}
	rows := logTable(list)
	if kind == sweepBodies {
		return removed, p.ExecAll(deleteBodies, rows)
	}
	return removed, p.ExecEach(batch(addPruned, pruned), batch(deleteBodies, rows), batch(deleteAttempts, rows))
}

// freeLogs locks attempts with their bodies and deliveries. It returns the attempts that are
// locked completely.
func (p *pruner) freeLogs(list []attemptKey) ([]attemptKey, error) {
	list, err := p.attemptKeys(freeAttempts, logTable(list))
	if err != nil {
		return nil, err
	}
	free := make(map[rowKey]bool)
	for _, k := range list {
		free[k.rowKey] = false
	}
	rows := newTable(len(free))
	for k := range free {
		rows.Add(k.cells()...)
	}
	if err := p.Query(lockFreeDeliveries, rows, func(r *sql.Rows) error {
		var f finishedRow
		err := f.scan(r)
		free[f.rowKey] = true
		return err
	}); err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(k attemptKey) bool { return !free[k.rowKey] })
	held := make(map[attemptKey]bool)
	if err := p.Query(bodySizes, logTable(list), func(r *sql.Rows) error {
		var (
			k    attemptKey
			size int
		)
		err := r.Scan((*id)(&k.uid), &k.endpoint, &k.leaseNo, &size)
		held[k] = true
		return err
	}); err != nil {
		return nil, err
	}
	bodies, err := p.attemptKeys(freeBodies, logTable(list))
	for _, k := range bodies {
		delete(held, k)
	}
	return slices.DeleteFunc(list, func(k attemptKey) bool { return held[k] }), err
}

// removable locks events. It returns the events that were made before a time and have no
// unfinished deliveries.
func (p *pruner) removable(list []uuid.UUID, before int64) ([]uuid.UUID, error) {
	heads, err := p.heads(list)
	if err != nil {
		return nil, err
	}
	locked, err := p.uidsOf(lockEvents, uids(list))
	if err != nil {
		return nil, err
	}
	// The lock comes first, because a retry by hand holds it while it makes a delivery pending
	// again.
	open, err := p.uidsOf(openEvents, uids(list))
	if err != nil {
		return nil, err
	}
	old := slices.DeleteFunc(locked, func(u uuid.UUID) bool { return heads[u].created >= before })
	slices.SortFunc(old, byRef)
	return except(old, open), nil
}

// removeEvents removes events, which are locked, with all their rows. If another transaction
// holds a row of an event, the event is hidden, and the row is removed when it is free.
func (p *pruner) removeEvents(list []uuid.UUID) error {
	if rows := uids(list); p.plain {
		return p.ExecEach(
			batch(deleteDeliveriesOf, rows), batch(deleteAttemptsOf, rows), batch(deleteBodiesOf, rows), batch(deleteEvents, rows),
		)
	}
	done, err := p.takeDown(list, p.free())
	if err != nil {
		return err
	}
	if err := p.ExecAll(deleteEvents, uids(done.gone)); err != nil {
		return err
	}
	rest := except(list, done.gone)
	p.hidden = p.hidden || len(rest) > 0
	return p.hide(rest)
}
