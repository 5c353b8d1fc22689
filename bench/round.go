package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	roundTimeout = 10 * time.Minute
	stallTimeout = 60 * time.Second // without a delivery
	sayEvery     = 2 * time.Second
)

// Measured is what came out of one round of one peer.
type measured struct {
	plan     *plan
	outcomes []outcome
	began    time.Time
	last     time.Time // delivery
	before   reading
	after    reading
	receiver time.Duration // CPU
	machine  time.Duration // CPU of everything; 0: unknown
	took     time.Duration // the window of machine
	tally    tally
	logged   int
	track    []point
	extra    map[string]float64
}

// A point is how far a round had come.
type point struct {
	at        time.Time
	delivered int
}

// round measures a plan once.
func (b *bench) round(ctx context.Context, title string, p *plan) (_ *measured, err error) {
	ctx, cancel := context.WithTimeout(ctx, roundTimeout)
	defer cancel()
	s := spec{
		Name: title, Peer: p.peer, Store: p.store, Receiver: b.at, Layout: p.prepared.Layout, Load: p.load, River: b.river,
	}
	drop, err := b.database(ctx, p, &s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, drop()) }()
	m := &measured{plan: p, extra: make(map[string]float64)}
	if err := b.send(ctx, &s, p, m); err != nil {
		return nil, err
	}
	if p.usesPostgres() {
		if err := b.cluster.alone(ctx, s.Database); err != nil {
			return nil, err
		}
		if m.after, err = b.cluster.read(ctx); err != nil {
			return nil, err
		}
	}
	m.logged, err = b.countLog(ctx, p, &s, m.outcomes)
	return m, err
}

// send runs the senders until all has been delivered, or nothing more is.
func (b *bench) send(ctx context.Context, s *spec, p *plan, m *measured) error {
	if p.beside != nil {
		end, err := p.beside(ctx, b, s.Database)
		if err != nil {
			return err
		}
		defer end()
	}
	first := order{Reset: true, Refuse: p.refuse}
	if p.prepared.Layout.Dead {
		first.Hang = p.hang // while the sender warms up its backlog would go
	}
	if _, err := b.order(first); err != nil {
		return err
	}
	f := &fleet{news: make(chan numbered)}
	defer f.stop()
	for i := range max(p.processes, 1) {
		spec := *s
		if b.profiles != "" {
			spec.Profile = filepath.Join(b.profiles, fmt.Sprintf("%s-%d.pprof", s.Name, i))
		}
		if err := f.start(ctx, &spec); err != nil {
			return err
		}
	}
	before, err := b.order(order{Forget: true, Hang: p.hang})
	if err != nil {
		return err
	}
	if p.usesPostgres() {
		if err := b.cluster.checkpoint(ctx); err != nil {
			return err
		}
		if m.before, err = b.cluster.read(ctx); err != nil {
			return err
		}
	}
	busy, busyErr := machineBusy()
	began := time.Now()
	if err := f.tell(command{Go: true}); err != nil {
		return err
	}
	if err := b.follow(ctx, f, s.Name, m); err != nil {
		return err
	}
	if m.outcomes, err = f.finish(ctx); err != nil {
		return err
	}
	m.began, m.last = f.span(m.outcomes)
	if now, err := machineBusy(); err == nil && busyErr == nil {
		m.machine, m.took = now-busy, time.Since(began)
	}
	if m.tally, err = b.order(order{}); err != nil {
		return err
	}
	m.receiver = m.tally.CPU - before.CPU
	return nil
}

// follow returns when all is delivered, or when nothing has been for long.
func (b *bench) follow(ctx context.Context, f *fleet, title string, m *measured) error {
	p := m.plan
	changed, said, saidAt := time.Now(), 0, time.Now()
	for delivered, sent := 0, false; ; {
		if err := f.hear(ctx); err != nil {
			return err
		}
		now := time.Now()
		if n := f.delivered(); n > delivered {
			delivered, changed = n, now
			m.track = append(m.track, point{now, n})
		}
		if !sent && f.sent() {
			sent, changed = true, now
			if p.sent != nil {
				if err := p.sent(ctx, b, m); err != nil {
					return err
				}
			}
		}
		if sent && delivered >= p.expect+p.others || now.Sub(changed) > stallTimeout {
			return nil
		}
		if since := now.Sub(saidAt); since >= sayEvery {
			fmt.Fprintf(os.Stderr, "%s: %d of %d, %.0f/s\n", title, delivered, p.expect+p.others, float64(delivered-said)/since.Seconds())
			said, saidAt = delivered, now
		}
	}
}

// countLog counts the attempts in the log of the endpoints that answer; -1 if the peer has none.
func (b *bench) countLog(ctx context.Context, p *plan, s *spec, outcomes []outcome) (n int, err error) {
	const answering = " WHERE endpoint_id NOT IN ('" + dead + "', '" + past + "')"
	query := "SELECT count(*) FROM webhook_attempts" + answering
	switch {
	case p.peer == peerRaw:
		return -1, nil
	case p.store == storeMemory:
		return outcomes[0].Logged, nil
	case p.store == storeSQLite:
		return countSQLite(ctx, s.File, query)
	case p.peer == peerRiver:
		query = "SELECT count(*) FROM delivery_log" + answering
	}
	pool, err := openPool(ctx, b.postgres, s.Database, 1, nil)
	if err != nil {
		return 0, err
	}
	defer pool.Close()
	err = pool.QueryRow(ctx, query).Scan(&n)
	return n, err
}
