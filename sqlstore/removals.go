package sqlstore

import (
	"database/sql"
	"slices"

	"github.com/google/uuid"
)

// An event with more rows than one transaction may remove is hidden first: its row goes,
// and a row of the table removals comes. No method shows a delivery or an attempt without
// its event. Then the rest is taken apart, in as many transactions as it needs.

// removalsAtOnce is how many hidden events one transaction looks at.
const removalsAtOnce = 100

// hide begins the removal of events, which are locked and have nothing unfinished.
func (t *tx) hide(list []uuid.UUID) error {
	heads, err := t.heads(list)
	if err != nil {
		return err
	}
	rows := newTable(len(list), 2)
	for _, u := range list {
		rows.add(uid(u), text(heads[u].tenant))
	}
	return t.execEach(batch{insertRemovals, rows}, batch{deleteEvents, uids(list)})
}

// takeApart removes the rest of hidden events, and returns how many rows that were. It
// reads the keys of at most so many deliveries and attempts with these statements.
//
// The deliveries go first: who logs a late attempt holds its delivery, so no more
// attempts come after them.
func (t *tx) takeApart(list []uuid.UUID, deliveries op, mostDeliveries, mostAttempts int) (rows int, err error) {
	if len(list) == 0 {
		return 0, nil
	}
	var ended []rowKey
	if err := t.query(deliveries, uids(list), func(r *sql.Rows) error {
		var k rowKey
		err := r.Scan((*id)(&k.uid), &k.endpoint)
		ended = append(ended, k)
		return err
	}, num(mostDeliveries)); err != nil {
		return 0, err
	}
	slices.SortFunc(ended, rowKey.compare)
	if err := t.execAll(deleteDeliveries, keys(ended, func(k *rowKey) rowKey { return *k })); err != nil {
		return 0, err
	}
	if len(ended) == mostDeliveries {
		return len(ended), nil
	}
	left, err := t.uidsOf(withDeliveries, uids(list))
	if err != nil {
		return 0, err
	}
	list = slices.DeleteFunc(slices.Clone(list), func(u uuid.UUID) bool { return slices.Contains(left, u) })
	if len(list) == 0 {
		return len(ended), nil
	}
	logged := newTable(0, 3)
	if err := t.query(attemptsOf, uids(list), func(r *sql.Rows) error {
		var k attemptKey
		err := r.Scan((*id)(&k.uid), &k.endpoint, &k.leaseNo)
		logged.add(k.cells()...)
		return err
	}, num(mostAttempts)); err != nil {
		return 0, err
	}
	if err := t.execEach(batch{deleteBodies, logged}, batch{deleteAttempts, logged}); err != nil {
		return 0, err
	}
	rows = len(ended) + logged.len()
	if logged.len() == mostAttempts {
		return rows, nil
	}
	return rows + len(list), t.execAll(deleteRemovals, uids(list))
}

// takeApart goes on with the removal of hidden events, and returns how many rows it has
// removed. It passes over those that another transaction holds.
func (p *pruning) takeApart() (rows int, err error) {
	list, err := p.uidsOf(freeRemovals, nil, num(removalsAtOnce))
	if err != nil {
		return 0, err
	}
	return p.tx.takeApart(list, freeDeliveriesOf, p.atMost(pruneWork), p.atMost(pruneAttempts))
}

// uidsOf reads a list of UIDs.
func (t *tx) uidsOf(o op, rows *table, scalars ...cell) (list []uuid.UUID, err error) {
	err = t.query(o, rows, func(r *sql.Rows) error {
		var u id
		err := r.Scan(&u)
		list = append(list, u.uid())
		return err
	}, scalars...)
	return list, err
}
