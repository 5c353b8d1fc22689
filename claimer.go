package webhook

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook/internal/lane"
	"github.com/gowebhook/webhook/internal/pacing"
)

const (
	maxClaim = 1000                  // deliveries of one claim
	minPoll  = 10 * time.Millisecond // also if a Store's NextDue is earlier
	fullPoll = time.Second           // how soon a round follows when the lanes are full

	// resultsFirst is how long a claim waits, after a failed claim, for the Store to take the
	// owed results. The last offer may then take as long again.
	resultsFirst = time.Minute
)

// A claimer fills the lanes of a session from the Store.
type claimer struct {
	session *session
	alarm   *pacing.Alarm // rings when there may be something to claim

	// These belong to run.
	isAway bool // the last call of Claim failed
	size   pacing.ClaimSize

	succeeded atomic.Int64 // when the last claim succeeded or was not needed, by storeTime.uptime
	failure   atomic.Pointer[error]
}

func newClaimer(s *session) *claimer {
	c := &claimer{
		session: s, alarm: pacing.NewAlarm(s.d.now),
		size: pacing.ClaimSize{Most: maxClaim, MaxEvent: s.d.config.MaxEventBytes, Timeout: storeTimeout},
	}
	c.markSuccess()
	return c
}

func (c *claimer) markSuccess() {
	c.succeeded.Store(int64(c.session.d.time.uptime()))
	c.failure.Store(nil)
}

// age returns the time since the last claim that succeeded, and the error since then.
func (c *claimer) age() (time.Duration, error) {
	err := errors.New("no answer")
	if p := c.failure.Load(); p != nil {
		err = *p
	}
	return c.session.d.time.uptime() - time.Duration(c.succeeded.Load()), err
}

// expect looks for work at due, unless polling finds the work by then.
func (c *claimer) expect(due time.Time) {
	if due.Sub(c.session.d.now()) < c.session.d.config.PollInterval {
		c.alarm.RingAt(due)
	}
}

// run fills the lanes from the Store until ctx ends. While a round of claims brings
// deliveries, the next round follows at once. After an empty round it sleeps until it is
// woken, a delivery is due, or PollInterval is over.
//
// After a failed claim, the owed results go first: a claim might otherwise lease their
// deliveries again. The next claim waits until the Store answers for the results. If the Store
// is back but takes no results, the claim waits for resultsFirst.
func (c *claimer) run(ctx context.Context) {
	retry, failed := pacing.StoreBackoff(), time.Time{}
	for ctx.Err() == nil {
		if c.isAway && !c.storeResults(ctx, failed.Add(resultsFirst)) {
			pacing.Sleep(ctx, retry.NextBackOff())
			continue
		}
		wait, err := c.round(ctx)
		if err != nil {
			c.isAway, failed = true, time.Now()
			c.failure.Store(&err)
			c.session.d.report("deliveries cannot be claimed", err)
			pacing.Sleep(ctx, retry.NextBackOff())
			continue
		}
		if !c.isAway {
			retry.Reset()
		}
		c.alarm.Wait(ctx, wait)
	}
}

// storeResults offers the owed results to the Store, and reports whether claims may go on.
// They may if the Store has answered, even if it refused some results, or if it is later than
// until.
func (c *claimer) storeResults(ctx context.Context, until time.Time) bool {
	ctx, cancel := context.WithTimeout(ctx, resultsFirst)
	defer cancel()
	return c.session.results.offer(ctx) == nil || !time.Now().Before(until)
}

// round visits every endpoint that has due deliveries once, as far as there is room. It
// returns the wait until the next round.
func (c *claimer) round(ctx context.Context) (time.Duration, error) {
	cursor, total, anyFull := "", 0, false
	var next time.Time // when a delivery becomes due, as far as a claim of the round knows
	visit := c.session.lanes.Begin()
	c.session.excluded.end(c.session.d.now(), c.session.lanes.Readmit)
	for {
		if err := c.session.d.time.keepUp(ctx); err != nil && ctx.Err() == nil {
			return 0, err
		}
		if ctx.Err() != nil {
			return 0, nil
		}
		c.session.d.handBack(c.session.books, c.session.lanes.Relieve(c.session.d.time.uptime()))
		room := visit.Room()
		if room.Items <= 0 || room.Bytes <= 0 {
			c.markSuccess()
			c.alarm.Silence(c.session.d.now())
			visit.End(true)
			return min(c.session.d.config.PollInterval, fullPoll), nil // or earlier, when the lanes want more
		}
		claimed, full, err := c.claim(visit, room, cursor)
		if err != nil {
			return 0, err
		}
		c.markSuccess()
		total += len(claimed.Deliveries)
		anyFull = anyFull || full
		if next.IsZero() || !claimed.NextDue.IsZero() && claimed.NextDue.Before(next) {
			next = claimed.NextDue
		}
		if cursor = claimed.Next; cursor != "" && ctx.Err() == nil {
			continue
		}
		visit.End(anyFull)
		switch {
		case ctx.Err() != nil:
			return 0, nil
		case total > 0:
			return 0, nil
		case next.IsZero():
			return c.session.d.config.PollInterval, nil
		default:
			untilDue := next.Sub(c.session.d.now())
			return min(max(untilDue, minPoll), c.session.d.config.PollInterval), nil
		}
	}
}

// filled reports whether req.Max or req.MaxBytes may have bounded a claim.
func (c *claimer) filled(claimed *Claimed, req *ClaimRequest) bool {
	left := req.MaxBytes
	for i := range claimed.Events {
		left -= len(claimed.Events[i].Data)
	}
	return len(claimed.Deliveries) >= req.Max || left < c.session.d.config.MaxEventBytes && len(claimed.Deliveries) > 0
}

// claim asks the Store once, and puts the deliveries into the lanes. It reports whether the
// claim may have been full. It does not end with ctx: a claim that was canceled might have
// leased deliveries that no process knows of.
func (c *claimer) claim(visit *lane.Round[EndpointKey, *work], room lane.Room[EndpointKey], cursor string) (claimed Claimed, full bool, err error) {
	ctx, cancel := context.WithTimeout(c.session.books, storeTimeout)
	defer cancel()
	now := c.session.d.now()
	c.alarm.Silence(now)
	asOf := c.session.d.time.uptime()
	items, bytes := c.size.Of(room.Items, room.Bytes)
	req := ClaimRequest{
		Now: now, LeaseUntil: now.Add(c.session.d.config.Lease), Max: items, MaxBytes: bytes,
		Room: room.PerLane, Rooms: room.Lanes, Cursor: cursor,
	}
	claimed, err = c.session.d.store.Claim(ctx, req)
	for _, problem := range claimed.Unreadable {
		c.session.d.report("a claim left out a row that cannot be read", problem)
	}
	if err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			c.size.TimedOut()
		}
		return claimed, false, err
	}
	c.isAway = false
	full = c.filled(&claimed, &req)
	c.size.Succeeded(c.session.d.time.uptime()-asOf, full)
	if len(claimed.Deliveries) > 0 {
		c.takeIn(visit, &claimed, asOf)
	}
	return claimed, full, nil
}

// takeIn puts claimed deliveries into the lanes. If the session has ended meanwhile, it gives
// them back.
func (c *claimer) takeIn(visit *lane.Round[EndpointKey, *work], claimed *Claimed, asOf time.Duration) {
	events := make(map[uuid.UUID]*claimedEvent, len(claimed.Events))
	for i := range claimed.Events {
		r := &claimed.Events[i]
		events[r.UID] = &claimedEvent{payload: makePayload(r)}
	}
	endpoints := make(map[EndpointKey]*cachedEndpoint, len(claimed.Endpoints))
	for i := range claimed.Endpoints {
		e := &claimed.Endpoints[i]
		endpoints[e.key()] = c.session.d.endpoints.put(e, asOf)
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
	c.session.mu.RLock()
	for i := range claimed.Deliveries {
		l := &claimed.Deliveries[i]
		if c.session.results.takeOver(l) {
			continue
		}
		event, cached := events[l.UID], endpoints[l.Endpoint]
		if cached != nil && cached.isGone() {
			back = append(back, &work{payload: &payload{uid: l.UID}, key: l.Endpoint, leaseNo: l.LeaseNo, failures: l.Failures}) // Prune cancels it
			continue
		}
		if event == nil || cached == nil {
			problems = append(problems, fmt.Errorf("delivery %s of endpoint %q", l.UID, l.Endpoint.ID))
			continue
		}
		w := event.work()
		*w = work{
			payload: &event.payload, key: l.Endpoint, snapshot: cached.snapshot,
			leaseNo: l.LeaseNo, leaseUntil: l.LeaseUntil, attempts: l.Attempts, failures: l.Failures, since: l.Since, waited: l.Waited, probe: l.Probe,
		}
		if l.Version != cached.endpoint.Version {
			w.snapshot = snapshots[snapshotKey{l.Endpoint, l.Version}]
		}
		if c.session.closed {
			back = append(back, w)
			continue
		}
		visit.Add(w.key, cached.endpoint.MaxInFlight, w, &event.payload.weight)
	}
	if !c.session.closed {
		c.session.workers.pump()
	}
	c.session.mu.RUnlock()
	for _, problem := range problems {
		c.session.d.report("the store claimed a delivery without its event or endpoint", problem)
	}
	c.session.d.handBack(c.session.books, back)
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
