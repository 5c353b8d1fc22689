package otelwebhook

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

func TestTheQueueIsReportedByState(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.net.answer = answers(500)
		r.endpoint("failing")
		r.endpoint("paused", func(e *webhook.Endpoint) { e.State = webhook.EndpointPaused })
		gone := r.endpoint("gone")
		gone.State = webhook.EndpointDisabled
		_, err := r.Tenant(acme).UpdateEndpoint(t.Context(), gone)
		require.NoError(t, err)
		r.run()
		r.emit("evt")
		later := event("later")
		later.NotBefore = time.Now().Add(time.Hour)
		_, err = r.Emit(t.Context(), later)
		require.NoError(t, err)
		pass(defaultStatsInterval + time.Second)
		stats, err := r.Stats(t.Context())
		require.NoError(t, err)
		want := map[string]float64{
			"due": float64(stats.Due), "in_flight": float64(stats.InFlight), "waiting": float64(stats.Waiting),
			"held": float64(stats.Held), "outbox": float64(stats.Outbox),
		}
		assert.Equal(t, want, r.values("webhook.queue.depth"))
		assert.Equal(t, map[string]float64{
			"active": 1, "paused": 1, "disabled": 1, "failing": float64(stats.Endpoints.Failing),
		}, r.values("webhook.endpoints"))
		assert.Positive(t, want["waiting"])
		assert.Positive(t, want["held"])
		assert.Equal(t, map[string]float64{"": 0}, r.values("webhook.queue.oldest_due_age"))
	})
}

func TestTheAgeOfTheOldestDueDeliveryIsByTheStoresClock(t *testing.T) {
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for age, s := range map[float64]webhook.Stats{
		0:   {At: at},
		90:  {At: at, OldestAt: at.Add(-90 * time.Second)},
		0.5: {At: at, OldestAt: at.Add(-500 * time.Millisecond)},
	} {
		assert.InDelta(t, age, oldestDueAge(&s), 0)
	}
	assert.Zero(t, oldestDueAge(&webhook.Stats{At: at, OldestAt: at.Add(time.Second)}))

	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.endpoint("one")
		r.emit("evt") // nobody delivers
		pass(90 * time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.telemetry.Watch(ctx, r.Dispatcher) }()
		synctest.Wait()
		assert.InDelta(t, 90, r.values("webhook.queue.oldest_due_age")[""], 0.01)
		cancel()
		require.NoError(t, <-done)
	})
}

// While Stats hangs, a collection takes no time at all, and the old figures soon vanish.
func TestACollectionNeverWaitsForTheStore(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		release := make(chan struct{})
		var hangs atomic.Bool
		r.store.stats = func(context.Context) (webhook.Stats, error) {
			if hangs.Load() {
				<-release // heeds no deadline
			}
			return webhook.Stats{Due: 7}, nil
		}
		r.run()
		synctest.Wait()
		assert.InDelta(t, 7, r.values("webhook.queue.depth")["due"], 0)

		hangs.Store(true)
		pass(staleAfter * defaultStatsInterval)
		began := time.Now()
		assert.InDelta(t, 7, r.values("webhook.queue.depth")["due"], 0, "still fresh")
		pass(time.Second)
		assert.Empty(t, r.values("webhook.queue.depth"))
		assert.Empty(t, r.values("webhook.queue.oldest_due_age"))
		assert.NotEmpty(t, r.values("webhook.settle.pending"))
		assert.Equal(t, time.Second, time.Since(began), "collections took time")

		hangs.Store(false)
		close(release)
		synctest.Wait()
		pass(defaultStatsInterval)
		synctest.Wait()
		assert.InDelta(t, 7, r.values("webhook.queue.depth")["due"], 0, "it recovers")
	})
}

func TestACallOfStatsHasADeadlineAndIsRareAndCollectionsMakeNone(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(_ *webhook.Config, c *Config) { c.StatsInterval, c.StatsTimeout = 10*time.Second, 2*time.Second })
		var calls, ended atomic.Int32
		r.store.stats = func(ctx context.Context) (webhook.Stats, error) {
			calls.Add(1)
			<-ctx.Done()
			ended.Add(1)
			return webhook.Stats{}, ctx.Err()
		}
		r.run()
		for range 100 {
			pass(350 * time.Millisecond)
			r.collect()
		}
		assert.EqualValues(t, 4, calls.Load(), "at 0, 10, 20 and 30 seconds")
		assert.EqualValues(t, 4, ended.Load())
	})
}

func TestANegativeIntervalTurnsTheQueueOff(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(_ *webhook.Config, c *Config) { c.StatsInterval = -1 })
		r.store.stats = func(context.Context) (webhook.Stats, error) {
			t.Error("Stats was called")
			return webhook.Stats{}, nil
		}
		r.run()
		pass(time.Hour)
		assert.Empty(t, r.values("webhook.queue.depth"))
		assert.NotEmpty(t, r.values("webhook.settle.pending"))
	})
}

func TestWatchRunsOnceAtATime(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		require.ErrorContains(t, r.telemetry.Watch(t.Context(), nil), "otelwebhook: watch: d is nil; pass the Dispatcher that New returned")
		r.run()
		synctest.Wait()
		require.EqualError(t, r.telemetry.Watch(t.Context(), r.Dispatcher),
			"otelwebhook: watch: it is watching already; call Watch once for each Telemetry")
	})
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		for range 2 { // one after the other
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- r.telemetry.Watch(ctx, r.Dispatcher) }()
			synctest.Wait()
			assert.Len(t, r.values("webhook.queue.depth"), 5)
			cancel()
			require.NoError(t, <-done)
			assert.Empty(t, r.values("webhook.queue.depth"), "nothing is reported after Watch")
		}
	})
}

func TestFailingEndpointsAreReported(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.store.stats = func(context.Context) (stats webhook.Stats, err error) {
			stats.Endpoints.Active, stats.Endpoints.Paused, stats.Endpoints.Disabled, stats.Endpoints.Failing = 10, 3, 2, 4
			return stats, nil
		}
		r.run()
		synctest.Wait()
		assert.Equal(t, map[string]float64{"active": 10, "paused": 3, "disabled": 2, "failing": 4}, r.values("webhook.endpoints"))
	})
}
