package webhook

import (
	"github.com/gowebhook/webhook/internal/lane"
)

// maxIdle is how many workers may wait for work. Each keeps a stack of a few KiB.
const maxIdle = 1024

// A job is work on its way to a worker.
type job struct {
	work   *work
	ticket lane.Ticket[EndpointKey, *work]
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
// request is over. If the receiver wants no more requests for now, the result is settled
// first.
//
// The result counts against MaxInFlight until it is stored, so a slow Store slows everything
// down and no results pile up. A result that the Store refuses counts against its endpoint.
func (s *session) do(j job) {
	a := s.d.attempt(s.requests, j.work)
	if a.cut {
		s.cutOff.Add(1)
	}
	r := s.results.add(&a.settlement, j.ticket)
	var stored bool
	if a.stopsLane() {
		if stored = s.settle(r); !stored {
			s.exclude(j.work.key)
		}
		s.goOnFrom(j, &a)
	} else {
		s.goOnFrom(j, &a)
		stored = s.settle(r)
	}
	if stored {
		s.lanes.Free()
	}
}

// stopsLane reports whether the receiver wants no more requests for now.
func (a *attempted) stopsLane() bool {
	return a.settlement.Disable != "" || !a.settlement.BlockUntil.IsZero()
}

// goOnFrom reports the end of a request to its lane, which goes on unless it is excluded.
func (s *session) goOnFrom(j job, a *attempted) {
	if s.lanes.Done(j.ticket, a.result, a.took) {
		s.wake()
	}
	s.goOn()
	if a.exclude {
		s.exclude(j.work.key)
	}
}
