package sqlstore

import (
	"database/sql"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
)

const (
	// lapLanes is how many lanes one Claim visits.
	lapLanes = 256

	// firstLanes is how many lanes a Claim looks at first, if it wants so few deliveries or
	// fewer. To look at a lane takes as long as to lease a delivery.
	firstLanes = 16

	// pickAhead is how many rows the lanes of one statement may yield for each delivery that is
	// still wanted. Rows that are not leased stay locked for a moment.
	pickAhead = 4
)

// A lap is the way of one Claim through the lanes. Maps are keyed by lane.
type lap struct {
	cursor claimCursor // where it is

	visited  []uuid.UUID           // lanes from which deliveries were read
	closed   []uuid.UUID           // lanes that were passed over and may be parked
	marks    map[uuid.UUID]int     // of visited lanes, see laneClear
	probes   map[uuid.UUID]int64   // lanes that may lease one delivery, with the end of their block
	fuller   map[uuid.UUID]bool    // lanes that have more deliveries than are leased
	leases   map[uuid.UUID]int     // deliveries that are leased
	rated    map[uuid.UUID]*status // locked status of lanes with a rate
	unblocks int64                 // when the first lane that was passed over opens by itself
}

func newLap(cursor claimCursor) lap {
	return lap{
		cursor: cursor, marks: make(map[uuid.UUID]int), probes: make(map[uuid.UUID]int64),
		fuller: make(map[uuid.UUID]bool), leases: make(map[uuid.UUID]int),
		rated: make(map[uuid.UUID]*status),
	}
}

// A stop is a lane that a lap visits.
type stop struct {
	lane     uuid.UUID
	endpoint string // its id; empty if it is deleted
	room     int    // how many deliveries may be leased
}

// pass records that lanes have had their turn.
func (l *lap) pass(stops []stop) {
	for i := range stops {
		if byRef(stops[i].lane, l.cursor.last) <= 0 {
			l.cursor.wrapped = true
		}
		l.cursor.last = stops[i].lane
	}
}

// walk visits lanes until the budget is spent, the round has ended, or lapLanes are visited. It
// reports whether the round has ended. Few lanes yield enough for a small budget, unless most
// of them are closed. So walk begins with few lanes.
func (c *claimer) walk() (ended bool, err error) {
	most := max(c.budget.deliveries, firstLanes)
	for left := lapLanes; left > 0 && c.budget.deliveries > 0; most *= 4 {
		lanes, last, err := c.nextLanes(min(most, left))
		if err != nil {
			return false, err
		}
		all, err := c.visit(lanes)
		if err != nil || !all {
			return false, err
		}
		if last {
			return true, nil
		}
		left -= len(lanes)
	}
	return false, nil
}

// nextLanes returns the next lanes of the round, and reports whether the round ends with them.
func (c *claimer) nextLanes(most int) (lanes []uuid.UUID, last bool, err error) {
	read := func(after, to uuid.UUID) error {
		left := most - len(lanes)
		found, err := c.uidsOf(readyLanes, nil, uid(after), uid(to), num(left))
		if err != nil {
			return err
		}
		if c.due.open {
			open, err := c.uidsOf(openLanes, nil, uid(after), uid(to), num(left))
			if err != nil {
				return err
			}
			found = append(found, open...)
			slices.SortFunc(found, byRef)
			found = slices.Compact(found)
		}
		lanes = append(lanes, found[:min(len(found), left)]...)
		return nil
	}
	if !c.cursor.wrapped {
		if err := read(c.cursor.last, lastLane); err != nil || len(lanes) == most {
			return lanes, false, err
		}
		if err := read(zeroID, c.cursor.start); err != nil {
			return lanes, false, err
		}
		return lanes, len(lanes) < most, nil
	}
	err = read(c.cursor.last, c.cursor.start)
	return lanes, len(lanes) < most, err
}

// visit picks deliveries of lanes, and reports whether all lanes have had their turn.
func (c *claimer) visit(lanes []uuid.UUID) (all bool, err error) {
	if len(lanes) == 0 {
		return true, nil
	}
	statuses, err := c.laneStatuses(lanes)
	if err != nil {
		return false, err
	}
	stops := make([]stop, len(lanes))
	for i, lane := range lanes {
		stops[i] = stop{lane: lane}
		if status := statuses[lane]; status != nil {
			stops[i].endpoint, stops[i].room = status.Key.ID, c.room(status)
		}
	}
	if err := c.lockRates(stops, statuses); err != nil {
		return false, err
	}
	if err := c.takeProbes(stops, statuses); err != nil {
		return false, err
	}
	for begin := 0; begin < len(stops); {
		if c.budget.deliveries <= 0 {
			return false, nil
		}
		end, sum := begin, 0
		for ; end < len(stops); end++ {
			n := min(stops[end].room, c.budget.deliveries)
			if sum > 0 && sum+n > pickAhead*c.budget.deliveries {
				break
			}
			sum += n
		}
		passed := end - begin
		if sum > 0 {
			if passed, err = c.pick(stops[begin:end]); err != nil {
				return false, err
			}
		}
		c.pass(stops[begin : begin+passed])
		if begin += passed; begin < end {
			return false, nil
		}
	}
	return true, nil
}

// laneStatuses reads the status of lanes, and their marks.
func (c *claimer) laneStatuses(lanes []uuid.UUID) (map[uuid.UUID]*status, error) {
	found := make(map[uuid.UUID]*status, len(lanes))
	return found, c.Query(readLanes, uids(lanes), func(r *sql.Rows) error {
		var mark int
		s := &status{}
		err := s.scan(r, &mark)
		if unreadable(err) {
			c.passOver(s.ref, badEndpoint(s.Key, err))
			return nil
		}
		found[s.ref] = s
		if mark != laneClear {
			c.marks[s.ref] = mark
		}
		return err
	})
}

// room returns how many deliveries of a lane may be leased. It returns 0 for a lane that is
// passed over.
func (c *claimer) room(s *status) int {
	if c.store.isUnreadable(s.ref, c.now) {
		return 0
	}
	room, named := c.req.Rooms[s.Key]
	if !named {
		room = c.req.Room
	}
	if isClosed(s.State, s.opensAt(), c.now) {
		c.closed = append(c.closed, s.ref)
	}
	if s.State != webhook.EndpointActive || room <= 0 {
		return 0
	}
	if s.opensAt() > c.now {
		c.noteOpening(s.worthwhile())
		return 0
	}
	return room
}

// noteOpening records when a lane that was passed over opens.
func (l *lap) noteOpening(at int64) {
	if l.unblocks == 0 || at < l.unblocks {
		l.unblocks = at
	}
}

// takeProbes allows one delivery to each lane whose circuit is open. It allows none if another
// process has taken the probe.
func (c *claimer) takeProbes(stops []stop, statuses map[uuid.UUID]*status) error {
	var open []uuid.UUID
	for i := range stops {
		if stops[i].room > 0 && statuses[stops[i].lane].Circuit {
			open = append(open, stops[i].lane)
		}
	}
	if len(open) == 0 {
		return nil
	}
	taken, err := c.uidsOf(freeProbes, uids(open), num(c.now))
	if err != nil {
		return err
	}
	for _, lane := range taken {
		c.probes[lane] = micros(statuses[lane].BlockedUntil)
	}
	for i := range stops {
		if _, mine := c.probes[stops[i].lane]; mine {
			stops[i].room = 1
		} else if stops[i].room > 0 && statuses[stops[i].lane].Circuit {
			stops[i].room = 0
		}
	}
	return c.ExecAll(takeProbes, uids(taken), at(c.req.LeaseUntil))
}

// pick locks deliveries of lanes and chooses those that are leased. It reads one more of each
// lane to learn whether the lane has more. It returns how many of the lanes have had their
// turn.
func (c *claimer) pick(stops []stop) (passed int, err error) {
	found, err := c.find(stops)
	if err != nil {
		return 0, err
	}
	chosen := c.budget.choose(found, stops)
	for i := range chosen.picks {
		c.leases[chosen.picks[i].ref]++
	}
	c.picks = append(c.picks, chosen.picks...)
	for _, ref := range chosen.fuller {
		c.fuller[ref] = true
	}
	return chosen.passed, nil
}

// find locks deliveries of lanes.
func (c *claimer) find(stops []stop) ([]pick, error) {
	rows, most := newTable(len(stops)), c.budget.deliveries+len(stops)
	for i := range stops {
		lane := stops[i].lane
		if stops[i].room <= 0 {
			continue
		}
		ahead := min(stops[i].room, c.budget.deliveries) + 1
		rows.Add(uid(lane), num(ahead), num(i))
		if c.marks[lane] != laneClear { // the delivery that is due the longest may be in either lane
			rows.Add(uid(parkedLane(lane)), num(ahead), num(i))
			most += ahead
		}
		c.visited = append(c.visited, lane)
	}
	var (
		found []pick
		order int64
		p     pick
		into  = []any{&order, (*id)(&p.uid), &p.leaseNo, &p.leasedUntil, &p.version, &p.attempts, &p.failures, &p.since, &p.waited, &p.size, &p.dueAt}
	)
	err := c.Query(pickDeliveries, rows, func(r *sql.Rows) error {
		err := scanRow(r, into...)
		if err != nil && !unreadable(err) {
			return err
		}
		s := &stops[order]
		if err != nil {
			err = fmt.Errorf("a delivery to endpoint %q is not readable, and waits: %w", s.endpoint, err)
			c.out.Unreadable = append(c.out.Unreadable, err)
			return nil
		}
		p.order, p.ref, p.endpoint = int(order), s.lane, s.endpoint
		p.wait(c.now)
		found = append(found, p)
		return nil
	}, num(c.now), num(most), num(c.now+clockSkew))
	return found, err
}
