package sqlstore

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/replay"
)

// replayPostponed is the wait after a step that the database has refused, so that other
// replays get their turn.
const replayPostponed = 5 * time.Second

// CountReplay implements [webhook.Store].
func (s *Store) CountReplay(ctx context.Context, r webhook.Replay) (matched int, exact bool, err error) {
	if err := replay.CheckTenant(&r); err != nil {
		return 0, false, err
	}
	err = s.readPlanned(ctx, func(t *tx) error {
		w := replayWalk{tx: t, of: &r, rows: replay.CountRows, most: replay.MaxCount + 1}
		exact, err = w.run()
		matched = len(w.found)
		return err
	})
	if err != nil {
		return 0, false, err
	}
	if matched > replay.MaxCount {
		return replay.MaxCount, false, nil
	}
	return matched, exact, nil
}

// StepReplay implements [webhook.Store]. The row of the replay is locked while a step
// runs. So the transaction is its own lease, and a process that ends leaves nothing
// behind.
func (s *Store) StepReplay(ctx context.Context, now time.Time) (stepped webhook.Replay, next time.Time, err error) {
	found, due := false, int64(0)
	look := func(t *tx) error {
		found, err = t.Row(dueReplay, nil, &due)
		return err
	}
	if err := s.read(ctx, look); err != nil || !found || due > micros(now) {
		return webhook.Replay{}, fromMicros(due), err
	}
	var step replayStep
	err = s.write(ctx, txOptions{Brief: true}, func(t *tx) error {
		step = replayStep{tx: t, now: now}
		r, taken, err := t.replay(takeReplay, num(micros(now)))
		if err != nil || !taken {
			return err
		}
		step.replayRow = r
		if err := step.run(); err != nil {
			return err
		}
		return t.update(step.replayRow)
	})
	if err != nil {
		if step.ID != "" && ctx.Err() == nil {
			_ = s.write(ctx, txOptions{Once: true}, func(t *tx) error {
				_, err := t.Exec(postponeReplay, uid(step.uid), at(now.Add(replayPostponed)))
				return err
			})
		}
		return webhook.Replay{}, time.Time{}, err
	}
	for _, u := range step.touched {
		s.sweepFrom(u)
	}
	due = 0
	if err := s.read(ctx, look); err != nil {
		return webhook.Replay{}, time.Time{}, err
	}
	return step.Replay, fromMicros(due), nil
}

// A replayStep is one transaction of StepReplay.
type replayStep struct {
	*tx
	replayRow
	now     time.Time
	touched []uuid.UUID // events
}

// run does the step.
func (s *replayStep) run() error {
	reason, ends, err := s.endpointEnds()
	if err != nil {
		return err
	}
	if ends {
		s.Reason, s.FinishedAt = reason, s.now
		return nil
	}
	w := replayWalk{tx: s.tx, of: &s.Replay, at: s.at, rows: replay.StepRows, most: replay.Step(&s.Replay)}
	ended, err := w.run()
	if err != nil {
		return err
	}
	work := s.change
	if s.Request.Missed {
		work = s.create
	}
	changed, held, err := work(w.found)
	if err != nil {
		return err
	}
	wait := replay.Wait(&s.Replay, changed)
	s.at = w.at
	if held < len(w.found) { // another transaction holds this one
		s.at, ended, wait = w.found[held].at, false, max(wait, replay.Retry)
	}
	s.Changed += changed
	s.dueAt = micros(s.now.Add(wait))
	if ended {
		s.FinishedAt = s.now
	}
	return nil
}

// endpointEnds reports whether the replay is for one endpoint that is disabled or
// deleted, and why.
func (s *replayStep) endpointEnds() (reason webhook.Reason, ends bool, err error) {
	if s.Request.Endpoint == "" || s.AllTenants {
		return "", false, nil
	}
	ref := refOf(webhook.EndpointKey{Tenant: s.Tenant, ID: s.Request.Endpoint})
	found, err := s.statuses(readStatus, []uuid.UUID{ref})
	switch st := found[ref]; {
	case err != nil:
		return "", false, err
	case st == nil:
		return webhook.ReasonDeleted, true, nil
	case st.State == webhook.EndpointDisabled:
		return st.reason, true, nil
	}
	return "", false, nil
}

// change makes deliveries pending again, or cancels them. It returns how many, and the
// index of the first that another transaction holds, which is len(found) if none does.
func (s *replayStep) change(found []replayMatch) (changed, held int, err error) {
	keys := matchKeys(found)
	events, heldEvents, err := s.hold(holdEvents, found)
	if err != nil {
		return 0, 0, err
	}
	queue, finished, err := s.lockRows(lockFreeQueue, lockFreeDeliveries, keys)
	if err != nil {
		return 0, 0, err
	}
	heldRows, err := s.unlocked(keys, queue, finished)
	if err != nil {
		return 0, 0, err
	}
	held = slices.IndexFunc(found, func(m replayMatch) bool { return heldEvents[m.uid] || heldRows[m.rowKey] })
	if held < 0 {
		held = len(found)
	}
	c := change{tx: s.tx, now: micros(s.now)}
	var open []*queueRow
	var closed []*finishedRow
	for i := range found[:held] {
		m := &found[i]
		q, f := queue[m.rowKey], finished[m.rowKey]
		switch {
		case !events[m.uid]: // it is being removed
		case q != nil && m.at.state == webhook.DeliveryPending && replay.TakesPending(&s.Replay, q.since):
			if q.inFlight(c.now) {
				s.Skipped++
			} else {
				open = append(open, q)
			}
		case f != nil && f.state == m.at.state && replay.TakesFinished(&s.Replay, f.finishedAt):
			closed = append(closed, f)
		}
	}
	for _, m := range found[:held] {
		s.touched = append(s.touched, m.uid)
	}
	changed = len(open) + len(closed)
	if s.Cancels {
		return changed, held, s.cancel(open, webhook.ReasonCanceled, c.now)
	}
	return changed, held, c.retryAll(open, closed)
}

// hold locks the events of matches by a statement that passes over events in the hands of
// other transactions. It returns the locked ones, and those that it passed over. An event
// in neither is not stored any more.
func (s *replayStep) hold(o op, found []replayMatch) (locked, held map[uuid.UUID]bool, err error) {
	wanted := make(map[uuid.UUID]bool, len(found))
	for i := range found {
		wanted[found[i].uid] = true
	}
	list := sortedRefs(wanted)
	got, err := s.uidsOf(o, uids(list))
	if err != nil {
		return nil, nil, err
	}
	locked, held = make(map[uuid.UUID]bool, len(got)), make(map[uuid.UUID]bool)
	for _, u := range got {
		locked[u] = true
	}
	rest, err := s.heads(except(list, got))
	for u := range rest {
		held[u] = true
	}
	return locked, held, err
}

// unlocked returns the deliveries that exist but are not among the locked ones.
func (t *tx) unlocked(list []rowKey, queue map[rowKey]*queueRow, finished map[rowKey]*finishedRow) (map[rowKey]bool, error) {
	rest := slices.DeleteFunc(slices.Clone(list), func(k rowKey) bool { return queue[k] != nil || finished[k] != nil })
	return t.existing(rest)
}

// matchKeys returns the keys of matches, in the order in which all transactions lock rows.
func matchKeys(found []replayMatch) []rowKey {
	list := make([]rowKey, len(found))
	for i := range found {
		list[i] = found[i].rowKey
	}
	slices.SortFunc(list, rowKey.compare)
	return list
}
