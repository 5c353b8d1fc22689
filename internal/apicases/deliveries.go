package apicases

import (
	"net/http"
	"testing"

	"github.com/gowebhook/webhook/webhookhttp"
)

const theDelivery = `{
	"id": "evt-joined.active", "event": "<absent>", "event_type": "member.joined", "event_id": "evt-joined", "endpoint_id": "active", "test": false, "state": "succeeded",
	"reason": null, "attempt_count": 1, "last_status": 200, "last_class": null, "in_flight": false, "next_attempt_at": null,
	"created_at": ` + rfc3339 + `, "finished_at": ` + rfc3339 + `}`

var deliveryCases = []Case{
	{
		Name: "deliveries are listed by their events, the newest first", Path: "/deliveries", Status: 200,
		Permission: webhookhttp.PermissionDeliveries,
		Want: `{"data": [{"id": "evt-file.active"}, {"id": "evt-left.active"}, {"id": "evt-left.failing"}, {"id": "evt-left.gone"},
			` + theDelivery + `, {"id": "evt-joined.down"}, {"id": "evt-joined.paused"}], "next_cursor": null}`,
	},
	{
		Name: "deliveries of an endpoint", Path: "/deliveries?endpoint_id=down", Status: 200,
		Want: `{"data": [{"id": "evt-joined.down", "state": "pending", "next_attempt_at": ` + rfc3339 + `, "finished_at": null}]}`,
	},
	{
		Name: "deliveries of an event", Path: "/deliveries?event_id=evt-left&per_page=50", Status: 200,
		Want: `{"data": [{"endpoint_id": "active"}, {"endpoint_id": "failing"}, {"endpoint_id": "gone", "state": "failed", "reason": "gone"}]}`,
	},
	{Name: "deliveries of a type", Path: "/deliveries?event_type=file.changed", Status: 200, Want: `{"data": [{"id": "evt-file.active"}]}`},
	{
		Name: "deliveries of a type by the name that Tryno gives it", Path: "/deliveries?event=file.changed", Status: 200,
		Want: `{"data": [{"id": "evt-file.active"}]}`,
	},
	{
		Name: "a type under both its names is refused", Path: "/deliveries?event=file.changed&event_type=file.changed", Status: 400,
		Code: "invalid_parameter", Field: "event",
	},
	{
		Name: "an unknown parameter of deliveries is refused", Path: "/deliveries?status=failed", Status: 400, Code: "invalid_parameter",
		Field: "status", Want: `{"cure": "/per_page, cursor, endpoint_id, event_id, event_type, state, last_status, last_class, from, to, finished_from, finished_to/"}`,
	},
	{
		Name: "an unknown parameter of a delivery is refused", Path: "/deliveries/evt-joined.active?details=1", Status: 400,
		Code: "invalid_parameter", Field: "details",
	},
	{
		Name: "a retry with a field is refused", Method: http.MethodPost, Path: "/deliveries/evt-joined.active/retry", Body: `{"force": true}`,
		Status: 400, Code: "unknown_field", Field: "force", After: nothingSent,
	},
	{
		Name: "a retry with an empty object", Method: http.MethodPost, Path: "/deliveries/evt-joined.active/retry", Body: `{}`, Status: 202,
	},
	{Name: "deliveries in a state", Path: "/deliveries?state=failed", Status: 200, Want: `{"data": [{"id": "evt-left.gone"}]}`},
	{Name: "deliveries since a time", Path: "/deliveries?from=2100-01-01T00:00:00Z", Status: 200, Want: `{"data": []}`},
	{Name: "deliveries until a time", Path: "/deliveries?to=2001-01-01T00:00:00%2B02:00", Status: 200, Want: `{"data": []}`},
	{Name: "deliveries of another tenant's event are none", Path: "/deliveries?event_id=evt-theirs", Status: 200, Want: `{"data": []}`},
	{
		Name: "an unknown state of deliveries is refused", Path: "/deliveries?state=sending", Status: 400, Code: "invalid_parameter",
		Field: "state", Invalid: true,
	},
	{Name: "a parameter that is empty is refused", Path: "/deliveries?state=", Status: 400, Code: "invalid_parameter", Field: "state"},
	{
		Name: "an id with a dot is refused", Path: "/deliveries?event_id=a.b", Status: 400, Code: "invalid_parameter", Field: "event_id",
		Invalid: true,
	},
	{
		Name: "an id with a NUL is refused", Path: "/deliveries?endpoint_id=a%00", Status: 400, Code: "invalid_parameter",
		Field: "endpoint_id", Invalid: true,
	},
	{
		Name: "a type with a space is refused", Path: "/deliveries?event_type=a+b", Status: 400, Code: "invalid_parameter", Field: "event_type",
		Invalid: true,
	},
	{
		Name: "a time that is none is refused", Path: "/deliveries?from=yesterday", Status: 400, Code: "invalid_parameter", Field: "from",
		Invalid: true,
	},
	{
		Name: "a plus sign in a time must be escaped", Path: "/deliveries?to=2001-01-01T00:00:00+02:00", Status: 400,
		Code:  "invalid_parameter",
		Field: "to", Want: `{"cure": "/%2B/"}`, Invalid: true,
	},

	{
		Name: "a delivery has its attempts and what was answered", Path: "/deliveries/evt-joined.active", Status: 200,
		Permission: webhookhttp.PermissionDeliveries,
		Want: `{"id": "evt-joined.active", "state": "succeeded", "attempts": [{"id": "evt-joined.active.1", "event": "member.joined", "event_type": "member.joined",
			"event_id": "evt-joined", "delivery_id": "evt-joined.active", "attempt": 1, "status_code": 200, "response_time_ms": "<any>",
			"class": null, "test": false, "created_at": ` + rfc3339 + `, "next_attempt_at": null, "response_body": "ok",
			"response_body_encoding": "utf-8", "response_truncated": false}]}`,
	},
	{
		Name: "an answer that is no text is shown in base64", Path: "/deliveries/evt-file.active", Status: 200,
		Want: `{"attempts": [{"response_body": "/wA=", "response_body_encoding": "base64"}]}`,
	},
	{
		Name: "a failed attempt says when the next is due", Path: "/deliveries/evt-left.failing", Status: 200,
		Want: `{"state": "pending", "attempts": [{"status_code": 500, "class": "http_status", "next_attempt_at": ` + rfc3339 + `,
			"response_body": "oops", "response_truncated": true}]}`,
	},
	{
		Name: "an endpoint that cannot be reached has neither status nor time", Path: "/deliveries/evt-joined.down", Status: 200,
		Want: `{"attempts": [{"status_code": null, "response_time_ms": null, "class": "unreachable", "response_body": null,
			"response_body_encoding": null}]}`,
	},
	{
		Name: "a delivery that is held has no attempts", Path: "/deliveries/evt-joined.paused", Status: 200,
		Want: `{"state": "pending", "attempts": []}`,
	},
	{
		Name: "a delivery that there is not", Path: "/deliveries/evt-joined.off", Status: 404, Code: "not_found",
		Want: `{"detail": "/delivery/"}`,
	},
	{Name: "another tenant's delivery is not found", Path: "/deliveries/evt-theirs.theirs", Status: 404, Code: "not_found"},
	{Name: "an id without a dot is no delivery's", Path: "/deliveries/evt-joined", Status: 404, Code: "not_found"},
	{Name: "an id of three parts is no delivery's", Path: "/deliveries/evt-joined.active.1", Status: 404, Code: "not_found"},
	{Name: "an id with an empty part is no delivery's", Path: "/deliveries/evt-joined.", Status: 404, Code: "not_found"},

	{
		Name: "a delivery is retried", Method: http.MethodPost, Path: "/deliveries/evt-joined.active/retry", Status: 202,
		Permission: webhookhttp.PermissionRetry,
		Want: `{"id": "evt-joined.active", "state": "pending", "next_attempt_at": ` + rfc3339 + `, "finished_at": null,
			"attempts": "<absent>"}`,
	},
	{
		Name: "a delivery to a disabled endpoint is not retried", Method: http.MethodPost, Path: "/deliveries/evt-left.gone/retry",
		Status: 409,
		Code:   "endpoint_disabled",
	},
	{
		Name: "a delivery that is being sent is not retried", Method: http.MethodPost, Path: "/deliveries/evt-hang.hanging/retry",
		Status: 409,
		Code:   "in_flight", Prepare: func(t *testing.T, w *World) { t.Helper(); w.hangOn(t) },
	},
	{
		Name: "a delivery that is being sent says so", Path: "/deliveries/evt-hang.hanging", Status: 200,
		Want:    `{"state": "pending", "in_flight": true, "next_attempt_at": null, "attempts": []}`,
		Prepare: func(t *testing.T, w *World) { t.Helper(); w.hangOn(t) },
	},
	{
		Name: "half an id retries nothing", Method: http.MethodPost, Path: "/deliveries/evt-joined./retry", Status: 404, Code: "not_found",
		After: nothingSent,
	},
	{
		Name: "the other half of an id retries nothing", Method: http.MethodPost, Path: "/deliveries/.active/retry", Status: 404,
		Code: "not_found", After: nothingSent,
	},
	{
		Name: "no id retries nothing", Method: http.MethodPost, Path: "/deliveries/%2e/retry", Status: 404, Code: "not_found", After: nothingSent,
	},
	{
		Name: "another tenant's delivery is not retried", Method: http.MethodPost, Path: "/deliveries/evt-theirs.theirs/retry", Status: 404,
		Code: "not_found",
	},
	{
		Name: "a delivery that there cannot be is not retried", Method: http.MethodPost, Path: "/deliveries/%00.%00/retry", Status: 404,
		Code: "not_found",
	},

	{
		Name: "events are listed, the newest first, without their data", Path: "/events", Status: 200,
		Permission: webhookhttp.PermissionDeliveries,
		Want: `{"data": [{"id": "evt-file"}, {"id": "evt-left"}, {"id": "evt-joined", "type": "member.joined",
			"timestamp": "2026-01-20T10:00:00.000Z", "channel": "", "test": false, "data": "<absent>"}], "next_cursor": null}`,
	},
	{Name: "events of a type", Path: "/events?event_type=member.left", Status: 200, Want: `{"data": [{"id": "evt-left"}]}`},
	{
		Name: "events of a type that there cannot be are refused", Path: "/events?event_type=a/b", Status: 400, Code: "invalid_parameter",
		Field: "event_type", Invalid: true,
	},
	{Name: "events of a time", Path: "/events?from=2100-01-01T00:00:00Z&to=2101-01-01T00:00:00Z", Status: 200, Want: `{"data": []}`},
	{
		Name: "a list of events marks a test", Path: "/events?per_page=1", Status: 200, Prepare: tested,
		Want: `{"data": [{"type": "test.ping", "test": true}]}`,
	},
	{
		Name: "a list of deliveries marks a test", Path: "/deliveries?per_page=1", Status: 200, Prepare: tested,
		Want: `{"data": [{"event_type": "test.ping", "test": true}]}`,
	},
	{
		Name: "an event has its data and its deliveries", Path: "/events/evt-joined", Status: 200,
		Permission: webhookhttp.PermissionDeliveries,
		Want: `{"id": "evt-joined", "type": "member.joined", "data": {"name": "<Ada> & co", "n": 1.5},
			"deliveries": {"data": [` + theDelivery + `, {"endpoint_id": "down"}, {"endpoint_id": "paused"}], "next_cursor": null}}`,
	},
	{Name: "an event without data", Path: "/events/evt-left", Status: 200, Want: `{"data": null}`},
	{Name: "an event that there is not", Path: "/events/nothing", Status: 404, Code: "not_found", Want: `{"detail": "/event/"}`},
	{Name: "another tenant's event is not found", Path: "/events/evt-theirs", Status: 404, Code: "not_found"},
	{Name: "an id that no event can have is not found", Path: "/events/a.b", Status: 404, Code: "not_found"},
	{
		Name: "the catalogue lists its types", Path: "/event-types", Status: 200, Permission: webhookhttp.PermissionRead,
		Want: `{"data": [{"name": "file.changed", "description": "A file was changed."}, {"name": "hang.on", "description": ""},
			{"name": "member.joined"}, {"name": "member.left", "test": false, "operational": false},
			{"name": "webhook.endpoint.failing", "description": "/./", "test": false, "operational": true},
			{"name": "webhook.endpoint.disabling_soon"}, {"name": "webhook.endpoint.disabled"}, {"name": "webhook.endpoint.recovered"},
			{"name": "webhook.delivery.failed", "operational": true},
			{"name": "test.ping", "description": "<any>", "test": true, "operational": false}], "next_cursor": null}`,
	},
	{
		Name: "a test of a type of the catalogue", Method: http.MethodPost, Path: "/webhooks/active/test", Body: `{"type": "member.left"}`,
		Status: 200, Want: `{"event_type": "member.left", "test": true, "status_code": 200}`,
	},
	{
		Name: "a test of an operational type", Method: http.MethodPost, Path: "/webhooks/active/test",
		Body: `{"type": "webhook.endpoint.failing"}`, Status: 200, Want: `{"event_type": "webhook.endpoint.failing", "test": true}`,
	},
	{
		Name: "a test of the test event by its name", Method: http.MethodPost, Path: "/webhooks/active/test", Body: `{"type": "test.ping"}`,
		Status: 200, Want: `{"event_type": "test.ping", "test": true}`,
	},
	{
		Name: "a test with an empty object", Method: http.MethodPost, Path: "/webhooks/active/test", Body: `{}`, Status: 200,
		Want: `{"event_type": "test.ping"}`,
	},
	{
		Name: "a test of another type is refused", Method: http.MethodPost, Path: "/webhooks/active/test", Body: `{"type": "a.b"}`,
		Status: 400, Code: "invalid_field", Field: "type", Want: `{"cure": "/event-types/"}`, After: nothingSent,
	},
	{
		Name: "a test of an empty type is refused", Method: http.MethodPost, Path: "/webhooks/active/test", Body: `{"type": ""}`,
		Status: 400, Code: "invalid_field", Field: "type", After: nothingSent, Invalid: true,
	},
	{
		Name: "a test of a type that is null is refused", Method: http.MethodPost, Path: "/webhooks/active/test", Body: `{"type": null}`,
		Status: 400, Code: "invalid_field", Field: "type", After: nothingSent, Invalid: true,
	},
	{
		Name: "a test with another field is refused", Method: http.MethodPost, Path: "/webhooks/active/test",
		Body: `{"type": "member.left", "data": {}}`, Status: 400, Code: "unknown_field", Field: "data", After: nothingSent, Invalid: true,
		Want: `{"cure": "use type"}`,
	},
}

// tested makes a test send.
func tested(t *testing.T, w *World) {
	t.Helper()
	_, err := w.Dispatcher.Tenant(Ours).Test(t.Context(), "active")
	check(t, err)
}

// nothingSent expects that no delivery is due.
func nothingSent(t *testing.T, w *World) {
	t.Helper()
	stats, err := w.Dispatcher.Stats(t.Context())
	check(t, err)
	if stats.Due != 0 {
		t.Errorf("%d deliveries are due", stats.Due)
	}
}

// unreachable is the response to a test of an endpoint that cannot be reached, for any reason.
const unreachable = `{"status_code": null, "response_time_ms": null, "class": "unreachable", "response_body": null, "test": true}`

// at moves the endpoint "down" to another host.
func at(url string) func(*testing.T, *World) {
	return func(t *testing.T, w *World) {
		t.Helper()
		e := w.stored(t, "down")
		e.URL = url
		_, err := w.Dispatcher.Tenant(Ours).UpdateEndpoint(t.Context(), e)
		check(t, err)
	}
}

var logCases = []Case{
	{
		Name: "a test says what the endpoint answered", Method: http.MethodPost, Path: "/webhooks/active/test", Status: 200,
		Permission: webhookhttp.PermissionTest,
		Want: `{"id": "<any>", "event": "test.ping", "event_id": "<any>", "delivery_id": "/\\.active$/", "attempt": 1, "status_code": 200,
			"response_time_ms": "<any>", "class": null, "test": true, "next_attempt_at": null, "response_body": "ok"}`,
	},
	{
		Name: "a test of an endpoint that fails is no error", Method: http.MethodPost, Path: "/webhooks/failing/test", Status: 200,
		Want: `{"status_code": 500, "class": "http_status", "next_attempt_at": null}`,
	},
	{
		Name: "a test of a disabled endpoint", Method: http.MethodPost, Path: "/webhooks/off/test", Status: 200,
		Want: `{"status_code": 204, "class": null}`,
	},
	{
		Name: "an address where nobody listens is unreachable", Method: http.MethodPost, Path: "/webhooks/down/test", Status: 200,
		Want: unreachable,
	},
	{
		Name: "an address that may not be dialed is unreachable", Method: http.MethodPost, Path: "/webhooks/down/test", Status: 200,
		Want:    unreachable,
		Prepare: at("https://blocked.example"),
	},
	{
		Name: "a name that is not resolved is unreachable", Method: http.MethodPost, Path: "/webhooks/down/test", Status: 200,
		Want:    unreachable,
		Prepare: at("https://unknown.example"),
	},
	{
		Name: "an endpoint that is too slow is a timeout", Method: http.MethodPost, Path: "/webhooks/down/test", Status: 200,
		Want: `{"status_code": null, "response_time_ms": "<any>", "class": "timeout"}`, Prepare: at("https://slow.example"),
	},
	{
		Name: "one test of an endpoint runs at a time", Method: http.MethodPost, Path: "/webhooks/hanging/test", Status: 429,
		Code:       "test_running",
		WantHeader: map[string]string{"Retry-After": "5"}, Prepare: func(t *testing.T, w *World) { t.Helper(); w.testHanging(t) },
	},
	{
		Name: "another tenant's endpoint is not tested", Method: http.MethodPost, Path: "/webhooks/theirs/test", Status: 404,
		Code: "not_found",
	},

	{
		Name: "the log has an entry for each attempt, the latest first", Path: "/webhooks/active/logs", Status: 200,
		Permission: webhookhttp.PermissionDeliveries,
		Want: `{"data": [{"event": "file.changed"}, {"event": "member.left"}, {"id": "evt-joined.active.1", "event": "member.joined",
			"event_id": "evt-joined", "delivery_id": "evt-joined.active", "attempt": 1, "status_code": 200, "response_time_ms": "<any>",
			"class": null, "test": false, "created_at": ` + rfc3339 + `, "next_attempt_at": null,
			"response_body": "<absent>"}], "next_cursor": null}`,
	},
	{
		Name: "the log says that an endpoint is unreachable", Path: "/webhooks/down/logs", Status: 200,
		Want: `{"data": [{"status_code": null, "response_time_ms": null, "class": "unreachable", "next_attempt_at": ` + rfc3339 + `}]}`,
	},
	{
		Name: "the log of an endpoint without attempts is empty", Path: "/webhooks/paused/logs", Status: 200,
		Want: `{"data": [], "next_cursor": null}`,
	},
	{
		Name: "the log of an event", Path: "/webhooks/active/logs?event_id=evt-left", Status: 200,
		Want: `{"data": [{"event": "member.left"}]}`,
	},
	{Name: "the log of a status", Path: "/webhooks/failing/logs?status_code=500", Status: 200, Want: `{"data": [{"status_code": 500}]}`},
	{Name: "the log of a status that did not come", Path: "/webhooks/failing/logs?status_code=200", Status: 200, Want: `{"data": []}`},
	{Name: "the log of a time", Path: "/webhooks/active/logs?from=2100-01-01T00:00:00Z", Status: 200, Want: `{"data": []}`},
	{Name: "the log of another tenant's endpoint is not found", Path: "/webhooks/theirs/logs", Status: 404, Code: "not_found"},
	{
		Name: "the first page of a log", Path: "/webhooks/active/logs?page=1&per_page=2", Status: 200,
		Want: `{"data": ["<any>", "<any>"], "next_cursor": "<any>"}`,
	},
	{
		Name: "the second page of a log", Path: "/webhooks/active/logs?page=2&per_page=2", Status: 200,
		Want: `{"data": [{"event": "member.joined"}], "next_cursor": null}`,
	},
	{
		Name: "a page behind the end of a log is empty", Path: "/webhooks/active/logs?page=3&per_page=2", Status: 200,
		Want: `{"data": [], "next_cursor": null}`,
	},
	{Name: "the last page that may be asked for", Path: "/webhooks/active/logs?page=20&per_page=50", Status: 200, Want: `{"data": []}`},
	{
		Name: "a page beyond 1,000 entries", Path: "/webhooks/active/logs?page=21&per_page=50", Status: 400, Code: "use_cursor",
		Field: "page", Want: `{"detail": "/1,000 entries/", "cure": "/next_cursor/"}`,
	},
	{
		Name: "a page beyond 5,000 entries of one", Path: "/webhooks/active/logs?page=5001&per_page=1", Status: 400, Code: "use_cursor",
		Field: "page", Invalid: true,
	},
	{
		Name: "a page that no number is large enough for", Path: "/webhooks/active/logs?page=99999999999999999999999", Status: 400,
		Code:  "use_cursor",
		Field: "page", Invalid: true,
	},
	{
		Name: "a page of 0 is refused", Path: "/webhooks/active/logs?page=0", Status: 400, Code: "invalid_parameter", Field: "page",
		Invalid: true,
	},
	{
		Name: "a negative page is refused", Path: "/webhooks/active/logs?page=-99999999999999999999999", Status: 400,
		Code: "invalid_parameter", Field: "page", Invalid: true,
	},
	{
		Name: "a page that is no number is refused", Path: "/webhooks/active/logs?page=abc", Status: 400, Code: "invalid_parameter",
		Field: "page", Invalid: true,
	},
	{
		Name: "a page beside a cursor is refused", Path: "/webhooks/active/logs?page=2&cursor=abc", Status: 400, Code: "invalid_parameter",
		Field: "page",
	},
	{
		Name: "a status that there cannot be is refused", Path: "/webhooks/active/logs?status_code=99", Status: 400,
		Code: "invalid_parameter", Field: "status_code", Invalid: true,
	},
}
