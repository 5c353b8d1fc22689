package webhook

import (
	"time"

	"github.com/gowebhook/webhook/internal/lane"
)

const (
	maxHalvings  = 10               // a 1024th of maxClaim
	quickClaim   = storeTimeout / 2 // twice as much would come in time
	partialQuick = 4                // quick claims that need to follow each other if they were not full
)

// A claimSize says how much of the room a claim asks for. A claim whose answer takes longer
// than storeTimeout, on a slow link say, would bring nothing if it were repeated, so it is
// halved until one comes through. It grows again after a full claim that was quick, or after
// four that were not full: they say less about how long a full one takes.
//
//	asks for 1000: timeout          asks for 500: timeout          asks for 250: 250 in 3 s
//	asks for 500: 500 in 6 s        asks for 500: 80 in 1 s, four times        asks for 1000
type claimSize struct {
	halvings int
	partial  int // quick claims in a row that were not full
}

// of returns how many deliveries, and how many bytes of events, a claim asks for: at least
// one, and two events of maxEvent bytes if there is room.
func (c *claimSize) of(room *lane.Room[EndpointKey], maxEvent int) (items, bytes int) {
	items = max(min(room.Items, maxClaim)>>c.halvings, 1)
	return items, max(room.Bytes>>c.halvings, min(room.Bytes, 2*maxEvent))
}

// timedOut halves the next claim.
func (c *claimSize) timedOut() { c.halvings, c.partial = min(c.halvings+1, maxHalvings), 0 }

// succeeded heeds how long a claim took, and whether it brought as much as was asked for.
func (c *claimSize) succeeded(took time.Duration, full bool) {
	switch {
	case took >= quickClaim:
		c.partial = 0
		return
	case !full && c.partial+1 < partialQuick:
		c.partial++
		return
	}
	c.halvings, c.partial = max(c.halvings-1, 0), 0
}
