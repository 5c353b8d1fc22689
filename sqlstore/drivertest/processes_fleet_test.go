package drivertest

import (
	"context"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

const (
	fleetTenant = "acme"

	// fleetConnections is the number of a process's connections to the database. All tests
	// together need fewer than a server's default.
	fleetConnections = 5

	// emitPace is how long an emitter waits between events.
	emitPace = 10 * time.Millisecond

	// processPatience is a deadline for steps that take a moment on an idle machine.
	processPatience = 2 * time.Minute
)

// The headers that tell the receiver whose request it has before it.
const (
	workerHeader  = "Test-Worker"
	startedHeader = "Test-Started"
)

// fleetSettings are the common settings of the processes of a test.
type fleetSettings struct {
	Timeout, Lease, Drain time.Duration
	Retries               []time.Duration
	InFlight              int
}

// shortLeases lets a lease end after the shortest time that New allows.
func shortLeases(retries ...time.Duration) fleetSettings {
	return fleetSettings{
		Timeout: time.Second, Lease: 21 * time.Second, Drain: 5 * time.Second, Retries: retries, InFlight: 32,
	}
}

// manyRetries waits that long before each of many retries.
func manyRetries(wait time.Duration) []time.Duration {
	waits := make([]time.Duration, 25)
	for i := range waits {
		waits[i] = wait
	}
	return waits
}

func (s fleetSettings) config(name string) webhook.Config {
	return webhook.Config{
		Profile: "test",
		Profiles: map[string]webhook.Profile{"test": {
			Retry: webhook.Schedule(s.Retries...),
			Header: func(r *webhook.Request) error {
				r.Header.Set(workerHeader, name)
				r.Header.Set(startedHeader, strconv.FormatInt(r.Time.UnixMicro(), 10))
				return nil
			},
		}},
		KeepUnmatched: true,
		Network:       webhook.Network{AllowHTTP: true, AllowLoopback: true},
		MaxTimeout:    s.Timeout, RequestTimeout: s.Timeout, Lease: s.Lease, DrainTimeout: s.Drain,
		MaxInFlight: s.InFlight, PollInterval: 50 * time.Millisecond,
		Health: webhook.HealthPolicy{CircuitFailures: -1, CircuitPercent: -1, Throttle: -1}, // retries come at their times
	}
}

// A fleet is a database, a receiver, and this process's own Dispatcher, which is not run
// unless the test does.
type fleet struct {
	t          *testing.T
	database   database
	dsn        string
	settings   fleetSettings
	receiver   *ledger
	store      *sqlstore.Store
	dispatcher *webhook.Dispatcher
	endpoints  []string
	workers    map[string]*fleetWorker
	logger     *slog.Logger // of this process's Dispatcher
}

// newFleet makes endpoints that get all events.
func newFleet(t *testing.T, d database, dsn string, s fleetSettings, endpoints int) *fleet {
	t.Helper()
	f := emptyFleet(t, d, dsn, s)
	for range endpoints {
		f.endpoint("*")
	}
	return f
}

func emptyFleet(t *testing.T, d database, dsn string, s fleetSettings) *fleet {
	t.Helper()
	f := &fleet{
		t: t, database: d, dsn: dsn, settings: s, receiver: newLedger(t), store: d.store(t, dsn, sqlstore.Options{}),
		workers: make(map[string]*fleetWorker),
	}
	if d.dialect != sqlstore.SQLite {
		f.store.DB().SetMaxOpenConns(fleetConnections)
	}
	require.NoError(t, f.store.Migrate(t.Context()))
	config, log := s.config("test"), new(outputTail)
	f.logger = slog.New(slog.NewTextHandler(log, nil))
	config.Logger = f.logger
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("the last that the test's own Dispatcher had to say:\n" + log.String())
		}
	})
	var err error
	f.dispatcher, err = webhook.New(f.store, config)
	require.NoError(t, err)
	return f
}

// endpoint makes an endpoint.
func (f *fleet) endpoint(patterns ...string) {
	f.t.Helper()
	id := "e" + strconv.Itoa(len(f.endpoints))
	_, err := f.dispatcher.Tenant(fleetTenant).CreateEndpoint(f.t.Context(), webhook.Endpoint{
		ID: id, URL: f.receiver.url + "/" + id, Events: patterns,
	})
	require.NoError(f.t, err)
	f.endpoints = append(f.endpoints, id)
}

// run runs this process's Dispatcher until the end of the test.
func (f *fleet) run() {
	f.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = f.dispatcher.Run(ctx) // the test sees the requests that were cut
	}()
	f.t.Cleanup(func() {
		stop()
		<-ended
	})
}

// eventually waits for a condition.
func (f *fleet) eventually(what string, condition func() bool) {
	f.t.Helper()
	require.Eventually(f.t, condition, processPatience, 20*time.Millisecond, what)
}

// atOnce runs a test on several databases at the same time, however many tests may run in
// parallel: they mostly wait.
func atOnce(t *testing.T, on []database, test func(t *testing.T, d database)) {
	t.Helper()
	var tests sync.WaitGroup
	for _, d := range on {
		tests.Go(func() { t.Run(d.name, func(t *testing.T) { test(t, d) }) })
	}
	tests.Wait()
}

// soaking reports whether a test should take its time.
func soaking() bool { return os.Getenv("WEBHOOK_TEST_SOAK") == "1" }

// asID makes an id of a name.
func asID(name string) string { return strings.ReplaceAll(name, ".", "_") }

// fleetKinds are the types of events that are spread.
const fleetKinds = 20

func kindOf(i int) string { return "kind." + strconv.Itoa(i%fleetKinds) }

// event returns event i with an id.
func (f *fleet) event(id string, i int) webhook.Event {
	return webhook.Event{Tenant: fleetTenant, Type: kindOf(i), ID: id, Data: map[string]int{"n": i}}
}

// emitTx emits in a transaction of its own, and may roll it back. It may be called again after
// an error.
func (f *fleet) emitTx(rollback bool, events ...webhook.Event) error {
	ctx := context.Background()
	tx, err := f.store.DB().BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := f.dispatcher.EmitTx(ctx, f.store.Tx(tx), events...); err != nil || rollback {
		return err
	}
	return tx.Commit()
}
