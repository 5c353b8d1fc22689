package servers

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
)

// A kind of database server, and the server of this kind that the tests of this process share.
type kind struct {
	name   string
	driver string
	env    string // the variable that names a server
	create string // with the name of the database for %s
	older  string // the same for older servers that refuse create; empty if there are none
	drop   string
	lazy   string // makes commits to a database not wait for the disk
	within func(dsn, database string) (string, error)
	launch func(args []string) (server *process, dsn string, err error)
	remedy string // the cure when there is no server

	// quick are the arguments that keep the shared server from waiting for the disk.
	// The system has the written data, so only a loss of power would lose it.
	quick []string

	mu  sync.Mutex
	dsn string // "" until a server is looked for
	own *process
	err error
}

// database makes a database that goes with the test.
func (k *kind) database(tb testing.TB) string {
	tb.Helper()
	admin, own, err := k.shared()
	if err != nil {
		unavailable(tb, k.name, k.remedy, err)
	}
	name := newName()
	dsn, err := k.add(admin, name)
	if err != nil {
		tb.Fatalf("%s: making a database: %v%s", k.name, err, own.lastWords())
	}
	if k.lazy != "" {
		if err := execute(k.driver, admin, fmt.Sprintf(k.lazy, name)); err != nil {
			tb.Fatalf("%s: %v", k.name, err)
		}
	}
	tb.Cleanup(func() {
		if err := execute(k.driver, admin, fmt.Sprintf(k.drop, name)); err != nil {
			tb.Errorf("%s: dropping the database of the test: %v", k.name, err)
		}
		own.explain(tb)
	})
	return dsn
}

// shared finds or starts the server once. The process is nil for a server that a variable names.
func (k *kind) shared() (dsn string, own *process, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.dsn == "" && k.err == nil {
		k.dsn, k.own, k.err = k.find()
	}
	return k.dsn, k.own, k.err
}

func (k *kind) find() (dsn string, own *process, err error) {
	if dsn := os.Getenv(k.env); dsn != "" {
		return dsn, nil, nil
	}
	own, dsn, err = k.launch(k.quick)
	return dsn, own, err
}

// reset forgets the shared server, and ends it if this process started it.
func (k *kind) reset() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	own := k.own
	k.dsn, k.own, k.err = "", nil, nil
	if own == nil {
		return nil
	}
	return own.remove()
}

// add makes a database and returns its DSN.
func (k *kind) add(admin, name string) (string, error) {
	err := execute(k.driver, admin, fmt.Sprintf(k.create, name))
	if err != nil && k.older != "" {
		err = execute(k.driver, admin, fmt.Sprintf(k.older, name))
	}
	if err != nil {
		return "", err
	}
	return k.within(admin, name)
}

// start starts a server for one test.
func (k *kind) start(tb testing.TB) *Server {
	tb.Helper()
	process, admin, err := k.launch(nil)
	if err != nil {
		unavailable(tb, k.name, k.remedy, err)
	}
	tb.Cleanup(func() {
		process.explain(tb)
		if err := process.remove(); err != nil {
			tb.Error(err)
		}
	})
	dsn, err := k.add(admin, "webhook")
	if err != nil {
		tb.Fatalf("%s: making a database: %v", k.name, err)
	}
	return &Server{tb: tb, dsn: dsn, process: process}
}

func newName() string { return "webhook_test_" + strings.ToLower(rand.Text()) }

func execute(driver, dsn, statement string) error {
	return connected(driver, dsn, func(ctx context.Context, db *sql.DB) error {
		_, err := db.ExecContext(ctx, statement)
		return err
	})
}

// connected calls do with a database that is closed afterwards.
func connected(driver, dsn string, do func(context.Context, *sql.DB) error) error {
	ctx, cancel := withPatience()
	defer cancel()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	return do(ctx, db)
}
