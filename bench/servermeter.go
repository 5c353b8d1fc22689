package main

import (
	"context"
	"fmt"
	"time"
)

// A reading is what the PostgreSQL server has done up to now, for everybody.
type reading struct {
	cpu   time.Duration // -1: unknown
	wal   int64         // bytes
	syncs int64         // of the WAL; -1: unknown
}

// read takes a reading. Only when all sessions of database have ended is it exact: a session tells its counts now and then, and
// when it ends.
func (c *cluster) read(ctx context.Context) (reading, error) {
	r := reading{cpu: -1, syncs: -1}
	if c.postmaster != 0 {
		var err error
		if r.cpu, err = familyCPU(c.postmaster); err != nil {
			return r, err
		}
	}
	if err := c.admin.QueryRow(ctx, "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint").Scan(&r.wal); err != nil || !c.syncs {
		return r, err
	}
	if _, err := c.admin.Exec(ctx, "SELECT pg_stat_force_next_flush()"); err != nil {
		return r, err
	}
	err := c.admin.QueryRow(ctx, "SELECT wal_sync FROM pg_stat_wal").Scan(&r.syncs)
	return r, err
}

// alone waits until nobody is connected to a database.
func (c *cluster) alone(ctx context.Context, database string) error {
	const patience = 20 * time.Second
	for began := time.Now(); ; {
		var sessions int
		if err := c.admin.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend'", database).
			Scan(&sessions); err != nil || sessions == 0 {
			return err
		}
		if time.Since(began) > patience {
			return fmt.Errorf("%d sessions are still in %s", sessions, database)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// checkpoint makes rounds begin alike: with nothing left to write from before.
func (c *cluster) checkpoint(ctx context.Context) error {
	_, err := c.admin.Exec(ctx, "CHECKPOINT")
	return err
}
