package sqlstore

import (
	"database/sql"
	"slices"

	"github.com/google/uuid"
)

// An event with more rows than one transaction may remove is hidden first. Its own row is
// deleted, and a row in the table removals takes its place. No method shows a delivery or an
// attempt without its event. Then the remaining rows are removed, in as many transactions as
// needed.

// removalsAtOnce is how many hidden events one transaction looks at.
const removalsAtOnce = 100

// hide begins the removal of events, which are locked and have no unfinished deliveries.
func (t *tx) hide(list []uuid.UUID) error {
	heads, err := t.heads(list)
	if err != nil {
		return err
	}
	rows := newTable(len(list))
	for _, u := range list {
		rows.Add(uid(u), text(heads[u].tenant))
	}
	return t.ExecEach(batch(insertRemovals, rows), batch(deleteEvents, uids(list)))
}

// A takedown has the statements that find the rows of events, and the bounds for one
// transaction.
type takedown struct {
	deliveries, attempts, bodies op
	most, mostAttempts           int
}

// A takenDown reports on a takedown.
type takenDown struct {
	rows int         // removed
	more bool        // the bounds were reached
	gone []uuid.UUID // events without any rows left; none if more is true
}

// takeDown removes the rows that belong to events, except the rows of the events themselves.
//
// The deliveries go first. A transaction that logs a late attempt holds its delivery, so no
// more attempts follow.
func (t *tx) takeDown(list []uuid.UUID, how takedown) (done takenDown, err error) {
	if len(list) == 0 {
		return done, nil
	}
	ended, err := t.rowKeysOf(how.deliveries, uids(list), num(how.most))
	if err != nil {
		return done, err
	}
	slices.SortFunc(ended, rowKey.compare)
	if err := t.ExecAll(deleteDeliveries, rowKeys(ended)); err != nil {
		return done, err
	}
	done.rows = len(ended)
	if done.more = len(ended) >= how.most; done.more {
		return done, nil
	}
	if list, err = t.without(withDeliveries, list); err != nil || len(list) == 0 {
		return done, err
	}
	for _, log := range []struct{ find, remove op }{{how.bodies, deleteBodies}, {how.attempts, deleteAttempts}} {
		logged, err := t.attemptKeys(log.find, uids(list), num(how.mostAttempts))
		if err != nil {
			return done, err
		}
		if err := t.ExecAll(log.remove, logTable(logged)); err != nil {
			return done, err
		}
		done.rows += len(logged)
		if done.more = len(logged) >= how.mostAttempts; done.more {
			return done, nil
		}
	}
	if list, err = t.without(withBodies, list); err == nil && len(list) > 0 {
		list, err = t.without(withAttempts, list)
	}
	done.gone = list
	return done, err
}

// without returns the events that a statement does not find.
func (t *tx) without(o op, list []uuid.UUID) ([]uuid.UUID, error) {
	found, err := t.uidsOf(o, uids(list))
	return except(list, found), err
}

// except returns the elements of list that are not in other.
func except(list, other []uuid.UUID) []uuid.UUID {
	others := make(map[uuid.UUID]bool, len(other))
	for _, u := range other {
		others[u] = true
	}
	return slices.DeleteFunc(slices.Clone(list), func(u uuid.UUID) bool { return others[u] })
}

// attemptKeys reads keys of attempts, or of their bodies.
func (t *tx) attemptKeys(o op, rows *table, scalars ...cell) (list []attemptKey, err error) {
	err = t.Query(o, rows, func(r *sql.Rows) error {
		var k attemptKey
		err := r.Scan((*id)(&k.uid), &k.endpoint, &k.leaseNo)
		list = append(list, k)
		return err
	}, scalars...)
	return list, err
}

func logTable(list []attemptKey) *table {
	rows := newTable(len(list))
	for i := range list {
		rows.Add(list[i].cells()...)
	}
	return rows
}

// free takes down the rows that no other transaction holds.
func (p *pruner) free() takedown {
	return takedown{freeDeliveriesOf, freeAttemptsOf, freeBodiesOf, p.atMost(pruneWork), p.atMost(pruneAttempts)}
}

// takeApart continues the removal of hidden events. It returns how many rows it has removed or
// looked at. It skips rows that other transactions hold.
func (p *pruner) takeApart() (rows int, err error) {
	list, err := p.uidsOf(freeRemovals, nil, uid(p.pass.removal), num(removalsAtOnce))
	if err != nil {
		return 0, err
	}
	if len(list) == 0 {
		p.pass.removal = zeroID
		return 0, nil
	}
	done, err := p.takeDown(list, p.free())
	if err != nil {
		return 0, err
	}
	if !done.more { // other transactions hold the remaining rows
		p.pass.removal = list[len(list)-1]
	}
	return done.rows + len(list), p.ExecAll(deleteRemovals, uids(done.gone))
}
