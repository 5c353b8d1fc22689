package acceptance

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhooktest"
)

func TestRetryAndCancelChangeEverythingOnlyOnRequest(t *testing.T) {
	r := newRig(t, nil)
	r.endpoint("one")
	r.endpoint("two")
	r.emit("evt")
	ctx := t.Context()
	for name, scope := range map[string]webhook.Scope{"a tenant": r.Tenant(acme), "all tenants": r.AllTenants()} {
		for _, q := range []webhook.Query{
			{}, {Limit: 10}, {EventID: "evt", Limit: 10}, {EventID: "evt", Cursor: "x"}, {EventID: "evt", All: true}, {EventID: "evt", EndpointID: "one"}, {EventID: "evt", EndpointID: "one", All: true},
		} {
			_, err := scope.Retry(ctx, q)
			require.ErrorIs(t, err, webhook.ErrInvalid, "%s: Retry %+v", name, q)
			_, err = scope.Cancel(ctx, q)
			require.ErrorIs(t, err, webhook.ErrInvalid, "%s: Cancel %+v", name, q)
		}
	}
	_, err := r.AllTenants().Cancel(ctx, webhook.Query{Tenant: acme})
	require.ErrorIs(t, err, webhook.ErrInvalid, "a tenant alone does not narrow the selection")
	page, err := r.Tenant(acme).Deliveries(ctx, webhook.Query{State: webhook.DeliveryPending})
	require.NoError(t, err)
	require.Len(t, page.Items, 2, "nothing was changed")

	canceled, err := r.AllTenants().Cancel(ctx, webhook.Query{Tenant: acme, All: true})
	require.NoError(t, err)
	assert.Equal(t, 2, canceled.Changed)
	retried, err := r.Tenant(acme).Retry(ctx, webhook.Query{All: true})
	require.NoError(t, err)
	assert.Equal(t, 2, retried.Changed)
}

func TestRetryDeliveryNamesBothHalves(t *testing.T) {
	r := newRig(t, nil)
	r.endpoint("one")
	r.emit("evt")
	for _, ids := range [][2]string{{"", ""}, {"evt", ""}, {"", "one"}} {
		require.ErrorIs(t, r.Tenant(acme).RetryDelivery(t.Context(), ids[0], ids[1]), webhook.ErrInvalid)
		require.ErrorIs(t, r.Tenant(acme).CancelDelivery(t.Context(), ids[0], ids[1]), webhook.ErrInvalid)
	}
	require.ErrorIs(t, r.Tenant(acme).RetryDelivery(t.Context(), "evt", "two"), webhook.ErrNotFound)
	assert.Equal(t, webhook.DeliveryPending, r.delivery("evt", "one").State)
}

func TestRetrySelectsByTheTimeOfTheFailure(t *testing.T) {
	inTime(t, func(t *testing.T) {
		var mended atomic.Bool
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			broken, works := answer(500), answer(200)
			net.Answer = func(ctx context.Context, req *webhook.Request) (*webhook.Response, error) {
				if mended.Load() {
					return works(ctx, req)
				}
				return broken(ctx, req)
			}
			c.Profiles = map[string]webhook.Profile{"once": {Retry: webhook.Schedule()}}
			c.Profile = "once"
		})
		r.run()
		r.endpoint("one")
		r.emit("early")
		pass(2 * time.Hour)
		r.emit("late")
		pass(time.Minute)
		mended.Store(true)
		retried, err := r.AllTenants().Retry(t.Context(), webhook.Query{
			State: webhook.DeliveryFailed, FinishedFrom: time.Now().Add(-time.Hour),
		})
		require.NoError(t, err)
		assert.Equal(t, webhook.BulkResult{Changed: 1}, retried)
		pass(time.Minute)
		assert.Equal(t, webhook.DeliveryFailed, r.delivery("early", "one").State)
		assert.Equal(t, webhook.DeliverySucceeded, r.delivery("late", "one").State)
	})
}

func TestADeliveryIsNotRetriedOrCanceledWhileItIsBeingSent(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(_ *webhook.Config, net *webhooktest.Transport) { net.Answer = hang })
		r.run()
		r.endpoint("one")
		r.emit("evt")
		synctest.Wait()
		require.ErrorIs(t, r.Tenant(acme).RetryDelivery(t.Context(), "evt", "one"), webhook.ErrInFlight)
		require.ErrorIs(t, r.Tenant(acme).CancelDelivery(t.Context(), "evt", "one"), webhook.ErrInFlight)
		recovered, err := r.Tenant(acme).Cancel(t.Context(), webhook.Query{EventID: "evt"})
		require.NoError(t, err)
		assert.Equal(t, webhook.BulkResult{InFlight: 1}, recovered)
		assert.True(t, r.delivery("evt", "one").InFlight)
	})
}

func TestACanceledDeliveryIsNotSent(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.endpoint("one")
		r.emit("evt")
		err := r.Tenant(acme).CancelDelivery(t.Context(), "evt", "one")
		require.NoError(t, err)
		r.run()
		pass(time.Hour)
		assert.Empty(t, r.net.Sent())
		d := r.delivery("evt", "one")
		assert.Equal(t, webhook.DeliveryCanceled, d.State)
		assert.Equal(t, webhook.ReasonCanceled, d.Reason)
		err = r.Tenant(acme).RetryDelivery(t.Context(), "evt", "one")
		require.NoError(t, err)
		synctest.Wait()
		assert.Len(t, r.net.Sent(), 1)
	})
}
