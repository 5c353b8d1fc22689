package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"sync/atomic"
	"time"
)

// A spec is what a sender is told first.
type spec struct {
	Name  string // for files
	Peer  string
	Store string // of webhook: postgres, sqlite or memory

	Postgres string // the server
	Database string
	File     string // SQLite

	Receiver addresses
	Layout   layout
	Load     load
	River    riverTuning
	Profile  string // a file for the CPU profile
}

// A command is what a sender is told later: first to go, then to stop.
type command struct{ Go, Stop bool }

// News is what a sender tells.
type news struct {
	Ready     bool
	Delivered int       // and logged
	Last      time.Time // when the last of these was logged
	Sent      bool      // all is emitted
	Outcome   *outcome  // after it was told to stop
}

// An outcome is what a sender has measured of itself.
type outcome struct {
	Began      time.Time
	CPU        time.Duration
	Mallocs    uint64
	PeakBytes  uint64 // resident
	Statements int64  // -1: they are not counted
	Logged     int    // of a store that nobody else can read; else -1
	Figures    map[string]float64
}

// A peer is one way of sending.
type peer interface {
	// begin starts what delivers. It runs until the process ends.
	begin(ctx context.Context) error
	// emit returns when the event is stored, or sent if nothing is ever stored.
	emit(ctx context.Context, e event) error
	// stored returns when all deliveries of the emitted events are in the database.
	stored(ctx context.Context) error
	// finish returns when the bookkeeping of what is logged is over.
	finish(ctx context.Context) error
	// statements returns how many were sent to the database, -1 if they are not counted.
	statements() int64
	// logged returns how many attempts are in the log, -1 if the database is there to be asked.
	logged(ctx context.Context) (int, error)
}

// A figurer is a peer that has measured something of its own.
type figurer interface {
	figures() map[string]float64
	forget() // what was measured up to now
}

// An event is what a load emits.
type event struct {
	N      int
	Tenant int // toThePast: not one of the layout's
	Data   []byte
}

// A ledger counts what is delivered and logged.
type ledger struct {
	delivered atomic.Int64
	last      atomic.Int64
}

func (l *ledger) add(n int) {
	l.last.Store(time.Now().UnixNano())
	l.delivered.Add(int64(n))
}

const (
	tellEvery     = 50 * time.Millisecond
	finishTimeout = 10 * time.Second
)

// send is a sender's process.
func send(ctx context.Context, parent pipe) error {
	var s spec
	if err := parent.hear(&s); err != nil {
		return err
	}
	done := &ledger{}
	p, err := open(ctx, &s, done)
	if err != nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	if s.Load.Kind != loadNone && s.Load.Kind != loadProbe {
		if err := p.begin(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		if err := s.warmUp(ctx, p, done); err != nil {
			return fmt.Errorf("%s: warm up: %w", s.Name, err)
		}
	}
	if err := parent.tell(news{Ready: true}); err != nil {
		return err
	}
	var c command
	if err := parent.hear(&c); err != nil {
		return eof(err)
	}
	if err := sendAll(ctx, parent, &s, p, done); err != nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	return nil
}

func open(ctx context.Context, s *spec, done *ledger) (peer, error) {
	switch s.Peer {
	case peerWebhook:
		return openWebhook(ctx, s, done)
	case peerRiver:
		return openRiver(ctx, s, done)
	case peerRaw:
		return openRaw(s, done)
	}
	return nil, fmt.Errorf("no such peer: %q", s.Peer)
}

// sendAll runs the load and tells how far it has come, until the parent says stop.
func sendAll(ctx context.Context, parent pipe, s *spec, p peer, done *ledger) error {
	endProfile, err := profile(s.Profile)
	if err != nil {
		return err
	}
	defer endProfile()
	before := usageOf(p)
	o := &outcome{Began: time.Now()}
	if s.Load.Kind == loadNone {
		if err := p.begin(ctx); err != nil {
			return err
		}
	}
	failed := make(chan error, 1)
	go func() {
		var err error
		o.Figures, err = s.Load.run(ctx, p, &s.Layout)
		failed <- err
	}()
	stop := make(chan error, 1)
	go func() {
		var c command
		stop <- parent.hear(&c)
	}()
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for sent := false; ; {
		select {
		case err := <-failed:
			if err != nil {
				return err
			}
			sent = true
			continue
		case err := <-stop:
			if err != nil {
				return eof(err)
			}
			if !sent {
				return errors.New("told to stop before all was sent")
			}
			return parent.tell(o.close(ctx, p, before, done))
		case <-tick.C:
		}
		n := news{Delivered: int(done.delivered.Load()), Last: time.Unix(0, done.last.Load()), Sent: sent}
		if err := parent.tell(n); err != nil {
			return err
		}
	}
}

// close ends the measurement.
func (o *outcome) close(ctx context.Context, p peer, before usage, done *ledger) news {
	ctx, cancel := context.WithTimeout(ctx, finishTimeout)
	defer cancel()
	finishErr := p.finish(ctx)
	after := usageOf(p)
	o.CPU, o.Mallocs, o.PeakBytes = after.cpu-before.cpu, after.mallocs-before.mallocs, peakResident()
	o.Statements = after.statements
	if after.statements >= 0 {
		o.Statements -= before.statements
	}
	if f, ok := p.(figurer); ok {
		if o.Figures == nil {
			o.Figures = make(map[string]float64)
		}
		maps.Copy(o.Figures, f.figures())
	}
	var err error
	o.Logged, err = p.logged(ctx)
	if err = errors.Join(finishErr, err); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	return news{Outcome: o, Delivered: int(done.delivered.Load()), Last: time.Unix(0, done.last.Load()), Sent: true}
}

// A usage is what a sender has used up to now.
type usage struct {
	cpu        time.Duration
	mallocs    uint64
	statements int64
}

func usageOf(p peer) usage {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{ownCPU(), m.Mallocs, p.statements()}
}

// profile writes a CPU profile until the function that it returns is called.
func profile(file string) (end func(), err error) {
	if file == "" {
		return func() {}, nil
	}
	f, err := os.Create(filepath.Clean(file))
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}, nil
}
