package memstore

import (
	"context"
	"math"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/paging"
)

// pruneWork bounds what one Prune looks at: deliveries, events and attempts.
const pruneWork = 1000

// The sweeps of Prune through the events, from the oldest.
const (
	sweepBodies = iota
	sweepAttempts
	sweepEvents
	sweeps
)

// Default ages.
const (
	day               = 24 * time.Hour
	defaultBodyAge    = 7 * day
	defaultAttemptAge = 30 * day
	defaultEventAge   = 30 * day
)

// Prune implements [webhook.Store].
func (s *Store) Prune(ctx context.Context, now time.Time, r webhook.Retention) (more bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at, budget := micros(now), pruneWork
	done := s.wake(at, &budget) && // so that no lease that has ended is taken for one
		s.cancelDoomed(at, &budget) &&
		s.sweep(sweepEvents, at, age(r.Events, defaultEventAge), &budget) &&
		s.sweep(sweepAttempts, at, age(r.Attempts, defaultAttemptAge), &budget) &&
		s.sweep(sweepBodies, at, age(r.ResponseBodies, defaultBodyAge), &budget)
	s.shed()
	return !done, nil
}

// age returns an age in microseconds.
func age(d, byDefault time.Duration) int64 {
	switch {
	case d < 0:
		return math.MaxInt64
	case d == 0:
		d = byDefault
	}
	return d.Microseconds()
}

// doom lets Prune cancel the deliveries of an endpoint, which is dead and so not in the ring.
func (s *Store) doom(e *endpoint) {
	if !e.doomed && e.unfinished > 0 {
		e.doomed = true
		s.doomed.push(e)
	}
}

func (s *Store) spare(e *endpoint) {
	if e.doomed {
		e.doomed = false
		s.doomed.remove(e)
	}
}

// cancelDoomed cancels deliveries of disabled and deleted endpoints, and reports whether none but leased ones are left.
func (s *Store) cancelDoomed(now int64, budget *int) bool {
	last := s.doomed.tail
	for e := s.doomed.head; e != nil; e = s.doomed.head {
		reason := e.Reason
		if e.gone {
			reason = webhook.ReasonDeleted
		}
		for e.oldest != nil && !e.oldest.inFlight(now) {
			if *budget--; *budget < 0 {
				return false
			}
			s.cancel(e.oldest, reason, now)
		}
		s.spare(e)
		s.doom(e) // at the end, for the next time, if some are leased
		if e == last {
			break
		}
	}
	return true
}

// sweepFrom lets all sweeps begin at an event, or before: there may be something to remove of it.
func (s *Store) sweepFrom(k key) {
	for i := range s.swept {
		if k.less(s.swept[i]) {
			s.swept[i] = k
		}
	}
}

// sweep removes what is too old, and reports whether nothing such is left. Below swept there is nothing to remove, except
// of events that are not closed, and close calls sweepFrom.
func (s *Store) sweep(kind int, now, age int64, budget *int) bool {
	var old []*event
	done := true
	for ev := range s.timeline.up(s.swept[kind]) {
		if now-micros(ev.CreatedAt) <= age {
			break
		}
		if *budget <= 0 {
			done = false
			break
		}
		*budget -= 1 + len(ev.deliveries)
		s.swept[kind] = ev.key.next()
		if !ev.closed {
			continue
		}
		old = append(old, ev)
	}
	for _, ev := range old {
		switch kind {
		case sweepEvents:
			s.drop(ev)
		case sweepAttempts:
			for _, d := range ev.deliveries {
				s.removeAttempts(d, len(d.attempts))
			}
		case sweepBodies:
			for _, d := range ev.deliveries {
				s.removeBodies(d)
			}
		}
	}
	return done
}

// Erase implements [webhook.Store]. The time that it takes depends on how much is stored of the tenant.
func (s *Store) Erase(ctx context.Context, tenant string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if tenant == "" {
		return paging.NoTenant("tenant")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tenants[tenant]
	if t == nil {
		return nil
	}
	for len(t.endpoints) > 0 {
		s.bury(t.endpoints[len(t.endpoints)-1])
	}
	for ev := t.events.first(); ev != nil; ev = t.events.first() {
		s.drop(ev)
	}
	return nil
}
