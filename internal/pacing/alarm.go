package pacing

import (
	"context"
	"sync"
	"time"
)

// An Alarm wakes one goroutine, the sleeper, at the earliest time that others have asked for.
// Times are of the store's clock. For example, with a sleeper that polls every second:
//
//	10.0 s  the sleeper found nothing to do, and calls Wait with a second: it wakes at 11.0 s
//	10.1 s  RingAt(10.6 s): it wakes at 10.6 s
//	10.2 s  RingAt(10.4 s): it wakes at 10.4 s; the later time is forgotten
//	10.3 s  RingAt(10.9 s): it still wakes at 10.4 s
//	10.4 s  it wakes, looks for work, and calls Silence(10.4 s)
//	10.5 s  Ring: it wakes now, or its next wait ends at once
type Alarm struct {
	now   func() time.Time
	moved chan struct{} // the time has become earlier

	mu   sync.Mutex
	at   time.Time // the earliest time; zero if there is none
	rung bool      // it is to wake at once
}

// NewAlarm returns an alarm for a clock.
func NewAlarm(now func() time.Time) *Alarm {
	return &Alarm{now: now, moved: make(chan struct{}, 1)}
}

// Ring wakes the sleeper at once.
func (a *Alarm) Ring() {
	a.mu.Lock()
	a.rung = true
	a.mu.Unlock()
	Hint(a.moved)
}

// RingAt wakes the sleeper at a time, or earlier.
func (a *Alarm) RingAt(at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.at.IsZero() || at.Before(a.at) {
		a.at = at
		Hint(a.moved)
	}
}

// Silence forgets a time that is not later than now, because the sleeper has looked for work.
func (a *Alarm) Silence(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.at.After(now) {
		a.at = time.Time{}
	}
}

// Wait returns when the alarm rings, after most, or when ctx ends.
func (a *Alarm) Wait(ctx context.Context, most time.Duration) {
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
func (a *Alarm) left(most time.Duration) time.Duration {
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
