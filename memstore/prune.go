package memstore

import (
	"context"
	"math"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/contract"
	"github.com/gowebhook/webhook/internal/paging"
	"github.com/gowebhook/webhook/internal/replay"
)

// pruneWork bounds the deliveries, events and attempts that one Prune looks at.
const pruneWork = 1000

// The sweeps of Prune through the events, from the oldest.
const (
	sweepBodies = iota
	sweepAttempts
	sweepEvents
	sweeps
)

// Prune implements [webhook.Store].
func (s *Store) Prune(ctx context.Context, now time.Time, r webhook.Retention) (more bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at, budget := micros(now), pruneWork
	done := s.wake(at, &budget) && // so that ended leases do not count as leases
		s.cancelDoomed(at, &budget) &&
		s.dropSecrets(now, &budget) &&
		s.sweep(sweepEvents, at, age(r.Events, contract.EventAge), &budget) &&
		s.sweep(sweepAttempts, at, age(r.Attempts, contract.AttemptAge), &budget) &&
		s.sweep(sweepBodies, at, age(r.ResponseBodies, contract.BodyAge), &budget)
	s.shed()
	s.dropReplays(at, age(r.Events, contract.EventAge))
	return !done, nil
}

// age returns an age in microseconds. A negative age is unlimited, and zero is the default.
func age(d, byDefault time.Duration) int64 {
	switch {
	case d < 0:
		return math.MaxInt64
	case d == 0:
		d = byDefault
	}
	return d.Microseconds()
}

// doom lets Prune cancel the deliveries of an endpoint. The endpoint is dead, and so not in
// Store.ring.
func (s *Store) doom(e *endpoint) {
	if !e.doomed && e.unfinished > 0 {
		e.doomed = true
		s.doomed.Push(e)
	}
}

func (s *Store) spare(e *endpoint) {
	if e.doomed {
		e.doomed = false
		s.doomed.Remove(e)
	}
}

// cancelDoomed cancels deliveries of disabled and deleted endpoints. It returns true if only
// leased deliveries of them are left.
func (s *Store) cancelDoomed(now int64, budget *int) bool {
	last := s.doomed.Last()
	for e := s.doomed.First(); e != nil; e = s.doomed.First() {
		reason := e.Reason
		if e.tombstone {
			reason = webhook.ReasonDeleted
		}
		for d := e.unleased.First(); d != nil && !d.inFlight(now); d = e.unleased.First() {
			if *budget--; *budget < 0 {
				return false
			}
			s.cancel(d, reason, now)
		}
		s.spare(e)
		s.doom(e) // move to the end for the next call, if some are leased
		if e == last {
			break
		}
	}
	return true
}

// sweepFrom makes all sweeps begin at an event or before it, because it may have something to
// remove.
func (s *Store) sweepFrom(k key) {
	for i := range s.swept {
		if !s.swept[i].key.less(k) {
			s.swept[i] = sweepMark{key: k}
		}
	}
}

// A sweepMark is the progress of a sweep: a delivery of an event.
type sweepMark struct {
	key      key
	delivery int
}

// sweep removes data that is older than age, and reports whether none is left. Before swept,
// only events that are not closed have something to remove. When one closes, close calls
// sweepFrom.
//
// The budget counts deliveries and attempts. Attempts and bodies of a wide event are removed
// over several calls. An event itself is dropped whole, because readers must see all of it or
// nothing. Dropping it takes as long as storing it did.
func (s *Store) sweep(kind int, now, age int64, budget *int) bool {
	var old []*event
	done := true
	for ev := range s.timeline.up(s.swept[kind].key) {
		if now-micros(ev.CreatedAt) <= age {
			break
		}
		if *budget <= 0 {
			done = false
			break
		}
		*budget--
		if ev.closed && kind != sweepEvents && !s.sweepLogs(kind, ev, budget) {
			done = false
			break
		}
		s.swept[kind] = sweepMark{key: ev.key.next()}
		if ev.closed && kind == sweepEvents {
			for _, d := range ev.deliveries {
				*budget -= 1 + len(d.attempts)
			}
			old = append(old, ev)
		}
	}
	for _, ev := range old {
		s.drop(ev)
	}
	return done
}

// sweepLogs removes the attempts or the bodies of an event. It returns true when it has visited
// all deliveries of the event.
func (s *Store) sweepLogs(kind int, ev *event, budget *int) bool {
	from := 0
	if s.swept[kind].key == ev.key {
		from = s.swept[kind].delivery
	}
	for i, d := range ev.deliveries[from:] {
		if *budget <= 0 {
			s.swept[kind] = sweepMark{ev.key, from + i}
			return false
		}
		*budget -= 1 + len(d.attempts)
		if kind == sweepAttempts {
			s.removeAttempts(d, len(d.attempts))
		} else {
			s.removeBodies(d)
		}
	}
	return true
}

// dropReplays removes the replays that ended longer ago than age.
func (s *Store) dropReplays(now, age int64) {
	s.replays.removeIf(func(r *replayJob) bool {
		return !replay.IsRunning(&r.Replay) && now-micros(r.FinishedAt) > age
	})
}

// Erase implements [webhook.Store]. Its time grows with the tenant's stored data.
func (s *Store) Erase(ctx context.Context, tenant string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if tenant == "" {
		return paging.NoTenant("tenant")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replays.removeIf(func(r *replayJob) bool { return r.Tenant == tenant })
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
