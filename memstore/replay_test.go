package memstore

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

// replay creates a replay, cancels one, or steps.
func (w *world) replay(key webhook.EndpointKey) {
	ctx := w.t.Context()
	if w.rnd.IntN(3) > 0 {
		stepped, next, err := w.s.StepReplay(ctx, w.now)
		require.NoError(w.t, err)
		require.False(w.t, stepped.ID != "" && stepped.FinishedAt.IsZero() && next.IsZero())
		return
	}
	r := webhook.Replay{
		ID: w.uid().String(), Key: w.uid().String(), Tenant: key.Tenant, CreatedAt: w.now, Cancels: w.rnd.IntN(4) == 0,
		Request: webhook.ReplayRequest{
			Endpoint: key.ID, Rate: pick(w, 1.0, 3, 1000), Missed: w.rnd.IntN(2) == 0,
			States: []webhook.DeliveryState{webhook.DeliveryFailed, webhook.DeliveryCanceled, webhook.DeliverySucceeded},
		},
	}
	if r.Cancels {
		r.Request.Missed = false
	}
	if !r.Request.Missed {
		r.Request.Endpoint = pick(w, "", key.ID)
	}
	_, _, err := w.s.CountReplay(ctx, r)
	require.NoError(w.t, err)
	_, err = w.s.CreateReplay(ctx, r)
	require.True(w.t, err == nil || errors.Is(err, webhook.ErrLimit))
	if w.rnd.IntN(4) == 0 {
		_, err = w.s.CancelReplay(ctx, webhook.Query{Tenant: key.Tenant, ReplayID: r.ID}, w.now)
		require.True(w.t, err == nil || errors.Is(err, webhook.ErrNotFound) || errors.Is(err, webhook.ErrConflict))
	}
}

// missedBy stores events that the endpoint ep1, which is created afterwards, has missed.
func missedBy(t *testing.T, w *world, n int) webhook.Replay {
	t.Helper()
	for range n {
		results, err := w.s.Publish(t.Context(), webhook.PublishRequest{Now: w.now, Events: []webhook.EventRecord{
			{UID: w.uid(), Tenant: "acme", ID: w.uid().String(), Type: "a", CreatedAt: w.now, Deliveries: []webhook.NewDelivery{}},
		}})
		require.NoError(t, err)
		require.NoError(t, results[0].Err)
	}
	e := webhook.Endpoint{Tenant: "acme", ID: "ep1", Events: []string{"*"}, State: webhook.EndpointActive, Version: 1}
	require.NoError(t, w.s.CreateEndpoint(t.Context(), e, 0))
	w.now = w.now.Add(time.Second)
	return webhook.Replay{
		ID: w.uid().String(), Key: w.uid().String(), Tenant: "acme", CreatedAt: w.now, Request: webhook.ReplayRequest{Endpoint: "ep1", Missed: true, Rate: 1000},
	}
}

func TestMissedDeliveriesWaitForRoomUnderMaxPending(t *testing.T) {
	w := newWorld(t, 1, Options{MaxPending: 2})
	r := missedBy(t, w, 3)
	_, err := w.s.CreateReplay(t.Context(), r)
	require.NoError(t, err)
	stepped, next, err := w.s.StepReplay(t.Context(), w.now)
	require.NoError(t, err)
	assert.Equal(t, 2, stepped.Changed)
	assert.Zero(t, stepped.FinishedAt)
	assert.Equal(t, w.now.Add(time.Second), next, "the step tries again in a second")
	stepped, _, err = w.s.StepReplay(t.Context(), next)
	require.NoError(t, err)
	assert.Equal(t, 2, stepped.Changed)

	done, err := w.s.Cancel(t.Context(), webhook.Query{Tenant: "acme"}, w.now)
	require.NoError(t, err)
	require.Equal(t, 2, done.Changed)
	stepped, next, err = w.s.StepReplay(t.Context(), next.Add(time.Second))
	require.NoError(t, err)
	assert.Equal(t, 3, stepped.Changed)
	assert.NotZero(t, stepped.FinishedAt)
	assert.Zero(t, next)
	recount(t, w.s)
}

func TestOnlyTheLatestEndedReplaysAreKept(t *testing.T) {
	w := newWorld(t, 1, Options{})
	var ids []string
	for range maxReplays + 1 {
		r := missedBy(t, w, 0)
		require.NoError(t, w.s.DeleteEndpoint(t.Context(), webhook.EndpointKey{Tenant: "acme", ID: "ep1"}, 0, w.now))
		ids = append(ids, r.ID)
		_, err := w.s.CreateReplay(t.Context(), r)
		require.NoError(t, err)
		_, next, err := w.s.StepReplay(t.Context(), w.now)
		require.NoError(t, err)
		require.Zero(t, next)
		recount(t, w.s)
	}
	for i, id := range ids {
		page, err := w.s.Replays(t.Context(), webhook.Query{AllTenants: true, ReplayID: id, Limit: 1000})
		require.NoError(t, err)
		if i == 0 {
			assert.Empty(t, page.Items, "the oldest")
		} else {
			require.Len(t, page.Items, 1, "%d", i)
		}
	}
}
