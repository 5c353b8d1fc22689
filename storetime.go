package webhook

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gowebhook/webhook/internal/pacing"
)

const (
	clockAge     = 30 * time.Second // how old a reading of the store's clock may be
	clockTimeout = 2 * time.Second  // how long a reading may take; half of it is its error
	clockStep    = time.Second      // two clocks that part by this much are not both right
	clockRetry   = time.Second      // between readings, at least, while the last good one still serves
)

// A storeTime is the time of the Store: the last reading of its clock, plus the time that has
// passed since by this process's clock.
type storeTime struct {
	clock  Clock            // nil if the time is this process's
	local  func() time.Time // Config.Now
	wall   func() time.Time // this machine's clock, which goes on while it is suspended
	report func(error)      // reports a failed reading while the previous one serves

	began     time.Time
	suspended atomic.Int64 // how long the machine was suspended since began, in nanoseconds

	reading atomic.Pointer[reading]
	age     atomic.Int64 // how old the reading may become, in nanoseconds

	mu    sync.Mutex      // also guards writes of reading and age
	under *pendingReading // the reading under way, or nil
	tried time.Time       // when the last one began
}

// A reading is one moment by three clocks.
type reading struct{ local, wall, store time.Time }

// A pendingReading is a reading under way.
type pendingReading struct {
	done chan struct{}
	err  error // once done
}

// newStoreTime returns the time of a store. clock is nil if the store has none.
func newStoreTime(clock Clock, local func() time.Time, report func(error)) *storeTime {
	s := &storeTime{
		clock: clock, local: local, wall: func() time.Time { return time.Now().Round(0) },
		report: report, began: time.Now(),
	}
	s.age.Store(int64(clockAge))
	return s
}

// run keeps the time up to date until ctx ends. It reports no error of the first reading: the
// callers that need the time report it.
func (s *storeTime) run(ctx context.Context) {
	if s.clock == nil {
		return
	}
	for ctx.Err() == nil {
		_ = s.keepUp(ctx)
		pacing.Sleep(ctx, time.Duration(s.age.Load()))
	}
	s.wait()
}

// now returns the store time. Before the first reading it is the process's own time.
func (s *storeTime) now() time.Time {
	now := s.local()
	if r := s.reading.Load(); r != nil {
		return r.store.Add(now.Sub(r.local))
	}
	return now
}

// uptime returns the time since the Dispatcher was made. It includes the time for which the machine
// was suspended, as far as that is known. The monotonic clock leaves it out.
func (s *storeTime) uptime() time.Duration {
	return time.Since(s.began) + time.Duration(s.suspended.Load())
}

// isKnown reports whether now is reliable: there is a reading, and the machine was not
// suspended since. On a suspended machine the monotonic clock stands still, but its wall clock
// does not.
func (s *storeTime) isKnown() bool {
	if s.clock == nil {
		return true
	}
	r := s.reading.Load()
	return r != nil && s.skipped(r).Abs() < clockStep
}

// skipped returns the time since a reading that the local clock has left out.
func (s *storeTime) skipped(r *reading) time.Duration {
	return s.wall().Sub(r.wall) - s.local().Sub(r.local)
}

// keepUp makes sure that the time is known, and reads the store's clock if the last reading is
// old. While the time is not known, all callers wait for a reading. Otherwise only the caller
// that began it waits. keepUp returns an error if the time is not known when the reading or
// ctx ends. The reading does not end with ctx.
func (s *storeTime) keepUp(ctx context.Context) error {
	if s.clock == nil {
		return nil
	}
	known := s.isKnown()
	if known && !s.isOld() {
		return nil
	}
	pending := s.read(known)
	if pending == nil {
		return nil
	}
	select {
	case <-pending.done:
	case <-ctx.Done():
		if !known {
			return fmt.Errorf("waiting for the store's clock: %w", ctx.Err())
		}
		return nil
	}
	if !known && pending.err != nil {
		return pending.err
	}
	return nil
}

// keepUpIn is keepUp for a caller with a transaction. It reads the clock through the
// transaction if it can.
func (s *storeTime) keepUpIn(ctx context.Context, tx Publisher) error {
	clock, ok := tx.(Clock)
	if _, isStore := tx.(Store); s.clock == nil || !ok || isStore {
		return s.keepUp(ctx)
	}
	known := s.isKnown()
	if known && (!s.isOld() || !s.takeTurn()) {
		return nil
	}
	// The statement gets no time limit of its own. If a limit ended it, the driver would break
	// the transaction.
	err := s.take(known, func() (*reading, error) { return s.readOnce(ctx, clock) })
	if known {
		return nil
	}
	return err
}

// takeTurn reports whether the caller is to read the clock while the last reading serves.
func (s *storeTime) takeTurn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.under != nil || !s.tried.IsZero() && time.Since(s.tried) < clockRetry {
		return false
	}
	s.tried = time.Now()
	return true
}

func (s *storeTime) isOld() bool {
	r := s.reading.Load()
	return r == nil || s.local().Sub(r.local).Abs() >= time.Duration(s.age.Load())
}

// refresh begins a reading in the background, because the time is doubtful.
func (s *storeTime) refresh() {
	if s.clock != nil {
		s.read(true)
	}
}

// read begins a reading. If one is under way, it returns that one if the time is not known,
// else nil. It returns nil too if the time has become known.
func (s *storeTime) read(known bool) *pendingReading {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.under != nil && known, known && !s.tried.IsZero() && time.Since(s.tried) < clockRetry:
		return nil
	case s.under != nil:
		return s.under
	case !known && s.isKnown(): // another caller's reading has just ended
		return nil
	}
	pending := &pendingReading{done: make(chan struct{})}
	s.under, s.tried = pending, time.Now()
	go s.answer(pending, known)
	return pending
}

// answer makes a reading for all callers that wait for it.
func (s *storeTime) answer(pending *pendingReading, known bool) {
	limit := storeTimeout
	if known {
		limit = clockTimeout
	}
	pending.err = s.take(known, func() (*reading, error) {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		return s.readOnce(ctx, s.clock)
	})
	s.mu.Lock()
	s.under = nil
	s.mu.Unlock()
	close(pending.done)
}

// take makes a reading and keeps it. The first use of a pool may take long because it
// connects. A second reading is then quick.
func (s *storeTime) take(known bool, read func() (*reading, error)) error {
	r, err := read()
	if !known && errors.Is(err, errSlowClock) {
		r, err = read()
	}
	if err != nil {
		err = fmt.Errorf("reading the store's clock: %w", err)
		if known {
			s.report(err)
		}
		return err
	}
	if skipped := s.keep(r); skipped >= clockStep {
		s.suspended.Add(int64(skipped))
	}
	return nil
}

// keep replaces the reading. It returns the time that the local clock has left out since the
// last one. If the clocks have parted, the next reading follows soon.
func (s *storeTime) keep(r *reading) (skipped time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	age := min(2*time.Duration(s.age.Load()), clockAge)
	if old := s.reading.Load(); old != nil {
		if r.store.Sub(old.store.Add(r.local.Sub(old.local))).Abs() >= clockStep {
			age = clockRetry
		}
		skipped = r.wall.Sub(old.wall) - r.local.Sub(old.local)
	}
	s.age.Store(int64(age))
	s.reading.Store(r)
	return skipped
}

var errSlowClock = fmt.Errorf("the answer took longer than %v, or a clock of this machine stepped meanwhile", clockTimeout)

// readOnce asks a clock once. It refuses an answer that took so long, by any clock of the
// process, that its moment is uncertain.
func (s *storeTime) readOnce(ctx context.Context, clock Clock) (*reading, error) {
	local, wall := s.local(), s.wall()
	now, err := clock.Now(ctx)
	if err != nil {
		return nil, err
	}
	took := s.local().Sub(local)
	for _, d := range [...]time.Duration{took, s.wall().Sub(wall)} {
		if d < 0 || d > clockTimeout {
			return nil, errSlowClock
		}
	}
	return &reading{local: local.Add(took / 2), wall: wall.Add(took / 2), store: now}, nil
}

// wait returns when no reading is under way.
func (s *storeTime) wait() {
	s.mu.Lock()
	pending := s.under
	s.mu.Unlock()
	if pending != nil {
		<-pending.done
	}
}
