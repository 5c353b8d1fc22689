package drivertest

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
	"github.com/gowebhook/webhook/webhooktest"
)

// sickEvents is the number of events to each endpoint of a ward.
const sickEvents = 12

// A ward has receivers of several kinds. The id of an endpoint is its kind.
type ward struct {
	begun time.Time

	mu       sync.Mutex
	mended   bool           // all of them accept everything
	accepted map[string]int // requests that were answered with success, by event
	asked    map[string]int // requests, by endpoint
	latest   time.Time      // the latest success of the limiting one
	notices  map[string]int // by type and endpoint
}

var wardKinds = []string{"healthy", "flapping", "limiting", "back", "dead", "gone"}

// answer is the receivers' side of a request.
func (w *ward) answer(_ context.Context, req *webhook.Request) (*webhook.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	id, now := req.Endpoint.ID, time.Now()
	w.asked[id]++
	status := http.StatusNoContent
	switch since := now.Sub(w.begun); {
	case w.mended:
	case id == "flapping" && since%(3*time.Second) < time.Second, id == "back" && since < 4*time.Second, id == "dead":
		status = http.StatusServiceUnavailable
	case id == "limiting" && now.Sub(w.latest) < 200*time.Millisecond:
		status = http.StatusTooManyRequests
	case id == "limiting":
		w.latest = now
	case id == "gone" && w.asked[id] > sickEvents/2:
		status = http.StatusGone
	}
	if status == http.StatusNoContent {
		w.accepted[req.Event.ID]++
	}
	return &webhook.Response{StatusCode: status}, nil
}

func (w *ward) notice(n webhook.Notice) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notices[n.Type+" "+n.Endpoint.ID]++
}

// arrived reports whether all events to the endpoints have arrived.
func (w *ward) arrived(ids ...string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		for n := range sickEvents {
			if w.accepted[eventTo(id, n)] == 0 {
				return false
			}
		}
	}
	return true
}

func eventTo(id string, n int) string { return fmt.Sprintf("%s_%d", id, n) }

// run runs a process on the store, until the test ends.
func (w *ward) run(t *testing.T, store webhook.Store) *webhook.Dispatcher {
	t.Helper()
	d, err := webhook.New(store, webhook.Config{
		Transport: &webhooktest.Transport{Answer: w.answer}, Logger: slog.New(slog.DiscardHandler), PollInterval: 100 * time.Millisecond,
		Lease: 2 * time.Minute, Profile: "soon", Observer: webhook.Observer{Notice: w.notice},
		Profiles: map[string]webhook.Profile{"soon": {Retry: func(webhook.Outcome, float64) (time.Duration, bool) { return 500 * time.Millisecond, true }}},
		Health: webhook.HealthPolicy{
			Throttle: time.Second, MaxThrottle: time.Second, CircuitWait: time.Second, MaxCircuitWait: 2 * time.Second,
		},
	})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		assert.NoError(t, <-ended)
	})
	return d
}

// Three processes serve healthy and sick receivers. Then the sick ones recover.
func TestThreeProcessesLoseNothingBesideSickReceivers(t *testing.T) {
	onlyInCI(t)
	eachServer(t, func(t *testing.T, d database) {
		dsn := d.dsn(t)
		first := d.store(t, dsn, sqlstore.Options{})
		require.NoError(t, first.Migrate(t.Context()))
		w := &ward{begun: time.Now(), accepted: map[string]int{}, asked: map[string]int{}, notices: map[string]int{}}
		processes := []*webhook.Dispatcher{
			w.run(t, first), w.run(t, d.store(t, dsn, sqlstore.Options{})), w.run(t, d.store(t, dsn, sqlstore.Options{})),
		}
		acme := processes[0].Tenant("acme")
		for _, id := range wardKinds {
			_, err := acme.CreateEndpoint(t.Context(), webhook.Endpoint{ID: id, URL: "https://" + id + ".example", Events: []string{"to." + id}})
			require.NoError(t, err)
		}
		for n := range sickEvents {
			for i, id := range wardKinds {
				_, err := processes[(n+i)%3].Emit(t.Context(), webhook.Event{Tenant: "acme", ID: eventTo(id, n), Type: "to." + id, Data: n})
				require.NoError(t, err)
			}
			letPass(t.Context(), 100*time.Millisecond)
		}
		require.Eventually(t, func() bool { return w.arrived("healthy", "flapping", "limiting", "back") }, processPatience, soon)
		require.Eventually(t, func() bool {
			e, err := acme.Endpoint(t.Context(), "gone")
			return err == nil && e.State == webhook.EndpointDisabled
		}, processPatience, soon)

		w.mu.Lock()
		asked, lasted := maps.Clone(w.asked), time.Since(w.begun)
		w.mended = true
		w.mu.Unlock()
		t.Logf("after %v, %d events to each endpoint: %d requests to the dead one, %d to the one that is gone",
			lasted.Round(time.Second), sickEvents, asked["dead"], asked["gone"])
		// Up to 24 requests are under way when the circuit opens after 5. Then one follows after the
		// other, 0.8 seconds apart or more.
		assert.LessOrEqual(t, asked["dead"], 40+int(lasted/(800*time.Millisecond)))

		gone, err := acme.Endpoint(t.Context(), "gone")
		require.NoError(t, err)
		gone.State = webhook.EndpointActive
		_, err = acme.UpdateEndpoint(t.Context(), gone)
		require.NoError(t, err)
		for _, missed := range []bool{false, true} {
			_, err := acme.Replay(t.Context(), webhook.ReplayRequest{Endpoint: "gone", Missed: missed})
			require.NoError(t, err)
		}
		require.Eventually(t, func() bool { return w.arrived(wardKinds...) }, processPatience, soon)
		w.mu.Lock()
		defer w.mu.Unlock()
		assert.Len(t, w.accepted, sickEvents*len(wardKinds))
		for event, times := range w.accepted {
			assert.Equal(t, 1, times, event)
		}
		assert.Equal(t, 1, w.notices["webhook.endpoint.disabled gone"], "over all processes")
		for name := range w.notices {
			assert.False(t, strings.HasSuffix(name, " healthy"), name)
		}
	})
}
