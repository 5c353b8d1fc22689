package pacing

import "time"

const (
	maxHalvings  = 10 // a 1024th of ClaimSize.Most
	partialQuick = 4  // quick claims that need to follow each other if they were not full
)

// A ClaimSize says how much of the room a claim asks for. A claim whose answer takes longer
// than Timeout, on a slow link say, would bring nothing if it were repeated, so it is halved
// until one comes through. It grows again after a full claim that was quick, or after four that
// were not full: they say less about how long a full one takes.
//
//	asks for 1000: timeout          asks for 500: timeout          asks for 250: 250 in 3 s
//	asks for 500: 500 in 6 s        asks for 500: 80 in 1 s, four times        asks for 1000
type ClaimSize struct {
	Most     int           // deliveries of one claim
	MaxEvent int           // bytes of the largest event
	Timeout  time.Duration // of a claim

	halvings int
	partial  int // quick claims in a row that were not full
}

// Of returns how many deliveries, and how many bytes of events, a claim asks for if there is room
// for items and bytes: at least one delivery, and two of the largest events if there is room.
func (c *ClaimSize) Of(items, bytes int) (askItems, askBytes int) {
	askItems = max(min(items, c.Most)>>c.halvings, 1)
	return askItems, max(bytes>>c.halvings, min(bytes, 2*c.MaxEvent))
}

// TimedOut halves the next claim.
func (c *ClaimSize) TimedOut() { c.halvings, c.partial = min(c.halvings+1, maxHalvings), 0 }

// Succeeded heeds how long a claim took, and whether it brought as much as was asked for.
func (c *ClaimSize) Succeeded(took time.Duration, full bool) {
	switch {
	case took >= c.Timeout/2: // twice as much might not come in time
		c.partial = 0
		return
	case !full && c.partial+1 < partialQuick:
		c.partial++
		return
	}
	c.halvings, c.partial = max(c.halvings-1, 0), 0
}
