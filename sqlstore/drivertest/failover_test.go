package drivertest

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
	"github.com/gowebhook/webhook/sqlstore/drivertest/servers"
	"github.com/gowebhook/webhook/webhooktest"
)

// A failover is a pair of servers with processes that emit to it and deliver from it, each
// with a pool of its own.
type failover struct {
	*testing.T
	pair      *servers.Pair
	processes []*webhook.Dispatcher
	stores    []*sqlstore.Store
	receiver  *webhooktest.Receiver

	mu    sync.Mutex
	acked map[string]bool // events that were acknowledged
	seen  map[string]int  // requests for each event
	count atomic.Int64    // of acked

	stop context.CancelFunc
	over sync.WaitGroup
}

const failoverTenant = "acme"

func newFailover(t *testing.T, synchronous bool, emitters int) *failover {
	t.Helper()
	f := &failover{
		T: t, pair: servers.StartPostgresPair(t, synchronous), receiver: webhooktest.NewReceiver(),
		acked: make(map[string]bool), seen: make(map[string]int),
	}
	t.Cleanup(f.receiver.Close)
	f.receiver.AnswerFunc(func(r webhooktest.Received) webhooktest.Answer {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.seen[r.Header.Get("webhook-id")]++
		return webhooktest.Answer{}
	})
	d := database{name: postgres.name, dialect: sqlstore.Postgres, driver: "pgx"}
	for range 2 {
		store := d.store(t, f.pair.DSN(), sqlstore.Options{})
		require.NoError(t, store.Migrate(t.Context()))
		config := webhooktest.Config()
		config.PollInterval = soon
		config.MaxTimeout, config.RequestTimeout = time.Second, time.Second
		config.Lease = shortLeases().Lease // a result that was lost with the primary is awaited so long
		config.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
		process, err := webhook.New(store, config)
		require.NoError(t, err)
		run(t, process)
		f.processes, f.stores = append(f.processes, process), append(f.stores, store)
	}
	_, err := f.processes[0].Tenant(failoverTenant).CreateEndpoint(t.Context(), webhook.Endpoint{
		URL: f.receiver.URL, Secret: f.receiver.Secret, Events: []string{"*"},
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	f.stop = cancel
	for n := range emitters {
		f.over.Go(func() { f.emit(ctx, n) })
	}
	t.Cleanup(f.quieten)
	return f
}

// emit emits one event after the other. An event that fails is not repeated: it may be stored
// or not.
func (f *failover) emit(ctx context.Context, n int) {
	d, store := f.processes[n%2], f.stores[n%2]
	for i := 0; ctx.Err() == nil; i++ {
		id := fmt.Sprintf("evt-%d-%d", n, i)
		event := webhook.Event{Tenant: failoverTenant, Type: "order.placed", ID: id, Data: i}
		bounded, cancel := context.WithTimeout(ctx, 5*time.Second)
		var err error
		if i%2 == 0 {
			_, err = d.Emit(bounded, event)
		} else {
			_, err = d.EmitTx(bounded, store, event)
		}
		cancel()
		if err == nil {
			f.mu.Lock()
			f.acked[id] = true
			f.mu.Unlock()
			f.count.Add(1)
		}
		letPass(ctx, 5*time.Millisecond)
	}
}

func (f *failover) quieten() {
	f.stop()
	f.over.Wait()
}

// patient is how long a promotion may take on a slow machine.
const patient = 4 * long

// more waits until so many more events were acknowledged, and returns them with all others.
func (f *failover) more(n int64) map[string]bool {
	f.Helper()
	wanted := f.count.Load() + n
	require.Eventually(f, func() bool { return f.count.Load() >= wanted }, patient, soon, "events are acknowledged")
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make(map[string]bool, len(f.acked))
	for id := range f.acked {
		all[id] = true
	}
	return all
}

// missing counts the events that no request came for.
func (f *failover) missing(events map[string]bool) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id := range events {
		if f.seen[id] == 0 {
			n++
		}
	}
	return n
}

// promote kills the primary and promotes the standby, and returns how long it takes until an
// event is delivered that was acknowledged after that.
func (f *failover) promote() time.Duration {
	f.Helper()
	f.pair.Primary.Kill()
	f.pair.Promote()
	promoted := time.Now()
	before := f.more(0)
	require.Eventually(f, func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		for id := range f.acked {
			if !before[id] && f.seen[id] > 0 {
				return true
			}
		}
		return false
	}, patient, soon, "an event is delivered after the promotion")
	return time.Since(promoted)
}

// settles waits until all that is stored is delivered, and the processes are well.
func (f *failover) settles() {
	f.Helper()
	require.Eventually(f, func() bool {
		stats, err := f.stores[0].Stats(f.Context(), time.Now())
		return err == nil && stats.Pending == 0 && stats.Outbox == 0
	}, patient, soon, "the queue empties")
	for _, d := range f.processes {
		assert.NoError(f, d.Ready())
	}
}

func TestAFailoverToASynchronousStandbyLosesNothing(t *testing.T) {
	onlyInCI(t)
	t.Parallel()
	f := newFailover(t, true, 4)
	f.losesNothing(50)
}

func (f *failover) losesNothing(n int64) {
	f.Helper()
	f.more(n)
	resumed := f.promote()
	f.more(n)
	f.quieten()
	all := f.more(0)
	require.Eventually(f, func() bool { return f.missing(all) == 0 }, patient, soon, "events that were acknowledged and are lost")
	f.settles()
	f.Logf("%d events; delivery resumed %v after the promotion", len(all), resumed.Round(time.Millisecond))
}

// An asynchronous standby lacks some acknowledged events. The processes deliver the others,
// and forget the lost ones.
func TestAFailoverToAnAsynchronousStandbyLosesWhatItDidNotHave(t *testing.T) {
	onlyInCI(t)
	t.Parallel()
	f := newFailover(t, false, 4)
	f.losesAWindow(50)
}

func (f *failover) losesAWindow(n int64) {
	f.Helper()
	there := f.more(n)
	f.pair.CaughtUp()
	f.pair.Detach()
	window := f.more(n)
	resumed := f.promote()
	f.more(n)
	f.quieten()
	require.Eventually(f, func() bool { return f.missing(there) == 0 }, patient, soon, "events that the standby had")
	f.settles()
	page, err := f.processes[1].Tenant(failoverTenant).Deliveries(f.Context(), webhook.Query{State: webhook.DeliveryPending})
	require.NoError(f, err)
	assert.Empty(f, page.Items)
	f.Logf("%d events of a window of %d were not sent; delivery resumed %v after the promotion", f.missing(window), len(window)-len(there),
		resumed.Round(time.Millisecond))
}

func TestSoakFailovers(t *testing.T) {
	soak(t)
	for n := range 5 {
		t.Run(fmt.Sprintf("synchronous %d", n), func(t *testing.T) { newFailover(t, true, 16).losesNothing(2000) })
		t.Run(fmt.Sprintf("asynchronous %d", n), func(t *testing.T) { newFailover(t, false, 16).losesAWindow(2000) })
	}
}
