package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gowebhook/webhook/internal/signature"
)

// An order is what the receiver is told. It answers each with a tally.
type order struct {
	Reset   bool          // forget everything
	Forget  bool          // the same, but for what hangs
	Hang    time.Duration // with one of these: how long the dead endpoint takes to answer from now on; zero changes nothing
	Refuse  bool          // with Reset: nothing listens where it is
	Release bool          // answer what hangs, and hang no more
}

// A tally is what the receiver has seen since it was reset.
type tally struct {
	At     addresses
	CPU    time.Duration
	Groups map[string]groupTally
}

// A groupTally is that of a group of endpoints. Distinct counts ids, for each endpoint.
type groupTally struct {
	Requests int
	Distinct int
	Invalid  int

	P50, P99, P999 time.Duration // from emit to arrival
}

// receive is the receiver's process.
func receive(ctx context.Context, parent pipe) error {
	r := &receiver{}
	r.forget(0)
	forHealthy, forDead := &entrance{handler: r}, &entrance{handler: r}
	if err := errors.Join(forHealthy.open(ctx), forDead.open(ctx)); err != nil {
		return err
	}
	r.at = addresses{forHealthy.url(), forDead.url()}
	for {
		var o order
		if err := parent.hear(&o); err != nil {
			return eof(err)
		}
		switch {
		case o.Reset:
			r.release()
			r.forget(o.Hang)
			if o.Refuse {
				forDead.close()
			} else if err := forDead.open(ctx); err != nil {
				return err
			}
		case o.Forget:
			r.forget(o.Hang)
		case o.Release:
			r.release()
		}
		if err := parent.tell(r.tally()); err != nil {
			return err
		}
	}
}

// eof makes no error of the end of the conversation.
func eof(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

type receiver struct {
	at      addresses
	buffers sync.Pool

	mu       sync.RWMutex
	paths    map[string]*path
	hang     time.Duration
	released chan struct{}
}

// A path is what one endpoint has received.
type path struct {
	mu       sync.Mutex
	requests int
	invalid  int
	ids      map[string]struct{}
	delays   []time.Duration
}

func (r *receiver) forget(hang time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paths = make(map[string]*path)
	if hang > 0 && r.hang == 0 {
		r.hang, r.released = hang, make(chan struct{})
	}
}

func (r *receiver) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hang > 0 {
		r.hang = 0
		close(r.released)
	}
}

// ServeHTTP implements [http.Handler].
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	buf, _ := r.buffers.Get().(*[]byte)
	if buf == nil {
		b := make([]byte, 0, 2*bodySize)
		buf = &b
	}
	defer r.buffers.Put(buf)
	body, err := readInto((*buf)[:0], req.Body)
	*buf = body
	now := time.Now()
	id := req.Header.Get(signature.HeaderID)
	if err == nil {
		err = signature.VerifyStandard(secret, id, req.Header.Get(signature.HeaderTimestamp), req.Header.Get(signature.HeaderSignature), body, now)
	}
	r.path(req.URL.Path).note(id, time.Duration(now.UnixNano()-emittedAt(body)), err == nil)
	if group(req.URL.Path) == dead {
		r.wait(req.Context())
	}
	w.WriteHeader(http.StatusNoContent)
}

func (r *receiver) wait(ctx context.Context) {
	r.mu.RLock()
	hang, released := r.hang, r.released
	r.mu.RUnlock()
	timer := time.NewTimer(hang)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-released:
	case <-ctx.Done():
	}
}

func (r *receiver) path(name string) *path {
	r.mu.RLock()
	p := r.paths[name]
	r.mu.RUnlock()
	if p != nil {
		return p
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if p = r.paths[name]; p == nil {
		p = &path{ids: make(map[string]struct{})}
		r.paths[name] = p
	}
	return p
}

func (p *path) note(id string, delay time.Duration, valid bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests++
	p.ids[id] = struct{}{}
	p.delays = append(p.delays, delay)
	if !valid {
		p.invalid++
	}
}

// group is the first part of an endpoint's path.
func group(path string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return name
}

func (r *receiver) tally() tally {
	t := tally{At: r.at, CPU: ownCPU(), Groups: make(map[string]groupTally)}
	delays := make(map[string][]time.Duration)
	r.mu.RLock()
	defer r.mu.RUnlock()
	for name, p := range r.paths {
		p.mu.Lock()
		g := t.Groups[group(name)]
		g.Requests += p.requests
		g.Distinct += len(p.ids)
		g.Invalid += p.invalid
		t.Groups[group(name)] = g
		delays[group(name)] = append(delays[group(name)], p.delays...)
		p.mu.Unlock()
	}
	for name, g := range t.Groups {
		slices.Sort(delays[name])
		g.P50, g.P99, g.P999 = percentile(delays[name], 0.5), percentile(delays[name], 0.99), percentile(delays[name], 0.999)
		t.Groups[name] = g
	}
	return t
}

func readInto(buf []byte, r io.Reader) ([]byte, error) {
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
	}
}
