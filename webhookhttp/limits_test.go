package webhookhttp_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/webhookhttp"
	"github.com/gowebhook/webhook/webhooktest"
)

// A slowStore answers reads of tenant "slow" when release is closed, and counts those that wait.
type slowStore struct {
	webhook.Store

	waiting atomic.Int32
	release chan struct{}
}

func (s *slowStore) Endpoints(ctx context.Context, q webhook.Query) (webhook.Page[webhook.Endpoint], error) {
	if q.Tenant == "slow" {
		s.waiting.Add(1)
		defer s.waiting.Add(-1)
		select {
		case <-s.release:
		case <-ctx.Done():
			return webhook.Page[webhook.Endpoint]{}, ctx.Err()
		}
	}
	return s.Store.Endpoints(ctx, q)
}

// newSlow returns a Handler whose tenants are named by the header X-Tenant.
func newSlow(t *testing.T, configure ...func(*webhookhttp.Config)) (*slowStore, *webhookhttp.Handler) {
	t.Helper()
	store := &slowStore{Store: memstore.New(memstore.Options{}), release: make(chan struct{})}
	d, err := webhook.New(store, webhook.Config{Transport: &webhooktest.Transport{}})
	require.NoError(t, err)
	return store, newHandler(t, d, append(configure, func(c *webhookhttp.Config) {
		c.Authorize = func(r *http.Request, _ webhookhttp.Permission) (string, error) { return r.Header.Get("X-Tenant"), nil }
	})...)
}

func TestOneTenantsRequestsAreBoundedAndOthersAreServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, h := newSlow(t)
		var mu sync.Mutex
		codes := make(map[int]int)
		var refused *httptest.ResponseRecorder
		var wg sync.WaitGroup
		for range 30 {
			wg.Go(func() {
				answer := send(h, "GET", "/webhooks", "", "X-Tenant", "slow")
				mu.Lock()
				defer mu.Unlock()
				if codes[answer.Code]++; answer.Code == 429 {
					refused = answer
				}
			})
		}
		synctest.Wait()
		assert.EqualValues(t, 2, store.waiting.Load(), "the tenant's share")
		mu.Lock()
		assert.Equal(t, map[int]int{429: 12}, codes, "16 wait")
		assert.Equal(t, "2", refused.Header().Get("Retry-After"))
		assert.Contains(t, refused.Body.String(), `"code":"too_many_requests"`)
		mu.Unlock()

		began := time.Now()
		assert.Equal(t, 200, send(h, "GET", "/webhooks", "", "X-Tenant", "other").Code)
		assert.Equal(t, 201, send(h, "POST", "/webhooks", `{"url": "https://a.example", "events": ["*"]}`, "X-Tenant", "other").Code)
		assert.Zero(t, time.Since(began))

		close(store.release)
		wg.Wait()
		assert.Equal(t, map[int]int{200: 18, 429: 12}, codes)
	})
}

func TestRequestsOfAllTenantsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, h := newSlow(t, func(c *webhookhttp.Config) { c.MaxRequests, c.MaxTenantRequests = 3, 3 })
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { send(h, "GET", "/webhooks", "", "X-Tenant", "slow") })
		}
		synctest.Wait()
		began := time.Now()
		assert.Equal(t, 429, send(h, "GET", "/webhooks", "", "X-Tenant", "other").Code)
		assert.Equal(t, 2*time.Second, time.Since(began))
		assert.Equal(t, 200, send(h, "GET", "/event-types", "", "X-Tenant", "other").Code, "it reads nothing")
		close(store.release)
		wg.Wait()
		assert.Equal(t, 200, send(h, "GET", "/webhooks", "", "X-Tenant", "other").Code)
	})
}

// A client that is slow to send its body, or to read the answer, holds no turn.
func TestASlowClientHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, h := newSlow(t, func(c *webhookhttp.Config) { c.MaxRequests = 1 })
		body, writer := io.Pipe()
		r := httptest.NewRequest(http.MethodPost, "/webhooks", body)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Tenant", "a")
		slow := httptest.NewRecorder()
		done := make(chan struct{})
		go func() { defer close(done); h.ServeHTTP(slow, r) }()
		_, err := io.WriteString(writer, `{"url": `)
		require.NoError(t, err)
		synctest.Wait()
		assert.Equal(t, 200, send(h, "GET", "/webhooks", "", "X-Tenant", "a").Code, "while the body arrives")

		_, err = io.WriteString(writer, `"https://a.example", "events": ["*"]}`)
		require.NoError(t, err)
		require.NoError(t, writer.Close())
		<-done
		assert.Equal(t, 201, slow.Code)

		for _, target := range []string{"/webhooks", "/nothing", "/events?cursor=x", "/events/x"} {
			reader := &slowWriter{ResponseRecorder: httptest.NewRecorder(), release: make(chan struct{})}
			r = httptest.NewRequest(http.MethodGet, target, nil)
			r.Header.Set("X-Tenant", "a")
			done = make(chan struct{})
			go func() { defer close(done); h.ServeHTTP(reader, r) }()
			synctest.Wait()
			assert.Equal(t, 200, send(h, "GET", "/webhooks", "", "X-Tenant", "a").Code, "while the answer to %s is read", target)
			close(reader.release)
			<-done
		}
	})
}

// A slowWriter is a client that does not read.
type slowWriter struct {
	*httptest.ResponseRecorder

	release chan struct{}
}

func (w *slowWriter) Write(p []byte) (int, error) {
	<-w.release
	return w.ResponseRecorder.Write(p)
}

// allocated returns the bytes that f allocates, the least of three runs.
func allocated(f func()) uint64 {
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

func TestABodyThatIsRefusedCostsLittle(t *testing.T) {
	h := newHandler(t, newDispatcher(t))
	const most = 256 << 10
	fill := func(begin, one, end string) string {
		return begin + strings.Repeat(one, (most-len(begin)-len(end))/len(one)) + end
	}
	for name, body := range map[string]string{
		"unknown fields":   fill(`{"k": 1`, `,"k":1`, `}`),
		"events":           fill(`{"events": ["a"`, `,"a"`, `]}`),
		"headers":          fill(`{"headers": {"k": ""`, `,"k":""`, `}}`),
		"nested arrays":    fill(`{"events": [`, `[],`, `[]]}`),
		"one long unknown": fill(`{"`, `k`, `": 1}`),
		"no JSON":          fill(`{"events": [`, `1,`, ``),
	} {
		got := allocated(func() {
			answer := send(h, "POST", "/webhooks", body)
			assert.Equal(t, 400, answer.Code, name)
		})
		assert.Less(t, got, uint64(3<<20), "%s: reading the body takes 0.6 MB, and a copy of it 1.3 MB", name)
	}
}
