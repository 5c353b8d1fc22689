package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A load is the work of a sender. If Rate is set, events come at that rate, also while others
// are under way. Otherwise each caller emits one event after another.
type load struct {
	Events  int
	Callers int
	Rate    int // a second
}

// run emits all events. tenant returns the tenant of event n.
func (l *load) run(ctx context.Context, p peer, tenant func(n int) int) error {
	if l.Rate > 0 {
		return l.open(ctx, p, tenant)
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, l.Callers)
	for range l.Callers {
		wg.Go(func() {
			for n := int(next.Add(1)); n <= l.Events; n = int(next.Add(1)) {
				if err := p.emit(ctx, newEvent(n, tenant(n))); err != nil {
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
			if err := p.emit(ctx, newEvent(n, tenant(n))); err != nil {
				errs <- err
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}
