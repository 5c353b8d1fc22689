package drivertest

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
	"github.com/gowebhook/webhook/webhooktest"
)

// A listeningTenant emits events one after the other and measures when they are delivered.
type listeningTenant struct {
	d         *webhook.Dispatcher
	api       http.Handler
	delivered chan time.Time
}

// measure returns the median and the longest time of n deliveries, and of as many GETs.
func (l *listeningTenant) measure(t *testing.T, n int) (delivery, get [2]time.Duration) {
	t.Helper()
	var deliveries, gets []time.Duration
	for range n {
		began := time.Now()
		_, err := l.d.Emit(t.Context(), webhook.Event{Tenant: "quiet", Type: "a.b"})
		require.NoError(t, err)
		deliveries = append(deliveries, (<-l.delivered).Sub(began))
		began = time.Now()
		require.Equal(t, http.StatusOK, ask(l.api, "quiet", "/webhooks").Code)
		gets = append(gets, time.Since(began))
	}
	of := func(list []time.Duration) [2]time.Duration {
		slices.Sort(list)
		return [2]time.Duration{list[len(list)/2], list[len(list)-1]}
	}
	return of(deliveries), of(gets)
}

// TestSoakListsOfOneTenantSlowNoOther lets 12 clients of a tenant loop the costliest requests. It
// needs a quiet machine.
func TestSoakListsOfOneTenantSlowNoOther(t *testing.T) {
	if !soaking() {
		t.Skip("measures time: make soak")
	}
	for _, db := range databases {
		t.Run(db.name, func(t *testing.T) {
			s := db.migrated(t)
			quiet := &listeningTenant{delivered: make(chan time.Time, 1)}
			transport := &webhooktest.Transport{Answer: func(context.Context, *webhook.Request) (*webhook.Response, error) {
				quiet.delivered <- time.Now()
				return &webhook.Response{StatusCode: http.StatusNoContent}, nil
			}}
			d, err := webhook.New(s, webhook.Config{Transport: transport})
			require.NoError(t, err)
			quiet.d, quiet.api = d, apiOf(t, d)
			fatTenant(t, s, d, "fat")
			_, err = d.Tenant("quiet").CreateEndpoint(t.Context(), webhook.Endpoint{ID: "one", URL: "https://a.example", Events: []string{"*"}})
			require.NoError(t, err)
			ctx, stop := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() { _ = d.Run(ctx) })
			defer running.Wait()
			defer stop()

			quiet.measure(t, 50) // warm
			alone, getAlone := quiet.measure(t, 200)
			var clients sync.WaitGroup
			looping, end := context.WithCancel(ctx)
			for range 12 {
				clients.Go(func() {
					for looping.Err() == nil {
						ask(quiet.api, "fat", "/webhooks/few/logs?per_page=50&page=20")
						ask(quiet.api, "fat", "/webhooks/big/logs?per_page=50&page=20")
						ask(quiet.api, "fat", "/events?per_page=50")
						ask(quiet.api, "fat", "/deliveries?state=canceled")
					}
				})
			}
			beside, getBeside := quiet.measure(t, 200)
			end()
			clients.Wait()
			t.Logf("delivery: p50 %v, longest %v alone; p50 %v, longest %v beside 12 clients", alone[0], alone[1], beside[0], beside[1])
			t.Logf("GET: p50 %v, longest %v alone; p50 %v, longest %v beside 12 clients", getAlone[0], getAlone[1], getBeside[0], getBeside[1])
			most := 2 * max(alone[0], 5*time.Millisecond)
			if db.dialect == sqlstore.SQLite { // which reads lists with this process's own CPU
				most = 100 * time.Millisecond
			}
			assert.Less(t, beside[0], most, "the median delivery")
			assert.Less(t, getBeside[0], 100*time.Millisecond, "the median GET")
		})
	}
}
