package sqlstore

import (
	"database/sql"
	"slices"
	"time"

	"github.com/google/uuid"
)

// sweep removes what belongs to some events that are older than a time and have nothing unfinished, and returns how many it has
// looked at.
func (p *pruning) sweep(kind int, before time.Time) (int, error) {
	o := map[int]op{sweepEvents: oldEvents, sweepAttempts: oldAttempts, sweepBodies: oldBodies}[kind]
	var list []uuid.UUID
	if err := p.query(o, nil, func(r *sql.Rows) error {
		var u id
		err := r.Scan(&u)
		list = append(list, u.uid())
		return err
	}, uid(p.swept[kind]), uid(uidAt(before.Add(time.Millisecond))), num(pruneWork)); err != nil || len(list) == 0 {
		return 0, err
	}
	slices.SortFunc(list, byRef)
	old, err := p.closed(list, micros(before))
	if err != nil {
		return 0, err
	}
	p.swept[kind] = after(list[len(list)-1])
	return len(list), p.removeOf(kind, old)
}

// closed locks events and returns those that are older than a time and have nothing unfinished.
func (p *pruning) closed(list []uuid.UUID, before int64) ([]uuid.UUID, error) {
	locked := make(map[uuid.UUID]bool, len(list))
	heads, err := p.heads(list)
	if err != nil {
		return nil, err
	}
	scan := func(r *sql.Rows) error {
		var u id
		err := r.Scan(&u)
		locked[u.uid()] = heads[u.uid()].created < before
		return err
	}
	if err := p.query(lockEvents, uids(list), scan); err != nil {
		return nil, err
	}
	// The lock is asked for first: a retry by hand holds it while it makes a delivery pending again.
	if err := p.query(openEvents, uids(list), func(r *sql.Rows) error {
		var u id
		err := r.Scan(&u)
		locked[u.uid()] = false
		return err
	}); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(list), func(u uuid.UUID) bool { return !locked[u] }), nil
}

// removeOf removes what a sweep is after, of events.
func (p *pruning) removeOf(kind int, old []uuid.UUID) error {
	if len(old) == 0 {
		return nil
	}
	rows := uids(old)
	switch kind {
	case sweepBodies:
		return p.execAll(deleteBodiesOf, rows)
	case sweepAttempts:
		counted := newTable(len(old), 3)
		if err := p.query(countAttempts, rows, func(r *sql.Rows) error {
			var (
				k rowKey
				n int64
			)
			err := r.Scan((*id)(&k.uid), &k.endpoint, &n)
			counted.add(append(k.cells(), num(n))...)
			return err
		}); err != nil {
			return err
		}
		return p.execEach(batch{addPruned, counted}, batch{deleteBodiesOf, rows}, batch{deleteAttemptsOf, rows})
	}
	return p.removeEvents(old)
}

// removeEvents removes events with all that belongs to them. Who logs a late attempt holds its delivery, so these go first.
func (t *tx) removeEvents(list []uuid.UUID) error {
	rows := uids(list)
	return t.execEach(
		batch{deleteDeliveriesOf, rows}, batch{deleteAttemptsOf, rows}, batch{deleteBodiesOf, rows}, batch{deleteEvents, rows},
	)
}
