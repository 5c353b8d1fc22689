package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"time"
)

// A senderSpec tells a sender its part in a round. A sender reads it first.
type senderSpec struct {
	Name     string // of the round
	Peer     string
	Store    string
	DSN      string // of the database
	Receiver addresses
	Targets  targets
	Load     load
	Profile  string // file for a CPU profile; empty for none
}

// A senderCommand follows the spec. The first starts the load, the second ends the sender.
type senderCommand struct{}

// A senderReport is the state of a sender when it is ready. Its second report has the
// difference to the first.
type senderReport struct {
	Began, Last time.Time // the load, and the last delivery
	CPU         time.Duration
	Mallocs     uint64
	Peak        uint64 // resident bytes
	Statements  int64  // to PostgreSQL
	Logged      int    // rows in the log of all senders; -1: there is no log
}

// A sender is one peer in a process of its own.
type sender struct {
	senderSpec
	peer       peer
	progress   progress
	statements statementCounter
}

// serveSender is the process of a sender.
func serveSender(ctx context.Context, parent pipe) error {
	var s sender
	if err := parent.Decode(&s.senderSpec); err != nil {
		return err
	}
	if err := s.serve(ctx, parent); err != nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	return nil
}

func (s *sender) serve(ctx context.Context, parent pipe) (err error) {
	if s.peer, err = s.openPeer(ctx); err != nil {
		return err
	}
	preloaded := s.Load.Events == 0
	if !preloaded {
		if err := errors.Join(s.peer.begin(ctx), s.warmUp(ctx)); err != nil {
			return fmt.Errorf("warm up: %w", err)
		}
	}
	before, err := s.report(ctx)
	if err != nil {
		return err
	}
	if err := parent.Encode(before); err != nil {
		return err
	}
	if err := parent.Decode(&senderCommand{}); err != nil {
		return err
	}
	endProfile, err := profile(s.Profile)
	if err != nil {
		return err
	}
	defer endProfile()
	before.Began = time.Now()
	if preloaded {
		if err := s.peer.begin(ctx); err != nil {
			return err
		}
	}
	if err := s.Load.run(ctx, s.peer, s.Targets.turn); err != nil {
		return err
	}
	if err := parent.Decode(&senderCommand{}); err != nil {
		return err
	}
	if err := s.peer.finish(ctx); err != nil {
		return err
	}
	report, err := s.report(ctx)
	if err != nil {
		return err
	}
	report.Began, report.Last = before.Began, s.progress.lastTime()
	report.CPU -= before.CPU
	report.Mallocs -= before.Mallocs
	report.Statements -= before.Statements
	report.Logged -= before.Logged
	return parent.Encode(report)
}

// openPeer opens the peer of a sender.
func (s *sender) openPeer(ctx context.Context) (peer, error) {
	switch s.Peer {
	case peerWebhook:
		return openWebhook(ctx, s)
	case peerRiver:
		return openRiver(ctx, s)
	case peerLoop:
		return openLoop(s)
	}
	return nil, fmt.Errorf("there is no peer %q", s.Peer)
}

// report reads the log last, because that costs statements and memory.
func (s *sender) report(ctx context.Context) (r senderReport, err error) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	r = senderReport{CPU: ownCPU(), Mallocs: m.Mallocs, Peak: peakResident(), Statements: s.statements.count.Load()}
	r.Logged, err = s.peer.logged(ctx)
	return r, err
}

// warmUp delivers events before anything is measured. The first go to an endpoint outside the
// targets, so that connections to the database are in use. Then each target gets an event, so
// that it has a connection. Over TLS the first connections are part of the measurement.
func (s *sender) warmUp(ctx context.Context) error {
	const events, timeout = 300, 3 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	l := load{Callers: callers, Events: events}
	if err := l.run(ctx, s.peer, func(int) int { return pastTenant }); err != nil {
		return err
	}
	wanted := events
	if !s.Targets.TLS {
		l.Events = s.Targets.Tenants
		if err := l.run(ctx, s.peer, s.Targets.turn); err != nil {
			return err
		}
		wanted += l.Events * s.Targets.Endpoints
		if s.Targets.Hangs {
			wanted--
		}
	}
	for s.progress.count() < wanted {
		if err := ctx.Err(); err != nil {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}

// profile writes a CPU profile until end is called.
func profile(file string) (end func(), err error) {
	if file == "" {
		return func() {}, nil
	}
	f, err := os.Create(filepath.Clean(file))
	if err != nil {
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}, pprof.StartCPUProfile(f)
}
