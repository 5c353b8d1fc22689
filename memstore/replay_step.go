package memstore

import (
	"context"
	"slices"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/replay"
)

// CountReplay implements [webhook.Store].
func (s *Store) CountReplay(ctx context.Context, r webhook.Replay) (matched int, exact bool, err error) {
	if err := ctx.Err(); err != nil {
		return 0, false, err
	}
	if err := replay.CheckTenant(&r); err != nil {
		return 0, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &replayWalk{of: &r, rows: replay.CountRows, most: replay.MaxCount + 1}
	exact = s.walk(w)
	matched = len(w.deliveries) + len(w.missed)
	if matched > replay.MaxCount {
		return replay.MaxCount, false, nil
	}
	return matched, exact, nil
}

// StepReplay implements [webhook.Store].
func (s *Store) StepReplay(ctx context.Context, now time.Time) (stepped webhook.Replay, next time.Time, err error) {
	if err := ctx.Err(); err != nil {
		return webhook.Replay{}, time.Time{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.shed()
	at := micros(now)
	if r := s.replays.next(); r != nil && r.due <= at {
		s.step(r, at)
		stepped = r.copied()
	}
	if r := s.replays.next(); r != nil {
		next = fromMicros(r.due)
	}
	return stepped, next, nil
}

// step does one step of a replay.
func (s *Store) step(r *replayJob, now int64) {
	if reason, ends := s.endpointEnds(&r.Replay); ends {
		s.replays.end(r, reason, now)
		return
	}
	w := &replayWalk{of: &r.Replay, at: r.at, rows: replay.StepRows, most: replay.Step(&r.Replay)}
	ended := s.walk(w)
	changed := 0
	for _, d := range w.deliveries {
		switch {
		case d.inFlight(now):
			r.Skipped++
			continue
		case r.Cancels:
			s.cancel(d, webhook.ReasonCanceled, now)
		default:
			s.retry(d, now)
		}
		changed++
	}
	for _, m := range w.missed {
		if !s.fits(load{pending: 1}) { // the next step tries again
			r.Changed += changed
			r.at = replayPosition{endpoint: m.endpoint.key(), event: m.event.key}
			r.due = now + max(replay.Wait(&r.Replay, changed), replay.Retry).Microseconds()
			return
		}
		s.addDelivery(m.event, m.endpoint, now)
		changed++
	}
	r.Changed += changed
	r.at = w.at
	r.due = now + replay.Wait(&r.Replay, changed).Microseconds()
	if ended {
		s.replays.end(r, "", now)
	}
}

// endpointEnds reports whether a replay is for one endpoint that is disabled or deleted,
// and why.
func (s *Store) endpointEnds(r *webhook.Replay) (webhook.Reason, bool) {
	if r.Request.Endpoint == "" || r.AllTenants {
		return "", false
	}
	switch e := s.live(webhook.EndpointKey{Tenant: r.Tenant, ID: r.Request.Endpoint}); {
	case e == nil:
		return webhook.ReasonDeleted, true
	case e.dead():
		return e.Reason, true
	}
	return "", false
}

// addDelivery adds a delivery to an event that is stored already. It is due now.
func (s *Store) addDelivery(ev *event, e *endpoint, now int64) {
	if ev.closed {
		s.closed.remove(ev)
	}
	switch {
	case len(ev.deliveries) == 0:
		s.finished-- // the delivery takes the event's place
	case !ev.fanout:
		ev.fanout = true
		for _, a := range ev.deliveries[0].attempts {
			ev.attempts.add(a.key, a)
		}
	}
	d := &delivery{event: ev, endpoint: e, version: e.Version}
	s.seq++
	d.seq, d.slot.of = s.seq, d
	i, _ := ev.search(e.ID)
	ev.deliveries = slices.Insert(ev.deliveries, i, d)
	e.deliveries.add(ev.key, d)
	s.open(d)
	d.due, d.since = now, now
	s.park(d, now)
}
