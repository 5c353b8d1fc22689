package webhook

import (
	"strings"
	"sync"
	"time"
)

const (
	// The same kind of error is logged after a second, then after twice as long each time, at
	// most every minute.
	firstLogPause = time.Second
	maxLogPause   = time.Minute

	maxLogKinds = 512
)

// A throttle bounds the lines that each kind of error writes to the log. The errors of one
// endpoint are a kind of their own, so one tenant's constant error hides no other tenant's. The
// zero value is ready to use.
type throttle struct {
	mu sync.Mutex
	of map[string]*logKind
}

type logKind struct {
	last    time.Time
	pause   time.Duration // until the next line
	skipped int
}

// allow reports whether an error of a kind is logged now. It returns how many errors of that
// kind were skipped since the last logged one.
func (t *throttle) allow(kind string, now time.Time) (skipped int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.of[kind]
	switch {
	case k == nil:
		t.makeRoom(now)
		t.of[kind] = &logKind{last: now, pause: firstLogPause}
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

// makeRoom forgets kinds whose pause is over, or else any kinds; mu is held.
func (t *throttle) makeRoom(now time.Time) {
	if t.of == nil {
		t.of = make(map[string]*logKind)
	}
	if len(t.of) < maxLogKinds {
		return
	}
	for kind, k := range t.of {
		if now.Sub(k.last) >= k.pause && k.skipped == 0 {
			delete(t.of, kind)
		}
	}
	for kind := range t.of {
		if len(t.of) < maxLogKinds {
			return
		}
		delete(t.of, kind)
	}
}

// kindOf returns the subject of an error: the text before the first colon. It leaves out the
// event, because there are many events.
func kindOf(err error) string {
	kind, _, _ := strings.Cut(err.Error(), ": ")
	if rest, ok := strings.CutPrefix(kind, "event "); ok {
		_, kind, _ = strings.Cut(rest, " ")
	}
	return clip(kind, maxErrorBytes)
}
