package webhook

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// A Clock is implemented by a [Store] that knows what time it is for all its processes, such as the server of a SQL database. The
// Dispatcher asks it when Run begins, or before the first Emit without Run, and then every 30 seconds, so that processes whose
// own clocks are apart agree on leases and due times.
type Clock interface {
	// Now returns the store's time.
	Now(ctx context.Context) (time.Time, error)
}

const (
	clockAge     = 30 * time.Second // how old a reading of the store's clock may be
	clockTimeout = time.Second      // for one reading
)

// storeTime is what time it is for the store: its last reading, and what has passed since on this process's clock.
type storeTime struct {
	clock Clock // nil: the time is this process's
	local func() time.Time

	reading atomic.Pointer[reading]
	mu      sync.Mutex // held by who reads
	tried   time.Time
}

// A reading is one moment, by two clocks.
type reading struct{ local, store time.Time }

// now is store time.
func (s *storeTime) now() time.Time {
	now := s.local()
	if r := s.reading.Load(); r != nil {
		return r.store.Add(now.Sub(r.local))
	}
	return now
}

// stale reports whether it is time for another reading.
func (s *storeTime) stale() bool {
	if s.clock == nil {
		return false
	}
	r := s.reading.Load()
	return r == nil || s.local().Sub(r.local).Abs() >= clockAge
}

// keepUp reads the store's clock if the last reading is old. Only the first one is waited for by others. If it fails the time
// goes on as before.
func (s *storeTime) keepUp(ctx context.Context) error {
	if !s.stale() {
		return nil
	}
	if s.reading.Load() == nil {
		s.mu.Lock()
	} else if !s.mu.TryLock() {
		return nil
	}
	defer s.mu.Unlock()
	if !s.stale() || !s.tried.IsZero() && time.Since(s.tried) < time.Second {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, clockTimeout)
	defer cancel()
	began := s.local()
	now, err := s.clock.Now(ctx)
	s.tried = time.Now()
	if err != nil {
		return fmt.Errorf("the store's clock: %w", err)
	}
	ended := s.local()
	s.reading.Store(&reading{local: began.Add(ended.Sub(began) / 2), store: now})
	return nil
}

// keepTime is keepUp for a caller that goes on if it fails.
func (d *Dispatcher) keepTime(ctx context.Context) {
	if err := d.time.keepUp(ctx); err != nil && ctx.Err() == nil {
		d.report(err)
	}
}

// clockLoop keeps store time up to date.
func (s *session) clockLoop(ctx context.Context) {
	if s.d.time.clock == nil {
		return
	}
	for ctx.Err() == nil {
		s.d.keepTime(ctx)
		sleep(ctx, clockAge)
	}
}
