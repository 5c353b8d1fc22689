package apicases

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gowebhook/webhook/webhookhttp"
)

var listCases = []Case{
	{
		Name: "a part of a list has the cursor of the next", Path: "/webhooks?per_page=1", Status: 200,
		Want: `{"data": [{"id": "active"}], "next_cursor": "<any>"}`,
	},
	{Name: "an empty cursor begins a list", Path: "/webhooks?cursor=&per_page=50", Status: 200, Want: `{"next_cursor": null}`},
	{Name: "parameters of the application are left to it", Path: "/webhooks?access_token=x", Status: 200},
	{
		Name: "an unknown parameter is refused with the names of those that there are", Path: "/webhooks?limit=10", Status: 400,
		Code: "invalid_parameter", Field: "limit", Want: `{"cure": "/per_page, cursor, health/"}`,
	},
	{
		Name: "a parameter of another list is refused", Path: "/webhooks?state=active", Status: 400, Code: "invalid_parameter",
		Field: "state",
	},
	{
		Name: "the name of a parameter in capitals is refused", Path: "/events?PER_PAGE=1", Status: 400, Code: "invalid_parameter",
		Field: "PER_PAGE",
	},
	{
		Name: "an unknown parameter of a request that changes something is refused", Method: http.MethodDelete,
		Path: "/webhooks/active?force=true", Status: 400, Code: "invalid_parameter", Field: "force",
		Want: `{"cure": "/no query parameters/"}`,
	},
	{
		Name: "an unknown parameter of a log is refused", Path: "/webhooks/active/logs?status=500", Status: 400, Code: "invalid_parameter",
		Field: "status", Want: `{"cure": "/status_code/"}`,
	},
	{
		Name: "an unknown parameter of events is refused", Path: "/events?type=member.joined", Status: 400, Code: "invalid_parameter",
		Field: "type", Want: `{"cure": "/event_type/"}`,
	},
	{
		Name: "a per_page of 0 is refused", Path: "/webhooks?per_page=0", Status: 400, Code: "invalid_parameter", Field: "per_page",
		Invalid: true,
	},
	{
		Name: "a negative per_page is refused", Path: "/webhooks?per_page=-1", Status: 400, Code: "invalid_parameter", Field: "per_page",
		Invalid: true,
	},
	{
		Name: "a per_page that is no number is refused", Path: "/webhooks?per_page=abc", Status: 400, Code: "invalid_parameter",
		Field: "per_page", Invalid: true,
	},
	{
		Name: "a per_page with a sign is refused", Path: "/webhooks?per_page=%2B1", Status: 400, Code: "invalid_parameter",
		Field: "per_page",
	},
	{
		Name: "a per_page of 51 is refused", Path: "/webhooks?per_page=51", Status: 400, Code: "invalid_parameter", Field: "per_page",
		Invalid: true,
		Want:    `{"detail": "/51/", "cure": "/1 to 50/"}`,
	},
	{
		Name: "a per_page that is too large for any number is refused", Path: "/events?per_page=9999999999999999999999", Status: 400,
		Code: "invalid_parameter", Field: "per_page", Invalid: true,
	},
	{Name: "an empty per_page is refused", Path: "/deliveries?per_page=", Status: 400, Code: "invalid_parameter", Field: "per_page"},
	{
		Name: "a parameter that is there twice is refused", Path: "/events?per_page=1&per_page=2", Status: 400, Code: "invalid_parameter",
		Field: "per_page",
	},
	{
		Name: "a cursor that is there twice is refused", Path: "/events?cursor=a&cursor=b", Status: 400, Code: "invalid_parameter",
		Field: "cursor",
	},
	{Name: "a query that is malformed is refused", Path: "/webhooks?per_page=%zz", Status: 400, Code: "invalid_parameter"},
	{Name: "a query with a semicolon is refused", Path: "/webhooks?per_page=1;cursor=2", Status: 400, Code: "invalid_parameter"},
	{Name: "a bad cursor of endpoints is refused", Path: "/webhooks?cursor=abc", Status: 400, Code: "invalid_cursor", Field: "cursor"},
	{Name: "a bad cursor of events is refused", Path: "/events?cursor=%00", Status: 400, Code: "invalid_cursor", Field: "cursor"},
	{
		Name: "a bad cursor of deliveries is refused", Path: "/deliveries?cursor=" + strings.Repeat("A", 5000), Status: 400,
		Code: "invalid_cursor", Field: "cursor",
	},
	{
		Name: "a bad cursor of a log is refused", Path: "/webhooks/active/logs?cursor=YQ", Status: 400, Code: "invalid_cursor",
		Field: "cursor",
	},
}

const valid = `{"url": "https://new.example/hooks", "events": ["*"]}`

// create returns a case of creating an endpoint with a body that is refused.
func create(name, body, code, field string) Case {
	return Case{Name: name, Method: http.MethodPost, Path: "/webhooks", Body: body, Status: 400, Code: code, Field: field}
}

// with returns the valid body with another field.
func with(field string) string { return strings.TrimSuffix(valid, "}") + ", " + field + "}" }

var bodyCases = []Case{
	create("an empty body is refused", "", "invalid_json", ""),
	create("a body that is no JSON is refused", "url=https://new.example", "invalid_json", ""),
	create("a body that ends too early is refused", `{"url": "https`, "invalid_json", ""),
	create("more than one JSON value is refused", valid+valid, "invalid_json", ""),
	create("a body that is an array is refused", "["+valid+"]", "invalid_json", ""),
	create("a body that is null is refused", "null", "invalid_json", ""),
	create("a body that is not UTF-8 is refused", with(`"description": "`+"\xff"+`"`), "invalid_json", ""),
	create("a body that is nested too deeply is refused", strings.Repeat("[", 20000), "invalid_json", ""),
	create("a field that is there twice is refused", with(`"url": "https://b.example"`), "invalid_field", "url"),
	{Name: "a body of 256 KiB less a byte is read", Method: http.MethodPost, Path: "/webhooks", Body: padded(256<<10 - 1), Status: 201},
	{Name: "a body of 256 KiB is read", Method: http.MethodPost, Path: "/webhooks", Body: padded(256 << 10), Status: 201},
	{
		Name: "a body of 256 KiB and a byte is refused", Method: http.MethodPost, Path: "/webhooks", Body: padded(256<<10 + 1), Status: 413,
		Code: "body_too_large", Want: `{"detail": "/256 KiB/"}`,
	},
	{
		Name: "a rotation of 4 KiB and a byte is refused", Method: http.MethodPost, Path: "/webhooks/active/secret/rotate",
		Body: "{}" + strings.Repeat(" ", 4<<10-1), Status: 413, Code: "body_too_large", Want: `{"detail": "/ 4 KiB/"}`,
	},
	create("more subscriptions than there may be are refused", `{"url": "https://a.example", "events": ["a"`+strings.Repeat(`,"a"`, 100)+`]}`,
		"invalid_field", "events"),
	create("more headers than there may be are refused", with(`"headers": {`+manyMembers(33)+`}`), "invalid_field", "headers"),
	create("an unknown field is refused before what follows it is looked at", `{"nothing": 1, "url": 7`+strings.Repeat(`, "url": 7`, 100)+`}`,
		"unknown_field", "nothing"),
	{
		Name: "a form is refused", Method: http.MethodPost, Path: "/webhooks", Body: "url=a", Status: 415, Code: "unsupported_media_type",
		Field: "Content-Type", Header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, Invalid: true,
		Want: `{"cure": "/application\\/json/"}`,
	},
	{
		Name: "a body of no type is refused", Method: http.MethodPost, Path: "/webhooks", Body: valid, Status: 415,
		Code:  "unsupported_media_type",
		Field: "Content-Type", Header: map[string]string{"Content-Type": ""},
	},
	{
		Name: "a body in Latin 1 is refused", Method: http.MethodPost, Path: "/webhooks", Body: valid, Status: 415,
		Code:  "unsupported_media_type",
		Field: "Content-Type", Header: map[string]string{"Content-Type": "application/json; charset=iso-8859-1"},
	},
	{
		Name: "a body with a media type that is malformed is refused", Method: http.MethodPatch, Path: "/webhooks/active", Body: valid,
		Status: 415,
		Code:   "unsupported_media_type", Field: "Content-Type", Header: map[string]string{"Content-Type": "json"}, Invalid: true,
	},
	{
		Name: "a compressed body is refused", Method: http.MethodPost, Path: "/webhooks", Body: valid, Status: 415,
		Code:  "unsupported_media_type",
		Field: "Content-Encoding", Header: map[string]string{"Content-Encoding": "gzip"},
	},
	{
		Name: "a merge patch creates nothing", Method: http.MethodPost, Path: "/webhooks", Body: valid, Status: 415,
		Code:  "unsupported_media_type",
		Field: "Content-Type", Header: map[string]string{"Content-Type": "application/merge-patch+json"}, Invalid: true,
	},
	{
		Name: "a charset of UTF-8 may be named", Method: http.MethodPost, Path: "/webhooks", Body: valid, Status: 201,
		Header: map[string]string{"Content-Type": "application/json; charset=UTF-8"},
	},
	{
		Name: "an empty update is refused", Method: http.MethodPatch, Path: "/webhooks/active", Status: 400, Code: "invalid_json",
	},
}

func manyMembers(n int) string {
	members := make([]string, n)
	for i := range members {
		members[i] = fmt.Sprintf(`"X-%d": "a"`, i)
	}
	return strings.Join(members, ", ")
}

func padded(size int) string { return valid + strings.Repeat(" ", size-len(valid)) }

// field returns a case of a field that is refused, also by the OpenAPI document.
func field(name, member, field string) Case {
	c := create(name, with(member), "invalid_field", field)
	c.Invalid = true
	return c
}

// value returns a case of a value that is refused for a reason that no schema of the OpenAPI
// document has.
func value(name, member, field string) Case {
	return create(name, with(member), "invalid_field", field)
}

// also adds expectations to a case.
func also(c Case, want string) Case {
	c.Want = want
	return c
}

// without returns a case of a whole body that is refused.
func without(name, body, field string) Case { return create(name, body, "invalid_field", field) }

var fieldCases = []Case{
	func() Case {
		c := create("an unknown field is refused by name", with(`"is_activ": true`), "unknown_field", "is_activ")
		c.Invalid, c.Want = true, `{"cure": "/is_active/"}`
		return c
	}(),
	also(
		create("a field in capitals is refused, with the right name", `{"URL": "https://a.example", "events": ["*"]}`, "unknown_field", "URL"),
		`{"cure": "write it url"}`,
	),
	also(
		create("a field in camel case is refused, with the right name", with(`"timeoutMs": 1`), "unknown_field", "timeoutMs"),
		`{"cure": "write it timeout_ms"}`,
	),
	create(
		"an unknown field with a long name is refused",
		with(`"`+strings.Repeat("ä", 60)+`": 1`), "unknown_field", strings.Repeat("ä", 50)+"…",
	),
	create("an id cannot be set", with(`"id": "mine"`), "read_only", "id"),
	create("a secret cannot be set", with(`"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"`), "read_only", "secret"),
	create("a version cannot be set", with(`"version": 2`), "read_only", "version"),
	create("what the application keeps to itself cannot be set", with(`"metadata": {"plan": "free"}`), "read_only", "metadata"),

	without("an endpoint needs a URL", `{"events": ["*"]}`, "url"),
	without("an endpoint needs subscriptions", `{"url": "https://a.example"}`, "events"),
	without("a URL that is null is refused", `{"url": null, "events": ["*"]}`, "url"),
	also(
		without("a URL that is a number is refused", `{"url": 1, "events": ["*"]}`, "url"),
		`{"detail": "url is a number", "cure": "send a string"}`,
	),
	also(
		without("a URL that is not encrypted is refused", `{"url": "http://a.example", "events": ["*"]}`, "url"),
		`{"cure": "use https"}`,
	),
	without("a URL with a password is refused", `{"url": "https://u:p@a.example", "events": ["*"]}`, "url"),
	also(
		without("a private address is refused", `{"url": "https://10.0.0.1/", "events": ["*"]}`, "url"),
		`{"detail": "/10\\.0\\.0\\.1/", "cure": "use a public address"}`,
	),
	without("a metadata address is refused", `{"url": "https://169.254.169.254/", "events": ["*"]}`, "url"),
	without("a URL that is too long is refused", `{"url": "https://a.example/`+strings.Repeat("a", 2048)+`", "events": ["*"]}`, "url"),
	also(
		without("events that are a string are refused", `{"url": "https://a.example", "events": "*"}`, "events"),
		`{"detail": "events is a string", "cure": "send an array"}`,
	),
	without("an event that is a number is refused by its place", `{"url": "https://a.example", "events": ["*", 1]}`, "events[1]"),
	without("no events are refused", `{"url": "https://a.example", "events": []}`, "events"),
	without("an event that is there twice is refused", `{"url": "https://a.example", "events": ["*", "*"]}`, "events[1]"),
	also(
		without("an event that is not in the catalogue is refused", `{"url": "https://a.example", "events": ["a.b"]}`, "events[0]"),
		`{"cure": "/member\\.joined/"}`,
	),
	without("a pattern that is none is refused", `{"url": "https://a.example", "events": ["m*r"]}`, "events[0]"),
	field("is_active that is a string is refused", `"is_active": "false"`, "is_active"),
	field("is_active that is null is refused", `"is_active": null`, "is_active"),
	field("a state that is null is refused", `"state": null`, "state"),
	field("a description that is an object is refused", `"description": {}`, "description"),
	field("a description that is too long is refused", `"description": "`+strings.Repeat("a", 1025)+`"`, "description"),
	value("a description with a control character is refused", `"description": "a\u0000"`, "description"),
	field("a channel that is too long is refused", `"channel": "`+strings.Repeat("a", 256)+`"`, "channel"),
	value("an unknown profile is refused", `"profile": "nothing"`, "profile"),
	field("an empty profile is refused", `"profile": ""`, "profile"),
	field("a profile that is null is refused", `"profile": null`, "profile"),
	field("headers that are an array are refused", `"headers": []`, "headers"),
	field("a header that is a number is refused by its name", `"headers": {"X-Key": 1}`, `headers["X-Key"]`),
	value("a header that is there twice is refused", `"headers": {"X-Key": "a", "X-Key": "b"}`, `headers["X-Key"]`),
	value("a header that is there twice in different case is refused", `"headers": {"X-Key": "a", "x-key": "b"}`, `headers`),
	value("a header without a value is refused at creation", `"headers": {"X-Key": ""}`, `headers["X-Key"]`),
	value("a header of the signature is refused", `"headers": {"Webhook-Id": "a"}`, `headers["Webhook-Id"]`),
	value("a header with a line end is refused", `"headers": {"X-Key": "a\r\nb: c"}`, `headers["X-Key"]`),
	value("a header with a bad name is refused", `"headers": {"X Key": "a"}`, `headers["X Key"]`),
	field("a timeout that is a string is refused", `"timeout_ms": "1"`, "timeout_ms"),
	also(field("a timeout of 0 is refused", `"timeout_ms": 0`, "timeout_ms"), `{"cure": "/milliseconds, 1 or more/"}`),
	field("a timeout that is no whole number is refused", `"timeout_ms": 1.5`, "timeout_ms"),
	field("a timeout that is too large for any number is refused", `"timeout_ms": 1e400`, "timeout_ms"),
	also(
		field("a timeout of more than ten minutes is refused", `"timeout_ms": 600001`, "timeout_ms"),
		`{"detail": "timeout_ms is 600001", "cure": "use 1 to 30000"}`,
	),
	also(
		value("a timeout of more than the application allows is refused", `"timeout_ms": 30001`, "timeout_ms"),
		`{"detail": "timeout_ms is 30001", "cure": "use 1 to 30000"}`,
	),
	field("a max_in_flight of 0 is refused", `"max_in_flight": 0`, "max_in_flight"),
	field("a max_in_flight of 1,001 is refused", `"max_in_flight": 1001`, "max_in_flight"),
	also(
		field("a rate of 0 is refused", `"rate": 0`, "rate"),
		`{"detail": "rate is 0", "cure": "send a number from 0.001 to 10000"}`,
	),
	field("a rate below 0 is refused", `"rate": -1`, "rate"),
	field("a rate below the smallest is refused", `"rate": 0.00099`, "rate"),
	field("a rate above the largest is refused", `"rate": 10000.1`, "rate"),
	field("a rate that is too large for any number is refused", `"rate": 1e400`, "rate"),
	field("a rate that is a string is refused", `"rate": "1"`, "rate"),
	field("a burst of 0 is refused", `"burst": 0`, "burst"),
	field("a burst of 10,001 is refused", `"burst": 10001`, "burst"),
	field("a burst that is no whole number is refused", `"burst": 1.5`, "burst"),
	{
		Name: "an update that clears the URL is refused", Method: http.MethodPatch, Path: "/webhooks/active", Body: `{"url": ""}`,
		Status: 400,
		Code:   "invalid_field", Field: "url", Invalid: true,
	},
	{
		Name: "an update of a header that is not stored needs a value", Method: http.MethodPatch, Path: "/webhooks/active",
		Body: `{"headers": {"X-Other": ""}}`, Status: 400, Code: "invalid_field", Field: `headers["X-Other"]`,
	},
}

// UnknownMethod is a method that does not exist. A case uses it.
const UnknownMethod = "UNKNOWNUNKNOWNUNKNOWN"

var routeCases = []Case{
	{Name: "a path that there is not", Path: "/nothing", Status: 404, Code: "not_found"},
	{Name: "the prefix alone", Path: "", Status: 404, Code: "not_found"},
	{Name: "a path with a slash at its end", Path: "/webhooks/", Status: 404, Code: "not_found"},
	{Name: "a path below a route", Path: "/webhooks/active/nothing", Status: 404, Code: "not_found"},
	{
		Name: "a method that a path has not", Method: http.MethodPut, Path: "/webhooks", Status: 405, Code: "method_not_allowed",
		WantHeader: map[string]string{"Allow": "GET, HEAD, POST"}, Want: `{"detail": "/PUT/"}`,
	},
	{
		Name: "a method that an endpoint has not", Method: http.MethodPut, Path: "/webhooks/active", Status: 405, Code: "method_not_allowed",
		WantHeader: map[string]string{"Allow": "DELETE, GET, HEAD, PATCH"},
	},
	{
		Name: "a test is not read", Path: "/webhooks/active/test", Status: 405, Code: "method_not_allowed",
		WantHeader: map[string]string{"Allow": "POST"},
	},
	{
		Name: "a method that nobody has heard of", Method: UnknownMethod, Path: "/events", Status: 405, Code: "method_not_allowed",
		WantHeader: map[string]string{"Allow": "GET, HEAD"}, Want: `{"detail": "/^this method/"}`,
	},
	{
		Name: "OPTIONS is not answered", Method: http.MethodOptions, Path: "/webhooks", Status: 405, Code: "method_not_allowed",
		WantHeader: map[string]string{"Allow": "GET, HEAD, POST", "Access-Control-Allow-Origin": ""},
	},
	{
		Name: "the document needs no credentials", Path: "/openapi.yaml", Token: tokenNone, Status: 200,
		WantHeader: map[string]string{"Content-Type": "application/yaml"},
		After: func(t *testing.T, w *World) {
			t.Helper()
			if len(w.Asked) != 0 {
				t.Errorf("Authorize was asked for %v", w.Asked)
			}
		},
	},
	{Name: "HEAD of the document", Method: http.MethodHead, Path: "/openapi.yaml", Status: 200},
}

// lacks returns a case of a token without the permission that a route needs.
func lacks(method, path string, p webhookhttp.Permission) Case {
	return Case{
		Name: "needs " + string(p) + ": " + method + " " + path, Method: method, Path: path, Token: string(p), Status: 403, Code: "forbidden",
		Permission: p, Want: `{"detail": "/` + strings.ReplaceAll(string(p), ".", `\\.`) + `/"}`,
	}
}

var authCases = []Case{
	lacks("GET", "/webhooks", webhookhttp.PermissionRead),
	lacks("POST", "/webhooks", webhookhttp.PermissionWrite),
	lacks("GET", "/webhooks/active", webhookhttp.PermissionRead),
	lacks("PATCH", "/webhooks/active", webhookhttp.PermissionWrite),
	lacks("DELETE", "/webhooks/active", webhookhttp.PermissionWrite),
	lacks("POST", "/webhooks/active/test", webhookhttp.PermissionTest),
	lacks("GET", "/webhooks/active/logs", webhookhttp.PermissionDeliveries),
	lacks("GET", "/webhooks/active/backlog", webhookhttp.PermissionDeliveries),
	lacks("POST", "/webhooks/active/replay", webhookhttp.PermissionRetry),
	lacks("POST", "/webhooks/active/secret/rotate", webhookhttp.PermissionSecrets),
	lacks("GET", "/deliveries", webhookhttp.PermissionDeliveries),
	lacks("GET", "/deliveries/evt-joined.active", webhookhttp.PermissionDeliveries),
	lacks("POST", "/deliveries/evt-joined.active/retry", webhookhttp.PermissionRetry),
	lacks("POST", "/deliveries/evt-joined.paused/cancel", webhookhttp.PermissionRetry),
	lacks("POST", "/deliveries/retry", webhookhttp.PermissionRetry),
	lacks("POST", "/deliveries/cancel", webhookhttp.PermissionRetry),
	lacks("GET", "/replays", webhookhttp.PermissionDeliveries),
	lacks("POST", "/replays", webhookhttp.PermissionRetry),
	lacks("GET", "/replays/x", webhookhttp.PermissionDeliveries),
	lacks("DELETE", "/replays/x", webhookhttp.PermissionRetry),
	lacks("GET", "/events", webhookhttp.PermissionDeliveries),
	lacks("GET", "/events/evt-joined", webhookhttp.PermissionDeliveries),
	lacks("DELETE", "/events/evt-joined", webhookhttp.PermissionRetry),
	lacks("GET", "/event-types", webhookhttp.PermissionRead),
	{
		Name: "a request without credentials", Path: "/webhooks", Token: tokenNone, Status: 401, Code: "unauthenticated",
		WantHeader: map[string]string{"WWW-Authenticate": "Bearer"},
	},
	{Name: "a request with unknown credentials", Path: "/webhooks", Token: tokenUnknown, Status: 401, Code: "unauthenticated"},
	{
		Name: "credentials are looked at before the body", Method: http.MethodPost, Path: "/webhooks", Token: tokenUnknown, Body: "{",
		Status: 401,
		Code:   "unauthenticated",
	},
	{Name: "credentials are looked at before the id", Path: "/webhooks/nothing", Token: tokenMember, Status: 403, Code: "forbidden"},
	{Name: "a failure to authorize shows no details", Path: "/webhooks", Token: tokenBroken, Status: 500, Code: "internal"},
	{Name: "no tenant is not every tenant", Path: "/deliveries", Token: tokenNobody, Status: 500, Code: "internal"},
	{
		Name: "a failure of the store shows no details", Path: "/webhooks", Status: 503, Code: "unavailable",
		WantHeader: map[string]string{"Retry-After": "5"}, Prepare: func(_ *testing.T, w *World) { w.down.Store(true) },
		After: func(t *testing.T, w *World) {
			t.Helper()
			if !strings.Contains(w.Log.String(), errDown.Error()) {
				t.Errorf("the log does not say why: %s", w.Log)
			}
		},
	},
	{
		Name: "a change from a page of another origin is refused", Method: http.MethodPost, Path: "/webhooks", Body: valid, Status: 403,
		Code: "cross_origin", Header: map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
	},
	{
		Name: "a change from another origin of the same site is refused", Method: http.MethodDelete, Path: "/webhooks/active", Status: 403,
		Code: "cross_origin", Header: map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "https://app.example.com"},
	},
	{
		Name: "a change from a trusted origin", Method: http.MethodPost, Path: "/webhooks", Body: valid, Status: 201,
		Header: map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://trusted.example"},
	},
	{
		Name: "a change from a page of its own", Method: http.MethodPost, Path: "/webhooks", Body: valid, Status: 201,
		Header: map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": "https://example.com"},
	},
	{
		Name: "reading from a page of another origin is left to the browser", Path: "/webhooks", Status: 200,
		Header: map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
	},
}
