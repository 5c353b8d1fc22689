package webhook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/google/uuid"

	"github.com/gowebhook/webhook/internal/lane"
)

const (
	minPoll         = 10 * time.Millisecond // also if a Store's NextDue is earlier
	fullPoll        = time.Second           // how soon a round follows when the lanes are full
	firstStoreRetry = 50 * time.Millisecond
	lastStoreRetry  = 5 * time.Second

	// resultsFirst is how long a claim waits, after a failed claim, for the Store to take the
	// owed results. The last offer may then take as long again.
	resultsFirst = time.Minute
)

// storeBackoff returns the growing intervals between tries of a failing Store.
func storeBackoff() *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(firstStoreRetry), backoff.WithMaxInterval(lastStoreRetry), backoff.WithMaxElapsedTime(0),
	)
}

// claimLoop fills the lanes from the Store until ctx ends. While a round of claims brings
// deliveries, the next round follows at once. After an empty round it sleeps until it is woken,
// a delivery is due, or PollInterval is over.
//
// After a failed claim, the owed results go first: a claim might otherwise lease their
// deliveries again. The next claim waits until the Store answers for the results. If the Store
// is back but takes no results, the claim waits for resultsFirst.
func (s *session) claimLoop(ctx context.Context) {
	failing, failed := storeBackoff(), time.Time{}
	for ctx.Err() == nil {
		if s.away && !s.storeResults(ctx, failed.Add(resultsFirst)) {
			sleep(ctx, failing.NextBackOff())
			continue
		}
		wait, err := s.claimRound(ctx)
		if err != nil {
			s.away, failed = true, time.Now()
			s.claimErr.Store(&err)
			s.d.report(err)
			sleep(ctx, failing.NextBackOff())
			continue
		}
		if !s.away {
			failing.Reset()
		}
		s.rest(ctx, wait)
	}
}

// storeResults offers the owed results to the Store, and reports whether claims may go on. They
// may if the Store has answered, even if it refused some results, or if it is later than until.
func (s *session) storeResults(ctx context.Context, until time.Time) bool {
	ctx, cancel := context.WithTimeout(ctx, resultsFirst)
	defer cancel()
	return s.results.offer(ctx) == nil || !time.Now().Before(until)
}

// rest waits for the next round: for wait, or until there is something to claim.
func (s *session) rest(ctx context.Context, wait time.Duration) {
	began := time.Now()
	for {
		left := s.untilSoon(wait - time.Since(began))
		if left <= 0 {
			return
		}
		timer := time.NewTimer(left)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-s.woken:
		case <-s.sooner:
			timer.Stop()
			continue
		}
		timer.Stop()
		return
	}
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// claimRound visits every endpoint that has due deliveries once, as far as there is room. It
// returns the wait until the next round.
func (s *session) claimRound(ctx context.Context) (time.Duration, error) {
	cursor, total, cut := "", 0, false
	s.unhold()
	for {
		if err := s.d.time.keepUp(ctx); err != nil && ctx.Err() == nil {
			return 0, fmt.Errorf("claim: %w", err)
		}
		if ctx.Err() != nil {
			return 0, nil
		}
		s.d.handBack(s.books, s.lanes.Relieve(s.d.endpoints.clock()))
		room := s.lanes.Room(cursor == "")
		if room.Items <= 0 || room.Bytes <= 0 {
			s.markClaimed()
			s.forgetSoon(s.d.now())
			s.lanes.EndRound(true)
			return min(s.d.config.PollInterval, fullPoll), nil // or earlier, when the lanes want more
		}
		claimed, full, err := s.claim(room, cursor)
		if err != nil {
			return 0, fmt.Errorf("claim: %w", err)
		}
		s.markClaimed()
		total += len(claimed.Deliveries)
		cut = cut || full
		if cursor = claimed.Next; cursor != "" && ctx.Err() == nil {
			continue
		}
		s.lanes.EndRound(cut)
		switch {
		case ctx.Err() != nil:
			return 0, nil
		case total > 0:
			return 0, nil
		case claimed.NextDue.IsZero():
			return s.d.config.PollInterval, nil
		default:
			untilDue := claimed.NextDue.Sub(s.d.now())
			return min(max(untilDue, minPoll), s.d.config.PollInterval), nil
		}
	}
}

// filled reports whether req.Max or req.MaxBytes may have cut a claim short.
func (s *session) filled(claimed *Claimed, req *ClaimRequest) bool {
	left := req.MaxBytes
	for i := range claimed.Events {
		left -= len(claimed.Events[i].Data)
	}
	return len(claimed.Deliveries) >= req.Max || left < s.d.config.MaxEventBytes && len(claimed.Deliveries) > 0
}

func (s *session) markClaimed() { s.claimed.Store(int64(s.d.endpoints.clock())) }

// claim asks the Store once, and puts the deliveries into the lanes. It reports whether the
// claim may have been cut short. It does not end with ctx: a claim that was cut might have
// leased deliveries that no process knows of.
func (s *session) claim(room lane.Room[EndpointKey], cursor string) (claimed Claimed, full bool, err error) {
	ctx, cancel := context.WithTimeout(s.books, storeTimeout)
	defer cancel()
	now := s.d.now()
	s.forgetSoon(now)
	asOf := s.d.endpoints.clock()
	items, bytes := s.claimSize.of(&room, s.d.config.MaxEventBytes)
	req := ClaimRequest{
		Now: now, LeaseUntil: now.Add(s.d.config.Lease), Max: items, MaxBytes: bytes,
		Room: room.PerLane, Rooms: room.Lanes, Cursor: cursor,
	}
	claimed, err = s.d.store.Claim(ctx, req)
	for _, problem := range claimed.Unreadable {
		s.d.report(fmt.Errorf("claim: %w", problem))
	}
	if err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			s.claimSize.timedOut()
		}
		return claimed, false, err
	}
	s.away = false
	full = s.filled(&claimed, &req)
	s.claimSize.succeeded(s.d.endpoints.clock()-asOf, full)
	if len(claimed.Deliveries) > 0 {
		s.takeIn(&claimed, asOf)
	}
	return claimed, full, nil
}

// takeIn puts claimed deliveries into the lanes. If the session has ended meanwhile, it gives
// them back.
func (s *session) takeIn(claimed *Claimed, asOf time.Duration) {
	events := make(map[uuid.UUID]*claimedEvent, len(claimed.Events))
	for i := range claimed.Events {
		r := &claimed.Events[i]
		events[r.UID] = &claimedEvent{payload: makePayload(r)}
	}
	endpoints := make(map[EndpointKey]*cachedEndpoint, len(claimed.Endpoints))
	for i := range claimed.Endpoints {
		e := &claimed.Endpoints[i]
		endpoints[e.key()] = s.d.endpoints.put(e, asOf)
	}
	var problems []error
	snapshots := make(map[snapshotKey]*Endpoint, len(claimed.Snapshots))
	for i := range claimed.Snapshots {
		e := &claimed.Snapshots[i]
		snapshots[snapshotKey{e.key(), e.Version}] = e
	}
	for i := range claimed.Endpoints { // the copy may be newer than the claim
		e := &claimed.Endpoints[i]
		if n := endpoints[e.key()]; !n.isGone() && n.endpoint.Version != e.Version {
			snapshots[snapshotKey{e.key(), e.Version}] = snapshotOf(e)
		}
	}

	var back []*work
	s.mu.RLock()
	for i := range claimed.Deliveries {
		l := &claimed.Deliveries[i]
		if s.results.takeOver(l) {
			continue
		}
		event, cached := events[l.UID], endpoints[l.Endpoint]
		if cached != nil && cached.isGone() {
			back = append(back, &work{payload: &payload{uid: l.UID}, key: l.Endpoint, leaseNo: l.LeaseNo, failures: l.Failures}) // Prune cancels it
			continue
		}
		if event == nil || cached == nil {
			problems = append(problems, fmt.Errorf("claim: the store returned delivery %s of endpoint %q without its event or endpoint", l.UID, l.Endpoint.ID))
			continue
		}
		w := event.work()
		*w = work{
			payload: &event.payload, key: l.Endpoint, snapshot: cached.snapshot,
			leaseNo: l.LeaseNo, leaseUntil: l.LeaseUntil, attempts: l.Attempts, failures: l.Failures, since: l.Since, probe: l.Probe,
		}
		if l.Version != cached.endpoint.Version {
			w.snapshot = snapshots[snapshotKey{l.Endpoint, l.Version}]
		}
		if s.closed {
			back = append(back, w)
			continue
		}
		s.lanes.Add(w.key, cached.endpoint.MaxInFlight, w, &event.payload.weight)
	}
	if !s.closed {
		s.pump()
	}
	s.mu.RUnlock()
	for _, problem := range problems {
		s.d.report(problem)
	}
	s.d.handBack(s.books, back)
}

// A claimedEvent is an event in memory and its first delivery, allocated together: most events
// have one.
type claimedEvent struct {
	payload payload
	first   work
}

// work returns room for another delivery.
func (e *claimedEvent) work() *work {
	if e.first.payload == nil {
		return &e.first
	}
	return new(work)
}

type snapshotKey struct {
	endpoint EndpointKey
	version  int64
}
