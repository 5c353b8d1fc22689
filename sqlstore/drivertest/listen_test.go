package drivertest

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
	"github.com/gowebhook/webhook/webhooktest"
)

// pgxListen returns the function of the documentation of sqlstore.Listen, word for word.
func pgxListen(databaseURL string) sqlstore.Listen {
	listen := func(ctx context.Context, channel string, notified func()) error {
		conn, err := pgx.Connect(ctx, databaseURL) // not through PgBouncer
		if err != nil {
			return err
		}
		defer conn.Close(context.Background())
		if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
			return err
		}
		for notified(); ; notified() {
			if _, err := conn.WaitForNotification(ctx); err != nil {
				return err
			}
		}
	}
	return listen
}

// A listening host has a worker process that listens, and an API process that emits and does
// not run.
type listening struct {
	*host
	api, worker *webhook.Dispatcher
	acme        *customer
	arrived     chan time.Time
	heard       chan struct{} // the worker has begun to listen, or was notified
	errors      chan error    // of the worker
}

func newListening(t *testing.T, o sqlstore.Options, poll time.Duration) *listening {
	t.Helper()
	h := newHost(t, postgres)
	l := &listening{
		host: h, arrived: make(chan time.Time, 1000), heard: make(chan struct{}, 1000), errors: make(chan error, 1000),
	}
	listen := pgxListen(h.url)
	o.Listen = func(ctx context.Context, channel string, notified func()) error {
		return listen(ctx, channel, func() {
			notified()
			l.heard <- struct{}{}
		})
	}
	apiStore := h.database.store(t, h.url, o)
	require.NoError(t, apiStore.Migrate(t.Context()))
	l.host.store = apiStore
	l.api = h.dispatcher(t, apiStore, poll)
	config := webhooktest.Config()
	config.PollInterval = poll
	config.Observer.Error = func(err error) { l.errors <- err }
	var err error
	l.worker, err = webhook.New(h.database.store(t, h.url, o), config)
	require.NoError(t, err)
	run(t, l.worker)
	l.acme = newCustomer(t, l.api)
	l.acme.AnswerFunc(func(webhooktest.Received) webhooktest.Answer {
		l.arrived <- time.Now()
		return webhooktest.Answer{}
	})
	awaited(t, l.heard)
	return l
}

// awaited returns the next value of a channel in good time.
func awaited[T any](t *testing.T, from <-chan T) (v T) {
	t.Helper()
	timeout := time.NewTimer(long)
	defer timeout.Stop()
	select {
	case v = <-from:
	case <-timeout.C:
		require.Fail(t, "nothing came")
	}
	return v
}

// emitTx emits through a transaction in the API process, and returns when it was committed.
func (l *listening) emitTx(t *testing.T) time.Time {
	t.Helper()
	tx := beginSQL(t, l.host)
	_, err := l.api.EmitTx(t.Context(), l.store.Tx(tx), l.acme.event("", "an order"))
	require.NoError(t, err)
	require.NoError(t, tx.commit())
	return time.Now()
}

// logMedian logs and returns how long most of many took.
func logMedian(t *testing.T, what string, took []time.Duration) time.Duration {
	t.Helper()
	slices.Sort(took)
	m := took[len(took)/2]
	t.Logf("%s: median %v, longest %v of %d", what, m, took[len(took)-1], len(took))
	return m
}

// TestANotificationReachesTheWorkerOfAnotherProcess allows twenty times the 10 ms that it
// takes, because other tests run beside it.
func TestANotificationReachesTheWorkerOfAnotherProcess(t *testing.T) {
	atOnce := 200 * time.Millisecond
	if raceDetector {
		atOnce = 2 * time.Second
	}
	for _, o := range []sqlstore.Options{{}, {Schema: "hooks", Prefix: "wh_"}} {
		t.Run(o.Schema, func(t *testing.T) {
			l := newListening(t, o, never)
			var afterTx, afterEmit []time.Duration
			for range 25 {
				committed := l.emitTx(t)
				l.api.Wake()
				afterTx = append(afterTx, awaited(t, l.arrived).Sub(committed))

				began := time.Now()
				_, err := l.api.Emit(t.Context(), l.acme.event("", "an order"))
				require.NoError(t, err)
				afterEmit = append(afterEmit, awaited(t, l.arrived).Sub(began))
			}
			assert.Less(t, logMedian(t, "EmitTx and Wake", afterTx), atOnce)
			assert.Less(t, logMedian(t, "Emit without Run", afterEmit), atOnce)
		})
	}
}

func TestWithoutItsListeningConnectionAProcessPollsAndListensAgain(t *testing.T) {
	t.Parallel()
	l := newListening(t, sqlstore.Options{}, soon)
	for range 3 {
		cut := l.count(t, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
			WHERE datname = current_database() AND query LIKE 'LISTEN %'`)
		require.Equal(t, 1, cut)
		l.emitTx(t) // and no Wake
		awaited(t, l.arrived)
		for err := awaited(t, l.errors); ; err = awaited(t, l.errors) {
			if strings.Contains(err.Error(), "listen") {
				assert.ErrorContains(t, err, "listening failed; until it works again, work of other processes is found by polling")
				break
			}
		}
		for len(l.heard) > 0 {
			<-l.heard
		}
		// It listens again, so that a notification is heard.
		require.Eventually(t, func() bool {
			l.api.Wake()
			return len(l.heard) > 0
		}, long, soon)
	}
}

func TestAListenerThatBeginsLateFindsWhatWasThereBefore(t *testing.T) {
	t.Parallel()
	h := newHost(t, postgres)
	var calls atomic.Int32
	listen := pgxListen(h.url)
	begin := make(chan struct{})
	store := h.database.store(t, h.url, sqlstore.Options{
		Listen: func(ctx context.Context, channel string, notified func()) error {
			if calls.Add(1) == 1 {
				return assert.AnError
			}
			select {
			case <-begin:
			case <-ctx.Done():
				return ctx.Err()
			}
			return listen(ctx, channel, notified)
		},
	})
	d := h.dispatcher(t, store, never)
	run(t, d)
	acme := newCustomer(t, d)
	require.Eventually(t, func() bool { return calls.Load() == 2 }, long, soon)
	emit := func() {
		tx := beginSQL(t, h)
		_, err := d.EmitTx(t.Context(), store.Tx(tx), acme.event("", "an order"))
		require.NoError(t, err)
		require.NoError(t, tx.commit())
	}
	emit()
	d.Wake()
	acme.got(1) // the claim with which Run begins is over
	emit()
	close(begin)
	acme.got(2)
}

// A transaction that notifies would wait for all others that do when it commits.
func TestATransactionOfTheApplicationDoesNotNotify(t *testing.T) {
	t.Parallel()
	l := newListening(t, sqlstore.Options{}, never)
	tx := beginSQL(t, l.host)
	recorder := &recording{Execer: tx}
	for _, events := range [][]webhook.Event{{l.acme.event("a", "1"), l.acme.event("b", "2")}, {l.acme.event("", "3"), l.acme.event("", "4")}} {
		_, err := l.api.EmitTx(t.Context(), l.store.Tx(recorder), events...)
		require.NoError(t, err)
	}
	for _, s := range recorder.take() {
		assert.NotContains(t, strings.ToLower(s), "notify")
	}
	require.NoError(t, tx.commit())
	l.api.Wake()
	l.acme.got(4)
}
