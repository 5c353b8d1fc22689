package apicases

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhookhttp"
)

const (
	rfc3339   = `"/^20\\d\\d-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d\\d\\dZ$/"`
	anyTag    = `"[0-9]+-[0-9a-f]{16}"`
	uncached  = "no-store"
	noFailure = `{"status": null, "since": null, "failures": 0, "failing_since": null, "last_failure_at": null, "last_class": null,
		"last_status": null, "recovered_at": null, "circuit_open": false, "next_try_at": null}`
)

// theActive is the endpoint "active" as the API shows it.
const theActive = `{
	"id": "active", "url": "https://active.example/hooks", "events": ["member.*", "file.changed"], "description": "<b>\"Ours\" & co</b>",
	"is_active": true, "state": "active", "disabled_reason": null, "channel": "", "profile": "standard", "metadata": {"plan": "pro"},
	"headers": {"X-Key": ""}, "timeout_ms": 5000, "max_in_flight": 3, "rate": null, "burst": null, "health": ` + noFailure + `, "secret": "<absent>",
	"secrets": [{"created_at": ` + rfc3339 + `, "expires_at": null, "public_key": null}], "version": "<any>",
	"created_at": ` + rfc3339 + `, "updated_at": ` + rfc3339 + `}`

// stored returns an endpoint of ours as it is in the store.
func (w *World) stored(t *testing.T, id string) webhook.Endpoint {
	t.Helper()
	e, err := w.Dispatcher.Tenant(Ours).Endpoint(t.Context(), id)
	check(t, err)
	return e
}

// theKeyStays checks that the header of the endpoint "active" still goes to the origin that it
// was given for.
func theKeyStays(t *testing.T, w *World) {
	t.Helper()
	_, err := w.Dispatcher.Tenant(Ours).Test(t.Context(), "active")
	check(t, err)
	sent := w.Transport.Sent()
	if last := sent[len(sent)-1]; last.URL != "https://active.example/hooks" || last.Header.Get("X-Key") != Canary+"-header" {
		t.Errorf("the request went to %s", last.URL)
	}
}

// suspended lets the operator suspend the endpoint "active".
func suspended(t *testing.T, w *World) {
	t.Helper()
	e := w.stored(t, "active")
	e.State, e.Reason = webhook.EndpointDisabled, webhook.ReasonOperator
	_, err := w.Dispatcher.AllTenants().UpdateEndpoint(t.Context(), e)
	check(t, err)
}

// held lets the operator pause the endpoint "active".
func held(t *testing.T, w *World) {
	t.Helper()
	done, err := w.Dispatcher.AllTenants().Pause(t.Context(), webhook.Query{Tenant: Ours, EndpointID: "active"})
	check(t, err)
	if done.Changed != 1 {
		t.Errorf("paused %d endpoints", done.Changed)
	}
}

var endpointCases = []Case{
	{
		Name: "endpoints are listed in the order of their ids", Path: "/webhooks", Status: 200, Permission: webhookhttp.PermissionRead,
		Want: `{"data": [` + theActive + `, {"id": "down"}, {"id": "failing"}, {"id": "gone"}, {"id": "hanging"}, {"id": "odd/id%"},
			{"id": "off"}, {"id": "paused"}], "next_cursor": null}`,
		WantHeader: map[string]string{
			"Content-Type": "application/json", "Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff",
		},
	},
	{
		Name: "a tenant without endpoints has an empty list", Path: "/v1/communities/nobody/webhooks", Status: 200,
		Want: `{"data": [], "next_cursor": null}`,
	},
	{
		Name: "an endpoint is shown without its secret and the values of its headers", Path: "/webhooks/active", Status: 200,
		Permission: webhookhttp.PermissionRead, Want: theActive, WantHeader: map[string]string{"ETag": anyTag},
	},
	{
		Name: "a failing endpoint shows its health", Path: "/webhooks/failing", Status: 200,
		Want: `{"health": {"failures": 1, "failing_since": ` + rfc3339 + `, "last_failure_at": ` + rfc3339 + `,
			"last_class": "http_status", "last_status": 500, "recovered_at": null, "circuit_open": false, "next_try_at": null}}`,
	},
	{
		Name: "an endpoint that is gone says why it is disabled", Path: "/webhooks/gone", Status: 200,
		Want: `{"is_active": false, "state": "disabled", "disabled_reason": "gone", "version": "<any>"}`,
	},
	{
		Name: "a paused endpoint is not active", Path: "/webhooks/paused", Status: 200,
		Want: `{"is_active": false, "state": "paused", "disabled_reason": null}`,
	},
	{Name: "an id is escaped in a path", Path: "/webhooks/odd%2Fid%25", Status: 200, Want: `{"id": "odd/id%"}`},
	{
		Name: "HEAD of an endpoint", Method: http.MethodHead, Path: "/webhooks/active", Status: 200,
		WantHeader: map[string]string{"ETag": anyTag},
	},
	{Name: "another tenant's endpoint is not found", Path: "/webhooks/theirs", Status: 404, Code: "not_found"},
	{
		Name: "another tenant's endpoint is found by its owner only", Path: "/v1/communities/theirs/webhooks/active", Status: 404,
		Code: "not_found",
	},
	{Name: "an endpoint that there is not", Path: "/webhooks/nothing", Status: 404, Code: "not_found"},
	{Name: "an id that no endpoint can have is not found", Path: "/webhooks/%00%ff", Status: 404, Code: "not_found"},
	{Name: "an id that is too long is not found", Path: "/webhooks/" + strings.Repeat("x", 300), Status: 404, Code: "not_found"},
	{Name: "a tenant that there cannot be is not found", Path: "/v1/communities/%00/webhooks", Status: 404, Code: "not_found"},
	{
		Name: "a tenant with too long a name is not found", Path: "/v1/communities/" + strings.Repeat("x", 300) + "/deliveries",
		Status: 404, Code: "not_found",
	},

	{
		Name: "nothing waits for an endpoint that succeeds", Path: "/webhooks/active/backlog", Status: 200,
		Permission: webhookhttp.PermissionDeliveries,
		Want:       `{"pending": 0, "exact": true, "due": 0, "in_flight": 0, "waiting": 0, "held": 0, "oldest_at": null, "next_at": null}`,
	},
	{
		Name: "the backlog of a failing endpoint waits for a retry", Path: "/webhooks/failing/backlog", Status: 200,
		Want: `{"pending": 1, "exact": true, "due": 0, "waiting": 1, "held": 0, "oldest_at": null, "next_at": ` + rfc3339 + `}`,
	},
	{
		Name: "the backlog of a paused endpoint is held", Path: "/webhooks/paused/backlog", Status: 200,
		Want: `{"pending": 1, "due": 0, "held": 1}`,
	},
	{Name: "another tenant's backlog is not found", Path: "/webhooks/theirs/backlog", Status: 404, Code: "not_found"},
	{Name: "the backlog of an id that no endpoint can have", Path: "/webhooks/%00/backlog", Status: 404, Code: "not_found"},
	{Name: "a backlog takes no parameters", Path: "/webhooks/active/backlog?per_page=1", Status: 400, Code: "invalid_parameter", Field: "per_page"},

	{
		Name: "an endpoint is created active, with defaults, and its secret is shown", Method: http.MethodPost, Path: "/webhooks",
		Body: `{"url": "https://new.example/hooks", "events": ["member.joined"]}`, Status: 201, Permission: webhookhttp.PermissionWrite,
		Want: `{
			"id": "<any>", "url": "https://new.example/hooks", "events": ["member.joined"], "description": "", "is_active": true,
			"state": "active", "disabled_reason": null, "channel": "", "profile": "standard", "metadata": {}, "headers": {}, "timeout_ms": null,
			"max_in_flight": null, "rate": null, "burst": null, "health": ` + noFailure + `, "secret": "/^whsec_/", "secrets": [{"expires_at": null}], "version": "<any>"}`,
		WantHeader: map[string]string{"Location": Base + "/webhooks/[0-9a-f-]{36}", "ETag": anyTag, "Cache-Control": uncached},
	},
	{
		Name: "an endpoint is created with all that may be set", Method: http.MethodPost, Path: "/webhooks",
		Body: `{"url": "https://new.example/hooks", "events": ["member.*", "*"], "is_active": false, "state": "paused", "description": "d",
			"channel": "c", "profile": "other", "headers": {"x-one": "1"}, "timeout_ms": 30000, "max_in_flight": 1000,
			"rate": 2.5, "burst": 10}`,
		Status: 201,
		Want: `{"events": ["member.*", "*"], "is_active": false, "state": "paused", "description": "d", "channel": "c", "profile": "other",
			"headers": {"X-One": ""}, "timeout_ms": 30000, "max_in_flight": 1000,
			"rate": 2.5, "burst": 10}`,
	},
	{
		Name: "an endpoint with a key pair shows the public key", Method: http.MethodPost, Path: "/webhooks", Status: 201,
		Body: `{"url": "https://new.example/hooks", "events": ["*"], "profile": "ed25519"}`,
		Want: `{"secret": "<absent>", "secrets": [{"public_key": "/^whpk_/"}]}`,
	},
	{
		Name: "a rotation to a key pair shows the public key", Method: http.MethodPost, Path: "/webhooks/active/secret/rotate",
		Body: `{}`, Status: 200, Want: `{"secret": "<absent>", "secrets": [{"public_key": "/^whpk_/"}, {"public_key": null}]}`,
		Prepare: func(t *testing.T, w *World) {
			t.Helper()
			e := w.stored(t, "active")
			e.Profile = "ed25519"
			_, err := w.Dispatcher.Tenant(Ours).UpdateEndpoint(t.Context(), e)
			check(t, err)
		},
	},
	{
		Name: "null is the default where there is one", Method: http.MethodPost, Path: "/webhooks", Status: 201,
		Body: `{"url": "https://new.example/hooks", "events": ["*"], "description": null, "channel": null, "headers": null, "timeout_ms": null,
			"max_in_flight": null, "rate": null, "burst": null}`,
		Want: `{"description": "", "channel": "", "headers": {}, "timeout_ms": null, "max_in_flight": null, "rate": null, "burst": null}`,
	},
	{
		Name: "no more endpoints are created than there may be", Method: http.MethodPost, Path: "/webhooks",
		Body: `{"url": "https://new.example/hooks", "events": ["*"]}`, Status: 409, Code: "endpoint_limit",
		Prepare: func(t *testing.T, w *World) {
			t.Helper()
			for range 4 {
				_, err := w.Dispatcher.Tenant(Ours).CreateEndpoint(t.Context(), webhook.Endpoint{URL: "https://a.example", Events: []string{"*"}})
				check(t, err)
			}
		},
	},

	{
		Name: "an update changes what is sent and leaves the rest", Method: http.MethodPatch, Path: "/webhooks/active",
		Body: `{"url": "https://active.example/new"}`, Status: 200, Permission: webhookhttp.PermissionWrite,
		Want: `{"url": "https://active.example/new", "events": ["member.*", "file.changed"], "description": "<b>\"Ours\" & co</b>",
			"metadata": {"plan": "pro"}, "headers": {"X-Key": ""}, "timeout_ms": 5000, "max_in_flight": 3, "version": "<any>", "secret": "<absent>"}`,
		WantHeader: map[string]string{"ETag": `"[0-9]+-[0-9a-f]{16}"`},
	},
	{
		Name: "a header's value does not follow the URL to another host", Method: http.MethodPatch, Path: "/webhooks/active",
		Body: `{"url": "https://new.example/hooks"}`, Status: 400, Code: "invalid_field", Field: `headers["X-Key"]`,
		Want:  `{"cure": "/give the value again/"}`,
		After: theKeyStays,
	},
	{
		Name: "a header that is kept does not follow the URL to another port", Method: http.MethodPatch, Path: "/webhooks/active",
		Body: `{"url": "https://active.example:8443/hooks", "headers": {"x-key": "", "X-New": "n"}}`, Status: 400, Code: "invalid_field",
		Field: `headers["X-Key"]`, After: theKeyStays,
	},
	{
		Name: "a header that is given again follows the URL", Method: http.MethodPatch, Path: "/webhooks/active",
		Body: `{"url": "https://new.example/hooks", "headers": {"X-Key": "for the new one"}}`, Status: 200,
		Want: `{"url": "https://new.example/hooks", "headers": {"X-Key": ""}}`,
	},
	{
		Name: "a URL goes to another host when the headers are removed", Method: http.MethodPatch, Path: "/webhooks/active",
		Body: `{"url": "https://new.example/hooks", "headers": null}`, Status: 200,
		Want: `{"url": "https://new.example/hooks", "headers": {}}`,
	},
	{
		Name: "a suspended endpoint says so", Path: "/webhooks/active", Status: 200, Prepare: suspended,
		Want: `{"is_active": false, "state": "disabled", "disabled_reason": "operator"}`,
	},
	{
		Name: "a suspended endpoint is not enabled", Method: http.MethodPatch, Path: "/webhooks/active", Body: `{"is_active": true}`,
		Status: 409, Code: "endpoint_disabled", Prepare: suspended,
	},
	{
		Name: "a suspended endpoint is not paused", Method: http.MethodPatch, Path: "/webhooks/active", Body: `{"state": "paused"}`,
		Status: 409, Code: "endpoint_disabled", Prepare: suspended,
	},
	{
		Name: "a suspended endpoint is changed in all else", Method: http.MethodPatch, Path: "/webhooks/active", Status: 200,
		Body: `{"description": "d", "is_active": false}`, Want: `{"description": "d", "disabled_reason": "operator"}`, Prepare: suspended,
	},
	{
		Name: "an endpoint that the operator has paused says so", Path: "/webhooks/active", Status: 200, Prepare: held,
		Want: `{"is_active": false, "state": "paused", "disabled_reason": "operator"}`,
	},
	{
		Name: "an endpoint that the operator has paused is not resumed", Method: http.MethodPatch, Path: "/webhooks/active",
		Body: `{"state": "active"}`, Status: 409, Code: "endpoint_disabled", Prepare: held,
	},
	{
		Name: "an endpoint that the operator has paused is not disabled", Method: http.MethodPatch, Path: "/webhooks/active",
		Body: `{"state": "disabled"}`, Status: 409, Code: "endpoint_disabled", Prepare: held,
	},
	{
		Name: "an endpoint that the operator has paused is changed in all else", Method: http.MethodPatch, Path: "/webhooks/active", Status: 200,
		Body: `{"description": "d", "is_active": false}`, Prepare: held,
		Want: `{"description": "d", "state": "paused", "disabled_reason": "operator"}`,
	},
	{
		Name: "a suspended endpoint is not tested", Method: http.MethodPost, Path: "/webhooks/active/test", Status: 409,
		Code: "endpoint_disabled", Prepare: suspended,
	},
	{
		Name: "a suspended endpoint is not deleted", Method: http.MethodDelete, Path: "/webhooks/active", Status: 409,
		Code: "endpoint_disabled", Prepare: suspended,
	},
	{
		Name: "an update of several fields", Method: http.MethodPatch, Path: "/webhooks/active",
		Body: `{"events": ["*"], "description": "d", "channel": "c", "timeout_ms": 1, "max_in_flight": 1, "rate": 0.001, "burst": 1,
			"profile": "other"}`, Status: 200,
		Want: `{"events": ["*"], "description": "d", "channel": "c", "timeout_ms": 1, "max_in_flight": 1, "rate": 0.001, "burst": 1,
			"profile": "other"}`,
	},
	{
		Name: "null clears in an update", Method: http.MethodPatch, Path: "/webhooks/active", Status: 200,
		Body: `{"description": null, "channel": null, "headers": null, "timeout_ms": null, "max_in_flight": null, "rate": null, "burst": null}`,
		Want: `{"description": "", "channel": "", "headers": {}, "timeout_ms": null, "max_in_flight": null, "rate": null, "burst": null}`,
	},
	{
		Name: "a rate is rounded to six decimals", Method: http.MethodPatch, Path: "/webhooks/active", Status: 200,
		Body: `{"rate": 0.01666666666, "burst": 10000}`, Want: `{"rate": 0.016667, "burst": 10000}`,
	},
	{
		Name: "a rate may be the largest", Method: http.MethodPatch, Path: "/webhooks/active", Status: 200,
		Body: `{"rate": 1e4}`, Want: `{"rate": 10000, "burst": null}`,
	},
	{
		Name: "a header with an empty value keeps the stored one", Method: http.MethodPatch, Path: "/webhooks/active",
		Body: `{"headers": {"x-key": "", "X-New": "n"}}`, Status: 200, Want: `{"headers": {"X-Key": "", "X-New": ""}}`,
		After: func(t *testing.T, w *World) {
			t.Helper()
			_, err := w.Dispatcher.Tenant(Ours).Test(t.Context(), "active")
			check(t, err)
			sent := w.Transport.Sent()
			if got := sent[len(sent)-1].Header; got.Get("X-Key") != Canary+"-header" || got.Get("X-New") != "n" {
				t.Errorf("the headers are %v", got)
			}
		},
	},
	{
		Name: "a header that is left out of headers is removed", Method: http.MethodPatch, Path: "/webhooks/active",
		Body: `{"headers": {}}`, Status: 200, Want: `{"headers": {"X-Key": "<absent>"}}`,
	},
	{
		Name: "an update of nothing changes nothing", Method: http.MethodPatch, Path: "/webhooks/active", Body: `{}`, Status: 200,
		Want: theActive, WantHeader: map[string]string{"ETag": `"[0-9]+-[0-9a-f]{16}"`},
	},
	{
		Name: "a merge patch is an update", Method: http.MethodPatch, Path: "/webhooks/active", Body: `{"description": "d"}`, Status: 200,
		Header: map[string]string{"Content-Type": "application/merge-patch+json; charset=UTF-8"}, Want: `{"description": "d"}`,
	},
	{
		Name: "another tenant's endpoint is not updated", Method: http.MethodPatch, Path: "/webhooks/theirs", Body: `{"description": "d"}`,
		Status: 404, Code: "not_found",
	},

	{
		Name: "an endpoint is deleted", Method: http.MethodDelete, Path: "/webhooks/active", Status: 204,
		Permission: webhookhttp.PermissionWrite,
		WantHeader: map[string]string{"Content-Type": ""},
		After: func(t *testing.T, w *World) {
			t.Helper()
			if _, err := w.Dispatcher.Tenant(Ours).Endpoint(t.Context(), "active"); err == nil {
				t.Error("it is still there")
			}
		},
	},
	{
		Name: "an endpoint that there is not is not deleted", Method: http.MethodDelete, Path: "/webhooks/nothing", Status: 404,
		Code: "not_found",
	},
	{
		Name: "another tenant's endpoint is not deleted", Method: http.MethodDelete, Path: "/webhooks/theirs", Status: 404, Code: "not_found",
		After: func(t *testing.T, w *World) {
			t.Helper()
			_, err := w.Dispatcher.Tenant(Theirs).Endpoint(t.Context(), "theirs")
			check(t, err)
		},
	},
}

var stateCases = []Case{
	{
		Name: "is_active false creates a disabled endpoint", Method: http.MethodPost, Path: "/webhooks", Status: 201,
		Body: `{"url": "https://new.example/hooks", "events": ["*"], "is_active": false}`,
		Want: `{"is_active": false, "state": "disabled", "disabled_reason": "customer"}`,
	},
	{
		Name: "is_active false disables an active endpoint", Method: http.MethodPatch, Path: "/webhooks/active", Body: `{"is_active": false}`,
		Status: 200, Want: `{"is_active": false, "state": "disabled", "disabled_reason": "customer"}`,
	},
	{
		Name: "is_active false leaves a paused endpoint paused", Method: http.MethodPatch, Path: "/webhooks/paused",
		Body:   `{"is_active": false}`,
		Status: 200, Want: `{"is_active": false, "state": "paused"}`,
	},
	{
		Name: "is_active true resumes a paused endpoint", Method: http.MethodPatch, Path: "/webhooks/paused", Body: `{"is_active": true}`,
		Status: 200, Want: `{"is_active": true, "state": "active"}`,
	},
	{
		Name: "is_active true enables an endpoint that is gone", Method: http.MethodPatch, Path: "/webhooks/gone",
		Body:   `{"is_active": true}`,
		Status: 200, Want: `{"is_active": true, "state": "active", "disabled_reason": null, "health": ` + noFailure + `}`,
	},
	{
		Name: "state pauses", Method: http.MethodPatch, Path: "/webhooks/active", Body: `{"state": "paused", "is_active": false}`,
		Status: 200, Want: `{"is_active": false, "state": "paused"}`,
	},
	{
		Name: "state disables a paused endpoint", Method: http.MethodPatch, Path: "/webhooks/paused", Body: `{"state": "disabled"}`,
		Status: 200, Want: `{"is_active": false, "state": "disabled", "disabled_reason": "customer"}`,
	},
	{
		Name: "is_active must not contradict state", Method: http.MethodPatch, Path: "/webhooks/active",
		Body:   `{"is_active": true, "state": "paused"}`,
		Status: 400, Code: "invalid_field", Field: "is_active",
	},
	{
		Name: "an unknown state is refused", Method: http.MethodPatch, Path: "/webhooks/active", Body: `{"state": "off"}`,
		Status: 400, Code: "invalid_field", Field: "state", Invalid: true,
	},
	{
		Name: "an empty state is refused", Method: http.MethodPost, Path: "/webhooks",
		Body:   `{"url": "https://a.example", "events": ["*"], "state": ""}`,
		Status: 400, Code: "invalid_field", Field: "state", Invalid: true,
	},
}

var secretCases = []Case{
	{
		Name: "a rotation shows the new secret and keeps the old one for a day", Method: http.MethodPost,
		Path:   "/webhooks/active/secret/rotate",
		Status: 200, Permission: webhookhttp.PermissionSecrets,
		Want:       `{"id": "active", "secret": "/^whsec_/", "secrets": [{"expires_at": null}, {"expires_at": ` + rfc3339 + `}], "version": "<any>"}`,
		WantHeader: map[string]string{"Cache-Control": uncached, "ETag": anyTag},
		After: func(t *testing.T, w *World) {
			t.Helper()
			s := w.stored(t, "active").Secrets
			if got := s[1].ExpiresAt.Sub(s[0].CreatedAt).Hours(); got != 24 {
				t.Errorf("the overlap is %v hours", got)
			}
		},
	},
	{
		Name: "a rotation without overlap ends the old secret", Method: http.MethodPost, Path: "/webhooks/active/secret/rotate",
		Body: `{"overlap_seconds": 0}`, Status: 200, Want: `{"secret": "<any>", "secrets": [{"expires_at": null}]}`,
	},
	{
		Name: "a rotation with the longest overlap", Method: http.MethodPost, Path: "/webhooks/active/secret/rotate",
		Body: `{"overlap_seconds": 2592000}`, Status: 200, Want: `{"secrets": ["<any>", "<any>"]}`,
	},
	{
		Name: "an overlap of null is a day", Method: http.MethodPost, Path: "/webhooks/active/secret/rotate",
		Body:   `{"overlap_seconds": null}`,
		Status: 200, Want: `{"secrets": ["<any>", "<any>"]}`,
	},
	{
		Name: "an overlap that is too long is refused", Method: http.MethodPost, Path: "/webhooks/active/secret/rotate", Invalid: true,
		Body: `{"overlap_seconds": 2592001}`, Status: 400, Code: "invalid_field", Field: "overlap_seconds",
	},
	{
		Name: "a negative overlap is refused", Method: http.MethodPost, Path: "/webhooks/active/secret/rotate", Invalid: true,
		Body: `{"overlap_seconds": -1}`, Status: 400, Code: "invalid_field", Field: "overlap_seconds",
	},
	{
		Name: "a rotation has no other fields", Method: http.MethodPost, Path: "/webhooks/active/secret/rotate", Invalid: true,
		Body: `{"overlap": 1}`, Status: 400, Code: "unknown_field", Field: "overlap", Want: `{"cure": "/overlap_seconds/"}`,
	},
	{
		Name: "a rotation beyond ten secrets is refused", Method: http.MethodPost, Path: "/webhooks/active/secret/rotate",
		Body: `{"overlap_seconds": 1000}`, Status: 409, Code: "secret_limit",
		Prepare: func(t *testing.T, w *World) {
			t.Helper()
			for range 9 {
				_, err := w.Dispatcher.Tenant(Ours).RotateSecret(t.Context(), "active", 30*24*3600e9)
				check(t, err)
			}
		},
	},
	{
		Name: "another tenant's secret is not rotated", Method: http.MethodPost, Path: "/webhooks/theirs/secret/rotate",
		Status: 404, Code: "not_found",
	},
}

var conditionCases = []Case{
	{
		Name: "an update of the version that is known", Method: http.MethodPatch, Path: "/webhooks/active", Body: `{"description": "d"}`,
		Header: map[string]string{"If-Match": `"{active}-0000"`}, Status: 200, Want: `{"version": "<any>"}`,
	},
	{
		Name: "an update of any version", Method: http.MethodPatch, Path: "/webhooks/active", Body: `{"description": "d"}`,
		Header: map[string]string{"If-Match": `*`}, Status: 200, Want: `{"version": "<any>"}`,
	},
	{
		Name: "an update of one of several versions", Method: http.MethodPatch, Path: "/webhooks/active", Body: `{"description": "d"}`,
		Header: map[string]string{"If-Match": `"7-1", "{active}-0000"`}, Status: 200,
	},
	{
		Name: "an update of an older version is refused", Method: http.MethodPatch, Path: "/webhooks/gone", Body: `{"description": "d"}`,
		Header: map[string]string{"If-Match": `"1-0000"`}, Status: 412, Code: "precondition_failed", Field: "If-Match", Want: `{"detail": "/[0-9]{10}/"}`,
	},
	{
		Name: "a weak tag is of no version", Method: http.MethodPatch, Path: "/webhooks/active", Body: `{"description": "d"}`,
		Header: map[string]string{"If-Match": `W/"1-0000"`}, Status: 412, Code: "precondition_failed", Field: "If-Match",
	},
	{
		Name: "an If-Match without quotes is refused", Method: http.MethodPatch, Path: "/webhooks/active", Body: `{"description": "d"}`,
		Header: map[string]string{"If-Match": `1-0000`}, Status: 400, Code: "invalid_header", Field: "If-Match",
	},
	{
		Name: "an If-Match of one quote is refused", Method: http.MethodPatch, Path: "/webhooks/active", Body: `{"description": "d"}`,
		Header: map[string]string{"If-Match": `"`}, Status: 400, Code: "invalid_header", Field: "If-Match",
	},
	{
		Name: "an If-Match that does not end is refused", Method: http.MethodPatch, Path: "/webhooks/active", Body: `{"description": "d"}`,
		Header: map[string]string{"If-Match": `"1-0000`}, Status: 400, Code: "invalid_header", Field: "If-Match",
	},
	{
		Name: "a deletion of the version that is known", Method: http.MethodDelete, Path: "/webhooks/active",
		Header: map[string]string{"If-Match": `"{active}-0000"`}, Status: 204,
	},
	{
		Name: "a deletion of an older version is refused", Method: http.MethodDelete, Path: "/webhooks/gone",
		Header: map[string]string{"If-Match": `"1-0000"`}, Status: 412, Code: "precondition_failed", Field: "If-Match",
	},
	{
		Name: "a conditional deletion of what there is not", Method: http.MethodDelete, Path: "/webhooks/nothing",
		Header: map[string]string{"If-Match": `*`}, Status: 404, Code: "not_found",
	},
	{
		Name: "what has not changed is not sent again", Path: "/webhooks/active", Header: map[string]string{"If-None-Match": `*`},
		Status:     304,
		WantHeader: map[string]string{"ETag": anyTag, "Content-Type": ""},
	},
	{
		Name: "what has changed is sent", Path: "/webhooks/active", Header: map[string]string{"If-None-Match": `"1-0000", W/"2-0000"`},
		Status: 200,
		Want:   `{"id": "active"}`,
	},
	{
		Name: "an If-None-Match that is malformed is refused", Path: "/webhooks/active", Header: map[string]string{"If-None-Match": `,`},
		Status: 400,
		Code:   "invalid_header", Field: "If-None-Match",
	},
}
