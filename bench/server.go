package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// A server makes databases for rounds and measures itself.
type server interface {
	// create makes a database for a peer, with its tables, a history and a dataset.
	create(ctx context.Context, peer string, d *dataset, at addresses) (dsn string, err error)
	drop(ctx context.Context, dsn string) error
	// checkpoint writes all changed pages to the disk, if the server can be asked to.
	checkpoint(ctx context.Context) error
	// idle waits until all senders have left. A session reports its work at its end.
	idle(ctx context.Context) error
	// counters returns the work of the server until now.
	counters(ctx context.Context) (counters, error)
	// stop stops the server and removes its files.
	stop() error
}

// Counters grow with the work of a server.
type counters struct {
	cpu        time.Duration
	wal        int64 // bytes of the write-ahead log
	syncs      int64
	statements int64 // only if senders do not count them
}

// startServer starts the server of a store, with its files in o.dir.
func startServer(ctx context.Context, store string, o *options) (server, error) {
	if err := onDisk(o.dir); err != nil && !o.anyDisk {
		return nil, err
	}
	dir := o.dir
	switch store {
	case storePostgres:
		return startPostgres(ctx, dir)
	case storeMariaDB:
		return startMariaDB(ctx, dir)
	case storeSQLite:
		dir, err := os.MkdirTemp(dir, "webhook-bench-")
		return sqliteServer(dir), err
	}
	return nil, fmt.Errorf("there is no store %q", store)
}

// onDisk fails for a directory in memory, where a sync costs nothing.
func onDisk(dir string) error {
	const tmpfs = 0x01021994
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return fmt.Errorf("-dir %s: %w", dir, err)
	}
	if s.Type == tmpfs {
		return fmt.Errorf("-dir %s: it is in memory; give a directory on a disk", dir)
	}
	return nil
}

// A sqliteServer is a directory with a directory for each database. SQLite runs in the sender,
// so it has no counters.
type sqliteServer string

func (s sqliteServer) create(ctx context.Context, _ string, d *dataset, at addresses) (string, error) {
	dir, err := os.MkdirTemp(string(s), "")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "webhook.db")
	return file, d.fillStore(ctx, storeSQLite, file, at)
}

func (sqliteServer) drop(_ context.Context, file string) error {
	return os.RemoveAll(filepath.Dir(file))
}
func (sqliteServer) idle(context.Context) error                       { return nil }
func (sqliteServer) checkpoint(context.Context) error                 { return nil }
func (sqliteServer) counters(context.Context) (c counters, err error) { return c, nil }
func (s sqliteServer) stop() error                                    { return os.RemoveAll(string(s)) }
