package webhookhttp

import (
	"sync"
	"time"
)

// maxLimited is the number of names that a limiter remembers. Only names that exist are taken,
// so strangers cannot fill it.
const maxLimited = 10_000

// A limiter lets each name act a number of times a minute. A rested name may use all of them at
// once.
type limiter struct {
	every time.Duration // time until one more action is allowed
	rest  time.Duration // time after which a name may use its whole minute at once

	mu     sync.Mutex
	free   map[string]time.Time // when a name will have rested
	forgot time.Time            // the last look for names that have rested
}

func newLimiter(perMinute int) *limiter {
	every := time.Minute / time.Duration(perMinute)
	return &limiter{every: every, rest: every * time.Duration(perMinute), free: make(map[string]time.Time)}
}

// wait returns zero if a name may act now, or the time until it may.
func (l *limiter) wait(name string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, wait := l.next(name, now)
	return wait
}

// take lets a name act now and returns zero, or returns the time until it may.
func (l *limiter) take(name string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	free, wait := l.next(name, now)
	if wait > 0 {
		return wait
	}
	if _, known := l.free[name]; !known && len(l.free) >= maxLimited {
		l.forget(now)
	}
	l.free[name] = free
	return 0
}

// next returns the time at which a name will have rested if it acts now, and the wait until it
// may act.
func (l *limiter) next(name string, now time.Time) (free time.Time, wait time.Duration) {
	free = l.free[name]
	if free.Before(now) {
		free = now
	}
	free = free.Add(l.every)
	return free, max(0, free.Sub(now)-l.rest)
}

// forget makes room for one more name. A look for rested names visits every name, so it happens
// at most once in the time that a name takes to rest. Between these looks, forget drops an
// arbitrary name.
func (l *limiter) forget(now time.Time) {
	if now.Sub(l.forgot) >= l.rest {
		l.forgot = now
		for name, free := range l.free {
			if !free.After(now) {
				delete(l.free, name)
			}
		}
	}
	for name := range l.free {
		if len(l.free) < maxLimited {
			return
		}
		delete(l.free, name)
	}
}
