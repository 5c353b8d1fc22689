package profile_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/receive"
	"github.com/gowebhook/webhook/webhooktest"
)

// pollInterval is long, because days pass here.
const pollInterval = time.Minute

// A wire is a running Dispatcher in memory with one endpoint, whose network is a record. It
// lives within a synctest bubble.
type wire struct {
	t        *testing.T
	d        *webhook.Dispatcher
	scope    webhook.Scope
	endpoint webhook.Endpoint
	net      *webhooktest.Transport
	response atomic.Pointer[webhook.Response] // the answer to all requests, unless net says otherwise; nil is 204
}

// newWire registers an endpoint that is spoken to as p says.
func newWire(t *testing.T, p webhook.Profile, e webhook.Endpoint) *wire {
	t.Helper()
	w := &wire{t: t, net: &webhooktest.Transport{}}
	w.net.Answer = func(context.Context, *webhook.Request) (*webhook.Response, error) {
		if r := w.response.Load(); r != nil {
			return r, nil
		}
		return &webhook.Response{StatusCode: http.StatusNoContent}, nil
	}
	var err error
	w.d, err = webhook.New(memstore.New(memstore.Options{}), webhook.Config{
		AllowShortSecrets: true,
		Profiles:          map[string]webhook.Profile{"p": p}, Profile: "p",
		Transport: w.net, Logger: slog.New(slog.DiscardHandler), PollInterval: pollInterval,
		Health: webhook.HealthPolicy{CircuitFailures: -1, CircuitPercent: -1}, // so the profile's schedule is seen
	})
	require.NoError(t, err)
	w.scope = w.d.Tenant("acme")
	e.URL, e.Events = "https://receiver.example/hook", []string{"*"}
	w.endpoint, err = w.scope.CreateEndpoint(t.Context(), e)
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		assert.NoError(t, w.d.Run(ctx))
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return w
}

// emit emits an event and returns the first request that it led to.
func (w *wire) emit(e webhook.Event) *webhook.Request {
	w.t.Helper()
	before := len(w.net.Sent())
	e.Tenant = "acme"
	_, err := w.d.Emit(w.t.Context(), e)
	require.NoError(w.t, err)
	synctest.Wait()
	sent := w.net.Sent()
	require.Greater(w.t, len(sent), before)
	return sent[before]
}

// pass lets fake time pass.
func (w *wire) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// delivery returns the only delivery of an event.
func (w *wire) delivery(event string) webhook.Delivery {
	w.t.Helper()
	page, err := w.scope.Deliveries(w.t.Context(), webhook.Query{EventID: event})
	require.NoError(w.t, err)
	require.Len(w.t, page.Items, 1)
	return page.Items[0]
}

// state returns the endpoint's state.
func (w *wire) state() webhook.EndpointState {
	w.t.Helper()
	e, err := w.scope.Endpoint(w.t.Context(), w.endpoint.ID)
	require.NoError(w.t, err)
	return e.State
}

// answer makes all requests be answered with a status and pairs of header names and values.
func (w *wire) answer(status int, header ...string) {
	h := make(http.Header)
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	w.response.Store(&webhook.Response{StatusCode: status, Header: h})
}

// waits returns the times between the requests.
func (w *wire) waits() []time.Duration {
	var waits []time.Duration
	sent := w.net.Sent()
	for i := 1; i < len(sent); i++ {
		waits = append(waits, sent[i].Time.Sub(sent[i-1].Time))
	}
	return waits
}

// inBubble runs a test with a fake clock.
func inBubble(t *testing.T, test func(*testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

// verified asks a verifier of package receive about a request and fails the test if it is not
// accepted.
func verified(t *testing.T, verify receive.Verifier, err error, r *webhook.Request) receive.Event {
	t.Helper()
	require.NoError(t, err)
	event, err := verify(asReceived(t, r), r.Body)
	require.NoError(t, err)
	return event
}

func asReceived(t *testing.T, r *webhook.Request) *http.Request {
	t.Helper()
	received := httptest.NewRequestWithContext(t.Context(), http.MethodPost, r.URL, http.NoBody)
	received.Header = r.Header
	return received
}

// headers returns the values that r has under names.
func headers(r *webhook.Request, names ...string) map[string]string {
	values := make(map[string]string)
	for _, name := range names {
		if r.Header.Values(name) != nil {
			values[name] = r.Header.Get(name)
		}
	}
	return values
}

// assertBody compares bytes: the same JSON in other bytes has another signature.
func assertBody(t *testing.T, want string, r *webhook.Request) {
	t.Helper()
	if string(r.Body) != want {
		t.Errorf("the body is\n%s\nand should be\n%s", r.Body, want)
	}
}

// requireWithin fails unless each wait is the one listed, or up to a fifth longer.
func requireWithin(t *testing.T, want, got []time.Duration) {
	t.Helper()
	require.Len(t, got, len(want))
	for i, w := range want {
		require.GreaterOrEqual(t, got[i], w, "wait %d", i+1)
		require.LessOrEqual(t, got[i], w+w/5+pollInterval, "wait %d", i+1)
	}
}

// sign returns the headers that the signers of p make for a body.
func sign(t *testing.T, p webhook.Profile, at time.Time, body string, secrets ...webhook.Secret) http.Header {
	t.Helper()
	r := &webhook.Request{Message: &webhook.Message{}, Header: make(http.Header), Body: []byte(body), Time: at, Attempt: 1}
	for _, s := range p.Signers {
		require.NoError(t, s(r, secrets))
	}
	return r.Header
}

const someUUID = "0198b2f0-7d5a-7c3e-9d3f-2f6f3a1b5c4d"
