package drivertest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// twoPruners returns scenes of two processes on one database. The first has pruned.
func twoPruners(t *testing.T, d database) (first, second *scene) {
	t.Helper()
	dsn := d.dsn(t)
	first = newScene(t, d.store(t, dsn, sqlstore.Options{}))
	require.NoError(t, first.store.Migrate(t.Context()))
	for _, id := range []string{"ep1", "ep2"} {
		first.endpoint("acme", id)
	}
	first.prune(forEver)
	other := *first
	other.store = d.store(t, dsn, sqlstore.Options{})
	return first, &other
}

func TestOneProcessDoesTheHousekeeping(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		first, second := twoPruners(t, d)
		first.publish(first.event("acme", "evt1"))
		age := webhook.Retention{Events: time.Minute}
		first.now = first.now.Add(2 * time.Minute)
		first.prune(forEver)
		second.now = first.now.Add(89 * time.Second)
		second.prune(age)
		assert.Equal(t, 1, second.rowsOf("events"), "the first process pruned 89 s ago")
		first.now = first.now.Add(10 * time.Second)
		first.prune(age)
		assert.Zero(t, second.rowsOf("events"), "a process does not wait for itself")
	})
}

func TestAnotherProcessPrunesWhenTheOneThatDidHasStopped(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		for name, after := range map[string]time.Duration{"stopped": 90 * time.Second, "its clock was ahead": -90 * time.Second} {
			first, second := twoPruners(t, d)
			first.publish(first.event("acme", "evt1"))
			first.now = first.now.Add(time.Hour)
			first.prune(forEver)
			second.now = first.now.Add(after)
			second.prune(webhook.Retention{Events: time.Minute})
			assert.Zero(t, second.rowsOf("events"), name)
		}
	})
}

// Whoever disables or deletes an endpoint wants its deliveries canceled at once.
func TestAProcessThatStopsAnEndpointPrunesAtOnce(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		for name, stop := range map[string]func(s *scene){
			"deleted": func(s *scene) {
				require.NoError(t, s.store.DeleteEndpoint(t.Context(), webhook.EndpointKey{Tenant: "acme", ID: "ep1"}, 0, s.now))
			},
			"disabled": func(s *scene) {
				page, err := s.store.Endpoints(t.Context(), webhook.Query{Tenant: "acme", EndpointID: "ep1"})
				require.NoError(t, err)
				e := page.Items[0]
				e.State, e.Reason = webhook.EndpointDisabled, webhook.ReasonGone
				_, err = s.store.UpdateEndpoint(t.Context(), e)
				require.NoError(t, err)
			},
			"settled": func(s *scene) {
				for _, l := range s.claim() {
					item := s.succeeded(l)
					if l.Endpoint.ID == "ep1" {
						item.State, item.DueAt, item.Disable = webhook.DeliveryPending, s.now, webhook.ReasonGone
					}
					_, err := s.store.Settle(t.Context(), s.now, []webhook.Settlement{item})
					require.NoError(t, err)
				}
			},
		} {
			t.Run(name, func(t *testing.T) {
				first, second := twoPruners(t, d)
				first.publish(first.event("acme", "evt1", "ep1"))
				stop(second)
				require.Equal(t, 1, second.rowsOf("queue"))
				second.prune(forEver)
				assert.Zero(t, second.rowsOf("queue"))
			})
		}
	})
}
