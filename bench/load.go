package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Kinds of load.
const (
	loadNone   = ""       // everything is in the database already
	loadClosed = "closed" // goroutines emit one event after the other
	loadOpen   = "open"   // events come at a rate, whatever becomes of those before
	loadOne    = "one"    // a single event
	loadProbe  = "probe"  // the peer is asked directly, and delivers nothing
)

// A load is what a sender does.
type load struct {
	Kind    string
	Events  int
	Senders int // closed
	Rate    int // open: a second
	Probe   string
}

// senders is how many goroutines a closed load has: so many requests an application might serve at once.
const senders = 32

// run emits to the tenants in turn.
func (l *load) run(ctx context.Context, p peer, to *layout) (map[string]float64, error) {
	switch l.Kind {
	case loadNone:
		return nil, nil
	case loadClosed:
		return nil, l.closed(ctx, p, to.turn)
	case loadOpen:
		return nil, l.open(ctx, p, to.turn)
	case loadOne:
		return l.one(ctx, p, to.Fanout)
	case loadProbe:
		prober, ok := p.(prober)
		if !ok {
			return nil, errors.New("this peer cannot be probed")
		}
		return prober.probe(ctx, l.Probe)
	}
	return nil, fmt.Errorf("no such load: %q", l.Kind)
}

// A prober is a peer of which single calls can be measured.
type prober interface {
	probe(ctx context.Context, what string) (map[string]float64, error)
}

// closed emits to the tenants that tenant says.
func (l *load) closed(ctx context.Context, p peer, tenant func(n int) int) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, l.Senders)
	for range l.Senders {
		wg.Go(func() {
			for n := int(next.Add(1)); n <= l.Events; n = int(next.Add(1)) {
				if err := p.emit(ctx, event{n, tenant(n), eventData(n, text)}); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

func (l *load) open(ctx context.Context, p peer, tenant func(n int) int) error {
	var wg sync.WaitGroup
	errs := make(chan error, l.Events)
	began := time.Now()
	for n := range l.Events {
		time.Sleep(time.Until(began.Add(time.Duration(n) * time.Second / time.Duration(l.Rate))))
		wg.Go(func() {
			if err := p.emit(ctx, event{n, tenant(n), eventData(n, text)}); err != nil {
				errs <- err
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

func (l *load) one(ctx context.Context, p peer, fanout int) (map[string]float64, error) {
	began := time.Now()
	if err := p.emit(ctx, event{0, 0, eventData(0, text)}); err != nil {
		return nil, err
	}
	if err := p.stored(ctx); err != nil {
		return nil, err
	}
	return map[string]float64{"rows_per_s": float64(fanout) / time.Since(began).Seconds()}, nil
}
