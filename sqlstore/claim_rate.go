package sqlstore

import (
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
)

// lockedRetry is how soon a claim looks again at a lane with a rate whose status row another
// transaction holds. Claims and Settle hold such a row for some milliseconds.
const lockedRetry = int64(50 * time.Millisecond / time.Microsecond)

// lockRates bounds the rooms of lanes with a rate by what the rate allows. It locks their status
// rows, so that no two claims use one allowance. It allows nothing if another transaction holds
// the row.
func (c *claimer) lockRates(stops []stop, statuses map[uuid.UUID]*status) error {
	isRated := func(s *stop) bool { return s.room > 0 && statuses[s.lane].limit.IsSet() }
	var rated []uuid.UUID
	for i := range stops {
		if isRated(&stops[i]) {
			rated = append(rated, stops[i].lane)
		}
	}
	if len(rated) == 0 {
		return nil
	}
	locked, err := c.statuses(lockFreeStatus, rated)
	if err != nil {
		return err
	}
	for i := range stops {
		if stop := &stops[i]; isRated(stop) {
			s := locked[stop.lane]
			stop.room = min(stop.room, c.allow(s))
			if s != nil {
				statuses[stop.lane] = s
			}
		}
	}
	return nil
}

// allow returns how many deliveries of a lane with a rate may be leased, and notes the lane for
// takeRates, or when it opens. s is its locked status, or nil.
func (c *claimer) allow(s *status) int {
	switch {
	case s == nil:
		c.noteOpening(c.now + lockedRetry)
		return 0
	case s.State != webhook.EndpointActive: // since its status was read
		return 0
	case s.opensAt() > c.now: // likewise
		c.noteOpening(s.worthwhile())
		return 0
	case !s.limit.IsSet(): // likewise
		return math.MaxInt
	}
	c.rated[s.ref] = s
	return s.limit.Allowed(s.rateAt, c.now)
}

// takeRates counts the leases of lanes with a rate. Their status rows are locked.
func (c *claimer) takeRates() error {
	if len(c.rated) == 0 {
		return nil
	}
	leased := make(map[uuid.UUID]int, len(c.rated))
	for i := range c.picks {
		leased[c.picks[i].ref]++
	}
	taken := newTable(len(c.rated))
	for _, ref := range sortedRefs(c.rated) {
		s := c.rated[ref]
		if leased[ref] == 0 {
			continue
		}
		s.rateAt = s.limit.Take(s.rateAt, c.now, leased[ref])
		taken.Add(uid(ref), num(s.rateAt))
		if c.fuller[ref] && s.rateAt > c.now {
			c.noteOpening(s.worthwhile())
		}
	}
	return c.ExecAll(takeRates, taken)
}
