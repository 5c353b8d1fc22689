package drivertest

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// A meanwhile is something that happens before the n-th step of a Prune.
type meanwhile struct {
	*scene
	sab *saboteur
	key webhook.EndpointKey
}

// during runs Prune to its end, and do before the n-th step of the first call. It reports
// whether there was such a step.
func (m *meanwhile) during(n int, do func()) (happened bool) {
	m.Helper()
	inside := false
	m.sab.sabotage(func(string) fault {
		if inside {
			return fault{}
		}
		if n--; n != -1 {
			return fault{}
		}
		happened, inside = true, true
		return fault{then: func() { do() }}
	})
	_, err := m.store.Prune(m.Context(), m.now, forEver)
	m.sab.sabotage(nil)
	require.NoError(m, err)
	m.prune(forEver)
	m.prune(forEver) // a round may have passed the endpoint before it changed
	return happened
}

// set changes the endpoint's state, unless the pruner holds it.
func (m *meanwhile) set(state webhook.EndpointState, reason webhook.Reason) bool {
	m.Helper()
	found, err := m.store.Refresh(m.Context(), []webhook.EndpointKey{m.key})
	require.NoError(m, err)
	require.Len(m, found, 1)
	e := found[0]
	e.State, e.Reason = state, reason
	_, err = m.store.UpdateEndpoint(m.Context(), e)
	if err != nil {
		require.ErrorContains(m, err, "another transaction holds the row")
	}
	return err == nil
}

// stateOf is the state and the reason of a delivery.
func (m *meanwhile) stateOf(event string) string {
	m.Helper()
	page, err := m.store.Deliveries(m.Context(), webhook.Query{Tenant: m.key.Tenant, EventID: event}, m.now)
	require.NoError(m, err)
	require.Len(m, page.Items, 1, event)
	return fmt.Sprintf("%s %s", page.Items[0].State, page.Items[0].Reason)
}

// between runs a test for each step of a Prune that has something to cancel. The test acts
// before the step.
func between(t *testing.T, test func(t *testing.T, m *meanwhile, n int) (happened bool)) {
	t.Helper()
	eachServer(t, func(t *testing.T, d database) {
		store, sab := d.sabotaged(t)
		s := newScene(t, store)
		for n := 0; ; n++ {
			m := &meanwhile{scene: s, sab: sab, key: webhook.EndpointKey{Tenant: fmt.Sprint("tenant", n), ID: "ep1"}}
			s.endpoint(m.key.Tenant, m.key.ID)
			s.publish(s.event(m.key.Tenant, "before", m.key.ID))
			if !test(t, m, n) {
				require.Greater(t, n, 5, "Prune has several steps")
				return
			}
		}
	})
}

func TestPruneCancelsNothingOfAnEndpointThatWasEnabledMeanwhile(t *testing.T) {
	onlyWithoutRaceDetector(t)
	between(t, func(t *testing.T, m *meanwhile, n int) bool {
		require.True(t, m.set(webhook.EndpointDisabled, webhook.ReasonCustomer))
		enabled, then := false, ""
		happened := m.during(n, func() {
			if enabled = m.set(webhook.EndpointActive, ""); enabled {
				m.publish(m.event(m.key.Tenant, "after", m.key.ID))
				then = m.stateOf("before")
			}
		})
		if enabled {
			assert.Equal(t, "pending ", m.stateOf("after"), "step %d", n)
			assert.Equal(t, then, m.stateOf("before"), "step %d", n)
		} else {
			assert.Equal(t, "canceled customer", m.stateOf("before"), "step %d", n)
		}
		return happened
	})
}

func TestPruneCancelsWithTheReasonOfNow(t *testing.T) {
	onlyWithoutRaceDetector(t)
	between(t, func(t *testing.T, m *meanwhile, n int) bool {
		require.True(t, m.set(webhook.EndpointDisabled, webhook.ReasonCustomer))
		again := false
		happened := m.during(n, func() {
			if m.set(webhook.EndpointActive, "") {
				m.publish(m.event(m.key.Tenant, "after", m.key.ID))
				again = m.set(webhook.EndpointDisabled, webhook.ReasonGone)
			}
		})
		if again {
			assert.Equal(t, "canceled gone", m.stateOf("after"), "step %d", n)
		}
		assert.Contains(t, m.stateOf("before"), "canceled", "step %d", n)
		return happened
	})
}

// The id of a deleted endpoint is used again as soon as nothing of it is left.
func TestPruneCancelsNothingOfAnEndpointThatWasMadeAnewMeanwhile(t *testing.T) {
	onlyWithoutRaceDetector(t)
	between(t, func(t *testing.T, m *meanwhile, n int) bool {
		require.NoError(t, m.store.DeleteEndpoint(t.Context(), m.key, 0, m.now))
		anew := false
		happened := m.during(n, func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if m.store.Erase(ctx, m.key.Tenant) != nil { // it waits for the rows that the pruner holds
				return
			}
			m.endpoint(m.key.Tenant, m.key.ID)
			m.publish(m.event(m.key.Tenant, "after", m.key.ID))
			anew = true
		})
		if anew {
			assert.Equal(t, "pending ", m.stateOf("after"), "step %d", n)
		}
		return happened
	})
}

// Somebody may hold the status of an endpoint for hours.
func TestPrunePassesOverAnEndpointThatIsLocked(t *testing.T) {
	onlyWithoutRaceDetector(t)
	eachServer(t, func(t *testing.T, d database) {
		dsn := d.dsn(t)
		s := newScene(t, d.store(t, dsn, sqlstore.Options{}))
		require.NoError(t, s.store.Migrate(t.Context()))
		m := &meanwhile{scene: s}
		for _, tenant := range []string{"locked", "free"} {
			s.endpoint(tenant, "ep1")
			s.publish(s.event(tenant, "evt1", "ep1"))
			m.key = webhook.EndpointKey{Tenant: tenant, ID: "ep1"}
			require.True(t, m.set(webhook.EndpointDisabled, webhook.ReasonGone))
		}
		foreign, err := d.open(t, dsn).BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelReadCommitted})
		require.NoError(t, err)
		defer foreign.Rollback()
		_, err = foreign.ExecContext(t.Context(), "UPDATE webhook_status SET updated_at = updated_at + 1 WHERE tenant = 'locked'")
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		for more := true; more; {
			more, err = s.store.Prune(ctx, s.now, forEver)
			require.NoError(t, err, "it waits for nobody")
		}
		m.key.Tenant = "free"
		assert.Equal(t, "canceled gone", m.stateOf("evt1"))
		m.key.Tenant = "locked"
		assert.Equal(t, "pending ", m.stateOf("evt1"))
		require.NoError(t, foreign.Rollback())
		s.prune(forEver)
		assert.Equal(t, "canceled gone", m.stateOf("evt1"))
	})
}
