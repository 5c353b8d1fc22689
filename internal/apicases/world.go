// Package apicases is a table of requests to webhookhttp and their expected responses. The
// tests of webhookhttp send them. The tests of interop check each request and response
// against the OpenAPI document, and mount the handler in other people's routers.
package apicases

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/webhookhttp"
	"github.com/gowebhook/webhook/webhooktest"
)

// Tenants of a World, by the names that their requests have in the path.
const (
	Ours   = "ours"
	Theirs = "theirs"
)

// Prefix is the path of a World's API for all tenants, and Base the one for our tenant.
const (
	Prefix = "/v1/communities/{community_id}"
	Base   = "/v1/communities/" + Ours
)

// Tokens that a World knows. An empty one may do everything.
const (
	tokenNone    = "none"    // no Authorization at all
	tokenUnknown = "unknown" // authenticates nobody
	tokenMember  = "member"  // may do nothing
	tokenBroken  = "broken"  // Authorize fails
	tokenNobody  = "nobody"  // Authorize returns neither a tenant nor an error
)

// Canary is a part of each text that no response may show.
const Canary = "canary"

// A World is an application with its customers, in memory.
type World struct {
	Dispatcher *webhook.Dispatcher
	Handler    *webhookhttp.Handler
	Transport  *webhooktest.Transport

	// Asked are the permissions that Authorize was asked for.
	Asked []webhookhttp.Permission

	// Log has the handler's log.
	Log *strings.Builder

	store   webhook.Store
	active  string           // version of the endpoint "active"
	replay  string           // id of a replay that a case has started
	secrets []webhook.Secret // of the endpoints that NewWorld creates
	down    atomic.Bool      // the store fails
	hang    chan struct{}    // closed at the end
}

// NewWorld returns a World on an empty store, with some events that were delivered. A nil
// store stands for one in memory.
func NewWorld(tb testing.TB, s webhook.Store) *World {
	tb.Helper()
	w := &World{Log: &strings.Builder{}, hang: make(chan struct{})}
	tb.Cleanup(func() { close(w.hang) })
	w.Transport = &webhooktest.Transport{Answer: w.answer}
	types := map[string]string{
		"member.joined": "Somebody became a member.", "member.left": "Somebody is no member any more.",
		"file.changed": "A file was changed.", "hang.on": "",
	}
	dc := webhook.Config{
		Transport: w.Transport, EventTypes: types, MaxEndpoints: 12, PollInterval: 10 * time.Millisecond, DrainTimeout: -1,
		Logger: slog.New(slog.DiscardHandler), Profiles: map[string]webhook.Profile{"other": {}, "ed25519": {Issue: webhook.IssueEd25519}},
	}
	hc := webhookhttp.Config{
		Prefix: Prefix, Authorize: w.authorize, EventTypes: types, ReadOnly: []string{"metadata"},
		Parameters:     []string{"access_token"},
		TrustedOrigins: []string{"https://trusted.example"}, Logger: slog.New(slog.NewTextHandler(w.Log, nil)),
	}
	if s == nil {
		s = memstore.New(memstore.Options{})
	}
	w.store = s
	var err error
	w.Dispatcher, err = webhook.New(&store{s, &w.down}, dc)
	check(tb, err)
	w.Handler, err = webhookhttp.New(w.Dispatcher, hc)
	check(tb, err)
	w.populate(tb)
	return w
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// populate creates endpoints, and emits and delivers some events.
func (w *World) populate(tb testing.TB) {
	tb.Helper()
	ctx := tb.Context()
	header := map[string]webhook.Secret{"X-Key": Canary + "-header"}
	for _, e := range []webhook.Endpoint{
		{
			ID: "active", Events: []string{"member.*", "file.changed"}, Header: header, Metadata: map[string]string{"plan": "pro"},
			Description: `<b>"Ours" & co</b>`, Timeout: 5 * time.Second, MaxInFlight: 3,
		},
		{ID: "down", Events: []string{"member.joined"}},
		{ID: "failing", Events: []string{"member.left"}},
		{ID: "gone", Events: []string{"member.left"}},
		{ID: "hanging", Events: []string{"hang.on"}},
		{ID: "odd/id%", Events: []string{"hang.on"}, State: webhook.EndpointDisabled},
		{ID: "paused", Events: []string{"member.joined"}, State: webhook.EndpointPaused},
		{ID: "off", Events: []string{"member.joined"}, State: webhook.EndpointDisabled},
	} {
		host, _, _ := strings.Cut(e.ID, "/")
		e.URL = "https://" + host + ".example/hooks"
		created, err := w.Dispatcher.Tenant(Ours).CreateEndpoint(ctx, e)
		check(tb, err)
		w.secrets = append(w.secrets, created.Secret)
		if e.ID == "active" {
			w.active = strconv.FormatInt(created.Version, 10)
		}
	}
	theirs, err := w.Dispatcher.Tenant(Theirs).CreateEndpoint(ctx, webhook.Endpoint{
		ID: "theirs", URL: "https://active.example/" + Canary, Description: Canary, Events: []string{"*"},
	})
	check(tb, err)
	w.secrets = append(w.secrets, theirs.Secret)
	at := time.Date(2026, 1, 20, 10, 0, 0, 0, time.UTC)
	for _, e := range []webhook.Event{
		{ID: "evt-joined", Tenant: Ours, Type: "member.joined", Time: at, Data: json.RawMessage(`{"name":"<Ada> & co","n":1.50}`)},
		{ID: "evt-left", Tenant: Ours, Type: "member.left", Time: at, Data: nil},
		{ID: "evt-file", Tenant: Ours, Type: "file.changed", Time: at, Data: "x", Header: map[string]string{"X-Trace": Canary}},
		{ID: "evt-theirs", Tenant: Theirs, Type: "member.joined", Time: at, Data: Canary},
	} {
		_, err := w.Dispatcher.Emit(ctx, e)
		check(tb, err)
		check(tb, webhooktest.Drain(ctx, w.Dispatcher)) // so that the attempts have an order
	}
	// A second answer disables the endpoint that is gone. The automatic retry is due after a second.
	err = w.Dispatcher.Tenant(Ours).RetryDelivery(ctx, "evt-left", "gone")
	if !errors.Is(err, webhook.ErrConflict) { // a slow machine has come to it already
		check(tb, err)
	}
	check(tb, webhooktest.Drain(ctx, w.Dispatcher))
}

// answer stands for the network: the name of a host says how it answers.
func (w *World) answer(ctx context.Context, r *webhook.Request) (*webhook.Response, error) {
	switch host, _, _ := strings.Cut(strings.TrimPrefix(r.URL, "https://"), "."); host {
	case "active":
		body := []byte("ok")
		if r.Event.Type == "file.changed" {
			body = []byte{0xff, 0x00}
		}
		return &webhook.Response{StatusCode: http.StatusOK, Body: body}, nil
	case "failing":
		return &webhook.Response{StatusCode: http.StatusInternalServerError, Body: []byte("oops"), Truncated: true}, nil
	case "gone":
		return &webhook.Response{StatusCode: http.StatusGone}, nil
	case "down":
		return nil, fmt.Errorf("%w: no connection to 10.0.0.1:443 (%s)", webhook.ClassRefused, Canary)
	case "blocked":
		return nil, fmt.Errorf("%w: 10.0.0.1 (%s)", webhook.ClassBlocked, Canary)
	case "unknown":
		return nil, fmt.Errorf("%w: no address (%s)", webhook.ClassDNS, Canary)
	case "slow":
		return nil, webhook.ClassTimeout
	case "hanging":
		select {
		case <-w.hang:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return &webhook.Response{StatusCode: http.StatusNoContent}, nil
}

// authorize takes the tenant from the path.
func (w *World) authorize(r *http.Request, p webhookhttp.Permission) (string, error) {
	w.Asked = append(w.Asked, p)
	token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case !found, token == tokenUnknown:
		return "", fmt.Errorf("token %s: %w", Canary, webhookhttp.ErrUnauthenticated)
	case token == tokenMember, token == string(p): // a token named as a permission lacks it
		return "", fmt.Errorf("token %s: %w", Canary, webhookhttp.ErrForbidden)
	case token == tokenBroken:
		return "", errors.New("the session store is away")
	case token == tokenNobody:
		return "", nil
	}
	return r.PathValue("community_id"), nil
}

// hangOn starts a delivery whose endpoint does not answer.
func (w *World) hangOn(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = w.Dispatcher.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-stopped
	})
	_, err := w.Dispatcher.Emit(t.Context(), webhook.Event{ID: "evt-hang", Tenant: Ours, Type: "hang.on"})
	check(t, err)
	w.awaitHanging(t)
}

// testHanging starts a test send whose endpoint does not answer.
func (w *World) testHanging(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_, _ = w.Dispatcher.Tenant(Ours).Test(ctx, "hanging")
	}()
	t.Cleanup(func() {
		cancel()
		<-stopped
	})
	w.awaitHanging(t)
}

func (w *World) awaitHanging(t *testing.T) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		for _, r := range w.Transport.Sent() {
			if strings.HasPrefix(r.URL, "https://hanging.") {
				return
			}
		}
		if t.Context().Err() != nil {
			t.Fatal("nothing hangs")
		}
	}
}

// A store is a Store that fails while down is set.
type store struct {
	webhook.Store

	down *atomic.Bool
}

var errDown = errors.New("the database is away")

func (s *store) away() error {
	if s.down.Load() {
		return errDown
	}
	return nil
}

func (s *store) Refresh(ctx context.Context, keys []webhook.EndpointKey) ([]webhook.Endpoint, error) {
	if err := s.away(); err != nil {
		return nil, err
	}
	return s.Store.Refresh(ctx, keys)
}

func (s *store) Endpoints(ctx context.Context, q webhook.Query) (webhook.Page[webhook.Endpoint], error) {
	if err := s.away(); err != nil {
		return webhook.Page[webhook.Endpoint]{}, err
	}
	return s.Store.Endpoints(ctx, q)
}
