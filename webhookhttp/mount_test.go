package webhookhttp_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/webhookhttp"
)

const aBody = `{"url": "https://a.example", "events": ["*"]}`

func TestTheHandlerWorksBehindStripPrefix(t *testing.T) {
	h := newHandler(t, newDispatcher(t))
	mux := http.NewServeMux()
	mux.Handle("/api/", http.StripPrefix("/api", h))
	created := send(mux, "POST", "/api/webhooks", aBody)
	require.Equal(t, 201, created.Code, created.Body)
	at := created.Header().Get("Location")
	assert.Regexp(t, `^/api/webhooks/[0-9a-f-]{36}$`, at, "it is the path that the client knows")
	assert.Equal(t, 200, send(mux, "GET", at, "").Code)
	assert.Equal(t, 404, send(mux, "GET", "/api/", "").Code)
	assert.Equal(t, 404, send(http.StripPrefix("/api", h), "GET", "/api", "").Code, "an empty path")
}

func TestAPatternAroundTheHandlerGivesAuthorizeItsPathValues(t *testing.T) {
	h := newHandler(t, newDispatcher(t), func(c *webhookhttp.Config) {
		c.Authorize = func(r *http.Request, _ webhookhttp.Permission) (string, error) {
			return r.PathValue("region") + "-" + r.PathValue("community"), nil
		}
	})
	strip := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.StripPrefix("/"+r.PathValue("region")+"/"+r.PathValue("community"), h).ServeHTTP(w, r)
		assert.Equal(t, "/{region}/{community}/", r.Pattern, "it is left as it was, for the application's metrics")
	})
	mux := http.NewServeMux()
	mux.Handle("/{region}/{community}/", strip)
	created := send(mux, "POST", "/eu/c1/webhooks", aBody)
	require.Equal(t, 201, created.Code, created.Body)
	assert.Equal(t, 200, send(mux, "GET", created.Header().Get("Location"), "").Code)
	assert.Equal(t, 404, send(mux, "GET", strings.Replace(created.Header().Get("Location"), "c1", "c2", 1), "").Code)
}

func TestTheHandlerSharesItsPrefixWithRoutesOfTheApplication(t *testing.T) {
	h := newHandler(t, newDispatcher(t), func(c *webhookhttp.Config) { c.Prefix = "/v1/{community}" })
	mux := http.NewServeMux()
	mux.Handle("/v1/{community}/", h)
	mux.HandleFunc("POST /v1/{community}/events", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	assert.Equal(t, 202, send(mux, "POST", "/v1/c/events", "").Code)
	assert.Equal(t, 200, send(mux, "GET", "/v1/c/events", "").Code)
}

func TestPathsThatAreNotCleanAreNotFoundRatherThanRedirected(t *testing.T) {
	h := newHandler(t, newDispatcher(t), func(c *webhookhttp.Config) { c.Prefix = "/v1" })
	for _, path := range []string{"/v1//webhooks", "/v1/./webhooks", "/v1/x/../webhooks", "//v1/webhooks", "/v1/webhooks/", "/", "/v1"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.Path = path
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		assert.Equal(t, 404, w.Code, path)
		assert.Equal(t, "application/problem+json", w.Header().Get("Content-Type"), path)
	}
	for _, path := range []string{"", "*", "v1/webhooks"} {
		r := httptest.NewRequest(http.MethodOptions, "/", nil)
		r.URL.Path, r.RequestURI = path, path
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		assert.Equal(t, 404, w.Code, path)
	}
	assert.Equal(t, 405, send(h, "CONNECT", "/v1/webhooks", "").Code)
}

func TestAServerAnswersABodyThatIsTooLargeAndHEAD(t *testing.T) {
	server := httptest.NewServer(newHandler(t, newDispatcher(t)))
	defer server.Close()
	request := func(method, path, body string) (status int, header http.Header) {
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/json")
		resp, err := server.Client().Do(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode, resp.Header
	}
	status, _ := request("POST", "/webhooks", strings.Repeat(" ", 1<<20+1))
	assert.Equal(t, 413, status)
	status, header := request("POST", "/webhooks", aBody)
	assert.Equal(t, 201, status)
	status, header = request("HEAD", header.Get("Location"), "")
	assert.Equal(t, 200, status)
	assert.NotEmpty(t, header.Get("ETag"))
	assert.NotEmpty(t, header.Get("Content-Length"))
}

func TestARequestOutsideThePrefixIsLoggedOnce(t *testing.T) {
	for name, c := range map[string]struct {
		prefix, path string
		logged       bool
	}{
		"another prefix":        {"/v1/communities/{id}", "/api/v1/communities/acme/webhooks", true},
		"no prefix":             {"/v1/communities/{id}", "/webhooks/one/logs", true},
		"one that is not said":  {"", "/v1/communities/acme/deliveries", true},
		"a path of its own":     {"/v1/communities/{id}", "/v1/communities/acme/webhooks/one/nothing", false},
		"another path":          {"/v1/communities/{id}", "/favicon.ico", false},
		"another path, without": {"", "/webhooksish", false},
	} {
		t.Run(name, func(t *testing.T) {
			var log strings.Builder
			h := newHandler(t, newDispatcher(t), func(config *webhookhttp.Config) {
				config.Prefix, config.Logger = c.prefix, slog.New(slog.NewTextHandler(&log, nil))
			})
			for range 3 {
				assert.Equal(t, 404, send(h, "GET", c.path, "").Code)
			}
			if !c.logged {
				assert.Empty(t, log.String())
				return
			}
			assert.Equal(t, 1, strings.Count(log.String(), "\n"), log.String())
			assert.Contains(t, log.String(), c.path)
			assert.Contains(t, log.String(), c.prefix)
		})
	}
}
