package sqlstore

import (
	"database/sql"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
)

// A lane is closed while its endpoint is paused, disabled or blocked, or while its rate allows
// nothing. Rounds visit closed lanes in vain. So a claim that passes over more than parkAbove
// of them parks them. It moves their deliveries from the lane, which is the endpoint's ref, to
// the parked lane of that ref. Rounds do not visit parked lanes. webhook_status.parked is the
// mark of the parked lane:
//
//	laneClear   the parked lane is empty
//	laneParked  it may have deliveries, and rounds pass it by
//	laneOpen    it may have deliveries, and rounds visit it together with the lane
//
// The invariant: while a parked lane has deliveries and its endpoint exists, the mark is
// laneParked or laneOpen. Only a transaction that holds the lock of the status row moves
// deliveries into the parked lane or changes the mark. It reads state and block under that
// lock, and all its changes commit together.
//
// Other writers need not know about parking. A row that says laneParked and active, and whose
// opens_at has passed, comes first in an index. Each claim looks there first and marks such
// lanes laneOpen, however the endpoint was resumed. Example:
//
//  1. ep is paused. Its deliveries d1 and d2 are due, and so are deliveries of 40 other paused
//     endpoints. A claim locks the row of ep, sees that ep is still paused, moves d1 and d2, and
//     marks ep laneParked.
//  2. d3 is published. It goes to the lane, as ever, and a later claim may park it too.
//  3. The customer resumes ep. UpdateEndpoint waits for the lock if a claim parks ep at that
//     moment. If UpdateEndpoint comes first, the claim finds ep active under the lock and moves
//     nothing.
//  4. The next claim marks ep laneOpen, visits it and leases d1, d2 and d3, the longest due
//     first.
//  5. The parked lane is empty, so the same claim marks ep laneClear.
//
// A deleted endpoint has no status row, and its lane is not parked. Prune finds deliveries that
// were parked before, because it looks for deliveries by ref. Until it has canceled them, no
// endpoint with the same ref can be created.
const (
	laneClear = iota
	laneParked
	laneOpen
)

const (
	// parkAbove is how many closed lanes a claim passes over without parking any. Passing
	// over 32 lanes costs less than moving their deliveries.
	parkAbove = 32

	// parkFor is the shortest remaining time of a lane that is parked.
	parkFor = 10 * time.Second
)

// parkedBit distinguishes the parked lane of an endpoint from its lane. No ref has this bit.
const parkedBit = 0x80

// lastLane is the last lane that rounds visit. The parked lanes follow it.
var lastLane = laneFor(lastID)

// laneFor returns u without parkedBit.
func laneFor(u uuid.UUID) uuid.UUID {
	u[0] &^= parkedBit
	return u
}

func parkedLane(ref uuid.UUID) uuid.UUID {
	ref[0] |= parkedBit
	return ref
}

// isClosed reports whether the lane of an endpoint is closed, and will be for more than
// parkFor.
func isClosed(state webhook.EndpointState, opensAt, now int64) bool {
	return state != webhook.EndpointActive || opensAt > now+parkFor.Microseconds()
}

// open lets rounds visit the parked lanes of endpoints whose lanes are not closed any
// more.
func (c *claimer) open() error {
	if !c.due.opens.Valid || c.due.opens.Int64 > c.now {
		return nil
	}
	refs, err := c.uidsOf(freeLanes, nil, num(c.now), num(claimWork))
	if err != nil || len(refs) == 0 {
		return err
	}
	c.due.open = true
	c.cursor.leftover = c.cursor.leftover || len(refs) == claimWork
	c.moves += len(refs)
	return c.ExecAll(markLanes, uids(refs), num(laneOpen))
}

// A laneLock is a locked status row, as far as it concerns the lane.
type laneLock struct {
	ref     uuid.UUID
	state   webhook.EndpointState
	opensAt int64
	mark    int
}

// park moves the deliveries of closed lanes aside, and clears the marks of parked lanes
// that have become empty. It skips rows that other transactions have locked, and a later
// claim tries again. It is the last step of a claim, so it holds its locks briefly.
func (c *claimer) park() error {
	asked := c.drained()
	if len(c.closed) > parkAbove {
		asked = append(asked, c.closed...)
	}
	if len(asked) == 0 {
		return nil
	}
	var closed, drained []laneLock
	if err := c.Query(lockLanes, uids(asked), func(r *sql.Rows) error {
		var l laneLock
		err := r.Scan((*id)(&l.ref), &l.state, &l.opensAt, &l.mark)
		if isClosed(l.state, l.opensAt, c.now) {
			closed = append(closed, l)
		} else if l.mark != laneClear {
			drained = append(drained, l)
		}
		return err
	}); err != nil {
		return err
	}
	if err := c.moveAside(closed); err != nil {
		return err
	}
	return c.clear(drained)
}

// drained returns the visited lanes whose parked lanes seem to be empty.
func (c *claimer) drained() (refs []uuid.UUID) {
	for _, lane := range c.visited {
		if !c.fuller[lane] && c.marks[lane] != laneClear {
			refs = append(refs, lane)
		}
	}
	return refs
}

// moveAside moves deliveries of closed lanes to their parked lanes. The status of the
// lanes is locked.
func (c *claimer) moveAside(closed []laneLock) error {
	if len(closed) == 0 {
		return nil
	}
	each := max(claimWork/len(closed), 4)
	lanes := newTable(len(closed))
	for _, l := range closed {
		lanes.Add(uid(l.ref), num(each))
	}
	parked := make(map[uuid.UUID]bool, len(closed))
	rows := newTable(0)
	if err := c.Query(readyInLanes, lanes, func(r *sql.Rows) error {
		var (
			k   rowKey
			ref id
		)
		err := r.Scan((*id)(&k.uid), &k.endpoint, &ref)
		parked[ref.uid()] = true
		rows.Add(append(k.cells(), uid(parkedLane(ref.uid())))...)
		return err
	}); err != nil {
		return err
	}
	var marks []uuid.UUID
	for _, l := range closed {
		if l.mark == laneOpen || l.mark == laneClear && parked[l.ref] {
			marks = append(marks, l.ref)
		}
	}
	if err := c.ExecAll(moveDeliveries, rows); err != nil {
		return err
	}
	return c.ExecAll(markLanes, uids(marks), num(laneParked))
}

// clear marks empty parked lanes laneClear. The status of the lanes is locked, so no other
// transaction moves deliveries into them.
func (c *claimer) clear(lanes []laneLock) error {
	if len(lanes) == 0 {
		return nil
	}
	rows := newTable(len(lanes))
	for _, l := range lanes {
		rows.Add(uid(parkedLane(l.ref)))
	}
	filled, err := c.uidsOf(filledLanes, rows)
	if err != nil {
		return err
	}
	var marks []uuid.UUID
	for _, l := range lanes {
		if !slices.Contains(filled, parkedLane(l.ref)) {
			marks = append(marks, l.ref)
		}
	}
	return c.ExecAll(markLanes, uids(marks), num(laneClear))
}
