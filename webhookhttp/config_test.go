package webhookhttp_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/webhookhttp"
	"github.com/gowebhook/webhook/webhooktest"
)

// newDispatcher returns a Dispatcher in memory, on a network that answers everything with 204.
func newDispatcher(t *testing.T, configure ...func(*webhook.Config)) *webhook.Dispatcher {
	t.Helper()
	config := webhook.Config{Transport: &webhooktest.Transport{}}
	for _, f := range configure {
		f(&config)
	}
	d, err := webhook.New(memstore.New(memstore.Options{}), config)
	require.NoError(t, err)
	return d
}

// asAcme lets everybody do everything for one tenant.
func asAcme(*http.Request, webhookhttp.Permission) (string, error) { return "acme", nil }

// newHandler returns a Handler for acme.
func newHandler(t *testing.T, d *webhook.Dispatcher, configure ...func(*webhookhttp.Config)) *webhookhttp.Handler {
	t.Helper()
	config := webhookhttp.Config{Authorize: asAcme}
	for _, f := range configure {
		f(&config)
	}
	h, err := webhookhttp.New(d, config)
	require.NoError(t, err)
	return h
}

// send sends a request without a body, or with one of JSON.
func send(h http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	if body != "" {
		r = httptest.NewRequest(method, target, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	d := newDispatcher(t)
	for name, c := range map[string]struct {
		d      *webhook.Dispatcher
		config webhookhttp.Config
		field  string
	}{
		"no dispatcher":         {nil, webhookhttp.Config{Authorize: asAcme}, "dispatcher"},
		"no Authorize":          {d, webhookhttp.Config{}, "Config.Authorize"},
		"no slash":              {d, webhookhttp.Config{Authorize: asAcme, Prefix: "v1"}, "Config.Prefix"},
		"a host":                {d, webhookhttp.Config{Authorize: asAcme, Prefix: "example.com/v1"}, "Config.Prefix"},
		"a method":              {d, webhookhttp.Config{Authorize: asAcme, Prefix: "GET /v1"}, "Config.Prefix"},
		"a slash at the end":    {d, webhookhttp.Config{Authorize: asAcme, Prefix: "/v1/"}, "Config.Prefix"},
		"the root":              {d, webhookhttp.Config{Authorize: asAcme, Prefix: "/"}, "Config.Prefix"},
		"two slashes":           {d, webhookhttp.Config{Authorize: asAcme, Prefix: "/v1//x"}, "Config.Prefix"},
		"dots":                  {d, webhookhttp.Config{Authorize: asAcme, Prefix: "/v1/../x"}, "Config.Prefix"},
		"a wildcard to the end": {d, webhookhttp.Config{Authorize: asAcme, Prefix: "/v1/{rest...}"}, "Config.Prefix"},
		"an end":                {d, webhookhttp.Config{Authorize: asAcme, Prefix: "/v1/{$}"}, "Config.Prefix"},
		"a broken wildcard":     {d, webhookhttp.Config{Authorize: asAcme, Prefix: "/v1/{x"}, "Config.Prefix"},
		"a wildcard twice":      {d, webhookhttp.Config{Authorize: asAcme, Prefix: "/{x}/{x}"}, "Config.Prefix"},
		"a wildcard of ours":    {d, webhookhttp.Config{Authorize: asAcme, Prefix: "/v1/{webhook_id}"}, "Config.Prefix"},
		"a field that must be":  {d, webhookhttp.Config{Authorize: asAcme, ReadOnly: []string{"metadata", "url"}}, "Config.ReadOnly[1]"},
		"requests below 1":      {d, webhookhttp.Config{Authorize: asAcme, MaxRequests: -1}, "Config.MaxRequests"},
		"requests above 1,000":  {d, webhookhttp.Config{Authorize: asAcme, MaxRequests: 1001}, "Config.MaxRequests"},
		"a tenant's below 1":    {d, webhookhttp.Config{Authorize: asAcme, MaxTenantRequests: -1}, "Config.MaxTenantRequests"},
		"a tenant's above all":  {d, webhookhttp.Config{Authorize: asAcme, MaxRequests: 3, MaxTenantRequests: 4}, "Config.MaxTenantRequests"},
		"an origin with a path": {
			d, webhookhttp.Config{Authorize: asAcme, TrustedOrigins: []string{"https://a.example/x"}}, "Config.TrustedOrigins[0]",
		},
		"an origin that is a host": {
			d, webhookhttp.Config{Authorize: asAcme, TrustedOrigins: []string{"https://a.example", "b.example"}}, "Config.TrustedOrigins[1]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, err := webhookhttp.New(c.d, c.config)
			assert.Nil(t, h)
			var field *webhook.FieldError
			require.ErrorAs(t, err, &field)
			assert.Equal(t, c.field, field.Field)
			assert.NotEmpty(t, field.Problem)
			assert.NotEmpty(t, field.Cure)
		})
	}
}

func TestAnyWildcardsMayBeInThePrefix(t *testing.T) {
	h := newHandler(t, newDispatcher(t), func(c *webhookhttp.Config) {
		c.Prefix = "/{a}/x/{id}"
		c.Authorize = func(r *http.Request, _ webhookhttp.Permission) (string, error) {
			return r.PathValue("a") + " " + r.PathValue("id"), nil
		}
	})
	created := send(h, "POST", "/one/x/two%2Fthree/webhooks", `{"url": "https://a.example", "events": ["*"]}`)
	require.Equal(t, 201, created.Code, created.Body)
	assert.Regexp(t, `^/one/x/two%2Fthree/webhooks/[0-9a-f-]{36}$`, created.Header().Get("Location"))
	assert.Equal(t, 200, send(h, "GET", created.Header().Get("Location"), "").Code)
	assert.Equal(t, 404, send(h, "GET", "/one/x/two/webhooks/"+created.Header().Get("Location")[24:], "").Code)
}

func TestReadOnlyFieldsAreProfileAndMetadataByDefault(t *testing.T) {
	d := newDispatcher(t)
	body := `{"url": "https://a.example", "events": ["*"], "metadata": {"plan": "pro"}}`
	refused := send(newHandler(t, d), "POST", "/webhooks", body)
	assert.Equal(t, 400, refused.Code)
	assert.Contains(t, refused.Body.String(), `"code":"read_only","field":"metadata"`)
	refused = send(newHandler(t, d), "POST", "/webhooks", `{"url": "https://a.example", "events": ["*"], "profile": "standard"}`)
	assert.Contains(t, refused.Body.String(), `"code":"read_only","field":"profile"`)

	all := newHandler(t, d, func(c *webhookhttp.Config) { c.ReadOnly = []string{} })
	created := send(all, "POST", "/webhooks", body)
	require.Equal(t, 201, created.Code, created.Body)
	assert.Contains(t, created.Body.String(), `"metadata":{"plan":"pro"}`)

	none := newHandler(t, d, func(c *webhookhttp.Config) {
		c.ReadOnly = []string{"headers", "channel", "description", "timeout_ms", "max_in_flight", "rate", "burst"}
	})
	for _, member := range []string{`"headers": {}`, `"channel": ""`, `"description": ""`, `"timeout_ms": 1`, `"max_in_flight": 1`, `"rate": 1`, `"burst": 1`} {
		refused := send(none, "PATCH", "/webhooks/x", "{"+member+"}")
		assert.Contains(t, refused.Body.String(), `"code":"read_only"`, "the body is looked at first")
		refused = send(none, "POST", "/webhooks", "{"+member+"}")
		assert.Contains(t, refused.Body.String(), `"code":"read_only"`, member)
	}
}

func TestNewKeepsNothingOfTheCallersConfig(t *testing.T) {
	types := map[string]string{"a.b": "before"}
	readOnly := []string{"headers"}
	h := newHandler(t, newDispatcher(t), func(c *webhookhttp.Config) { c.EventTypes, c.ReadOnly = types, readOnly })
	types["c.d"], types["a.b"] = "later", "later"
	readOnly[0] = "channel"
	assert.Equal(t, []string{"a.b: before", "test.ping: Sent when you test a webhook."}, catalogue(t, h))
	assert.Contains(t, send(h, "POST", "/webhooks", `{"headers": {}}`).Body.String(), "read_only")
}

func TestTheRendererGetsTheProblemAndTheHeadersThatBelongToIt(t *testing.T) {
	var got webhookhttp.Problem
	h := newHandler(t, newDispatcher(t), func(c *webhookhttp.Config) {
		c.Authorize = func(*http.Request, webhookhttp.Permission) (string, error) {
			return "", errors.Join(errors.New("token expired"), webhookhttp.ErrUnauthenticated)
		}
		c.RenderError = func(w http.ResponseWriter, _ *http.Request, p webhookhttp.Problem) {
			got = p
			w.WriteHeader(p.Status)
		}
	})
	answer := send(h, "GET", "/webhooks", "")
	assert.Equal(t, 401, answer.Code)
	assert.Empty(t, answer.Body.String())
	assert.Equal(t, "Bearer", answer.Header().Get("WWW-Authenticate"))
	assert.Equal(t, webhookhttp.Problem{
		Status: 401, Code: "unauthenticated", Detail: "the request has no valid credentials",
		Cure: "send them as the application's documentation says",
	}, got)
	assert.Equal(t, 405, send(h, "PUT", "/webhooks", "").Code)
	assert.Equal(t, "method_not_allowed", got.Code)
	send(h, "GET", "/nothing", "")
	assert.Equal(t, "not_found", got.Code)
	send(h, "POST", "/webhooks", "", "Sec-Fetch-Site", "cross-site")
	assert.Equal(t, "cross_origin", got.Code)
}

// catalogue returns the event types with their descriptions, without the operational ones.
func catalogue(t *testing.T, h *webhookhttp.Handler) (names []string) {
	t.Helper()
	var answer struct {
		Data []struct {
			Name, Description string
			Operational       bool
		}
	}
	require.NoError(t, json.Unmarshal(send(h, "GET", "/event-types", "").Body.Bytes(), &answer))
	for _, one := range answer.Data {
		if !one.Operational {
			names = append(names, one.Name+": "+one.Description)
		}
	}
	return names
}

func TestTheCatalogueIsTheDispatchersUnlessAnotherIsGiven(t *testing.T) {
	d := newDispatcher(t, func(c *webhook.Config) { c.EventTypes = map[string]string{"a.b": "A", "own": ""} })
	assert.Equal(t, []string{"a.b: A", "own: ", "test.ping: Sent when you test a webhook."}, catalogue(t, newHandler(t, d)))
	h := newHandler(t, d, func(c *webhookhttp.Config) { c.EventTypes = map[string]string{"a.b": "A"} })
	assert.Equal(t, []string{"a.b: A", "test.ping: Sent when you test a webhook."}, catalogue(t, h))
	d.EventTypes()["more"] = ""
	assert.Len(t, d.EventTypes(), 2, "it is a copy")
}

func TestTheCureForAnUnknownFieldNamesThoseThatCanBeSet(t *testing.T) {
	h := newHandler(t, newDispatcher(t), func(c *webhookhttp.Config) { c.ReadOnly = []string{"profile", "headers", "metadata"} })
	answer := send(h, "POST", "/webhooks", `{"nothing": 1}`).Body.String()
	assert.Contains(t, answer, `"cure":"use url, events, is_active, state, description, channel, timeout_ms, max_in_flight, rate, burst"`)
	answer = send(h, "POST", "/webhooks", `{"Metadata": 1}`).Body.String()
	assert.NotContains(t, answer, "write it metadata", "which cannot be set either")
}
