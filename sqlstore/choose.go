package sqlstore

import (
	"cmp"
	"slices"

	"github.com/google/uuid"
)

// A pick is a delivery that may be leased.
type pick struct {
	queueRow
	order int // place of its lane among the lanes
}

// A budget is what a Claim may still lease.
type budget struct {
	deliveries int
	bytes      int                // of events, each counted once
	events     map[uuid.UUID]bool // that are counted
}

// A choice is the result of [budget.choose].
type choice struct {
	picks  []pick
	fuller []uuid.UUID // lanes that have more deliveries
	passed int         // how many of the lanes have had their turn
}

// choose chooses the deliveries to lease, and takes them off the budget. It sorts found, which
// are deliveries of some lanes, at least one more than the room of each lane if there are so
// many. stops are these lanes. choose takes off their rooms, too.
//
// The order is that of the lanes, and in a lane the longest due first. The first delivery of a
// Claim fits into any number of bytes. A lane with a delivery that does not fit has not had its
// turn.
func (b *budget) choose(found []pick, stops []stop) (c choice) {
	slices.SortStableFunc(found, func(p, q pick) int {
		return cmp.Or(cmp.Compare(p.order, q.order), cmp.Compare(p.dueAt, q.dueAt))
	})
	last := -1 // the last lane with a chosen delivery
	for i := range found {
		p := &found[i]
		if b.deliveries == 0 || stops[p.order].room == 0 {
			c.full(p.ref)
			continue
		}
		if !b.events[p.uid] {
			if len(b.events) > 0 && int(p.size) > b.bytes {
				c.full(p.ref)
				c.passed = p.order
				return c
			}
			b.events[p.uid] = true
			b.bytes -= int(p.size)
		}
		c.picks = append(c.picks, *p)
		b.deliveries--
		stops[p.order].room--
		last = p.order
	}
	c.passed = len(stops)
	if b.deliveries == 0 {
		c.passed = last + 1
	}
	return c
}

// full records that a lane has more deliveries.
func (c *choice) full(lane uuid.UUID) {
	if n := len(c.fuller); n == 0 || c.fuller[n-1] != lane {
		c.fuller = append(c.fuller, lane)
	}
}
