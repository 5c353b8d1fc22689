package interop

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
)

// answerPaths are paths of nginx with responses of many kinds. The first %s is an address
// where nobody listens, the second one where nobody answers. nginx serves files to GET only.
// To send one, a path has the error page for 405 of a file, which nginx asks for with GET.
const answerPaths = `
location = /204 { return 204; }
location = /304 { return 304; }
location = /empty { return 200; }
location = /redirect { return 301 https://elsewhere.example/; }
location = /redirect-of-post { return 307 /204; }
location = /401 { return 401; }
location = /missing { root missing; }
location = /file { root .; }
location = /429 { return 429 slower; }
location = /500 { return 500; }
location = /silent { return 444; }
location = /asked { return 200 "expect[$http_expect] encoding[$http_accept_encoding] connection[$http_connection]"; }
location = /dead { proxy_pass http://%s; }
location = /slow { proxy_pass http://%s; proxy_read_timeout 100ms; }
location = /too-large { client_max_body_size 1k; return 200 never; }
location = /medium { error_page 405 =200 /files/medium; root .; }
location = /large { error_page 405 =200 /files/large; root .; }
location = /compressible { error_page 405 =200 /compressed/fit; root .; }
location = /compressed { error_page 405 =200 /always/fit; root .; }
location /files/ { root .; }
location /compressed/ { alias files/; gzip on; gzip_types *; gzip_min_length 1; }
location /always/ { alias files/; gzip_static always; }
`

// An answer is what the log has of an attempt.
type answer struct {
	status    int
	class     webhook.Class
	body      string // or its beginning
	truncated bool
	keeps     bool // the connection has the next request, too
}

func TestTheLogHasWhatNginxAnswers(t *testing.T) {
	fit := strings.Repeat("fits ", 1000)
	medium, large := strings.Repeat("m", 40<<10), strings.Repeat("l", 200<<10)
	compressed := new(bytes.Buffer)
	w := gzip.NewWriter(compressed)
	_, err := w.Write([]byte(fit))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	limit := 16 << 10 // of Network.MaxResponseBytes

	folder := t.TempDir()
	server := nginx{
		folder: folder,
		server: fmt.Sprintf(answerPaths, deadAddr(t), silentAddr(t)) + "access_log access.log connections;",
		http:   "log_format connections '$request_uri $connection';",
		files: map[string]string{
			"file": fit, "medium": medium, "large": large, "compressible": fit, "compressed": fit,
			"files/fit": fit, "files/medium": medium, "files/large": large, "files/fit.gz": compressed.String(),
		},
	}
	url := "http://" + server.start(t)
	small, big := strings.Repeat("s", 100), strings.Repeat("b", 200<<10)
	const failed = webhook.ClassStatus
	for path, want := range map[string]answer{
		"/204":              {204, "", "", false, true},
		"/304":              {304, failed, "", false, true},
		"/empty":            {200, "", "", false, true},
		"/redirect":         {301, failed, "<html>", false, true},
		"/redirect-of-post": {307, failed, "<html>", false, true},
		"/401":              {401, failed, "<html>", false, true},
		"/missing":          {404, failed, "<html>", false, true},
		"/file":             {405, failed, "<html>", false, true},
		"/429":              {429, failed, "slower", false, true},
		"/500":              {500, failed, "<html>", false, false}, // nginx closes after it
		"/silent":           {0, webhook.ClassReset, "", false, false},
		"/asked":            {200, "", "expect[] encoding[] connection[]", false, true},
		"/dead":             {502, failed, "<html>", false, true},
		"/slow":             {504, failed, "<html>", false, true},
		"/too-large":        {413, failed, "<html>", false, false},
		"/medium":           {200, "", medium[:limit], true, true},
		"/large":            {200, "", large[:limit], true, false},
		"/compressible":     {200, "", fit, false, true},
		"/compressed":       {200, "", compressed.String(), false, true},
	} {
		t.Run(path, func(t *testing.T) {
			data := small
			if path == "/too-large" {
				data = big
			}
			attempts := sendTwice(t, nil, url+path, data)
			require.Len(t, attempts, 2)
			connections := connectionsIn(t, filepath.Join(folder, "access.log"), path)
			assert.Equal(t, want.keeps, connections == 1, "%d connections", connections)
			for _, got := range attempts {
				assert.Equal(t, want.status, got.Status, got.Error)
				assert.Equal(t, want.class, got.Class)
				assert.Equal(t, want.truncated, got.Truncated)
				if strings.HasPrefix(want.body, "<") {
					assert.True(t, strings.HasPrefix(string(got.ResponseBody), want.body), "%.100s", got.ResponseBody)
				} else {
					assert.Equal(t, want.body, string(got.ResponseBody))
				}
			}
		})
	}
}

// A receiver may answer before it has read the request, and close the connection while most
// of the request is on its way. Its answer counts, not the end of the connection.
func TestAnEarlyAnswerIsTheAnswer(t *testing.T) {
	id := newIdentity(t)
	overTLS := &tls.Config{Certificates: []tls.Certificate{id.tls}}
	for name, url := range map[string]string{
		"Node":               "http://" + startNode(t, 0),
		"Python":             "http://" + startPython(t, "HTTP/1.1", 0),
		"net/http":           "http://" + new(goReceiver).start(t),
		"net/http, with TLS": "https://" + (&goReceiver{tls: overTLS}).start(t),
	} {
		t.Run(name, func(t *testing.T) {
			data := strings.Repeat("b", 4<<20) // more than the system takes at once
			attempts := sendTwice(t, &tls.Config{RootCAs: id.pool}, url+"/early", data)
			require.Len(t, attempts, 2)
			for _, got := range attempts {
				assert.Equal(t, 413, got.Status, got.Error)
				assert.Equal(t, webhook.ClassStatus, got.Class)
				assert.Equal(t, "413", strings.TrimSpace(string(got.ResponseBody)))
			}
		})
	}
}

// sendTwice sends two events to an endpoint, one after the other, and returns the attempts
// in the log.
func sendTwice(t *testing.T, config *tls.Config, url, data string) []webhook.Attempt {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	attempted := make(chan bool, 2)
	d, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{
		Network: webhook.Network{AllowHTTP: true, AllowLoopback: true, TLS: config},
		Profile: "p", Profiles: map[string]webhook.Profile{"p": {Retry: webhook.Schedule()}},
		MaxEventBytes: 8 << 20,
		Health:        webhook.HealthPolicy{Throttle: -1}, // the second event is sent after a 429, too
		Logger:        slog.New(slog.DiscardHandler),
		Observer:      webhook.Observer{Attempt: func(webhook.Attempt, webhook.Verdict) { attempted <- true }},
	})
	require.NoError(t, err)
	scope := d.Tenant("acme")
	e, err := scope.CreateEndpoint(ctx, webhook.Endpoint{URL: url, Events: []string{"*"}})
	require.NoError(t, err)
	ran := make(chan error, 1)
	go func() { ran <- d.Run(ctx) }()
	for range 2 {
		_, err := d.Emit(ctx, webhook.Event{Tenant: "acme", Type: "a", Data: data})
		require.NoError(t, err)
		<-attempted
	}
	stop()
	require.NoError(t, <-ran)
	page, err := scope.Attempts(t.Context(), webhook.Query{EndpointID: e.ID})
	require.NoError(t, err)
	return page.Items
}

// connectionsIn returns how many connections had the two requests for a path. nginx logs a
// request some time after its response.
func connectionsIn(t *testing.T, accessLog, path string) int {
	t.Helper()
	requests, connections := 0, make(map[string]bool)
	require.Eventually(t, func() bool {
		log, err := os.ReadFile(accessLog)
		require.NoError(t, err)
		requests = 0
		for line := range strings.Lines(string(log)) {
			if logged, connection, _ := strings.Cut(strings.TrimSpace(line), " "); logged == path {
				requests++
				connections[connection] = true
			}
		}
		return requests == 2
	}, time.Minute, 10*time.Millisecond)
	return len(connections)
}

// deadAddr returns an address where nobody listens.
func deadAddr(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}

// silentAddr returns an address where connections are made and nobody answers.
func silentAddr(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String()
}
