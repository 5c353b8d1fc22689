package profile

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/receive"
	"github.com/gowebhook/webhook/webhooktest"
)

// A seedVector is a request that receivers of a provider verify.
type seedVector struct {
	Name   string
	Secret webhook.Secret
	URL    string
	Time   int64
	Header map[string]string
	Body   string
}

func seed(t *testing.T, name string) seedVector {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	require.NoError(t, err)
	var all []seedVector
	require.NoError(t, json.Unmarshal(text, &all))
	for _, v := range all {
		if v.Name == name {
			return v
		}
	}
	t.Fatal("no vector " + name)
	return seedVector{}
}

// header returns the headers that a request of the vector has.
func (v seedVector) header() http.Header {
	h := make(http.Header)
	for name, value := range v.Header {
		h.Set(name, value)
	}
	return h
}

// member returns a member of the vector's body, byte for byte.
func (v seedVector) member(t *testing.T, name string) json.RawMessage {
	t.Helper()
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(v.Body), &members))
	require.Contains(t, members, name)
	return members[name]
}

// A seedSender is a Dispatcher with one profile under test and a fake network.
type seedSender struct {
	*webhook.Dispatcher
	*webhooktest.Transport
}

const tenant = "a9e2f12c-7c8d-4b3f-b9c1-2d6e3f5a8b10"

// pollInterval is longer than the default, because some tests let days pass.
const pollInterval = 10 * time.Second

func newSender(t *testing.T, profiles ...webhook.Profile) seedSender {
	t.Helper()
	network := new(webhooktest.Transport)
	config := webhook.Config{
		AllowShortSecrets: true,
		Transport:         network, Profile: "first", Profiles: map[string]webhook.Profile{},
		PollInterval: pollInterval, Logger: slog.New(slog.DiscardHandler),
	}
	for i, p := range profiles {
		config.Profiles[[]string{"first", "second"}[i]] = p
	}
	d, err := webhook.New(memstore.New(memstore.Options{}), config)
	require.NoError(t, err)
	return seedSender{d, network}
}

// register creates an endpoint of the tenant, which gets everything unless it says otherwise.
func (s seedSender) register(t *testing.T, e webhook.Endpoint) webhook.Endpoint {
	t.Helper()
	if e.URL == "" {
		e.URL = "https://receiver.example/hooks"
	}
	if e.Events == nil {
		e.Events = []string{"*"}
	}
	e, err := s.Tenant(tenant).CreateEndpoint(t.Context(), e)
	require.NoError(t, err)
	return e
}

// send emits an event and returns the requests that it causes at once.
func (s seedSender) send(t *testing.T, e webhook.Event) []*webhook.Request {
	t.Helper()
	e.Tenant = tenant
	before := len(s.Sent())
	_, err := s.Emit(t.Context(), e)
	require.NoError(t, err)
	require.NoError(t, webhooktest.Drain(t.Context(), s.Dispatcher))
	return s.Sent()[before:]
}

// sendOne is send for an event that one endpoint gets.
func (s seedSender) sendOne(t *testing.T, e webhook.Event) *webhook.Request {
	t.Helper()
	sent := s.send(t, e)
	require.Len(t, sent, 1)
	return sent[0]
}

// test makes a test send and returns its request.
func (s seedSender) test(t *testing.T, endpointID string) *webhook.Request {
	t.Helper()
	_, err := s.Tenant(tenant).Test(t.Context(), endpointID)
	require.NoError(t, err)
	sent := s.Sent()
	return sent[len(sent)-1]
}

// answer lets every request be answered with a status.
func (s seedSender) answer(status int) {
	s.Answer = func(context.Context, *webhook.Request) (*webhook.Response, error) {
		return &webhook.Response{StatusCode: status}, nil
	}
}

// runFor runs the Dispatcher for some of the time of a synctest bubble.
func (s seedSender) runFor(t *testing.T, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	require.NoError(t, s.Run(ctx))
}

// message returns a message as Encode gets it.
func message(e webhook.Event) *webhook.Message {
	e.Tenant = tenant
	return &webhook.Message{
		Event: &e, DeliveryID: e.ID + ".endpoint", CreatedAt: e.Time,
		Endpoint: &webhook.Endpoint{Tenant: tenant, ID: "endpoint", URL: "https://receiver.example/hooks"},
	}
}

// arrived returns a request as its receiver sees it.
func arrived(r *webhook.Request) *http.Request {
	got := httptest.NewRequest(http.MethodPost, r.URL, bytes.NewReader(r.Body))
	got.Header = r.Header.Clone()
	return got
}

// assertVerifies passes if receivers accept the request. It returns the event that they read.
func assertVerifies(t *testing.T, verify receive.Verifier, r *webhook.Request) receive.Event {
	t.Helper()
	event, err := verify(arrived(r), r.Body)
	assert.NoError(t, err)
	assert.Equal(t, string(r.Body), string(event.Body))
	return event
}

// waits lists the waits of a schedule without jitter.
func waits(policy webhook.RetryPolicy, u float64) []time.Duration {
	var all []time.Duration
	for failures := range 1000 {
		wait, again := policy(webhook.Outcome{Failures: failures}, u)
		if !again {
			break
		}
		all = append(all, wait)
	}
	return all
}

func sum(waits []time.Duration) (total time.Duration) {
	for _, wait := range waits {
		total += wait
	}
	return total
}

// between returns the times from each request to the next.
func between(sent []*webhook.Request) []time.Duration {
	var all []time.Duration
	for i := 1; i < len(sent); i++ {
		all = append(all, sent[i].Time.Sub(sent[i-1].Time))
	}
	return all
}
