package webhook

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gowebhook/webhook/internal/lane"
	"github.com/gowebhook/webhook/internal/pacing"
)

const (
	queueFactor = 16       // deliveries that may wait in memory, for each request that may be in flight
	untested    = 2        // requests in flight to an endpoint that has not answered yet
	maxLanes    = 16 << 10 // endpoints with a remembered pace

	// queueBytes bounds the events of the deliveries that wait in memory. The bound is
	// queueEvents events of Config.MaxEventBytes if that is more. An event counts once, with
	// its headers, while any of its deliveries waits. Deliveries (about 150 bytes each) and
	// requests in flight are bounded by their number.
	queueBytes  = 64 << 20
	queueEvents = 16

	// workChunk is how many deliveries of one event are allocated together. A delivery that is
	// in flight for long keeps no more than its chunk in memory.
	workChunk = 8

	cutGrace = 5 * time.Second // for the bookkeeping of requests that were cut
)

// A session is one run of Run: its lanes, workers and loops.
type session struct {
	d     *Dispatcher
	lanes *lane.Set[EndpointKey, *work]

	claimer  *claimer
	pruner   *pruner
	replayer *replayer
	results  *retryQueue
	excluded exclusions

	requests context.Context // ends when requests in flight are cut
	cut      context.CancelFunc
	books    context.Context // ends when bookkeeping is given up
	giveUp   context.CancelFunc

	mu      sync.RWMutex
	closed  bool          // no more work is taken in
	done    chan struct{} // closed with it
	workers *workers
	cutOff  atomic.Int32 // requests that were cut
	lost    atomic.Int32 // results that were given up
}

func newSession(d *Dispatcher) *session {
	c := &d.config
	s := &session{
		d: d,
		lanes: lane.New[EndpointKey, *work](lane.Limits{
			InFlight: c.MaxInFlight, Cap: c.PerEndpoint, Untested: untested, Queue: queueFactor * c.MaxInFlight,
			Bytes: max(queueBytes, queueEvents*c.MaxEventBytes), Lanes: maxLanes, Wait: laneWait,
		}),
		done: make(chan struct{}),
	}
	s.requests, s.cut = context.WithCancel(context.Background())
	s.books, s.giveUp = context.WithCancel(context.Background())
	s.results = newRetryQueue(s)
	s.workers = newWorkers(s)
	s.claimer = newClaimer(s)
	s.pruner = newPruner(s.books, d)
	s.replayer = newReplayer(s.books, d)
	return s
}

// run is Dispatcher.Run for one session.
func (s *session) run(ctx context.Context) error {
	log := s.d.config.Logger
	log.LogAttrs(ctx, slog.LevelInfo, "webhook: Run has begun")
	var loops sync.WaitGroup
	loops.Go(func() { s.claimer.run(ctx) })
	loops.Go(func() { s.pruner.run(ctx) })
	loops.Go(func() { s.replayer.run(ctx) })
	loops.Go(func() { s.d.time.run(ctx) })
	loops.Go(func() { (&listener{s.d, s.wake}).run(ctx) })
	<-ctx.Done()

	s.mu.Lock()
	s.closed = true
	close(s.done)
	s.mu.Unlock()
	back := s.lanes.FlushAll()
	log.LogAttrs(ctx, slog.LevelInfo, "webhook: Run drains", slog.Duration("timeout", s.d.config.DrainTimeout), slog.Int("given_back", len(back)))
	loops.Go(func() { s.d.handBack(s.books, back) })
	err := s.drain(&loops)
	log.LogAttrs(ctx, slog.LevelInfo, "webhook: Run has ended", slog.Int("cut", int(s.cutOff.Load())), slog.Int("lost", int(s.lost.Load())))
	return err
}

// drain waits for loops and workers. After DrainTimeout it cuts the requests, and waits for
// their bookkeeping.
func (s *session) drain(loops *sync.WaitGroup) error {
	finished := make(chan struct{})
	go func() {
		loops.Wait()
		s.workers.running.Wait()
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
		return fmt.Errorf("%d requests were cut after the drain timeout of %v, and %d results could not be stored; they will be repeated",
			cut, s.d.config.DrainTimeout, lost)
	}
	return nil
}

// cutRequests ends the requests in flight. It closes the idle connections first. Otherwise
// each of them, which is bound to the context of the requests, would start a goroutine.
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
func (s *session) wake() { s.claimer.alarm.Ring() }

// prune hints that there may be something to prune.
func (s *session) prune() { pacing.Hint(s.pruner.wanted) }

// ready is Dispatcher.Ready for one session.
func (s *session) ready() error {
	limit := 3*s.d.config.PollInterval + storeTimeout
	if age, err := s.claimer.age(); age > limit {
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
func (s *session) handOver(h *reservation, leaseUntil time.Time) {
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
			s.lanes.Unreserve(row.inLane)
			back = append(back, w)
		} else {
			s.lanes.Push(row.inLane, w)
		}
	}
	if !closed {
		s.workers.pump()
	}
	s.mu.RUnlock()
	s.d.handBack(context.Background(), back)
}

// exclude keeps an endpoint's deliveries away from this process for a while. Otherwise a backlog
// that it cannot send would be claimed and given back again and again.
func (s *session) exclude(key EndpointKey) {
	s.excluded.add(key, s.d.now().Add(laterDelay))
	s.d.handBack(s.books, s.lanes.Exclude(key))
}

// exclusions are the endpoints whose deliveries this process does not take for a while. The zero
// value is ready to use.
type exclusions struct {
	mu    sync.Mutex
	until map[EndpointKey]time.Time
}

// add excludes an endpoint until a time.
func (x *exclusions) add(key EndpointKey, until time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.until == nil {
		x.until = make(map[EndpointKey]time.Time)
	}
	x.until[key] = until
}

// end calls readmit with each endpoint whose time is over at now, and forgets it.
func (x *exclusions) end(now time.Time, readmit func(EndpointKey)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for key, until := range x.until {
		if !until.After(now) {
			delete(x.until, key)
			readmit(key)
		}
	}
}
