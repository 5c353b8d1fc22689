package webhook

import (
	"context"
	"sync"
	"time"
)

// An alarm wakes one goroutine, the sleeper, at the earliest time that others have asked for.
// Times are of the store's clock. For example, with a sleeper that polls every second:
//
//	10.0 s  the sleeper found nothing to do, and calls wait with a second: it wakes at 11.0 s
//	10.1 s  ringAt(10.6 s): it wakes at 10.6 s
//	10.2 s  ringAt(10.4 s): it wakes at 10.4 s; the later time is forgotten
//	10.3 s  ringAt(10.9 s): it still wakes at 10.4 s
//	10.4 s  it wakes, looks for work, and calls silence(10.4 s)
//	10.5 s  ring: it wakes now, or its next wait ends at once
type alarm struct {
	now   func() time.Time
	moved chan struct{} // the time has become earlier

	mu   sync.Mutex
	at   time.Time // the earliest time; zero if there is none
	rung bool      // it is to wake at once
}

func newAlarm(now func() time.Time) *alarm {
	return &alarm{now: now, moved: make(chan struct{}, 1)}
}

// ring wakes the sleeper at once.
func (a *alarm) ring() {
	a.mu.Lock()
	a.rung = true
	a.mu.Unlock()
	hint(a.moved)
}

// ringAt wakes the sleeper at a time, or earlier.
func (a *alarm) ringAt(at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.at.IsZero() || at.Before(a.at) {
		a.at = at
		hint(a.moved)
	}
}

// silence forgets a time that is not later than now, because the sleeper has looked for work.
func (a *alarm) silence(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.at.After(now) {
		a.at = time.Time{}
	}
}

// wait returns when the alarm rings, after most, or when ctx ends.
func (a *alarm) wait(ctx context.Context, most time.Duration) {
	began := time.Now()
	for {
		left := a.left(most - time.Since(began))
		if left <= 0 {
			return
		}
		timer := time.NewTimer(left)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
			return
		case <-a.moved:
			timer.Stop()
		}
	}
}

// left returns the time until the alarm rings, or most if that is less. It ends a ring.
func (a *alarm) left(most time.Duration) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.rung:
		a.rung = false
		return 0
	case a.at.IsZero():
		return most
	}
	return min(a.at.Sub(a.now()), most)
}
