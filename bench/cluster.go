package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// databasePrefix begins the names of databases; the process id follows, and a number.
const databasePrefix = "webhook_bench_"

// A cluster is the server, and the databases that were made on it.
type cluster struct {
	server     string
	admin      *pgx.Conn
	version    int
	postmaster int // 0: its processes are not visible
	syncs      bool
	made       map[string]bool
	numbered   int
}

// openCluster connects to the server, if it is one whose figures mean something.
func openCluster(ctx context.Context, server string) (*cluster, error) {
	config, err := pgx.ParseConfig(server)
	if err != nil {
		return nil, fmt.Errorf("-postgres: %w", err)
	}
	if !loopback(config.Host) {
		return nil, fmt.Errorf("-postgres: %s is not on this machine; bench measures the CPU of all processes, and fills and drops databases", config.Host)
	}
	admin, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("-postgres: %w; start a server, or name one with -postgres or WEBHOOK_TEST_POSTGRES", err)
	}
	c := &cluster{server: server, admin: admin, made: make(map[string]bool)}
	if err := errors.Join(c.inspect(ctx), c.sweep(ctx)); err != nil {
		return nil, errors.Join(err, admin.Close(ctx))
	}
	return c, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasPrefix(host, "/") || ip != nil && ip.IsLoopback()
}

// inspect refuses a server that does not wait for its disk, and finds its processes.
func (c *cluster) inspect(ctx context.Context) error {
	var fsync, synchronous, method string
	var pid int
	if err := c.admin.QueryRow(ctx, `SELECT current_setting('fsync'), current_setting('synchronous_commit'),
		current_setting('wal_sync_method'), current_setting('server_version_num')::int, pg_backend_pid()`).
		Scan(&fsync, &synchronous, &method, &c.version, &pid); err != nil {
		return err
	}
	if fsync != "on" || synchronous == "off" {
		return fmt.Errorf("the PostgreSQL server has fsync = %s and synchronous_commit = %s; durable commits are what is measured: "+
			"set both to on, or use another server", fsync, synchronous)
	}
	// With the other methods WAL is synced by how the file is opened, and there is nothing to count.
	c.syncs = strings.HasPrefix(method, "f") && c.version >= 150000 && c.version < 180000
	if backend, err := readStat(pid); err == nil {
		if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", backend.parent)); err == nil && strings.HasPrefix(string(name), "postgres") {
			c.postmaster = backend.parent
		}
	}
	return nil
}

// sweep drops what runs that were killed have left behind.
func (c *cluster) sweep(ctx context.Context) error {
	rows, err := c.admin.Query(ctx, "SELECT datname FROM pg_database WHERE starts_with(datname, $1)", databasePrefix)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		var pid, number int
		if n, _ := fmt.Sscanf(name, databasePrefix+"%d_%d", &pid, &number); n < 2 || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			continue
		}
		if err := c.drop(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// create makes a database, empty or as a copy of another.
func (c *cluster) create(ctx context.Context, template string) (string, error) {
	c.numbered++
	name := fmt.Sprintf("%s%d_%d", databasePrefix, os.Getpid(), c.numbered)
	statement := "CREATE DATABASE " + name
	if template != "" {
		statement += " TEMPLATE " + template
		if c.version >= 150000 {
			statement += " STRATEGY file_copy" // the other one writes all of it to the WAL
		}
	}
	c.made[name] = true
	_, err := c.admin.Exec(ctx, statement)
	return name, err
}

func (c *cluster) drop(ctx context.Context, name string) error {
	_, err := c.admin.Exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
	if err == nil {
		delete(c.made, name)
	}
	return err
}

// close drops all databases that are left, also when ctx has ended.
func (c *cluster) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	// A statement that was interrupted has closed the connection.
	_ = c.admin.Close(ctx)
	var err error
	if c.admin, err = pgx.Connect(ctx, c.server); err != nil {
		return err
	}
	var errs []error
	for name := range c.made {
		errs = append(errs, c.drop(ctx, name))
	}
	return errors.Join(append(errs, c.admin.Close(ctx))...)
}
