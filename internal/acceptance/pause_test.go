package acceptance

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

// setState sets the state of an endpoint, as its tenant.
func (r *rig) setState(tenant, id string, state webhook.EndpointState) {
	r.t.Helper()
	scope := r.Tenant(tenant)
	e, err := scope.Endpoint(context.Background(), id)
	require.NoError(r.t, err)
	e.State = state
	_, err = scope.UpdateEndpoint(context.Background(), e)
	require.NoError(r.t, err)
}

// states returns the state and reason of each endpoint.
func (r *rig) states() map[string]string {
	r.t.Helper()
	page, err := r.AllTenants().Endpoints(context.Background(), webhook.Query{Limit: 1000})
	require.NoError(r.t, err)
	states := map[string]string{}
	for _, e := range page.Items {
		states[e.Tenant+"/"+e.ID] = string(e.State) + " " + string(e.Reason)
	}
	return states
}

func TestThePauseOfAnOperatorHoldsDeliveriesUntilItEnds(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.endpoint("one")
		r.endpoint("own")
		r.setState(acme, "own", webhook.EndpointPaused)
		r.run()
		all := r.AllTenants()
		done, err := all.Pause(t.Context(), webhook.Query{Tenant: acme})
		require.NoError(t, err)
		assert.Equal(t, webhook.BulkResult{Changed: 1}, done, "one; its own pause stays the tenant's")
		assert.Equal(t, map[string]string{"acme/one": "paused operator", "acme/own": "paused "}, r.states())
		r.emit("evt1")
		pass(time.Hour)
		assert.Empty(t, r.net.Sent())

		again, err := all.Pause(t.Context(), webhook.Query{All: true})
		require.NoError(t, err)
		assert.Zero(t, again)
		done, err = all.Resume(t.Context(), webhook.Query{All: true})
		require.NoError(t, err)
		assert.Equal(t, webhook.BulkResult{Changed: 1}, done)
		assert.Equal(t, map[string]string{"acme/one": "active ", "acme/own": "paused "}, r.states())
		pass(time.Second)
		require.Len(t, r.net.Sent(), 1)
		assert.Equal(t, "one", r.net.Sent()[0].Endpoint.ID)
		assert.Zero(t, r.delivery("evt1", "own").Attempts)
	})
}

func TestATenantDoesNotLiftThePauseOfAnOperator(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.endpoint("one")
		_, err := r.AllTenants().Pause(t.Context(), webhook.Query{EndpointID: "one"})
		require.NoError(t, err)
		scope := r.Tenant(acme)
		for _, state := range []webhook.EndpointState{webhook.EndpointActive, webhook.EndpointDisabled} {
			for _, reason := range []webhook.Reason{"", webhook.ReasonOperator, webhook.ReasonCustomer} {
				e, err := scope.Endpoint(t.Context(), "one")
				require.NoError(t, err)
				e.State, e.Reason = state, reason
				_, err = scope.UpdateEndpoint(t.Context(), e)
				refusedAsSuspended(t, err)
			}
		}
		e, err := scope.Endpoint(t.Context(), "one")
		require.NoError(t, err)
		e.Description, e.Reason = "changed", ""
		e, err = scope.UpdateEndpoint(t.Context(), e)
		require.NoError(t, err, "the other fields may change")
		assert.Equal(t, webhook.ReasonOperator, e.Reason)
		_, err = scope.Test(t.Context(), "one")
		refusedAsSuspended(t, err)
		refusedAsSuspended(t, scope.DeleteEndpoint(t.Context(), "one"))

		e.Reason = "" // the operator leaves the decision to the tenant
		e, err = r.AllTenants().UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
		assert.Equal(t, []any{webhook.EndpointPaused, webhook.Reason("")}, []any{e.State, e.Reason})
		done, err := r.AllTenants().Resume(t.Context(), webhook.Query{All: true})
		require.NoError(t, err)
		assert.Zero(t, done)
		r.setState(acme, "one", webhook.EndpointActive)
	})
}

func TestAPauseSelectsByTenantHealthAndID(t *testing.T) {
	inTime(t, func(t *testing.T) {
		f := newFleet(t, 1, func(c *webhook.Config) { c.Health, c.MaxEndpoints = noCircuits, -1 })
		r := f.rigs[0]
		for i := range 250 { // several pages
			_, err := r.Tenant("beta").CreateEndpoint(t.Context(), webhook.Endpoint{
				ID: fmt.Sprintf("ep%03d", i), URL: "https://b.example", Events: []string{"none"},
			})
			require.NoError(t, err)
		}
		r.endpoint("sick")
		r.endpoint("well", named("none"))
		r.emit("evt1")
		r.emit("evt2")
		pass(2 * time.Hour)
		require.Equal(t, webhook.HealthFailing, f.health("sick").Status)

		all := r.AllTenants()
		for _, c := range []struct {
			q    webhook.Query
			want int
		}{
			{webhook.Query{Health: webhook.HealthFailing}, 1},
			{webhook.Query{Tenant: "beta", EndpointID: "ep007"}, 1},
			{webhook.Query{Tenant: "beta"}, 249},
			{webhook.Query{All: true}, 1},
		} {
			done, err := all.Pause(t.Context(), c.q)
			require.NoError(t, err)
			assert.Equal(t, webhook.BulkResult{Changed: c.want}, done, "%+v", c.q)
		}
		began := time.Now()
		pass(time.Hour)
		sent, _ := f.to("sick", began)
		assert.LessOrEqual(t, len(sent), 2, "requests that were in flight or waited a moment")
		assert.Equal(t, webhook.HealthFailing, f.health("sick").Status, "a pause keeps the health")
		done, err := all.Resume(t.Context(), webhook.Query{Tenant: acme})
		require.NoError(t, err)
		assert.Equal(t, 2, done.Changed)
		done, err = all.Resume(t.Context(), webhook.Query{All: true})
		require.NoError(t, err)
		assert.Equal(t, 250, done.Changed)
	})
}

func TestAPauseThatNobodyMeantIsRefused(t *testing.T) {
	r := newRig(t, nil)
	r.endpoint("one")
	for name, c := range map[string]struct {
		scope webhook.Scope
		q     webhook.Query
		field string
	}{
		"a tenant":      {r.Tenant(acme), webhook.Query{All: true}, "scope"},
		"everything":    {r.AllTenants(), webhook.Query{}, "Query"},
		"all and some":  {r.AllTenants(), webhook.Query{All: true, Tenant: acme}, "Query.All"},
		"a page":        {r.AllTenants(), webhook.Query{All: true, Limit: 5}, "Query.Limit"},
		"by cursor":     {r.AllTenants(), webhook.Query{All: true, Cursor: "x"}, "Query.Cursor"},
		"an event":      {r.AllTenants(), webhook.Query{Tenant: acme, EventID: "evt"}, "Query.EventID"},
		"bad health":    {r.AllTenants(), webhook.Query{Health: "ill"}, "Query.Health"},
		"by state":      {r.AllTenants(), webhook.Query{Tenant: acme, State: webhook.DeliveryPending}, "Query.State"},
		"a long tenant": {r.AllTenants(), webhook.Query{Tenant: string(make([]byte, 300))}, "Query.Tenant"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, call := range []func(context.Context, webhook.Query) (webhook.BulkResult, error){c.scope.Pause, c.scope.Resume} {
				_, err := call(t.Context(), c.q)
				var field *webhook.FieldError
				require.ErrorAs(t, err, &field)
				assert.Equal(t, c.field, field.Field)
			}
			assert.Equal(t, map[string]string{"acme/one": "active "}, r.states())
		})
	}
}

// busyStore lets another change an endpoint just before each of some updates.
type busyStore struct {
	webhook.Store
	change func()
}

func (s *busyStore) UpdateEndpoint(ctx context.Context, e webhook.Endpoint) (webhook.Endpoint, error) {
	if change := s.change; change != nil {
		s.change = nil
		change()
	}
	return s.Store.UpdateEndpoint(ctx, e)
}

func TestAPauseLosesNoChangeThatComesMeanwhile(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.endpoint("one")
		busy := &busyStore{Store: r.store.Store}
		r.store.Store = busy
		busy.change = func() { r.setState(acme, "one", webhook.EndpointPaused) }
		done, err := r.AllTenants().Pause(t.Context(), webhook.Query{All: true})
		require.NoError(t, err)
		assert.Zero(t, done, "the tenant has paused it")
		assert.Equal(t, map[string]string{"acme/one": "paused "}, r.states())

		r.setState(acme, "one", webhook.EndpointActive)
		busy.change = func() {
			e, err := r.Tenant(acme).Endpoint(t.Context(), "one")
			require.NoError(t, err)
			e.Description = "changed"
			_, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
			require.NoError(t, err)
		}
		done, err = r.AllTenants().Pause(t.Context(), webhook.Query{All: true})
		require.NoError(t, err)
		assert.Equal(t, 1, done.Changed)
		e, err := r.Tenant(acme).Endpoint(t.Context(), "one")
		require.NoError(t, err)
		assert.Equal(t, "changed", e.Description)
	})
}
