package drivertest

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// beWorker is the variable that makes the test binary a worker: a process that emits and
// delivers. Its value is a workerSpec.
const beWorker = "DRIVERTEST_BE_WORKER"

// A workerSpec has the orders of a worker.
type workerSpec struct {
	Name     string // no other worker of the test has it
	Database string // of databases
	DSN      string
	Settings fleetSettings
	Shift    time.Duration // of the process's clock
}

// A workerOrder is a line of a worker's input.
type workerOrder struct {
	Emit  int // events of this type, or, if negative, as many until Quiet
	Type  string
	Quiet bool // emit nothing more
}

// A workerReport is a line of a worker's output.
type workerReport struct {
	Up     bool    // Run runs
	Event  string  // the id of an event that was stored for certain
	Failed string  // the error of an Emit
	Wrong  string  // the id of an event that was called a duplicate and is none
	Quiet  bool    // nothing more will be emitted
	Ended  *string // Run has returned this error, or ""
}

// A workerProcess emits and delivers.
type workerProcess struct {
	spec       workerSpec
	dispatcher *webhook.Dispatcher
	out        *json.Encoder
	mu         sync.Mutex // held to write out
	emitters   sync.WaitGroup
	quiet      context.Context
	beQuiet    context.CancelFunc
}

// runWorkerIfAsked makes this process a worker instead of a test, if its environment says so.
func runWorkerIfAsked() {
	spec := os.Getenv(beWorker)
	if spec == "" {
		return
	}
	if err := runWorker(spec); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:revive // it is TestMain that calls
	}
	os.Exit(0) //nolint:revive // it is TestMain that calls
}

func runWorker(spec string) error {
	w := &workerProcess{out: json.NewEncoder(os.Stdout)}
	if err := json.Unmarshal([]byte(spec), &w.spec); err != nil {
		return err
	}
	store, err := w.spec.open()
	if err != nil {
		return err
	}
	config := w.spec.Settings.config(w.spec.Name)
	config.Now = func() time.Time { return time.Now().Add(w.spec.Shift) }
	if w.dispatcher, err = webhook.New(store, config); err != nil {
		return err
	}
	w.quiet, w.beQuiet = context.WithCancel(context.Background())

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go w.obey()
	ended := make(chan error, 1)
	go func() { ended <- w.dispatcher.Run(ctx) }()
	for w.dispatcher.Ready() != nil {
		select {
		case err := <-ended:
			return fmt.Errorf("run: %w", err)
		case <-time.After(time.Millisecond):
		}
	}
	w.tell(workerReport{Up: true})

	message := ""
	if err := <-ended; err != nil {
		message = err.Error()
	}
	w.beQuiet()
	w.emitters.Wait()
	w.tell(workerReport{Ended: &message})
	return nil
}

// open opens the store as an application would.
func (s *workerSpec) open() (*sqlstore.Store, error) {
	for _, d := range databases {
		if d.name != s.Database {
			continue
		}
		if d.dialect == sqlstore.SQLite {
			return sqlstore.OpenSQLite(d.driver, s.DSN, sqlstore.Options{})
		}
		db, err := sql.Open(d.driver, s.DSN+d.suffix)
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(fleetConnections)
		db.SetMaxIdleConns(fleetConnections)
		return sqlstore.New(db, d.dialect, sqlstore.Options{})
	}
	return nil, errors.New("unknown database " + s.Database)
}

// tell writes a report at once, so the test has it even if this process ends.
func (w *workerProcess) tell(r workerReport) {
	w.mu.Lock()
	err := w.out.Encode(r)
	w.mu.Unlock()
	if err != nil {
		os.Exit(2) //nolint:revive // nobody listens any more
	}
}

// obey follows orders until there is nobody who gives them.
func (w *workerProcess) obey() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var o workerOrder
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2) //nolint:revive // the test is wrong
		}
		switch {
		case o.Quiet:
			w.beQuiet()
			w.emitters.Wait()
			w.tell(workerReport{Quiet: true})
		default:
			w.emit(o)
		}
	}
	os.Exit(3) //nolint:revive // the test has ended
}

// emit begins to emit, from several goroutines, so that Emits are grouped.
func (w *workerProcess) emit(o workerOrder) {
	const emitters = 4
	for n := range emitters {
		w.emitters.Go(func() {
			for i := n; o.Emit < 0 || i < o.Emit; i += emitters {
				w.emitOne(o.Type, i)
				if o.Emit < 0 && !letPass(w.quiet, emitPace) {
					return
				}
			}
		})
	}
}

// emitOne emits event i, every other one with an id of its own, until it is acknowledged or
// the worker is to be quiet. A repeated event has the id of the first receipt.
func (w *workerProcess) emitOne(typ string, i int) {
	e := webhook.Event{Tenant: fleetTenant, Type: typ, Data: map[string]any{"worker": w.spec.Name, "n": i}}
	if typ == "" {
		e.Type = kindOf(i)
	}
	if i%2 == 0 {
		e.ID = asID(w.spec.Name + "-" + e.Type + "-" + strconv.Itoa(i))
	}
	for first := true; ; first = false {
		receipt, err := w.dispatcher.Emit(context.Background(), e)
		if first && receipt.Duplicate {
			w.tell(workerReport{Wrong: receipt.EventID})
		}
		if err == nil {
			w.tell(workerReport{Event: receipt.EventID})
			return
		}
		w.tell(workerReport{Failed: err.Error()})
		if e.ID = receipt.EventID; !letPass(w.quiet, emitPace) {
			return
		}
	}
}

// letPass lets time pass, and reports whether ctx has not ended meanwhile.
func letPass(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
