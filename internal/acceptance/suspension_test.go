package acceptance

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhooktest"
)

// suspend disables an endpoint of acme as the operator.
func (r *rig) suspend(id string) {
	r.t.Helper()
	e, err := r.Tenant(acme).Endpoint(r.t.Context(), id)
	require.NoError(r.t, err)
	e.State, e.Reason = webhook.EndpointDisabled, webhook.ReasonOperator
	e, err = r.AllTenants().UpdateEndpoint(r.t.Context(), e)
	require.NoError(r.t, err)
	require.Equal(r.t, webhook.ReasonOperator, e.Reason)
}

func refusedAsSuspended(t *testing.T, err error) {
	t.Helper()
	var field *webhook.FieldError
	require.ErrorAs(t, err, &field)
	assert.Equal(t, "Endpoint.Reason", field.Field)
}

func TestASuspensionIsNotLiftedByTheTenant(t *testing.T) {
	for name, prepare := range map[string]func(*rig){
		"active": func(*rig) {},
		"disabled by the tenant before": func(r *rig) {
			e, err := r.Tenant(acme).Endpoint(r.t.Context(), "ep1")
			require.NoError(r.t, err)
			e.State = webhook.EndpointDisabled
			_, err = r.Tenant(acme).UpdateEndpoint(r.t.Context(), e)
			require.NoError(r.t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T) {
				r := newRig(t, nil)
				r.endpoint("ep1", withHeader)
				r.emit("evt1")
				prepare(r)
				r.suspend("ep1")
				scope := r.Tenant(acme)
				for _, state := range []webhook.EndpointState{webhook.EndpointActive, webhook.EndpointPaused} {
					for _, reason := range []webhook.Reason{webhook.ReasonOperator, webhook.ReasonCustomer, ""} {
						e, err := scope.Endpoint(t.Context(), "ep1")
						require.NoError(t, err)
						assert.Equal(t, webhook.ReasonOperator, e.Reason)
						e.State, e.Reason = state, reason
						_, err = scope.UpdateEndpoint(t.Context(), e)
						refusedAsSuspended(t, err)
						e.State = webhook.EndpointDisabled // other fields may change; the reason in the update is ignored
						e.URL, e.Description = "https://ep1.example/other", "changed"
						e, err = scope.UpdateEndpoint(t.Context(), e)
						require.NoError(t, err)
						assert.Equal(t, webhook.ReasonOperator, e.Reason)
					}
				}
				_, err := scope.RotateSecret(t.Context(), "ep1", 0)
				require.NoError(t, err)
				_, err = scope.Test(t.Context(), "ep1")
				refusedAsSuspended(t, err)
				refusedAsSuspended(t, scope.DeleteEndpoint(t.Context(), "ep1"))
				_, err = scope.CreateEndpoint(t.Context(), webhook.Endpoint{ID: "ep1", URL: "https://a.example", Events: []string{"*"}})
				require.ErrorIs(t, err, webhook.ErrConflict)
				r.run()
				r.emit("evt2")
				pass(5 * time.Second)
				err = scope.RetryDelivery(t.Context(), "evt1", "ep1")
				require.ErrorIs(t, err, webhook.ErrConflict)
				recovered, err := scope.Retry(t.Context(), webhook.Query{EndpointID: "ep1"})
				require.NoError(t, err)
				assert.Zero(t, recovered.Changed)
				pass(5 * time.Second)
				assert.Empty(t, r.net.Sent())
				e, err := scope.Endpoint(t.Context(), "ep1")
				require.NoError(t, err)
				assert.Equal(t, webhook.EndpointDisabled, e.State)
				assert.Equal(t, webhook.ReasonOperator, e.Reason)
			})
		})
	}
}

// A suspension survives updates by the operator that do not concern it. A tenant cannot set
// one.
func TestOnlyTheOperatorSuspendsAndLifts(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		e := r.endpoint("ep1")
		e.State, e.Reason = webhook.EndpointDisabled, webhook.ReasonOperator
		e, err := r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
		assert.Equal(t, webhook.ReasonCustomer, e.Reason)
		e, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
		assert.Equal(t, webhook.ReasonCustomer, e.Reason)

		r.suspend("ep1")
		_, err = sealAgain(t.Context(), r.restarted(func(*webhook.Config, *webhooktest.Transport) {}).Dispatcher)
		require.NoError(t, err)
		refused := func() error { return r.Tenant(acme).DeleteEndpoint(t.Context(), "ep1") }
		refusedAsSuspended(t, refused())

		e, err = r.Tenant(acme).Endpoint(t.Context(), "ep1")
		require.NoError(t, err)
		e.Reason = webhook.ReasonCustomer
		e, err = r.AllTenants().UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
		assert.Equal(t, webhook.ReasonCustomer, e.Reason)
		e.State = webhook.EndpointActive
		_, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)

		r.suspend("ep1")
		e, err = r.Tenant(acme).Endpoint(t.Context(), "ep1")
		require.NoError(t, err)
		e.State = webhook.EndpointActive
		_, err = r.AllTenants().UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
		_, err = r.Tenant(acme).Test(t.Context(), "ep1")
		require.NoError(t, err)
		require.NoError(t, r.Tenant(acme).DeleteEndpoint(t.Context(), "ep1"))
	})
}

// suspendingStore calls suspend just before it deletes an endpoint.
type suspendingStore struct {
	webhook.Store
	suspend func()
}

func (s *suspendingStore) DeleteEndpoint(ctx context.Context, key webhook.EndpointKey, version int64, now time.Time) error {
	if suspend := s.suspend; suspend != nil {
		s.suspend = nil
		suspend()
	}
	return s.Store.DeleteEndpoint(ctx, key, version, now)
}

func TestADeletionLosesNoSuspensionThatComesMeanwhile(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.store.Store = &suspendingStore{r.store.Store, func() { r.suspend("ep1") }}
		r.endpoint("ep1")
		refusedAsSuspended(t, r.Tenant(acme).DeleteEndpoint(t.Context(), "ep1"))
		e, err := r.AllTenants().Endpoints(t.Context(), webhook.Query{})
		require.NoError(t, err)
		require.Len(t, e.Items, 1)
		assert.Equal(t, webhook.ReasonOperator, e.Items[0].Reason)
	})
}

func TestADeletionGoesOnWhenTheEndpointIsChangedMeanwhile(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		change := func() {
			e, err := r.Tenant(acme).Endpoint(t.Context(), "ep1")
			require.NoError(t, err)
			e.Description = "changed"
			_, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
			require.NoError(t, err)
		}
		r.store.Store = &suspendingStore{r.store.Store, change}
		read := r.endpoint("ep1")
		require.ErrorIs(t, r.Tenant(acme).DeleteEndpointVersion(t.Context(), "ep1", read.Version), webhook.ErrConflict)
		r.store.Store = &suspendingStore{r.store.Store, change}
		require.NoError(t, r.Tenant(acme).DeleteEndpoint(t.Context(), "ep1"))
	})
}
