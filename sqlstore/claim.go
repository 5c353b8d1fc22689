package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
)

const (
	// claimWork bounds the other work of one Claim: the deliveries that it wakes, and the
	// deliveries that it makes from the outbox.
	claimWork = 1000

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
//
// Example: three endpoints have due deliveries, a 500, b 2 and c 500. A process has room for
// 100 deliveries, and for 40 of one endpoint. The round of its last Claim ended at a.
//
//  1. The lap begins behind a: its lanes are b, c, a. None is paused or blocked, so each has
//     room for 40.
//  2. Of each lane, the deliveries that are due the longest are locked: 2 of b, 41 of c and 41
//     of a. The 41st shows that a lane has more.
//  3. All of b, 40 of c and 40 of a are leased, 82 in all. Those of b leave their lane, because
//     nothing else would make a claim visit it. The others stay in their lanes.
//  4. The round ends, so Claimed.Next is empty. With room for 60 deliveries, 2 of b, 40 of c
//     and 18 of a would have been leased, and Next would continue behind a.
func (s *Store) Claim(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
	cursor, err := parseClaimCursor(req.Cursor)
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
		cursor.leftover = cursor.leftover || !done
		due.ready = true
	}
	if !due.any(micros(req.Now)) || req.Max <= 0 {
		c := webhook.Claimed{NextDue: due.next()}
		if cursor.leftover {
			c.Next = claimCursor{restart: true}.String()
		}
		return c, nil
	}
	if cursor.restart {
		s.mu.Lock()
		cursor = claimCursor{start: s.lane, last: s.lane, leftover: cursor.leftover}
		s.mu.Unlock()
	}
	var c *claimer
	if err := s.write(ctx, txOptions{KeepPlans: true, Once: true}, func(t *tx) error {
		c = newClaimer(t, &req, cursor, &due)
		return c.run()
	}); err != nil {
		return webhook.Claimed{}, err
	}
	s.mu.Lock()
	s.lane = c.cursor.last
	s.mu.Unlock()
	c.out.NextDue = c.due.next()
	if c.unblocks != 0 && (c.out.NextDue.IsZero() || c.unblocks < micros(c.out.NextDue)) {
		c.out.NextDue = fromMicros(c.unblocks)
	}
	return c.out, nil
}

// dueWork is the work that a claim finds.
type dueWork struct {
	from    lookFrom
	outbox  bool // some events are due
	waiting bool // some deliveries are due and must be woken
	ready   bool // some lanes have deliveries
	open    bool // some parked lanes are open, see laneOpen

	nextEvent, nextDelivery sql.NullInt64

	opens sql.NullInt64 // when the first block of a parked lane with an active endpoint ends
}

// any reports whether a claim has anything to do at now.
func (d *dueWork) any(now int64) bool {
	return d.ready || d.waiting || d.open || d.opens.Valid && d.opens.Int64 <= now
}

func (t *tx) due(now int64, from lookFrom) (d dueWork, err error) {
	d.from = from
	_, err = t.Row(anythingDue, []cell{num(from.waiting), num(from.outbox)}, &d.nextEvent, &d.nextDelivery, &d.ready, &d.open, &d.opens)
	d.outbox = d.nextEvent.Valid && d.nextEvent.Int64 <= now
	d.waiting = d.nextDelivery.Valid && d.nextDelivery.Int64 <= now
	return d, err
}

// next returns when the next waiting event or delivery becomes due or the next parked lane
// opens.
func (d *dueWork) next() time.Time {
	first := time.Time{}
	for _, at := range []sql.NullInt64{d.nextDelivery, d.nextEvent, d.opens} {
		if at.Valid && (first.IsZero() || at.Int64 < micros(first)) {
			first = always(at.Int64)
		}
	}
	return first
}

// A claimer is one transaction of Claim.
type claimer struct {
	*tx
	lap
	req *webhook.ClaimRequest
	now int64
	due dueWork

	budget  budget
	picks   []pick                         // the deliveries that are leased
	current map[uuid.UUID]webhook.Endpoint // the endpoints of picks, as they are now
	moves   int                            // deliveries that were woken plus parked lanes that were opened
	out     webhook.Claimed
}

func newClaimer(t *tx, req *webhook.ClaimRequest, cursor claimCursor, due *dueWork) *claimer {
	return &claimer{
		tx: t, lap: newLap(cursor), req: req, now: micros(req.Now), due: *due,
		budget: budget{deliveries: req.Max, bytes: req.MaxBytes, events: make(map[uuid.UUID]bool)},
	}
}

func (c *claimer) run() error {
	if err := c.wake(); err != nil {
		return err
	}
	if err := c.open(); err != nil {
		return err
	}
	ended, err := c.walk()
	if err != nil {
		return err
	}
	switch {
	case !ended:
		c.out.Next = c.cursor.String()
	case c.cursor.leftover: // deliveries that woke up during the round are not visited yet
		c.out.Next = claimCursor{restart: true}.String()
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
func (c *claimer) nextDue() error {
	if c.moves > 0 || len(c.picks) > 0 || micros(c.due.next()) > c.now {
		return nil
	}
	_, err := c.Row(dueAfter, []cell{num(c.now)}, &c.due.nextEvent, &c.due.nextDelivery, &c.due.opens)
	return err
}

// wake moves deliveries that have become due to their lanes.
func (c *claimer) wake() error {
	if !c.due.waiting {
		return nil
	}
	if c.store.dialect.wakesAtOnce {
		n, err := c.Exec(wakeDue, num(c.now), num(claimWork), num(c.due.from.waiting))
		c.woken(n)
		return err
	}
	due, err := c.rowKeysOf(dueDeliveries, nil, num(c.now), num(claimWork), num(c.due.from.waiting))
	if err != nil || len(due) == 0 {
		return err
	}
	c.woken(len(due))
	return c.ExecAll(wakeDeliveries, rowKeys(due))
}

// woken records that n deliveries have been moved to their lanes.
func (c *claimer) woken(n int) {
	c.cursor.leftover = c.cursor.leftover || n == claimWork
	c.moves += n
}

// lease leases the picked deliveries, and reads their events and endpoints.
func (c *claimer) lease() error {
	probed := make(map[uuid.UUID]bool, len(c.probes))
	for i := range c.picks {
		if _, probe := c.probes[c.picks[i].ref]; probe {
			probed[c.picks[i].ref] = true
		}
	}
	for lane, until := range c.probes { // the lane was empty
		if !probed[lane] {
			if _, err := c.Exec(dropProbe, uid(lane), num(until)); err != nil {
				return err
			}
		}
	}
	if len(c.picks) == 0 {
		return nil
	}
	// All transactions change rows in the same order.
	slices.SortFunc(c.picks, func(a, b pick) int { return a.compare(b.rowKey) })
	leaving, staying := newTable(len(c.picks)), newTable(0)
	for i := range c.picks {
		if p := &c.picks[i]; c.fuller[p.ref] || c.leases[p.ref] >= stayTogether {
			staying.Add(p.rowKey.cells()...)
		} else {
			leaving.Add(p.rowKey.cells()...)
		}
	}
	until := num(micros(c.req.LeaseUntil) + leaseGrace)
	if err := c.ExecAll(leaseDeliveries, leaving, until, num(c.now)); err != nil {
		return err
	}
	if err := c.ExecAll(leaseInLane, staying, until, num(c.now)); err != nil {
		return err
	}
	if err := c.takeRates(); err != nil {
		return err
	}
	if err := c.readEvents(); err != nil {
		return err
	}
	return c.readEndpoints(probed)
}
