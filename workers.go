package webhook

import (
	"sync"
	"sync/atomic"

	"github.com/gowebhook/webhook/internal/lane"
)

// maxIdle is how many workers may wait for work. Each keeps a stack of a few KiB.
const maxIdle = 1024

// A job is work on its way to a worker.
type job struct {
	work   *work
	ticket lane.Ticket[EndpointKey, *work]
}

// workers are the goroutines of a session that make attempts. Each does one job after another, and
// idle ones wait for the next.
type workers struct {
	session *session
	jobs    chan job     // to idle workers
	idle    atomic.Int32 // how many wait for a job
	running sync.WaitGroup
}

func newWorkers(s *session) *workers { return &workers{session: s, jobs: make(chan job)} }

// pump hands the next deliveries of the lanes to workers. The caller holds the mutex of the
// session, and it is not closed.
func (p *workers) pump() {
	for {
		w, ticket, ok := p.session.lanes.Next()
		if !ok {
			return
		}
		j := job{w, ticket}
		select {
		case p.jobs <- j:
		default:
			p.running.Go(func() { p.work(j) })
		}
	}
}

// goOn calls pump, unless the session has ended.
func (p *workers) goOn() {
	p.session.mu.RLock()
	defer p.session.mu.RUnlock()
	if !p.session.closed {
		p.pump()
	}
}

// work does one job after another, while there are jobs.
func (p *workers) work(j job) {
	for {
		p.do(j)
		w, ticket, ok := p.session.lanes.Next()
		if ok {
			j = job{w, ticket}
			continue
		}
		if p.idle.Add(1) > maxIdle {
			p.idle.Add(-1)
			return
		}
		select {
		case j = <-p.jobs:
			p.idle.Add(-1)
		case <-p.session.done:
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
func (p *workers) do(j job) {
	a := p.session.d.attempt(p.session.requests, j.work)
	if a.cut {
		p.session.cutOff.Add(1)
	}
	r := p.session.results.add(&a.settlement, j.ticket)
	var stored bool
	if a.stopsLane() {
		if stored = p.session.settle(r); !stored {
			p.session.exclude(j.work.key)
		}
		p.goOnFrom(j, &a)
	} else {
		p.goOnFrom(j, &a)
		stored = p.session.settle(r)
	}
	if stored {
		p.session.lanes.Free()
	}
}

// stopsLane reports whether the receiver wants no more requests for now.
func (a *attempted) stopsLane() bool {
	return a.settlement.Disable != "" || !a.settlement.BlockUntil.IsZero()
}

// goOnFrom reports the end of a request to its lane, which goes on unless it is excluded.
func (p *workers) goOnFrom(j job, a *attempted) {
	if p.session.lanes.Done(j.ticket, a.result, a.took) {
		p.session.wake()
	}
	p.goOn()
	if a.exclude {
		p.session.exclude(j.work.key)
	}
}
