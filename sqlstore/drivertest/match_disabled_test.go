package drivertest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
	"github.com/gowebhook/webhook/sqlstore/drivertest/recorder"
)

func (s *scene) matched(tenant string) (ids []string) {
	s.Helper()
	matched, err := s.store.Match(s.Context(), []webhook.MatchRequest{{Tenant: tenant, Patterns: []string{"order.*", "*"}, Limit: 1000}})
	require.NoError(s, err)
	for _, status := range matched[0] {
		ids = append(ids, status.Key.ID)
	}
	return ids
}

// disable has the effect of an answer of 410.
func (s *scene) disable(l webhook.Leased) {
	s.Helper()
	item := s.succeeded(l)
	item.Version = s.current(l.Endpoint.Tenant, l.Endpoint.ID).Version
	item.State, item.Reason, item.Disable = webhook.DeliveryFailed, webhook.ReasonGone, webhook.ReasonGone
	_, err := s.store.Settle(s.Context(), s.now, []webhook.Settlement{item})
	require.NoError(s, err)
}

func (s *scene) current(tenant, id string) webhook.Endpoint {
	s.Helper()
	found, err := s.store.Refresh(s.Context(), []webhook.EndpointKey{{Tenant: tenant, ID: id}})
	require.NoError(s, err)
	require.Len(s, found, 1)
	return found[0]
}

func TestADisabledEndpointHasNoOpenSubscriptions(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		s := newScene(t, d.migrated(t))
		s.endpoint("acme", "ep1")
		s.endpoint("acme", "ep2")
		set := func(change func(*webhook.Endpoint)) {
			e := s.current("acme", "ep1")
			change(&e)
			_, err := s.store.UpdateEndpoint(t.Context(), e)
			require.NoError(t, err)
		}
		for name, disable := range map[string]func(){
			"by an update": func() {
				set(func(e *webhook.Endpoint) { e.State, e.Reason = webhook.EndpointDisabled, webhook.ReasonCustomer })
			},
			"by a settlement": func() {
				s.publish(s.event("acme", "evt"+fmt.Sprint(s.seq), "ep1"))
				s.disable(s.claim()[0])
			},
		} {
			disable()
			assert.Equal(t, 1, s.openSubscriptions(), name)
			assert.Equal(t, []string{"ep2"}, s.matched("acme"), name)
			set(func(e *webhook.Endpoint) { e.Events = []string{"order.*", "order.paid"} })
			assert.Equal(t, 1, s.openSubscriptions(), name)
			set(func(e *webhook.Endpoint) { e.State, e.Reason = webhook.EndpointActive, "" })
			assert.Equal(t, []string{"ep1", "ep2"}, s.matched("acme"), name)
			assert.Equal(t, 3, s.openSubscriptions(), name)
			set(func(e *webhook.Endpoint) { e.Events = []string{"*"} })
		}
		e := webhook.Endpoint{Tenant: "acme", ID: "ep3", Events: []string{"*"}, State: webhook.EndpointDisabled, Version: 1}
		require.NoError(t, s.store.CreateEndpoint(t.Context(), e, 0))
		assert.Equal(t, []string{"ep1", "ep2"}, s.matched("acme"))
	})
}

// Whichever comes last, an endpoint is matched if and only if it is enabled.
func TestAnEndpointThatIsEnabledAndDisabledAtOnceIsMatchedAsItStands(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := newScene(t, d.migrated(t))
		s.endpoint("acme", "ep1")
		for round := range 15 {
			e := s.current("acme", "ep1")
			e.State, e.Reason = webhook.EndpointActive, ""
			e, err := s.store.UpdateEndpoint(t.Context(), e)
			require.NoError(t, err)
			s.publish(s.event("acme", fmt.Sprint("evt", round), "ep1"))
			leased := s.claim()
			require.Len(t, leased, 1)
			var both sync.WaitGroup
			both.Go(func() { s.disable(leased[0]) })
			both.Go(func() { _, _ = s.store.UpdateEndpoint(t.Context(), e) }) // keeps it active, or conflicts
			both.Wait()
			want := []string(nil)
			if s.current("acme", "ep1").State == webhook.EndpointActive {
				want = []string{"ep1"}
			}
			assert.Equal(t, want, s.matched("acme"), "round %d", round)
			assert.Equal(t, len(want), s.openSubscriptions(), "round %d", round)
			assert.Equal(t, 1, s.rowsOf("subscriptions"), "round %d", round)
		}
	})
}

func TestAMatchReadsNothingOfDisabledEndpoints(t *testing.T) {
	onlyWithoutRaceDetector(t)
	t.Parallel()
	disabled := 1000
	if soaking() {
		disabled = 10_000
	}
	d, dsn := postgres, postgres.dsn(t)
	var mu sync.Mutex
	var read []float64
	watched := d
	var err error
	watched.driver, err = recorder.Register(d.driver, func(ctx context.Context, st recorder.Statement) {
		if !strings.Contains(st.Query, "SELECT v.req") {
			return
		}
		lines, err := st.Ask(ctx, "EXPLAIN (ANALYZE, TIMING OFF) "+st.Query, st.Args)
		assert.NoError(t, err)
		mu.Lock()
		defer mu.Unlock()
		read = append(read, rowsRead(t, lines))
	})
	require.NoError(t, err)
	s := newScene(t, watched.store(t, dsn, sqlstore.Options{}))
	require.NoError(t, s.store.Migrate(t.Context()))
	f := d.fill(t, s.store.DB(), time.Now().UTC())
	for _, table := range tables { // a small table that the server has analyzed is read from end to end
		f.exec("ALTER TABLE webhook_" + table + " SET (autovacuum_enabled = off)")
	}
	f.endpoints(1, disabled+10)
	work := make(chan int)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range work {
				e := s.current("tenant_0", fmt.Sprint("ep_", i))
				e.State, e.Reason = webhook.EndpointDisabled, webhook.ReasonGone
				_, err := s.store.UpdateEndpoint(t.Context(), e)
				assert.NoError(t, err)
			}
		})
	}
	for i := range disabled {
		work <- i
	}
	close(work)
	all.Wait()
	assert.Len(t, s.matched("tenant_0"), 10)
	require.NotEmpty(t, read)
	for _, rows := range read {
		assert.Positive(t, rows)
		assert.LessOrEqual(t, rows, 200.0)
	}
}
