// Package uuidv7 makes UUIDs that are ordered by their time.
package uuidv7

import (
	"sync"
	"time"

	"github.com/google/uuid"
)

// A Generator makes UUIDv7s from a given time, strictly increasing (RFC 9562 §5.7). The 12 bits
// after the milliseconds are further digits of the clock (§6.2, method 3). The zero value is
// ready. It is safe for concurrent use.
type Generator struct {
	mu   sync.Mutex
	last int64
}

// Next returns a UUID of the given time. It is later than the one before, also if now is not.
func (u *Generator) Next(now time.Time) uuid.UUID {
	const perMilli = 1 << 12
	micros := now.UnixMicro()
	tick := micros/1000*perMilli + micros%1000*perMilli/1000
	u.mu.Lock()
	tick = max(tick, u.last+1)
	u.last = tick
	u.mu.Unlock()

	id := uuid.New()
	milli := tick / perMilli
	for i := range 6 {
		id[i] = byte(milli >> (8 * (5 - i)))
	}
	id[6] = 0x70 | byte(tick%perMilli>>8)
	id[7] = byte(tick)
	return id
}
