package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
)

const (
	// claimLanes is how many lanes one Claim visits.
	claimLanes = 256

	// claimWork bounds the other work of one Claim: the deliveries that it wakes, and the
	// deliveries that it makes from the outbox.
	claimWork = 1000

	// pickAhead is how many rows the lanes of one statement may yield for each delivery that is
	// still wanted. Rows that are not taken stay locked for a moment.
	pickAhead = 4

	// stayTogether is the number of deliveries leased at once from which they stay in their
	// lane, even if the lane holds no others.
	//
	// A delivery that stays costs a claim a fifth less time, because no index changes. But
	// later claims visit the lane and pass the delivery over. Smaller groups therefore stay
	// only where that costs little: in a lane that has more due deliveries, because claims
	// visit that lane anyway.
	stayTogether = 64
)

// Claim implements [webhook.Store]. A claim that finds nothing due runs one statement.
func (s *Store) Claim(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
	at, err := parseRound(req.Cursor)
	if err != nil {
		return webhook.Claimed{}, err
	}
	due, err := s.due(ctx, micros(req.Now))
	if err != nil {
		return webhook.Claimed{}, err
	}
	if due.outbox {
		done, err := s.expand(ctx, req.Now, due.from.outbox)
		if err != nil {
			return webhook.Claimed{}, err
		}
		at.again = at.again || !done
		due.ready = true
	}
	if !due.any(micros(req.Now)) || req.Max <= 0 {
		c := webhook.Claimed{NextDue: due.next()}
		if at.again {
			c.Next = round{restart: true}.String()
		}
		return c, nil
	}
	if at.restart {
		s.mu.Lock()
		at = round{start: s.lane, last: s.lane, again: at.again}
		s.mu.Unlock()
	}
	var c claim
	if err := s.write(ctx, "claim", txOptions{KeepPlans: true, Once: true}, func(t *tx) error {
		c = claim{tx: t, req: &req, now: micros(req.Now), at: at, due: due}
		return c.run()
	}); err != nil {
		return webhook.Claimed{}, err
	}
	s.mu.Lock()
	s.lane = c.at.last
	s.mu.Unlock()
	c.out.NextDue = c.due.next()
	if c.unblocks != 0 && (c.out.NextDue.IsZero() || c.unblocks < micros(c.out.NextDue)) {
		c.out.NextDue = fromMicros(c.unblocks)
	}
	return c.out, nil
}

// A due is the work that a claim finds.
type due struct {
	from    lookFrom
	outbox  bool // some events are due
	waiting bool // some deliveries are due and must be woken
	ready   bool // some lanes have deliveries
	open    bool // some parked lanes are open, see laneOpen

	nextEvent, nextDelivery sql.NullInt64

	opens sql.NullInt64 // when the first block of a parked lane with an active endpoint ends
}

// any reports whether a claim has anything to do at now.
func (d *due) any(now int64) bool {
	return d.ready || d.waiting || d.open || d.opens.Valid && d.opens.Int64 <= now
}

func (t *tx) due(now int64, from lookFrom) (d due, err error) {
	d.from = from
	_, err = t.Row(anythingDue, []cell{num(from.waiting), num(from.outbox)}, &d.nextEvent, &d.nextDelivery, &d.ready, &d.open, &d.opens)
	d.outbox = d.nextEvent.Valid && d.nextEvent.Int64 <= now
	d.waiting = d.nextDelivery.Valid && d.nextDelivery.Int64 <= now
	return d, err
}

// next returns when the next waiting event or delivery becomes due or the next parked lane
// opens.
func (d *due) next() time.Time {
	first := time.Time{}
	for _, at := range []sql.NullInt64{d.nextDelivery, d.nextEvent, d.opens} {
		if at.Valid && (first.IsZero() || at.Int64 < micros(first)) {
			first = always(at.Int64)
		}
	}
	return first
}

// A claim is one transaction of Claim.
type claim struct {
	*tx
	req *webhook.ClaimRequest
	now int64
	at  round
	due due

	bytes    int
	events   map[uuid.UUID]bool // counted in bytes
	taken    []pick
	more     map[uuid.UUID]bool             // lanes that have more deliveries than were taken
	counts   map[uuid.UUID]int              // deliveries taken, by lane
	probes   map[uuid.UUID]int64            // lanes that may lease one delivery, with the end of their block
	visited  []uuid.UUID                    // lanes from which deliveries were read
	held     []uuid.UUID                    // lanes that were passed over and may be parked
	marks    map[uuid.UUID]int              // of visited lanes, see laneClear
	moved    int                            // deliveries that were woken plus parked lanes that were opened
	current  map[uuid.UUID]webhook.Endpoint // the endpoints of taken, as they are now
	unblocks int64                          // when the first lane that was passed over opens by itself
	out      webhook.Claimed
}

// A pick is a delivery that may be leased.
type pick struct {
	queueRow
	order int // place of its lane among the lanes
}

func (c *claim) run() error {
	if err := c.wake(); err != nil {
		return err
	}
	if err := c.open(); err != nil {
		return err
	}
	c.events, c.marks = make(map[uuid.UUID]bool), make(map[uuid.UUID]int)
	c.probes = make(map[uuid.UUID]int64)
	c.more, c.counts = make(map[uuid.UUID]bool), make(map[uuid.UUID]int)
	lanes, done, err := c.lanes()
	if err != nil {
		return err
	}
	all, err := c.visit(lanes)
	if err != nil {
		return err
	}
	switch {
	case !all, !done:
		c.out.Next = c.at.String()
	case c.at.again: // deliveries that woke up during the round are not visited yet
		c.out.Next = round{restart: true}.String()
	}
	if err := c.readCurrent(); err != nil {
		return err
	}
	if err := c.lease(); err != nil {
		return err
	}
	if err := c.nextDue(); err != nil {
		return err
	}
	return c.park()
}

// nextDue finds the next due time when other transactions hold all due deliveries and this
// claim took none. It skips the held deliveries. Otherwise claims would follow each other
// without pause until the locks are released.
func (c *claim) nextDue() error {
	if c.moved > 0 || len(c.taken) > 0 || micros(c.due.next()) > c.now {
		return nil
	}
	_, err := c.Row(dueAfter, []cell{num(c.now)}, &c.due.nextEvent, &c.due.nextDelivery, &c.due.opens)
	return err
}

// wake moves deliveries that have become due to their lanes.
func (c *claim) wake() error {
	if !c.due.waiting {
		return nil
	}
	if c.store.dialect.wakesAtOnce {
		n, err := c.Exec(wakeDue, num(c.now), num(claimWork), num(c.due.from.waiting))
		c.woken(n)
		return err
	}
	var due []rowKey
	if err := c.Query(dueDeliveries, nil, func(r *sql.Rows) error {
		var k rowKey
		err := r.Scan((*id)(&k.uid), &k.endpoint)
		due = append(due, k)
		return err
	}, num(c.now), num(claimWork), num(c.due.from.waiting)); err != nil || len(due) == 0 {
		return err
	}
	c.woken(len(due))
	return c.ExecAll(wakeDeliveries, keys(due, func(k *rowKey) rowKey { return *k }))
}

// woken records that n deliveries have been moved to their lanes.
func (c *claim) woken(n int) {
	c.at.again = c.at.again || n == claimWork
	c.moved += n
}

// lanes returns the next lanes of the round, and reports whether the round ends with them.
func (c *claim) lanes() (lanes []uuid.UUID, done bool, err error) {
	read := func(after, to uuid.UUID) error {
		most := claimLanes - len(lanes)
		var found []uuid.UUID
		scan := func(r *sql.Rows) error {
			var lane id
			err := r.Scan(&lane)
			found = append(found, lane.uid())
			return err
		}
		if err := c.Query(readyLanes, nil, scan, uid(after), uid(to), num(most)); err != nil {
			return err
		}
		if c.due.open {
			if err := c.Query(openLanes, nil, scan, uid(after), uid(to), num(most)); err != nil {
				return err
			}
			slices.SortFunc(found, byRef)
			found = slices.Compact(found)
		}
		lanes = append(lanes, found[:min(len(found), most)]...)
		return nil
	}
	if !c.at.wrapped {
		if err := read(c.at.last, lastLane); err != nil || len(lanes) == claimLanes {
			return lanes, false, err
		}
		if err := read(zeroID, c.at.start); err != nil {
			return lanes, false, err
		}
		return lanes, len(lanes) < claimLanes, nil
	}
	err = read(c.at.last, c.at.start)
	return lanes, len(lanes) < claimLanes, err
}

// visit picks deliveries of lanes, and reports whether all lanes have had their turn.
func (c *claim) visit(lanes []uuid.UUID) (all bool, err error) {
	if len(lanes) == 0 {
		return true, nil
	}
	statuses, err := c.laneStatuses(lanes)
	if err != nil {
		return false, err
	}
	rooms := make([]int, len(lanes))
	for i, lane := range lanes {
		rooms[i] = c.room(statuses[lane])
	}
	if err := c.takeProbes(lanes, rooms, statuses); err != nil {
		return false, err
	}
	for begin := 0; begin < len(lanes); {
		wanted := c.req.Max - len(c.taken)
		if wanted <= 0 {
			return false, nil
		}
		end, sum := begin, 0
		for ; end < len(lanes) && (sum == 0 || sum+rooms[end] <= pickAhead*wanted); end++ {
			sum += rooms[end]
		}
		if sum > 0 {
			full, err := c.pick(lanes[begin:end], rooms[begin:end], wanted)
			if err != nil || full {
				return false, err
			}
		}
		c.pass(lanes[end-1])
		begin = end
	}
	return true, nil
}

// laneStatuses reads the status of lanes, and their marks.
func (c *claim) laneStatuses(lanes []uuid.UUID) (map[uuid.UUID]*status, error) {
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

// pass records that a lane has had its turn.
func (c *claim) pass(lane uuid.UUID) {
	if byRef(lane, c.at.last) <= 0 {
		c.at.wrapped = true
	}
	c.at.last = lane
}

// room returns how many deliveries of a lane may be leased. It returns 0 for a lane that is
// passed over.
func (c *claim) room(s *status) int {
	if s == nil || c.store.isUnreadable(s.ref, c.now) {
		return 0
	}
	room, named := c.req.Rooms[s.Key]
	if !named {
		room = c.req.Room
	}
	until := micros(s.BlockedUntil)
	if isHeld(s.State, until, c.now) {
		c.held = append(c.held, s.ref)
	}
	if s.State != webhook.EndpointActive || room <= 0 {
		return 0
	}
	if until > c.now {
		if c.unblocks == 0 || until < c.unblocks {
			c.unblocks = until
		}
		return 0
	}
	return room
}

// takeProbes allows one delivery to each lane whose circuit is open. It allows none if another
// process has taken the probe.
func (c *claim) takeProbes(lanes []uuid.UUID, rooms []int, statuses map[uuid.UUID]*status) error {
	var open []uuid.UUID
	for i, lane := range lanes {
		if rooms[i] > 0 && statuses[lane].Circuit {
			open = append(open, lane)
		}
	}
	if len(open) == 0 {
		return nil
	}
	var taken []uuid.UUID
	if err := c.Query(freeProbes, uids(open), func(r *sql.Rows) error {
		var lane id
		err := r.Scan(&lane)
		taken = append(taken, lane.uid())
		c.probes[lane.uid()] = micros(statuses[lane.uid()].BlockedUntil)
		return err
	}, num(c.now)); err != nil {
		return err
	}
	for i, lane := range lanes {
		if _, mine := c.probes[lane]; mine {
			rooms[i] = 1
		} else if rooms[i] > 0 && statuses[lane].Circuit {
			rooms[i] = 0
		}
	}
	return c.ExecAll(takeProbes, uids(taken), at(c.req.LeaseUntil))
}

// pick locks deliveries of lanes and takes as many as there is room for. It reads one more of
// each lane to learn whether the lane has more. It reports whether the call is full before all
// lanes have had their turn.
func (c *claim) pick(lanes []uuid.UUID, rooms []int, wanted int) (full bool, err error) {
	rows := newTable(len(lanes))
	order := make(map[uuid.UUID]int, len(lanes))
	most := wanted + len(lanes)
	for i, lane := range lanes {
		order[lane] = i
		if rooms[i] <= 0 {
			continue
		}
		ahead := min(rooms[i], wanted) + 1
		rows.Add(uid(lane), num(ahead))
		if c.marks[lane] != laneClear { // the delivery that is due the longest may be in either lane
			rows.Add(uid(parkedLane(lane)), num(ahead))
			most += ahead
		}
		c.visited = append(c.visited, lane)
	}
	var found []pick
	if err := c.Query(pickDeliveries, rows, func(r *sql.Rows) error {
		var p pick
		err := scanRow(r, (*id)(&p.uid), &p.endpoint, (*id)(&p.ref), &p.leaseNo, &p.version, &p.attempts, &p.failures, &p.since, &p.size,
			&p.dueAt)
		if unreadable(err) {
			c.out.Unreadable = append(c.out.Unreadable, fmt.Errorf("a delivery to endpoint %q is not readable, and waits: %w", p.endpoint, err))
			return nil
		}
		p.order = order[p.ref]
		found = append(found, p)
		return err
	}, num(c.now), num(most), num(c.now+clockSkew)); err != nil {
		return false, err
	}
	slices.SortStableFunc(found, func(a, b pick) int {
		return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.dueAt, b.dueAt))
	})
	last := -1 // last lane with a taken delivery
	for i := range found {
		p := &found[i]
		if wanted == 0 || rooms[p.order] == 0 {
			c.more[p.ref] = true
			continue
		}
		if !c.events[p.uid] {
			if len(c.taken) > 0 && int(p.size) > c.req.MaxBytes-c.bytes {
				c.more[p.ref] = true
				c.passUpTo(lanes, p.order-1)
				return true, nil
			}
			c.events[p.uid] = true
			c.bytes += int(p.size)
		}
		c.taken = append(c.taken, *p)
		c.counts[p.ref]++
		wanted--
		rooms[p.order]--
		last = p.order
	}
	if wanted == 0 && last < len(lanes)-1 {
		c.passUpTo(lanes, last)
		return true, nil
	}
	return false, nil
}

func (c *claim) passUpTo(lanes []uuid.UUID, n int) {
	for i := range n + 1 {
		c.pass(lanes[i])
	}
}

// lease leases the picked deliveries, and reads their events and endpoints.
func (c *claim) lease() error {
	probed := make(map[uuid.UUID]bool, len(c.probes))
	for i := range c.taken {
		if _, probe := c.probes[c.taken[i].ref]; probe {
			probed[c.taken[i].ref] = true
		}
	}
	for lane, until := range c.probes { // the lane was empty
		if !probed[lane] {
			if _, err := c.Exec(dropProbe, uid(lane), num(until)); err != nil {
				return err
			}
		}
	}
	if len(c.taken) == 0 {
		return nil
	}
	// All transactions change rows in the same order.
	slices.SortFunc(c.taken, func(a, b pick) int { return a.compare(b.rowKey) })
	leaving, staying := newTable(len(c.taken)), newTable(0)
	for i := range c.taken {
		if p := &c.taken[i]; c.more[p.ref] || c.counts[p.ref] >= stayTogether {
			staying.Add(p.rowKey.cells()...)
		} else {
			leaving.Add(p.rowKey.cells()...)
		}
	}
	until := num(micros(c.req.LeaseUntil) + leaseGrace)
	if err := c.ExecAll(leaseDeliveries, leaving, until); err != nil {
		return err
	}
	if err := c.ExecAll(leaseInLane, staying, until); err != nil {
		return err
	}
	if err := c.readEvents(); err != nil {
		return err
	}
	return c.readEndpoints(probed)
}
