package drivertest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore/drivertest/recorder"
	"github.com/gowebhook/webhook/webhookhttp"
	"github.com/gowebhook/webhook/webhooktest"
)

// costly are the requests that read the most, of a tenant that has as much as it may.
var costly = map[string]string{
	"events":                          "/events?per_page=50",
	"the log":                         "/webhooks/big/logs?per_page=50",
	"the last page of the log":        "/webhooks/big/logs?per_page=50&page=20",
	"a page behind the end":           "/webhooks/few/logs?per_page=50&page=20",
	"a status that none has":          "/webhooks/big/logs?status_code=999",
	"a type that none has":            "/events?event_type=nothing",
	"a state that none has":           "/deliveries?state=canceled",
	"a state that none of one has":    "/deliveries?state=canceled&endpoint_id=big",
	"a last status that none has":     "/deliveries?last_status=999",
	"a last class that none of one":   "/deliveries?last_class=tls&endpoint_id=big",
	"deliveries":                      "/deliveries?per_page=50",
	"deliveries of an endpoint":       "/deliveries?per_page=50&endpoint_id=big",
	"a delivery with large responses": "/deliveries/wide.big",
	"endpoints":                       "/webhooks?per_page=50",
	"an endpoint":                     "/webhooks/big",
}

// answering is the number of events of the tenant with an attempt.
const answering = 2500

// fatTenant stores rows that make lists costly: events of 256 KiB, attempts with response
// bodies of 16 KiB, and endpoints with all the headers that they may have.
func fatTenant(t *testing.T, s webhook.Store, d *webhook.Dispatcher, tenant string) {
	t.Helper()
	header := make(map[string]webhook.Secret)
	for i := range 30 {
		header[fmt.Sprint("X-Fat-", i)] = webhook.Secret(strings.Repeat("h", 4000))
	}
	for i := range 50 {
		id := []string{"big", "few", fmt.Sprint("ep", i)}[min(i, 2)]
		_, err := d.Tenant(tenant).CreateEndpoint(t.Context(), webhook.Endpoint{
			ID: id, URL: "https://a.example", Events: []string{"none"}, Header: header,
		})
		require.NoError(t, err)
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	publish := func(events []webhook.EventRecord) {
		results, err := s.Publish(t.Context(), webhook.PublishRequest{Now: now, Events: events})
		require.NoError(t, err)
		for _, r := range results {
			require.NoError(t, r.Err)
		}
	}
	event := func(id string, data int) webhook.EventRecord {
		u, err := uuid.NewV7()
		require.NoError(t, err)
		return webhook.EventRecord{
			UID: u, Tenant: tenant, ID: id, Type: "a.b", Time: now, CreatedAt: now, NewID: true,
			Data: []byte(`"` + strings.Repeat("d", data-2) + `"`), Deliveries: []webhook.NewDelivery{},
		}
	}
	answered := func(endpoint string, body int) webhook.NewDelivery {
		return webhook.NewDelivery{
			EndpointID: endpoint, Version: 1, State: webhook.DeliverySucceeded,
			Attempt: &webhook.Attempt{StartedAt: now, Status: 200, ResponseBody: bytes.Repeat([]byte("r"), body)},
		}
	}
	for i := 0; i < answering; i += 50 {
		var events []webhook.EventRecord
		for j := range 50 {
			e := event(fmt.Sprint("e", i+j), 1000)
			e.Deliveries = append(e.Deliveries, answered("big", 16<<10))
			events = append(events, e)
		}
		publish(events)
	}
	wide := event("wide", 100)
	wide.Deliveries = append(wide.Deliveries, answered("big", 1<<20), answered("few", 16<<10))
	publish([]webhook.EventRecord{wide})
	for i := range 60 {
		publish([]webhook.EventRecord{event(fmt.Sprint("fat", i), 256<<10)})
	}
}

// allocating returns the bytes that f allocates, the least of three runs.
func allocating(f func()) uint64 {
	var before, after runtime.MemStats
	least := ^uint64(0)
	for range 3 {
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}

func apiOf(tb testing.TB, d *webhook.Dispatcher) http.Handler {
	tb.Helper()
	h, err := webhookhttp.New(d, webhookhttp.Config{
		Authorize: func(r *http.Request, _ webhookhttp.Permission) (string, error) { return r.Header.Get("X-Tenant"), nil },
	})
	require.NoError(tb, err)
	return h
}

func ask(h http.Handler, tenant, target string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Header.Set("X-Tenant", tenant)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// It runs alone, because it counts the allocations of the process.
func TestNoListRequestAllocatesMoreThanTwoMegabytes(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	for _, db := range databases {
		t.Run(db.name, func(t *testing.T) {
			s := db.migrated(t)
			d, err := webhook.New(s, webhook.Config{Transport: &webhooktest.Transport{}})
			require.NoError(t, err)
			fatTenant(t, s, d, "fat")
			h := apiOf(t, d)
			for name, target := range sorted(costly) {
				most := uint64(2_000_000)
				if strings.HasPrefix(target, "/deliveries/") {
					most = 12 << 20 // the latest response is shown in any size, here 1 MiB
				}
				var answer *httptest.ResponseRecorder
				got := allocating(func() { answer = ask(h, "fat", target) })
				assert.Equal(t, http.StatusOK, answer.Code, "%s: %.300s", name, answer.Body)
				assert.LessOrEqual(t, got, most, name)
				t.Logf("%-32s %8d bytes allocated, %6d answered", name, got, answer.Body.Len())
			}
		})
	}
}

// Lists of SQLite have connections of their own: the Dispatcher matches and claims while lists
// wait for one.
func TestListsOfSQLiteLeaveConnectionsToTheDispatcher(t *testing.T) {
	var held atomic.Int32
	release := make(chan struct{})
	watched, err := recorder.Register(sqlite.driver, func(ctx context.Context, s recorder.Statement) {
		if strings.Contains(s.Query, "ORDER BY e.uid DESC") {
			held.Add(1)
			<-release
		}
	})
	require.NoError(t, err)
	db := sqlite
	db.driver = watched
	s := db.migrated(t)
	var lists sync.WaitGroup
	for range 20 {
		lists.Go(func() {
			_, _ = s.Events(t.Context(), webhook.Query{Tenant: "acme"}) // those that wait for too long fail
		})
	}
	require.Eventually(t, func() bool { return held.Load() >= 4 }, time.Minute, time.Millisecond)
	for range 50 {
		_, err = s.Match(t.Context(), []webhook.MatchRequest{{Tenant: "acme", Patterns: []string{"*"}, Limit: 1}})
		require.NoError(t, err)
		_, err = s.Refresh(t.Context(), []webhook.EndpointKey{{Tenant: "acme", ID: "one"}})
		require.NoError(t, err)
		_, err = s.Claim(t.Context(), webhook.ClaimRequest{Now: time.Now(), LeaseUntil: time.Now().Add(time.Minute), Max: 1, MaxBytes: 1, Room: 1})
		require.NoError(t, err)
	}
	assert.EqualValues(t, 4, held.Load())
	close(release)
	lists.Wait()
}
