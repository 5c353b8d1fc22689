package sqlstore

import (
	"database/sql"
	"slices"

	"github.com/google/uuid"
)

// create makes the missing deliveries of events. It returns how many, and the index of
// the first event that another transaction holds, which is len(found) if none does.
//
// Every step that creates a delivery locks the event first, and looks for the delivery
// after that. So of two replays, the second finds the delivery of the first. Nothing else
// adds a delivery to an event that has left the outbox.
func (s *replayStep) create(found []replayMatch) (created, held int, err error) {
	if len(found) == 0 {
		return 0, 0, nil
	}
	endpoint := found[0].endpoint // all are of one endpoint
	locked, heldEvents, err := s.hold(lockEvents, found)
	if err != nil {
		return 0, 0, err
	}
	served, err := s.existing(matchKeys(found))
	if err != nil {
		return 0, 0, err
	}
	heads, err := s.tx.sizes(sortedRefs(locked))
	if err != nil {
		return 0, 0, err
	}
	fanned, heldSingles, err := s.lockSingles(heads)
	if err != nil {
		return 0, 0, err
	}
	statuses, err := s.statuses(readStatus, []uuid.UUID{found[0].ref})
	if err != nil {
		return 0, 0, err
	}
	now := micros(s.now)
	queue, fan := newTable(len(found)), []uuid.UUID(nil)
	held = slices.IndexFunc(found, func(m replayMatch) bool { return heldEvents[m.uid] || heldSingles[m.uid] })
	if held < 0 {
		held = len(found)
	}
	for i := range found[:held] {
		m := &found[i]
		h, still := heads[m.uid]
		if !still || served[m.rowKey] || statuses[m.ref] == nil {
			continue
		}
		if fanned[m.uid] {
			fan, h.fanout = append(fan, m.uid), true
		}
		q := queueRow{
			rowKey: rowKey{m.uid, endpoint}, ref: m.ref, version: statuses[m.ref].Version, since: now, size: h.size, fanout: h.fanout,
		}
		q.place(now, now)
		queue.Add(q.cells()...)
		s.touched = append(s.touched, m.uid)
	}
	return queue.Len(), held, s.ExecEach(
		batch(fanEvents, uids(fan)), batch(fanQueue, uids(fan)), batch(fanAttempts, uids(fan)), batch(insertQueue, queue))
}

// lockSingles locks the only delivery of each event that was stored with one delivery.
// Such an event is about to have a second one, and its rows must say so. It returns the
// events whose delivery is locked, and those whose delivery another transaction holds.
func (s *replayStep) lockSingles(heads map[uuid.UUID]head) (locked, held map[uuid.UUID]bool, err error) {
	var singles []uuid.UUID
	for _, u := range sortedRefs(heads) {
		if !heads[u].fanout {
			singles = append(singles, u)
		}
	}
	var list []rowKey
	if err := s.Query(deliveriesOfSingles, uids(singles), func(r *sql.Rows) error {
		var v view
		err := v.scan(r)
		list = append(list, v.rowKey)
		return err
	}); err != nil {
		return nil, nil, err
	}
	slices.SortFunc(list, rowKey.compare)
	queue, finished, err := s.lockRows(lockFreeQueue, lockFreeDeliveries, list)
	if err != nil {
		return nil, nil, err
	}
	locked, held = make(map[uuid.UUID]bool, len(list)), make(map[uuid.UUID]bool)
	for k := range queue {
		locked[k.uid] = true
	}
	for k := range finished {
		locked[k.uid] = true
	}
	rest, err := s.unlocked(list, queue, finished)
	for k := range rest {
		held[k.uid] = true
	}
	return locked, held, err
}

// existing returns those deliveries of a list that are stored, unfinished or finished.
func (t *tx) existing(list []rowKey) (map[rowKey]bool, error) {
	found := make(map[rowKey]bool)
	return found, t.Query(findRows, rowKeys(list), func(r *sql.Rows) error {
		var (
			k   rowKey
			ref uuid.UUID
		)
		err := r.Scan((*id)(&k.uid), &k.endpoint, (*id)(&ref))
		found[k] = true
		return err
	})
}
