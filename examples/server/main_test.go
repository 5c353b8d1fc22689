package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/examples/internal/database/databasetest"
	"github.com/gowebhook/webhook/webhooktest"
)

const (
	patience = 20 * time.Second
	acme     = "/v1/communities/acme"
)

// A running server is in this process.
type running struct {
	*testing.T
	url  string
	log  *syncBuffer
	stop func()
}

// A syncBuffer is written to by the server and read by the test.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// start runs the server as main does, on a port of its own.
func start(t *testing.T, databaseName string, args ...string) *running {
	t.Helper()
	args = append([]string{"-addr", "127.0.0.1:0", "-allow-private", "-database", databaseName}, args...)
	o, err := parse(args, func(key string) string {
		switch key {
		case "WEBHOOK_KEYS":
			return os.Getenv(key)
		case "WEBHOOK_TOKEN":
			return "dev-token"
		}
		return ""
	}, io.Discard)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	s := &running{T: t, log: &syncBuffer{}}
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, o, s.log) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		assert.NoError(t, <-ended)
	})
	t.Cleanup(s.stop)
	address := regexp.MustCompile(`url=(http://[0-9.:]+)`)
	require.Eventually(t, func() bool {
		found := address.FindStringSubmatch(s.log.String())
		if found != nil {
			s.url = found[1]
		}
		return found != nil
	}, patience, 10*time.Millisecond, "it does not listen")
	return s
}

// do makes a request and decodes the answer.
func (s *running) do(method, path, token, body string, into any) int {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), method, s.url+path, strings.NewReader(body))
	require.NoError(s, err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(r)
	require.NoError(s, err)
	defer resp.Body.Close()
	if into != nil {
		require.NoError(s, json.NewDecoder(resp.Body).Decode(into), "%s %s: %d", method, path, resp.StatusCode)
	}
	return resp.StatusCode
}

func (s *running) post(path, body string, into any) int {
	s.Helper()
	return s.do(http.MethodPost, path, "dev-token", body, into)
}

// everywhere runs a test on every database.
func everywhere(t *testing.T, test func(t *testing.T, databaseName string)) {
	t.Helper()
	for name, where := range map[string]func(*testing.T) string{
		"memory":     func(*testing.T) string { return "memory" },
		"SQLite":     func(t *testing.T) string { return filepath.Join(t.TempDir(), "server.db") },
		"PostgreSQL": databasetest.Postgres,
		"MariaDB":    databasetest.MySQL,
	} {
		t.Run(name, func(t *testing.T) { test(t, where(t)) })
	}
}

func TestAnEventArrivesSignedAtTheEndpointOfACustomer(t *testing.T) {
	everywhere(t, func(t *testing.T, databaseName string) {
		customer := webhooktest.NewReceiver()
		defer customer.Close()
		customer.Answer(webhooktest.Answer{Status: http.StatusServiceUnavailable})
		s := start(t, databaseName, "-retry-schedule", "10ms,10ms")
		created := register(s, customer, `["member.*"]`)

		var event receiptJSON
		require.Equal(t, http.StatusAccepted, s.post(acme+"/events", `{"type":"member.left","data":{"member_id":"mem_1"},"id":"evt1"}`, &event))
		one := 1
		assert.Equal(t, receiptJSON{ID: "evt1", Deliveries: &one}, event)
		require.Equal(t, http.StatusAccepted, s.post(acme+"/events", `{"type":"member.left","data":{"member_id":"mem_1"},"id":"evt1"}`, &event))
		assert.True(t, event.Duplicate)

		var joined struct {
			member
			Event receiptJSON `json:"event"`
		}
		require.Equal(t, http.StatusCreated, s.post(acme+"/members", `{"name":"Ada"}`, &joined))
		assert.Equal(t, "Ada", joined.Name)
		assert.Equal(t, databaseName != "memory", joined.Event.Deliveries == nil, "who receives it is decided after the commit")

		got := wait(t, customer, 3) // one of them is a retry
		bodies := ""
		for _, r := range got {
			require.NoError(t, r.Err)
			bodies += string(r.Body)
		}
		assert.Contains(t, bodies, `"data":{"member_id":"mem_1"}}`)
		assert.Contains(t, bodies, `"type":"member.joined"`)
		assert.Contains(t, bodies, joined.ID)

		var logs struct {
			Data []struct {
				Event      string `json:"event"`
				StatusCode *int   `json:"status_code"`
			} `json:"data"`
		}
		require.Eventually(t, func() bool {
			require.Equal(t, http.StatusOK, s.do(http.MethodGet, acme+"/webhooks/"+created+"/logs", "dev-token", "", &logs))
			return len(logs.Data) == 3
		}, patience, 10*time.Millisecond)
	})
}

// register creates an endpoint for a customer, who keeps its secret.
func register(s *running, customer *webhooktest.Receiver, events string) (id string) {
	s.Helper()
	var created struct {
		ID     string `json:"id"`
		Secret string `json:"secret"`
	}
	body := fmt.Sprintf(`{"url":%q,"events":%s}`, customer.URL, events)
	require.Equal(s, http.StatusCreated, s.post(acme+"/webhooks", body, &created))
	require.NotEmpty(s, created.Secret)
	customer.Secret = webhook.Secret(created.Secret)
	return created.ID
}

func wait(t *testing.T, customer *webhooktest.Receiver, n int) []webhooktest.Received {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got, err := customer.Wait(ctx, n)
	require.NoError(t, err)
	return got
}

func TestARestartLosesNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, databaseName string) {
		if databaseName == "memory" {
			t.Skip("it does, by its nature")
		}
		customer := webhooktest.NewReceiver()
		defer customer.Close()
		customer.Answer(webhooktest.Answer{Status: http.StatusServiceUnavailable}, webhooktest.Answer{Status: http.StatusServiceUnavailable})
		s := start(t, databaseName, "-retry-schedule", "1s")
		register(s, customer, `["*"]`)
		require.Equal(t, http.StatusAccepted, s.post(acme+"/events", `{"type":"post.created","data":1}`, nil))
		require.Equal(t, http.StatusCreated, s.post(acme+"/members", `{"name":"Ada"}`, nil))
		wait(t, customer, 2)
		s.stop()
		assert.Contains(t, s.log.String(), "draining")

		start(t, databaseName, "-retry-schedule", "1s")
		for _, r := range wait(t, customer, 4) {
			require.NoError(t, r.Err)
		}
	})
}

func TestWhatIsWrongWithARequestIsSaid(t *testing.T) {
	s := start(t, "memory")
	type problem struct{ Code, Field string }
	for name, c := range map[string]struct {
		path, token, body string
		status            int
		want              problem
	}{
		"no token":         {"/events", "", `{}`, 401, problem{"unauthenticated", ""}},
		"wrong token":      {"/members", "prod-token", `{}`, 401, problem{"unauthenticated", ""}},
		"endpoints":        {"/webhooks", "prod-token", `{}`, 401, problem{"unauthenticated", ""}},
		"no JSON":          {"/events", "dev-token", `{`, 400, problem{"invalid_json", ""}},
		"two objects":      {"/events", "dev-token", `{} {}`, 400, problem{"invalid_json", ""}},
		"unknown field":    {"/events", "dev-token", `{"kind":"member.left"}`, 400, problem{"invalid_json", ""}},
		"unknown type":     {"/events", "dev-token", `{"type":"member.leaft"}`, 400, problem{"invalid_field", "type"}},
		"no type":          {"/events", "dev-token", `{"data":1}`, 400, problem{"invalid_field", "type"}},
		"id with a dot":    {"/events", "dev-token", `{"type":"member.left","id":"a.b"}`, 400, problem{"invalid_field", "id"}},
		"no name":          {"/members", "dev-token", `{}`, 400, problem{"invalid_field", "name"}},
		"too long a name":  {"/members", "dev-token", `{"name":"` + strings.Repeat("a", 201) + `"}`, 400, problem{"invalid_field", "name"}},
		"too large a body": {"/events", "dev-token", `{"data":"` + strings.Repeat("a", 1<<20) + `"}`, 413, problem{"body_too_large", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			var got problem
			assert.Equal(t, c.status, s.do(http.MethodPost, acme+c.path, c.token, c.body, &got))
			assert.Equal(t, c.want, got)
		})
	}
	require.Equal(t, http.StatusAccepted, s.post(acme+"/events", `{"type":"member.left","id":"e","data":1}`, nil))
}

func TestProbesAnswerWithoutAToken(t *testing.T) {
	s := start(t, "memory")
	assert.Equal(t, http.StatusOK, s.do(http.MethodGet, "/healthz", "", "", nil))
	require.Eventually(t, func() bool { return s.do(http.MethodGet, "/readyz", "", "", nil) == http.StatusOK }, patience, 10*time.Millisecond)
}

func TestEveryFlagMayBeGivenByTheEnvironment(t *testing.T) {
	environment := map[string]string{
		"WEBHOOK_ADDR": ":1", "WEBHOOK_DATABASE": "memory", "WEBHOOK_TOKEN": "t", "WEBHOOK_ALLOW_PRIVATE": "true",
		"WEBHOOK_RETRY_SCHEDULE": "5s, 1m", "WEBHOOK_WORKERS": "7", "WEBHOOK_KEYS": "b:" + strings.Repeat("01", 32) + ", a:" + strings.Repeat("02", 32),
	}
	getenv := func(key string) string { return environment[key] }
	o, err := parse(nil, getenv, io.Discard)
	require.NoError(t, err)
	keys := []webhook.CipherKey{{ID: "b", Key: bytes.Repeat([]byte{1}, 32)}, {ID: "a", Key: bytes.Repeat([]byte{2}, 32)}}
	assert.Equal(t, options{":1", "memory", "t", false, true, []time.Duration{5 * time.Second, time.Minute}, 7, keys}, o)
	o, err = parse([]string{"-token", "flag", "-retry-schedule", "1ms"}, getenv, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, options{":1", "memory", "flag", false, true, []time.Duration{time.Millisecond}, 7, keys}, o)
}

// A customer may register the application's own API as an endpoint, with a token as a header.
func TestAWebhookMakesNoEvent(t *testing.T) {
	s := start(t, "memory")
	body := `{"url":"` + s.url + acme + `/events","events":["*"],"headers":{"Authorization":"Bearer dev-token"}}`
	var created struct{ ID string }
	require.Equal(t, http.StatusCreated, s.post(acme+"/webhooks", body, &created))
	var result struct {
		StatusCode int `json:"status_code"`
	}
	require.Equal(t, http.StatusOK, s.post(acme+"/webhooks/"+created.ID+"/test", "", &result))
	assert.Equal(t, http.StatusLoopDetected, result.StatusCode)
}

func TestATokenIsLoggedOnlyIfItWasMadeForThisRun(t *testing.T) {
	given := start(t, "memory")
	given.stop()
	assert.NotContains(t, given.log.String(), "dev-token")

	o, err := parse([]string{"-addr", "127.0.0.1:0", "-database", "memory"}, func(string) string { return "" }, io.Discard)
	require.NoError(t, err)
	again, err := parse(nil, func(string) string { return "" }, io.Discard)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, len(o.Token), 26)
	assert.NotEqual(t, o.Token, again.Token)
	ctx, cancel := context.WithCancel(t.Context())
	log := &syncBuffer{}
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, o, log) }()
	assert.Eventually(t, func() bool { return strings.Contains(log.String(), "token="+o.Token) }, patience, 10*time.Millisecond)
	cancel()
	require.NoError(t, <-ended)
}

func TestABadFlagIsNamed(t *testing.T) {
	for _, c := range []struct {
		args []string
		env  map[string]string
		want string
	}{
		{args: []string{"-workers", "0"}, want: "-workers 0: use 1 or more"},
		{args: []string{"-retry-schedule", "1s,soon"}, want: `"soon": use durations`},
		{args: []string{"serve"}, want: `unknown argument "serve"`},
		{env: map[string]string{"WEBHOOK_KEYS": strings.Repeat("01", 32)}, want: "WEBHOOK_KEYS: not id:64 hex digits"},
		{env: map[string]string{"WEBHOOK_KEYS": "a:c4n4ry"}, want: "WEBHOOK_KEYS: not id:64 hex digits"},
		{env: map[string]string{"WEBHOOK_KEYS": "a:" + strings.Repeat("01", 31)}, want: "keys[0].Key has 31 bytes"},
		{env: map[string]string{"WEBHOOK_WORKERS": "many"}, want: `invalid value "many" of WEBHOOK_WORKERS`},
	} {
		_, err := parse(c.args, func(key string) string { return c.env[key] }, io.Discard)
		require.ErrorContains(t, err, c.want)
		assert.NotContains(t, err.Error(), "c4n4ry")
	}
}

func TestWithKeysTheDatabaseHoldsNoSecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "webhook.db")
	t.Setenv("WEBHOOK_KEYS", "2026:"+strings.Repeat("01", 32))
	s := start(t, file)
	var created struct{ ID, Secret string }
	body := `{"url":"https://a.example/hooks","events":["*"]}`
	require.Equal(t, http.StatusCreated, s.do(http.MethodPost, acme+"/webhooks", "dev-token", body, &created))
	assert.NotContains(t, s.log.String(), "stored in clear")
	s.stop()
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Contains(t, string(raw), "https://a.example/")
	assert.NotContains(t, string(raw), "https://a.example/hooks")
	assert.NotContains(t, string(raw), base64.StdEncoding.EncodeToString([]byte(created.Secret))[:20])
	assert.NotContains(t, string(raw), created.Secret)
}

// TestTheCommandsOfTheREADMEWorkAsPrinted runs them with the addresses of this test's servers.
func TestTheCommandsOfTheREADMEWorkAsPrinted(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		if os.Getenv("WEBHOOK_TEST_REQUIRED") != "" {
			require.NoError(t, err)
		}
		t.Skip(err)
	}
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(readme), "```sh\napi=")
	require.True(t, found, "the README has no commands")
	commands, _, found := strings.Cut("api="+rest, "```")
	require.True(t, found)

	customer := webhooktest.NewReceiver()
	defer customer.Close()
	s := start(t, "memory")
	for printed, here := range map[string]string{"http://127.0.0.1:8080": s.url, "http://127.0.0.1:9000": customer.URL} {
		require.Contains(t, commands, strings.TrimPrefix(printed, "http://"))
		commands = strings.ReplaceAll(commands, printed, here)
	}
	out, err := exec.CommandContext(t.Context(), "bash", "-euc", strings.ReplaceAll(commands, "curl ", "curl -sS --fail-with-body ")).CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Contains(t, string(out), "whsec_")
	got := wait(t, customer, 2)
	bodies := string(got[0].Body) + string(got[1].Body)
	assert.Contains(t, bodies, `"data":{"member_id":"mem_1"}`)
	assert.Contains(t, bodies, `"name":"Ada"`)
}
