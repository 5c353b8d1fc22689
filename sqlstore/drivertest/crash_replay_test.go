package drivertest

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

// TestAReplayGoesOnInAnotherProcessWhenOneIsKilled kills the only process that runs in the middle
// of two replays, twice. One replay sends deliveries again, and the other creates missed ones.
func TestAReplayGoesOnInAnotherProcessWhenOneIsKilled(t *testing.T) {
	onlyInCI(t)
	t.Parallel()
	atOnce(t, []database{postgres, mysql}, func(t *testing.T, d database) {
		const events, rate, kills = 200, 20, 2
		random := rand.New(rand.NewPCG(uint64(testSeed(t)), 0))
		settings := shortLeases(manyRetries(300 * time.Millisecond)...)
		settings.Timeout, settings.Lease = 10*time.Second, 30*time.Second // a slow machine times nothing out
		f := newFleet(t, d, d.dsn(t), settings, 1)
		scope := f.dispatcher.Tenant(fleetTenant)
		for i := range events {
			_, err := f.dispatcher.Emit(t.Context(), f.event("evt"+strconv.Itoa(i), i))
			require.NoError(t, err)
		}
		worker := f.startUp("w0", 0)
		f.eventually("all are delivered", func() bool { return len(f.deliveriesTo("e0", webhook.DeliverySucceeded)) == events })
		f.endpoint("*")
		f.receiver.setAnswer(func(ctx context.Context, _ received) int { // so that a kill finds requests in flight
			letPass(ctx, 200*time.Millisecond)
			return http.StatusOK
		})
		again, err := scope.Replay(t.Context(), webhook.ReplayRequest{
			Endpoint: "e0", States: []webhook.DeliveryState{webhook.DeliverySucceeded}, Rate: rate,
		})
		require.NoError(t, err)
		missed, err := scope.Replay(t.Context(), webhook.ReplayRequest{Endpoint: "e1", Missed: true, Rate: rate})
		require.NoError(t, err)
		require.Equal(t, []int{events, events}, []int{again.Matched, missed.Matched})

		for n := range kills {
			before := []webhook.Replay{f.replay(again.ID), f.replay(missed.ID)}
			f.eventually("both have made a step, or ended", func() bool {
				return !slices.ContainsFunc(before, func(r webhook.Replay) bool {
					now := f.replay(r.ID)
					return now.Changed == r.Changed && now.FinishedAt.IsZero()
				})
			})
			letPass(t.Context(), time.Duration(random.IntN(500))*time.Millisecond)
			worker.kill()
			t.Logf("killed after %d and %d of %d", f.replay(again.ID).Changed, f.replay(missed.ID).Changed, events)
			worker = f.startUp("w"+strconv.Itoa(n+1), 0)
		}
		f.eventually("both have ended, and all is delivered", func() bool {
			stats, err := f.dispatcher.Stats(t.Context())
			return err == nil && stats.Pending == 0 && !f.replay(again.ID).FinishedAt.IsZero() && !f.replay(missed.ID).FinishedAt.IsZero()
		})
		worker.terminate()
		assert.Empty(t, worker.end())

		for id, attempts := range map[string]int{"e0": 2, "e1": 1} {
			delivered := f.deliveriesTo(id, webhook.DeliverySucceeded)
			assert.Len(t, delivered, events, "to %s", id)
			for _, one := range delivered {
				assert.Equal(t, attempts, one.Attempts, one.ID)
			}
		}
		for _, r := range []webhook.Replay{f.replay(again.ID), f.replay(missed.ID)} {
			assert.Empty(t, r.Reason)
			assert.Equal(t, events, r.Changed+r.Skipped)
			assert.Zero(t, r.Skipped)
		}
	})
}

// deliveriesTo returns the deliveries to an endpoint in a state.
func (f *fleet) deliveriesTo(endpoint string, state webhook.DeliveryState) (list []webhook.Delivery) {
	f.t.Helper()
	for q := (webhook.Query{EndpointID: endpoint, State: state, Limit: 1000}); ; {
		page, err := f.dispatcher.Tenant(fleetTenant).Deliveries(f.t.Context(), q)
		require.NoError(f.t, err)
		list = append(list, page.Items...)
		if q.Cursor = page.Next; q.Cursor == "" {
			return list
		}
	}
}

// replay returns a replay as it is now.
func (f *fleet) replay(id string) webhook.Replay {
	f.t.Helper()
	page, err := f.dispatcher.Tenant(fleetTenant).Replays(f.t.Context(), webhook.Query{ReplayID: id})
	require.NoError(f.t, err)
	require.Len(f.t, page.Items, 1)
	return page.Items[0]
}
