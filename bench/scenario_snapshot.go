package main

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// snapshotPlans let another session in the database keep an old snapshot, so that no dead row can be removed meanwhile. River
// gets a quarter of the deliveries: all of them would take it longer than everything else takes together.
func snapshotPlans(n int) []plan {
	drain := func(peer string, n int) plan {
		return plan{
			peer: peer, prepared: preparation{Layout: spread, Preload: n}, expect: n, preloaded: true,
			beside: holdSnapshot, figures: quarters,
		}
	}
	return []plan{drain(peerWebhook, 4*n), drain(peerRiver, n)}
}

func holdSnapshot(ctx context.Context, b *bench, database string) (end func(), err error) {
	config, err := pgx.ParseConfig(b.postgres)
	if err != nil {
		return nil, err
	}
	config.Database = database
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	end = func() { _ = conn.Close(context.WithoutCancel(ctx)) }
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err == nil {
		_, err = tx.Exec(ctx, "SELECT count(*) FROM pg_class") // the first statement takes the snapshot
	}
	if err != nil {
		end()
		return nil, err
	}
	return end, nil
}

// quarters compare the rate of the first quarter of the deliveries with that of the last.
func quarters(m *measured) map[string]float64 {
	n := m.plan.expect
	first, last := m.reached(n/4).Sub(m.began), m.last.Sub(m.reached(n-n/4))
	a, b := float64(n/4)/first.Seconds(), float64(n/4)/last.Seconds()
	return map[string]float64{"first_quarter_per_s": a, "last_quarter_per_s": b, "last_to_first": b / a}
}

// reached is when so many were delivered.
func (m *measured) reached(n int) time.Time {
	for _, p := range m.track {
		if p.delivered >= n {
			return p.at
		}
	}
	return m.last
}
