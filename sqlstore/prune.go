package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/contract"
	"github.com/gowebhook/webhook/sqlstore/internal/engine"
)

const (
	// pruneWork is how many deliveries, events or attempts a step of Prune takes. pruneAttempts
	// is how many of their attempts it removes. A call goes on while it has looked at fewer
	// than pruneRows rows.
	pruneWork     = 1000
	pruneAttempts = 4 * pruneWork
	pruneRows     = 5 * pruneWork

	// mostHalved is how often these numbers are halved at most.
	mostHalved = 10

	// pruneLanes is how many endpoints one Prune looks at.
	pruneLanes = 500

	// sweepAgain is the time after which Prune begins at the oldest event again. Other
	// processes may have finished deliveries that it had to leave before.
	sweepAgain = 10 * time.Minute

	// pruneAlone is how long after a step of one process the other processes leave the
	// housekeeping to it. The pruning process takes a step each minute, so it may be half a
	// minute late.
	pruneAlone = 90 * time.Second

	// versionSlack is how long an endpoint's earlier version is kept although no delivery needs
	// it. A Publish that was matched under this version may still be on its way.
	versionSlack = time.Hour
)

// The sweeps of Prune. Each goes through the stored events from the oldest.
const (
	sweepBodies = iota
	sweepAttempts
	sweepEvents
	sweeps
)

// A sweepPass is one pass of Prune through the endpoints, with the time at which its
// sweeps began at the oldest event.
type sweepPass struct {
	lane    uuid.UUID // visited last
	version int64     // ref's version that was looked at last
	ref     uuid.UUID
	removal uuid.UUID // hidden event that was looked at last
	stage   int
	began   time.Time
}

// The stages of a pass.
const (
	stageLanes = iota
	stageVersions
	stageSecrets
	stageReplays
	stageSweeps
)

// Prune implements [webhook.Store]. It does nothing while another process prunes, or for 90
// seconds after another process pruned. If this Store has disabled or deleted an endpoint
// since its own last step, it does not wait for these 90 seconds.
//
// Prune waits for no row that another transaction holds. If a row of a delivery, an event or
// an endpoint is held, that delivery, event or endpoint is left to a later call.
func (s *Store) Prune(ctx context.Context, now time.Time, r webhook.Retention) (more bool, err error) {
	stopped := s.stopped.Swap(false)
	s.mu.Lock()
	pass, swept, halved := s.pass, s.swept, s.halved
	if stopped {
		pass.stage, pass.lane = stageLanes, zeroID
	}
	if pass.stage == stageLanes && pass.lane == zeroID && now.Sub(pass.began).Abs() >= sweepAgain {
		pass.began, swept = now, [sweeps]uuid.UUID{}
		s.swept = swept
	}
	s.mu.Unlock()
	from, before, done := pass, swept, false
	s.yield(ctx)
	step := func(plain bool) error {
		return s.write(ctx, txOptions{NoWait: plain}, func(t *tx) error {
			p := pruner{tx: t, now: now, pass: from, swept: before, halved: halved, plain: plain}
			more, done = false, false
			mine, err := p.isMine(stopped)
			if err != nil || !mine {
				return err
			}
			done = true
			more, err = p.run(r)
			pass, swept = p.pass, p.swept
			return err
		})
	}
	plain := s.prunesPlainly(now)
	if err = step(plain); plain && engine.LockedOut(err) {
		s.mu.Lock()
		s.heldAt = now
		s.mu.Unlock()
		err = step(false)
	}
	if stopped && (err != nil || !done) {
		s.stopped.Store(true)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case ctx.Err() != nil: // a slow database gets smaller batches
		s.halved = min(halved+1, mostHalved)
	case err == nil && done && !more:
		s.halved = 0
	}
	if err != nil || !done {
		return false, err
	}
	s.pass = pass
	for i := range swept {
		if s.swept[i] == before[i] || byRef(swept[i], s.swept[i]) < 0 { // unless sweepFrom was called meanwhile
			s.swept[i] = swept[i]
		}
	}
	return more, nil
}

// prunesPlainly reports whether a step begins as a plain one. For a while after a step met a
// row that another transaction held, steps do not.
func (s *Store) prunesPlainly(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dialect.OneWriter || now.Sub(s.heldAt).Abs() >= sweepAgain
}

// yield leaves the database alone for a moment if it has one writer: for the longest pause of
// other processes between two tries. Housekeeping begins one transaction after the other, and
// would otherwise keep other processes waiting until it ends.
func (s *Store) yield(ctx context.Context) {
	if s.dialect.OneWriter {
		engine.Pause(ctx, engine.BusyPause)
	}
}

// sweepFrom makes all sweeps begin at event u or before, because some of its rows may have
// become removable.
func (s *Store) sweepFrom(u uuid.UUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.swept {
		if byRef(u, s.swept[i]) < 0 {
			s.swept[i] = u
		}
	}
}

// A pruner is one transaction of Prune.
type pruner struct {
	*tx
	now   time.Time
	pass  sweepPass
	swept [sweeps]uuid.UUID

	halved int  // see Store.halved
	hidden bool // this call has hidden an event

	// plain removes rows without asking first which rows are free. Asking costs PostgreSQL as
	// much as removing, because a lock is a write, and a row is hardly ever held. If one is
	// held, the step fails at once (on MySQL after a second), and is repeated with asking. In
	// SQLite no row is ever held.
	plain bool
}

// isMine takes the lock of the housekeeping, and reports whether this process shall do it.
// stopped says that this process has disabled or deleted endpoints.
func (p *pruner) isMine(stopped bool) (bool, error) {
	var by id
	var last int64
	free, err := p.Row(lockPruner, nil, &by, &last)
	if err != nil || !free {
		return false, err
	}
	// A clock that was set back must not keep all processes from pruning.
	recent := p.now.Sub(fromMicros(last)).Abs() < pruneAlone
	if recent && by.uid() != p.store.self && !stopped {
		return false, nil
	}
	_, err = p.Exec(usePruner, uid(p.store.self), at(p.now))
	return true, err
}

func (p *pruner) run(r webhook.Retention) (more bool, err error) {
	if p.pass.stage == stageLanes {
		if done, err := p.cancelDead(); err != nil || !done {
			return true, err
		}
		p.pass.stage, p.pass.lane = stageVersions, zeroID
	}
	if p.pass.stage == stageVersions {
		if done, err := p.forgetVersions(); err != nil || !done {
			return true, err
		}
		p.pass.stage, p.pass.ref, p.pass.version = stageSecrets, zeroID, 0
	}
	if p.pass.stage == stageSecrets {
		if done, err := p.dropSecrets(); err != nil || !done {
			return true, err
		}
		p.pass.stage = stageReplays
	}
	if p.pass.stage == stageReplays {
		if done, err := p.dropReplays(r.Events); err != nil || !done {
			return true, err
		}
		p.pass.stage = stageSweeps
	}
	budget := p.atMost(pruneRows)
	steps := []func() (int, error){p.takeApart}
	for _, sweep := range []struct {
		kind           int
		age, byDefault time.Duration
	}{{sweepEvents, r.Events, contract.EventAge}, {sweepAttempts, r.Attempts, contract.AttemptAge}, {sweepBodies, r.ResponseBodies, contract.BodyAge}} {
		age := sweep.age
		switch {
		case age < 0:
			continue
		case age == 0:
			age = sweep.byDefault
		}
		steps = append(steps, func() (int, error) { return p.sweep(sweep.kind, p.now.Add(-age)) })
	}
	for _, step := range steps {
		for {
			n, err := step()
			if err != nil {
				return false, err
			}
			if n == 0 {
				break
			}
			if budget -= n; budget <= 0 {
				return true, nil
			}
		}
	}
	if p.hidden { // the remaining rows of hidden events must be removed
		return true, nil
	}
	p.pass.stage = stageLanes
	return false, nil
}

// atMost returns how many rows a step may take. It is fewer after calls that ran out of time.
func (p *pruner) atMost(n int) int { return max(n>>p.halved, 1) }

// lower does the work of sweepFrom within this transaction.
func (p *pruner) lower(u uuid.UUID) {
	for i := range p.swept {
		if byRef(u, p.swept[i]) < 0 {
			p.swept[i] = u
		}
	}
}

// forgetVersions removes earlier versions of endpoints that no unfinished delivery was made
// under. It reports whether it has looked at all of them.
//
// Deliveries are made under the present version. So only deliveries that are older than the
// end of a version can need it. A version that another transaction holds stays for the next
// pass.
func (p *pruner) forgetVersions() (done bool, err error) {
	type version struct {
		ref   uuid.UUID
		no    int64
		ended int64
	}
	var list []version
	if err := p.Query(oldVersions, nil, func(r *sql.Rows) error {
		var v version
		err := r.Scan((*id)(&v.ref), &v.no, &v.ended)
		list = append(list, v)
		return err
	}, uid(p.pass.ref), num(p.pass.version), num(pruneWork)); err != nil {
		return false, err
	}
	oldest, needless := make(map[uuid.UUID]uuid.UUID), newTable(0)
	for _, v := range list {
		p.pass.ref, p.pass.version = v.ref, v.no
		if v.ended+versionSlack.Microseconds() > micros(p.now) {
			continue
		}
		first, known := oldest[v.ref]
		if !known {
			first = lastID
			if _, err := p.Row(oldestOfLane, []cell{uid(v.ref)}, (*id)(&first)); err != nil {
				return false, err
			}
			oldest[v.ref] = first
		}
		if first == lastID || createdAt(first) > v.ended+versionSlack.Microseconds() {
			needless.Add(uid(v.ref), num(v.no))
		}
	}
	free := newTable(needless.Len())
	if err := p.Query(freeVersions, needless, func(r *sql.Rows) error {
		var v version
		err := r.Scan((*id)(&v.ref), &v.no)
		free.Add(uid(v.ref), num(v.no))
		return err
	}); err != nil {
		return false, err
	}
	return len(list) < pruneWork, p.ExecAll(dropVersions, free)
}
