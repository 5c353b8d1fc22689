package webhook

import (
	"sync"
	"time"

	"github.com/google/uuid"
)

// uids makes UUIDv7s from a given time, strictly increasing (RFC 9562 §5.7). The 12 bits after
// the milliseconds are further digits of the clock (§6.2, method 3).
type uids struct {
	mu   sync.Mutex
	last int64
}

func (u *uids) next(now time.Time) uuid.UUID {
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
