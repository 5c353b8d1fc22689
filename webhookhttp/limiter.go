package webhookhttp

import (
	"sync"
	"time"
)

// maxLimited is how many names a limiter remembers. A flood of new ones makes it forget some, and gives those a fresh start.
const maxLimited = 10_000

// A limiter lets each name act so often a minute: all at once after a while of rest, or spread evenly.
type limiter struct {
	every time.Duration // after which one more is allowed
	rest  time.Duration // after which a name may do all at once

	mu   sync.Mutex
	free map[string]time.Time // when a name will have rested
}

func newLimiter(perMinute int) *limiter {
	every := time.Minute / time.Duration(perMinute)
	return &limiter{every: every, rest: every * time.Duration(perMinute), free: make(map[string]time.Time)}
}

// take returns zero if a name may act now, or how long it has to wait.
func (l *limiter) take(name string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	free := l.free[name]
	if free.Before(now) {
		free = now
	}
	free = free.Add(l.every)
	if wait := free.Sub(now) - l.rest; wait > 0 {
		return wait
	}
	if _, known := l.free[name]; !known && len(l.free) >= maxLimited {
		l.forget(now)
	}
	l.free[name] = free
	return 0
}

// forget makes room for one more: of those that have rested, or else of any one.
func (l *limiter) forget(now time.Time) {
	for name, free := range l.free {
		if !free.After(now) {
			delete(l.free, name)
		}
	}
	for name := range l.free {
		if len(l.free) < maxLimited {
			return
		}
		delete(l.free, name)
	}
}
