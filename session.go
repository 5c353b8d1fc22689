package webhook

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook/internal/lane"
)

const (
	queueFactor = 16       // deliveries that may wait in memory, for each request that may be in flight
	probe       = 2        // requests in flight to an endpoint that has not answered yet
	maxLanes    = 16 << 10 // endpoints with a remembered pace
	maxClaim    = 1000     // deliveries of one claim
	maxIdle     = 256      // workers that wait for work

	// queueBytes bounds the events of the deliveries that wait in memory. The bound is
	// queueEvents events of Config.MaxEventBytes if that is more. An event counts once, with
	// its headers, while any of its deliveries waits. Deliveries (about 150 bytes each) and
	// requests in flight are bounded by their number.
	queueBytes  = 64 << 20
	queueEvents = 16

	// workChunk is how many deliveries of one event are allocated together. A delivery that is
	// in flight for long keeps no more than its chunk in memory.
	workChunk = 8

	pruneInterval = time.Minute
	cutGrace      = 5 * time.Second // for the bookkeeping of requests that were cut
)

// A session is one run of Run: its lanes, workers and loops.
type session struct {
	d     *Dispatcher
	lanes *lane.Set[EndpointKey, *work]

	jobs   chan job      // to idle workers
	woken  chan struct{} // there may be something to claim
	pruned chan struct{} // there may be something to prune

	requests context.Context // ends when requests in flight are cut
	cut      context.CancelFunc
	books    context.Context // ends when bookkeeping is given up
	giveUp   context.CancelFunc

	mu      sync.RWMutex
	closed  bool          // no more work is taken in
	done    chan struct{} // closed with it
	workers sync.WaitGroup
	idle    atomic.Int32
	cutOff  atomic.Int32 // requests that were cut
	lost    atomic.Int32 // results that were given up

	holdMu sync.Mutex
	held   map[EndpointKey]time.Time // lanes on hold, and until when

	soonMu sync.Mutex
	soon   time.Time     // when the earliest retry is due that this process has settled and not yet claimed
	sooner chan struct{} // soon has become earlier

	// These belong to the claim loop.
	away      bool // the last call of Claim failed
	claimSize claimSize

	results  *retryQueue
	began    time.Duration
	claimed  atomic.Int64 // when the last claim succeeded or was not needed, on the clock of settings
	claimErr atomic.Pointer[error]
}

// work is one delivery leased to this process.
type work struct {
	*payload
	key        EndpointKey
	snapshot   *Endpoint // see Message.Endpoint
	leaseNo    int64
	leaseUntil time.Time
	attempts   int
	failures   int
	since      time.Time
	probe      bool
	test       bool // from Scope.Test
}

// A payload is an event in memory, shared by its deliveries.
type payload struct {
	uid       uuid.UUID
	event     Event
	createdAt time.Time // of event
	weight    lane.Weight
}

func makePayload(r *EventRecord) payload {
	return payload{uid: r.UID, event: *r.event(), createdAt: r.CreatedAt, weight: lane.NewWeight(r.size())}
}

// A job is work on its way to a worker.
type job struct {
	work   *work
	ticket lane.Ticket[EndpointKey, *work]
}

func newSession(d *Dispatcher) *session {
	c := &d.config
	s := &session{
		d: d,
		lanes: lane.New[EndpointKey, *work](lane.Limits{
			InFlight: c.MaxInFlight, Cap: c.PerEndpoint, Probe: probe, Queue: queueFactor * c.MaxInFlight,
			Bytes: max(queueBytes, queueEvents*c.MaxEventBytes), Lanes: maxLanes, Wait: laneWait,
		}),
		jobs:   make(chan job),
		woken:  make(chan struct{}, 1),
		pruned: make(chan struct{}, 1),
		sooner: make(chan struct{}, 1),
		done:   make(chan struct{}),
	}
	s.requests, s.cut = context.WithCancel(context.Background())
	s.books, s.giveUp = context.WithCancel(context.Background())
	s.results = newRetryQueue(s)
	s.began = d.endpoints.clock()
	s.claimed.Store(int64(s.began))
	return s
}

// run is Dispatcher.Run for one session.
func (s *session) run(ctx context.Context) error {
	var loops sync.WaitGroup
	loops.Go(func() { s.claimLoop(ctx) })
	loops.Go(func() { s.pruneLoop(ctx) })
	loops.Go(func() { s.clockLoop(ctx) })
	loops.Go(func() { s.listenLoop(ctx) })
	<-ctx.Done()

	s.mu.Lock()
	s.closed = true
	close(s.done)
	s.mu.Unlock()
	back := s.lanes.FlushAll()
	loops.Go(func() { s.d.handBack(s.books, back) })
	return s.drain(&loops)
}

// drain waits for loops and workers. After DrainTimeout it cuts the requests, and waits for
// their bookkeeping.
func (s *session) drain(loops *sync.WaitGroup) error {
	finished := make(chan struct{})
	go func() {
		loops.Wait()
		s.workers.Wait()
		close(finished)
	}()
	defer s.cutRequests()
	defer s.giveUp()
	if !waitFor(finished, s.d.config.DrainTimeout) {
		s.cutRequests()
		if !waitFor(finished, cutGrace) {
			s.giveUp()
			<-finished
		}
	}
	if cut, lost := s.cutOff.Load(), s.lost.Load(); cut+lost > 0 {
		return fmt.Errorf("webhook: %d requests were cut after the drain timeout of %v, and %d results could not be stored; they will be repeated",
			cut, s.d.config.DrainTimeout, lost)
	}
	return nil
}

// cutRequests ends the requests in flight. It closes the idle connections first. Otherwise each
// of them, which is bound to the context of the requests, would start a goroutine.
func (s *session) cutRequests() {
	s.d.idle()
	s.cut()
}

// waitFor waits until done is closed, at most d. It reports whether done is closed.
func waitFor(done <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		select {
		case <-done:
			return true
		default:
			return false
		}
	}
}

// isClosed reports whether the session takes in no more work.
func (s *session) isClosed() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.closed
}

// wake hints that there may be something to claim.
func (s *session) wake() { hint(s.woken) }

// wakeAt lets the claim loop look for work at due, unless polling finds the work by then.
func (s *session) wakeAt(due time.Time) {
	if due.Sub(s.d.now()) >= s.d.config.PollInterval {
		return
	}
	s.soonMu.Lock()
	defer s.soonMu.Unlock()
	if s.soon.IsZero() || due.Before(s.soon) {
		s.soon = due
		hint(s.sooner)
	}
}

// untilSoon returns the time left until the moment of wakeAt, or most if that is less.
func (s *session) untilSoon(most time.Duration) time.Duration {
	s.soonMu.Lock()
	defer s.soonMu.Unlock()
	if s.soon.IsZero() {
		return most
	}
	return min(max(s.soon.Sub(s.d.now()), 0), most)
}

// forgetSoon forgets a moment of wakeAt that a claim at now covers.
func (s *session) forgetSoon(now time.Time) {
	s.soonMu.Lock()
	defer s.soonMu.Unlock()
	if !s.soon.After(now) {
		s.soon = time.Time{}
	}
}

// prune hints that there may be something to prune.
func (s *session) prune() { hint(s.pruned) }

func hint(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// ready is Dispatcher.Ready for one session.
func (s *session) ready() error {
	limit := 3*s.d.config.PollInterval + storeTimeout
	if age := s.d.endpoints.clock() - time.Duration(s.claimed.Load()); age > limit {
		err := errors.New("no answer")
		if p := s.claimErr.Load(); p != nil {
			err = *p
		}
		return fmt.Errorf("the last claim succeeded %v ago: %w", age.Round(time.Second), err)
	}
	if since, key, err := s.results.oldest(); !since.IsZero() && time.Since(since) > limit {
		return fmt.Errorf("a result of endpoint %q of tenant %q has not been stored for %v: %w",
			key.ID, key.Tenant, time.Since(since).Round(time.Second), err)
	}
	return nil
}

// handOver gives deliveries that were just published to the lanes that have reserved room for
// them.
func (s *session) handOver(h *handOff, leaseUntil time.Time) {
	var works []work // the rest of a chunk
	var back []*work
	s.mu.RLock()
	closed := s.closed
	for i := range h.rows {
		if len(works) == 0 {
			works = make([]work, min(workChunk, len(h.rows)-i))
		}
		w, row := &works[0], &h.rows[i]
		works = works[1:]
		*w = work{
			payload: h.payload, key: row.cached.endpoint.key(), snapshot: row.cached.snapshot,
			leaseNo: 1, leaseUntil: leaseUntil, since: h.payload.createdAt,
		}
		if closed {
			s.lanes.Unreserve(row.reservation)
			back = append(back, w)
		} else {
			s.lanes.Push(row.reservation, w)
		}
	}
	if !closed {
		s.pump()
	}
	s.mu.RUnlock()
	s.d.handBack(context.Background(), back)
}

// pump hands the next deliveries of the lanes to workers. The caller holds mu, and closed is
// false.
func (s *session) pump() {
	for {
		w, ticket, ok := s.lanes.Next()
		if !ok {
			return
		}
		j := job{w, ticket}
		select {
		case s.jobs <- j:
		default:
			s.workers.Go(func() { s.worker(j) })
		}
	}
}

// goOn calls pump, unless the session has ended.
func (s *session) goOn() {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if !s.closed {
		s.pump()
	}
}

// worker does one job after another, while there are jobs.
func (s *session) worker(j job) {
	for {
		s.do(j)
		w, ticket, ok := s.lanes.Next()
		if ok {
			j = job{w, ticket}
			continue
		}
		if s.idle.Add(1) > maxIdle {
			s.idle.Add(-1)
			return
		}
		select {
		case j = <-s.jobs:
			s.idle.Add(-1)
		case <-s.done:
			return
		}
	}
}

// do makes one attempt and settles it. The lane goes on in another worker as soon as the
// request is over. If the receiver wants no more requests for now, the result is settled first.
//
// The result counts against MaxInFlight until it is stored, so a slow Store slows everything
// down and no results pile up. A result that the Store refuses counts against its endpoint.
func (s *session) do(j job) {
	a := s.d.attempt(s.requests, j.work)
	if a.cut {
		s.cutOff.Add(1)
	}
	r := s.results.add(&a.settlement, j.ticket)
	stop := a.settlement.Disable != "" || !a.settlement.BlockUntil.IsZero()
	ended := stop && s.settle(r)
	if stop && !ended {
		s.hold(j.work.key)
	}
	if s.lanes.Done(j.ticket, a.outcome, a.took) {
		s.wake()
	}
	s.goOn()
	if a.hold {
		s.hold(j.work.key)
	}
	if !stop {
		ended = s.settle(r)
	}
	if ended {
		s.lanes.Free()
	}
}

// hold keeps an endpoint's deliveries away from this process for a while. Otherwise a backlog
// that it cannot send would be claimed and given back again and again.
func (s *session) hold(key EndpointKey) {
	until := s.d.now().Add(laterDelay)
	s.holdMu.Lock()
	if s.held == nil {
		s.held = make(map[EndpointKey]time.Time)
	}
	s.held[key] = until
	s.holdMu.Unlock()
	s.d.handBack(s.books, s.lanes.Hold(key))
}

// unhold ends the holds whose time is over.
func (s *session) unhold() {
	now := s.d.now()
	s.holdMu.Lock()
	defer s.holdMu.Unlock()
	for key, until := range s.held {
		if !until.After(now) {
			delete(s.held, key)
			s.lanes.Unhold(key)
		}
	}
}

// pruneLoop does the housekeeping.
func (s *session) pruneLoop(ctx context.Context) {
	for {
		more, err := s.pruneOnce()
		if err != nil {
			s.d.report(fmt.Errorf("prune: %w", err))
		}
		wait := pruneInterval
		if more && err == nil {
			wait = 0
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-s.pruned:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

func (s *session) pruneOnce() (more bool, err error) {
	ctx, cancel := context.WithTimeout(s.books, storeTimeout)
	defer cancel()
	if err := s.d.time.keepUp(ctx); err != nil {
		return false, err
	}
	return s.d.store.Prune(ctx, s.d.now(), s.d.config.Retention)
}
