package pacing

import (
	"sync"
	"time"

	"github.com/gowebhook/webhook/internal/bounded"
)

const (
	// The same kind of message is logged after a second, then after twice as long each time, at
	// most every minute.
	firstLogPause = time.Second
	maxLogPause   = time.Minute

	maxLogKinds = 16 << 10 // more than enough for the endpoints of a process
)

// A Throttle bounds the lines that each kind of message writes to the log. The zero value is
// ready to use.
type Throttle struct {
	mu sync.Mutex
	of map[string]*logKind
}

type logKind struct {
	last    time.Time
	pause   time.Duration // until the next line
	skipped int
}

// Allow reports whether an error of a kind is logged now. It returns how many errors of that
// kind were skipped since the last logged one.
func (t *Throttle) Allow(kind string, now time.Time) (skipped int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.of[kind]
	switch {
	case k == nil:
		bounded.Put(&t.of, maxLogKinds, kind, &logKind{last: now, pause: firstLogPause})
		return 0, true
	case now.Sub(k.last) < k.pause:
		k.skipped++
		return 0, false
	case now.Sub(k.last) >= 2*maxLogPause: // the errors had stopped
		k.pause = firstLogPause
	default:
		k.pause = min(2*k.pause, maxLogPause)
	}
	skipped, k.skipped, k.last = k.skipped, 0, now
	return skipped, true
}
