package webhookhttp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
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

const (
	aClient = "wh_8aF3kL2pNxRqYv9c"
	aSecret = "sk_3xZqW2tBnMv8KpYjL5hVcG1Rd"
)

// pass lets time pass, which within synctest takes none.
func pass(d time.Duration) { time.Sleep(d) } //nolint:forbidigo // only within synctest

// A desk is where customers verify.
type desk struct {
	http.Handler
	t   *testing.T
	d   *webhook.Dispatcher
	net *webhooktest.Transport
	log *strings.Builder
}

// newDesk returns one of communities c1, which has an endpoint, c2, which has another, and c3,
// which has none.
func newDesk(t *testing.T, store webhook.Store, config webhookhttp.VerifyConfig) *desk {
	t.Helper()
	k := &desk{t: t, net: &webhooktest.Transport{}, log: &strings.Builder{}}
	var err error
	k.d, err = webhook.New(store, webhook.Config{
		Transport: k.net, Profile: "key",
		Profiles: map[string]webhook.Profile{"key": {Signers: []webhook.Signer{webhook.HMAC{Header: "X-Webhook-Signature"}.Sign}}},
	})
	require.NoError(t, err)
	config.Logger = slog.New(slog.NewTextHandler(k.log, nil))
	k.Handler, err = webhookhttp.NewVerify(k.d, config)
	require.NoError(t, err)
	for tenant, id := range map[string]string{"c1": aClient, "c2": "wh_ofc2"} {
		_, err := k.d.Tenant(tenant).CreateEndpoint(t.Context(), webhook.Endpoint{
			ID: id, Secret: aSecret, URL: "https://a.example/hooks", Events: []string{"*"},
		})
		require.NoError(t, err)
	}
	return k
}

// verify makes a verify call, and returns its status and its body's two members.
func (k *desk) verify(community, client, secret string) (status int, said string) {
	k.t.Helper()
	body, err := json.Marshal(map[string]string{"communityId": community, "clientId": client, "clientSecret": secret})
	require.NoError(k.t, err)
	return k.post(string(body), "X-Client-Id", client)
}

func (k *desk) post(body string, header ...string) (status int, said string) {
	k.t.Helper()
	w := send(k, http.MethodPost, "/v1/webhooks/verify", body, header...)
	assert.Equal(k.t, "application/json", w.Header().Get("Content-Type"))
	assert.Equal(k.t, "no-store", w.Header().Get("Cache-Control"))
	assert.Equal(k.t, "nosniff", w.Header().Get("X-Content-Type-Options"))
	assert.NotContains(k.t, w.Body.String(), aSecret)
	var answer struct{ Error, Message string }
	require.NoError(k.t, json.Unmarshal(w.Body.Bytes(), &answer))
	return w.Code, strings.Trim(answer.Error+": "+answer.Message, ": ")
}

func TestVerifyAnswersAsKeyDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newDesk(t, memstore.New(memstore.Options{}), webhookhttp.VerifyConfig{PerMinute: 1000})
		for name, c := range map[string]struct {
			community, client, secret string
			status                    int
			said                      string
		}{
			"all is right":               {"c1", aClient, aSecret, 200, "Webhook endpoint verified successfully."},
			"another secret":             {"c1", aClient, aSecret + "x", 401, "invalid_credentials"},
			"another endpoint":           {"c1", "wh_other", aSecret, 401, "invalid_credentials"},
			"another community's id":     {"c1", "wh_ofc2", aSecret, 401, "invalid_credentials"},
			"another community":          {"c2", aClient, aSecret, 401, "invalid_credentials"},
			"no endpoint":                {"c3", aClient, aSecret, 404, "webhook_not_found"},
			"no such community":          {"unknown", aClient, aSecret, 404, "webhook_not_found"},
			"not a name":                 {"c\x001", aClient, aSecret, 404, "webhook_not_found"},
			"a name that is too long":    {strings.Repeat("c", 300), aClient, aSecret, 404, "webhook_not_found"},
			"an id that there cannot be": {"c1", strings.Repeat("w", 300), aSecret, 401, "invalid_credentials"},
		} {
			before := len(k.net.Sent())
			status, said := k.verify(c.community, c.client, c.secret)
			assert.Equal(t, c.status, status, name)
			assert.Equal(t, c.said, said, name)
			want := 0
			if c.status == 200 {
				want = 1
			}
			assert.Len(t, k.net.Sent(), before+want, "%s: nothing is sent for who cannot say the secret", name)
		}
		assert.Empty(t, k.log.String())
	})
}

func TestVerifySaysWhatIsWrongWithTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newDesk(t, memstore.New(memstore.Options{}), webhookhttp.VerifyConfig{PerMinute: 1000})
		for body, want := range map[string]string{
			`{}`:                                     "communityId is required",
			`{"communityId": "c1"}`:                  "clientId is required",
			`{"communityId": "c1", "clientId": "a"}`: "clientSecret is required",
			`{"communityId": ""}`:                    "communityId is required",
			`{"communityId": 7}`:                     "communityId is a number",
			`{"communityId": null}`:                  "communityId is null",
			`[]`:                                     "the body is an array",
			`{"communityId`:                          "the body is not JSON: unexpected end of JSON input at byte 13",
			`{"clientId": "a", "clientId": "b"}`:     "clientId is there twice",
			strings.Repeat(" ", 16<<10+1):            "the body has more than 16 KiB, or did not arrive whole",
		} {
			status, said := k.post(body, "X-Client-Id", aClient)
			assert.Equal(t, 400, status)
			assert.Equal(t, "invalid_payload: "+want, said)
		}
		status, said := k.post(`{}`, "Content-Type", "text/plain")
		assert.Equal(t, 400, status)
		assert.Equal(t, "invalid_payload: the body is not sent as JSON", said)
		got := send(k, http.MethodGet, "/v1/webhooks/verify", "")
		assert.Equal(t, 405, got.Code)
		assert.Equal(t, "POST", got.Header().Get("Allow"))
	})
}

func TestVerifyWantsTheSameIDInHeaderAndBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newDesk(t, memstore.New(memstore.Options{}), webhookhttp.VerifyConfig{})
		body := `{"communityId": "c1", "clientId": "` + aClient + `", "clientSecret": "` + aSecret + `"}`
		for _, header := range [][]string{nil, {"X-Client-Id", "wh_other"}} {
			status, said := k.post(body, header...)
			assert.Equal(t, 401, status)
			assert.Equal(t, "invalid_credentials", said)
		}
		assert.Empty(t, k.net.Sent())
	})
}

func TestVerifyTakesAnyAnswerWithinEightSeconds(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(context.Context) (*webhook.Response, error)
		status int
	}{
		"a failure": {func(context.Context) (*webhook.Response, error) { return &webhook.Response{StatusCode: 500}, nil }, 200},
		"gone":      {func(context.Context) (*webhook.Response, error) { return &webhook.Response{StatusCode: 410}, nil }, 200},
		"after 7.9 s": {func(context.Context) (*webhook.Response, error) {
			pass(7900 * time.Millisecond)
			return &webhook.Response{StatusCode: 204}, nil
		}, 200},
		"refused": {func(context.Context) (*webhook.Response, error) { return nil, webhook.ClassRefused }, 503},
		"blocked": {func(context.Context) (*webhook.Response, error) { return nil, webhook.ClassBlocked }, 503},
		"never":   {func(ctx context.Context) (*webhook.Response, error) { <-ctx.Done(); return nil, ctx.Err() }, 503},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newDesk(t, memstore.New(memstore.Options{}), webhookhttp.VerifyConfig{})
				k.net.Answer = func(ctx context.Context, _ *webhook.Request) (*webhook.Response, error) { return c.answer(ctx) }
				began := time.Now()
				status, said := k.verify("c1", aClient, aSecret)
				assert.Equal(t, c.status, status)
				assert.LessOrEqual(t, time.Since(began), 8*time.Second)
				if c.status == 503 {
					assert.Equal(t, "endpoint_unreachable", said)
				}
			})
		})
	}
}

func TestVerifyLimitsTheCallsOfAClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newDesk(t, memstore.New(memstore.Options{}), webhookhttp.VerifyConfig{})
		for range 10 {
			status, _ := k.verify("c1", aClient, "wrong")
			require.Equal(t, 401, status)
		}
		body := `{"communityId": "c1", "clientId": "` + aClient + `", "clientSecret": "` + aSecret + `"}`
		w := send(k, http.MethodPost, "/", body, "X-Client-Id", aClient)
		assert.Equal(t, 429, w.Code)
		assert.JSONEq(t, `{"error": "rate_limited"}`, w.Body.String())
		assert.Equal(t, "7", w.Header().Get("Retry-After"))
		assert.Empty(t, k.net.Sent())
		status, _ := k.verify("c2", "wh_ofc2", aSecret)
		assert.Equal(t, 200, status, "others are not held up")
		pass(7 * time.Second)
		status, _ = k.verify("c1", aClient, aSecret)
		assert.Equal(t, 200, status)
	})
}

// Strangers may invent ids: they find the limit of an id that exists as it was.
func TestVerifyCountsOnlyCallsForEndpointsThatExist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newDesk(t, memstore.New(memstore.Options{}), webhookhttp.VerifyConfig{PerMinute: 3})
		for range 3 {
			status, _ := k.verify("c1", aClient, "wrong")
			require.Equal(t, 401, status)
		}
		for i := range 20_000 {
			status, _ := k.verify("c1", fmt.Sprint("wh_", i), "wrong")
			require.Equal(t, 401, status)
		}
		for range 100 {
			status, _ := k.verify("c2", aClient, "wrong")
			require.Equal(t, 401, status, "another community has no such endpoint")
		}
		status, _ := k.verify("c1", aClient, aSecret)
		assert.Equal(t, 429, status, "nothing was forgotten")
	})
}

func TestVerifyHidesWhichCommunitiesHaveEndpointsIfItIsToldTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newDesk(t, memstore.New(memstore.Options{}), webhookhttp.VerifyConfig{HideTenants: true})
		for _, community := range []string{"c1", "c3", "unknown", "c\x001"} {
			status, said := k.verify(community, "wh_invented", aSecret)
			assert.Equal(t, 401, status, community)
			assert.Equal(t, "invalid_credentials", said, community)
		}
		status, _ := k.verify("c1", aClient, aSecret)
		assert.Equal(t, 200, status)
	})
}

// A client that has hung up is no failure of the store's.
func TestVerifySaysNothingOfClientsThatHaveLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newDesk(t, memstore.New(memstore.Options{}), webhookhttp.VerifyConfig{})
		ctx, leave := context.WithCancel(t.Context())
		k.net.Answer = func(ctx context.Context, _ *webhook.Request) (*webhook.Response, error) {
			leave()
			<-ctx.Done()
			return nil, ctx.Err()
		}
		body := `{"communityId": "c1", "clientId": "` + aClient + `", "clientSecret": "` + aSecret + `"}`
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Client-Id", aClient)
		w := httptest.NewRecorder()
		k.ServeHTTP(w, r)
		assert.Empty(t, w.Body.String())
		assert.Empty(t, k.log.String())
	})
}

func TestOneVerifyOfAnEndpointRunsAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newDesk(t, memstore.New(memstore.Options{}), webhookhttp.VerifyConfig{})
		answer := make(chan struct{})
		k.net.Answer = func(context.Context, *webhook.Request) (*webhook.Response, error) {
			<-answer
			return &webhook.Response{StatusCode: 200}, nil
		}
		first := make(chan int)
		go func() {
			status, _ := k.verify("c1", aClient, aSecret)
			first <- status
		}()
		synctest.Wait()
		status, said := k.verify("c1", aClient, aSecret)
		assert.Equal(t, 429, status)
		assert.Equal(t, "rate_limited", said)
		close(answer)
		assert.Equal(t, 200, <-first)
	})
}

// brokenStore fails to read endpoints.
type brokenStore struct{ webhook.Store }

func (brokenStore) Refresh(context.Context, []webhook.EndpointKey) ([]webhook.Endpoint, error) {
	return nil, errors.New("the store is away")
}

func TestVerifyKeepsFailuresOfTheStoreToTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newDesk(t, brokenStore{memstore.New(memstore.Options{})}, webhookhttp.VerifyConfig{})
		status, said := k.verify("c1", aClient, aSecret)
		assert.Equal(t, 500, status)
		assert.Equal(t, "internal_error", said)
		assert.Contains(t, k.log.String(), "the store is away")
		assert.NotContains(t, k.log.String(), aSecret)
	})
}

func TestNewVerifyRefusesWhatCannotWork(t *testing.T) {
	var field *webhook.FieldError
	_, err := webhookhttp.NewVerify(nil, webhookhttp.VerifyConfig{})
	require.ErrorAs(t, err, &field)
	_, err = webhookhttp.NewVerify(newDispatcher(t), webhookhttp.VerifyConfig{PerMinute: -1})
	require.ErrorAs(t, err, &field)
	assert.Equal(t, "VerifyConfig.PerMinute", field.Field)
}

func FuzzVerify(f *testing.F) {
	d, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{Transport: &webhooktest.Transport{}})
	require.NoError(f, err)
	verify, err := webhookhttp.NewVerify(d, webhookhttp.VerifyConfig{})
	require.NoError(f, err)
	f.Add(`{"communityId": "c1", "clientId": "a", "clientSecret": "b"}`, "a")
	f.Add(`{"communityId": "\u0000", "clientId": "", "clientSecret": 1}`, "")
	f.Fuzz(func(t *testing.T, body, client string) {
		w := send(verify, http.MethodPost, "/", body, "X-Client-Id", client)
		require.Less(t, w.Code, 500)
		require.True(t, json.Valid(w.Body.Bytes()))
	})
}
