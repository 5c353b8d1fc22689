package drivertest

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
	"github.com/gowebhook/webhook/webhooktest"
)

// A lagStore notes how long the results of an endpoint took from the end of their attempts
// until they were stored.
type lagStore struct {
	*sqlstore.Store
	endpoint string

	mu     sync.Mutex
	stored int
	worst  time.Duration
}

func (s *lagStore) Settle(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
	out, err := s.Store.Settle(ctx, now, items)
	if err != nil {
		return out, err
	}
	stored, _ := s.Now(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range items {
		if a := items[i].Attempt; a != nil && items[i].Endpoint.ID == s.endpoint {
			s.stored++
			s.worst = max(s.worst, stored.Sub(a.StartedAt.Add(a.Duration)))
		}
	}
	return out, nil
}

// lap returns the notes since the last call.
func (s *lagStore) lap() (stored int, worst time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stored, worst = s.stored, s.worst
	s.stored, s.worst = 0, 0
	return stored, worst
}

// One tenant's endpoint fails, and somebody holds its status row. Another tenant's events go on.
func TestAHeldStatusRowHoldsUpNoOtherEndpoint(t *testing.T) {
	onlyInCI(t)
	eachServer(t, func(t *testing.T, d database) {
		dsn := d.dsn(t)
		store := &lagStore{Store: d.store(t, dsn, sqlstore.Options{}), endpoint: "well"}
		require.NoError(t, store.Migrate(t.Context()))
		var sick sync.Map // events that were sent there
		net := &webhooktest.Transport{Answer: func(_ context.Context, req *webhook.Request) (*webhook.Response, error) {
			if req.Endpoint.ID == "well" {
				return &webhook.Response{StatusCode: 200}, nil
			}
			_, again := sick.LoadOrStore(req.Event.ID, true)
			assert.False(t, again, "%s was sent twice", req.Event.ID)
			return &webhook.Response{StatusCode: 500}, nil
		}}
		disp, err := webhook.New(store, webhook.Config{
			Transport: net, MaxInFlight: 256, Logger: slog.New(slog.DiscardHandler), Profile: "once", MaxTimeout: 5 * time.Second, Lease: 2 * time.Minute,
			Health:   webhook.HealthPolicy{CircuitFailures: -1, CircuitPercent: -1}, // each event to the sick one is tried
			Profiles: map[string]webhook.Profile{"once": {Retry: func(webhook.Outcome, float64) (time.Duration, bool) { return 0, false }}},
		})
		require.NoError(t, err)
		for _, id := range []string{"sick", "well"} {
			_, err := disp.Tenant(id).CreateEndpoint(t.Context(), webhook.Endpoint{ID: id, URL: "https://" + id + ".example/", Events: []string{"*"}})
			require.NoError(t, err)
		}
		ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
		ended := make(chan error, 1)
		go func() { ended <- disp.Run(ctx) }()
		defer func() {
			stop()
			assert.NoError(t, <-ended)
		}()

		n := 0
		second := func() { // 100 events to one, 10 to the other
			ticker := time.NewTicker(10 * time.Millisecond)
			defer ticker.Stop()
			for range 100 {
				n++
				to := []string{"well"}
				if n%10 == 0 {
					to = append(to, "sick")
				}
				for _, tenant := range to {
					_, err := disp.Emit(t.Context(), webhook.Event{Tenant: tenant, Type: "a.b", ID: fmt.Sprintf("evt%d", n)})
					require.NoError(t, err)
				}
				<-ticker.C
			}
		}
		succeeded := func() int {
			return countWhere(t, store.DB(), "webhook_deliveries WHERE state = 'succeeded'")
		}
		for range 3 {
			second()
		}
		require.Eventually(t, func() bool { return succeeded() == n }, time.Minute, 20*time.Millisecond)
		_, usual := store.lap()

		tx := hold(t, d.open(t, dsn), "UPDATE webhook_status SET updated_at = updated_at + 1 WHERE id = 'sick'")
		for range 15 {
			second()
		}
		if !assert.Eventually(t, func() bool { return succeeded() == n }, 20*time.Second, 20*time.Millisecond, "while the row is held") {
			t.Logf("%d of %d", succeeded(), n)
		}
		stored, worst := store.lap()
		t.Logf("%d results stored while the row was held, the slowest %v after its attempt; before, %v", stored, worst, usual)
		assert.Less(t, worst, max(time.Second, 4*usual))
		require.NoError(t, tx.Rollback())

		require.Eventually(t, func() bool {
			return countWhere(t, store.DB(), "webhook_deliveries WHERE state = 'failed'") == n/10
		}, time.Minute, 20*time.Millisecond, "the held deliveries arrive")
		assert.Equal(t, n+n/10, countWhere(t, store.DB(), "webhook_attempts"), "once")
		assert.Zero(t, countWhere(t, store.DB(), "webhook_attempts WHERE late = 1"))
	})
}
