package main

import (
	"context"
	"time"
)

// warmUp lets a peer deliver before it counts. First to an endpoint that is not one of the layout's, so that connections are made
// and statements prepared: with a new session PostgreSQL takes tens of milliseconds for its first answers. Then, unless there is
// only one event to come, to each endpoint of the layout, so that none is new to the peer.
func (s *spec) warmUp(ctx context.Context, p peer, done *ledger) error {
	const events, patience = 300, 30 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	l := load{Kind: loadClosed, Senders: senders, Events: events}
	if err := l.closed(ctx, p, func(int) int { return toThePast }); err != nil {
		return err
	}
	wanted := events
	if s.Load.warms() {
		l.Events = s.Layout.Tenants
		if err := l.closed(ctx, p, s.Layout.turn); err != nil {
			return err
		}
		wanted += s.Layout.Tenants * s.Layout.Fanout
	}
	for int(done.delivered.Load()) < wanted {
		if err := ctx.Err(); err != nil {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	if err := p.finish(ctx); err != nil {
		return err
	}
	done.delivered.Store(0)
	if f, ok := p.(figurer); ok {
		f.forget()
	}
	return nil
}

// warms reports whether each endpoint gets an event before it counts.
func (l *load) warms() bool { return l.Kind == loadClosed || l.Kind == loadOpen }

// warmed is how many deliveries the endpoints that answer got in the warm-up.
func (p *plan) warmed() int {
	switch l := &p.prepared.Layout; {
	case !p.load.warms():
		return 0
	case l.Noisy:
		return l.Fanout - 1
	default:
		return l.Tenants * l.Fanout
	}
}
