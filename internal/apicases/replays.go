package apicases

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhookhttp"
)

const replayPath = Base + "/replays/"

// aReplay is a replay of all deliveries that failed or were canceled.
const aReplay = `{
	"id": "<any>", "state": "running", "reason": null, "cancels": false, "endpoint_id": null, "event_id": null, "types": [],
	"states": ["canceled", "failed"], "missed": false, "from": null, "to": null, "finished_from": null, "finished_to": null, "rate": 10,
	"matched": 1, "exact": true, "changed": 0, "skipped": 0, "created_at": ` + rfc3339 + `, "finished_at": null}`

// theirReplay starts a replay of another tenant.
func theirReplay(t *testing.T, w *World) {
	t.Helper()
	r, err := w.Dispatcher.Tenant(Theirs).Replay(t.Context(), webhook.ReplayRequest{})
	check(t, err)
	w.replay = r.ID
}

// ourReplay starts a replay of what the endpoint "active" has got.
func ourReplay(t *testing.T, w *World) {
	t.Helper()
	r, err := w.Dispatcher.Tenant(Ours).Replay(t.Context(), webhook.ReplayRequest{
		Endpoint: "active", States: []webhook.DeliveryState{webhook.DeliverySucceeded},
	})
	check(t, err)
	w.replay = r.ID
}

// canceledReplay cancels a replay that it has started.
func canceledReplay(t *testing.T, w *World) {
	t.Helper()
	ourReplay(t, w)
	_, err := w.Dispatcher.Tenant(Ours).CancelReplay(t.Context(), w.replay)
	check(t, err)
}

// finishedReplay starts a replay of nothing and waits for its end.
func finishedReplay(t *testing.T, w *World) {
	t.Helper()
	r, err := w.Dispatcher.Tenant(Ours).Replay(t.Context(), webhook.ReplayRequest{Event: "evt-none"})
	check(t, err)
	w.replay = r.ID
	_, _, err = w.store.StepReplay(t.Context(), r.CreatedAt)
	check(t, err)
}

// replays starts as many replays as a tenant may have.
func replays(t *testing.T, w *World) {
	t.Helper()
	for _, event := range []string{"a", "b", "c", "d", "e"} {
		_, err := w.Dispatcher.Tenant(Ours).Replay(t.Context(), webhook.ReplayRequest{Event: event})
		check(t, err)
	}
}

// switchedOn enables an endpoint that was disabled.
func switchedOn(id string) func(*testing.T, *World) {
	return func(t *testing.T, w *World) {
		t.Helper()
		e := w.stored(t, id)
		e.State = webhook.EndpointActive
		_, err := w.Dispatcher.Tenant(Ours).UpdateEndpoint(t.Context(), e)
		check(t, err)
	}
}

// unfinished expects a number of unfinished replays of ours.
func unfinished(want int) func(*testing.T, *World) {
	return func(t *testing.T, w *World) {
		t.Helper()
		page, err := w.Dispatcher.Tenant(Ours).Replays(t.Context(), webhook.Query{})
		check(t, err)
		got := 0
		for i := range page.Items {
			if page.Items[i].FinishedAt.IsZero() {
				got++
			}
		}
		if got != want {
			t.Errorf("%d replays are unfinished, not %d", got, want)
		}
	}
}

// replay returns a case of a replay to an endpoint.
func replay(name, id, body string, status int, want string) Case {
	return Case{
		Name: name, Method: http.MethodPost, Path: "/webhooks/" + id + "/replay", Body: body, Status: status, Want: want,
		Permission: webhookhttp.PermissionRetry,
	}
}

// noReplay returns a case of a replay that is refused because of a field. The document refuses
// it too.
func noReplay(name, body, field string) Case {
	c := noReplayHere(name, body, field)
	c.Invalid = true
	return c
}

// noReplayHere returns a case of a replay that only the handler refuses.
func noReplayHere(name, body, field string) Case {
	c := replay(name, "active", body, 400, "")
	c.Code, c.Field, c.After = "invalid_field", field, unfinished(0)
	return c
}

var replayCases = []Case{
	{
		Name: "a replay to an endpoint", Method: http.MethodPost, Path: "/webhooks/active/replay", Status: 202,
		Body: `{"states": ["succeeded"], "types": ["member.*", "file.changed", "file.changed"], "rate": 0.5,
			"from": "2001-01-01T00:00:00+02:00", "to": "2101-01-01T00:00:00.123456789Z", "finished_from": "2001-01-01T00:00:00Z"}`,
		Permission: webhookhttp.PermissionRetry,
		Want: `{"id": "<any>", "state": "running", "endpoint_id": "active", "types": ["file.changed", "member.*"], "states": ["succeeded"],
			"rate": 0.5, "from": "2000-12-31T22:00:00.000Z", "to": "2101-01-01T00:00:00.123Z", "finished_from": "2001-01-01T00:00:00.000Z",
			"finished_to": null, "matched": 3, "exact": true, "changed": 0}`,
		WantHeader: map[string]string{"Location": replayPath + "[0-9a-f-]{36}"}, After: unfinished(1),
	},
	replay("a replay without a body", "active", "", 202, `{"endpoint_id": "active", "states": ["canceled", "failed"], "matched": 0}`),
	replay("a replay with fields that are null", "active",
		`{"missed": null, "event_id": null, "types": null, "states": null, "from": null, "to": null, "finished_from": null,
			"finished_to": null, "rate": null, "dry_run": null}`, 202, `{"rate": 10, "states": ["canceled", "failed"], "dry_run": "<absent>"}`),
	replay("a replay of one event", "active", `{"event_id": "evt-left", "states": ["succeeded"]}`, 202, `{"event_id": "evt-left", "matched": 1}`),
	replay("a replay to a paused endpoint", "paused", "{}", 202, `{"matched": 0}`),
	{
		Name: "a dry run counts and starts nothing", Method: http.MethodPost, Path: "/webhooks/active/replay", Status: 200,
		Body:       `{"states": ["succeeded", "failed"], "dry_run": true}`,
		Want:       `{"id": null, "state": null, "matched": 3, "exact": true, "states": ["failed", "succeeded"]}`,
		WantHeader: map[string]string{"Location": ""}, After: unfinished(0),
	},
	{
		Name: "a replay of missed events", Method: http.MethodPost, Path: "/webhooks/off/replay", Body: `{"missed": true}`, Status: 202,
		Want: `{"missed": true, "states": [], "matched": 1}`, Prepare: switchedOn("off"),
	},
	{
		Name: "a replay that runs already is returned", Method: http.MethodPost, Path: "/webhooks/active/replay",
		Body: `{"states": ["succeeded"]}`, Status: 202, Want: `{"matched": 3}`, Prepare: ourReplay, After: unfinished(1),
		WantHeader: map[string]string{"Location": replayPath + "{replay}"},
	},
	{
		Name: "a replay to a disabled endpoint is refused", Method: http.MethodPost, Path: "/webhooks/off/replay", Body: `{"missed": true}`,
		Status: 409, Code: "endpoint_disabled", Want: `{"cure": "/is_active/"}`, After: unfinished(0),
	},
	{Name: "a replay to no endpoint", Method: http.MethodPost, Path: "/webhooks/nothing/replay", Status: 404, Code: "not_found"},
	{
		Name: "a replay to another tenant's endpoint is refused", Method: http.MethodPost, Path: "/webhooks/theirs/replay", Status: 404,
		Code: "not_found", Want: `{"detail": "/endpoint/"}`,
	},
	{Name: "a replay to an id that there cannot be", Method: http.MethodPost, Path: "/webhooks/%00/replay", Status: 404, Code: "not_found"},
	{
		Name: "a replay beyond the limit is refused", Method: http.MethodPost, Path: "/webhooks/active/replay", Status: 409,
		Code: "replay_limit", Prepare: replays, After: unfinished(5),
	},
	{
		Name: "a dry run at the limit", Method: http.MethodPost, Path: "/webhooks/active/replay", Body: `{"dry_run": true}`, Status: 200,
		Prepare: replays, After: unfinished(5),
	},
	noReplay("a replay of an unknown state is refused", `{"states": ["failed", "sending"]}`, "states[1]"),
	noReplay("a replay of pending deliveries is refused", `{"states": ["pending"]}`, "states[0]"),
	noReplay("a replay of a state that is no string is refused", `{"states": [null]}`, "states[0]"),
	noReplay("a replay of more states than there are is refused", `{"states": ["failed", "failed", "failed", "failed"]}`, "states"),
	noReplayHere("a replay of a type that there cannot be is refused", `{"types": ["a/b"]}`, "types[0]"),
	noReplay("a replay of too many types is refused", `{"types": ["a"`+strings.Repeat(`,"a"`, 100)+`]}`, "types"),
	noReplayHere("a replay of an id that no event has is refused", `{"event_id": "a b"}`, "event_id"),
	noReplayHere("a replay that ends before it begins is refused", `{"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}`, "to"),
	noReplayHere("a replay of no time is refused",
		`{"finished_from": "2026-01-01T00:00:00.0000001Z", "finished_to": "2026-01-01T00:00:00.0000009Z"}`, "finished_to"),
	noReplay("a replay from a time that is none is refused", `{"from": "yesterday"}`, "from"),
	noReplay("a replay from a number is refused", `{"finished_from": 1768903200}`, "finished_from"),
	noReplayHere("a replay from the year 0 is refused", `{"from": "0000-12-31T23:59:59Z"}`, "from"),
	noReplay("a replay at the rate 0 is refused", `{"rate": 0}`, "rate"),
	noReplay("a replay at a rate below the least is refused", `{"rate": 0.00099}`, "rate"),
	noReplay("a replay at a rate above the most is refused", `{"rate": 1000.5}`, "rate"),
	noReplay("a replay at a negative rate is refused", `{"rate": -1}`, "rate"),
	noReplay("a replay at a rate that is a string is refused", `{"rate": "NaN"}`, "rate"),
	noReplayHere("a replay at a rate that is too large for any number is refused", `{"rate": 1e400}`, "rate"),
	noReplay("a replay with a dry_run that is a string is refused", `{"dry_run": "yes"}`, "dry_run"),
	noReplayHere("a replay of missed events in a state is refused", `{"missed": true, "states": ["failed"]}`, "states"),
	noReplayHere("a replay of missed events that finished is refused", `{"missed": true, "finished_to": "2026-01-01T00:00:00Z"}`, "finished_to"),
	{
		Name: "a rate that JSON does not have is refused", Method: http.MethodPost, Path: "/webhooks/active/replay", Body: `{"rate": NaN}`,
		Status: 400, Code: "invalid_json",
	},
	{
		Name: "a replay with an unknown field is refused", Method: http.MethodPost, Path: "/webhooks/active/replay",
		Body: `{"state": "failed"}`, Status: 400, Code: "unknown_field", Field: "state", Invalid: true, Want: `{"cure": "/states/"}`,
	},
	replay("a replay at the least rate", "active", `{"rate": 0.001}`, 202, `{"rate": 0.001}`),
	replay("a replay at the highest rate", "active", `{"rate": 1000}`, 202, `{"rate": 1000}`),

	{
		Name: "a replay to all endpoints", Method: http.MethodPost, Path: "/replays", Body: `{"all": true}`, Status: 202, Want: aReplay,
		Permission: webhookhttp.PermissionRetry, Prepare: switchedOn("gone"),
		WantHeader: map[string]string{"Location": replayPath + "[0-9a-f-]{36}"}, After: unfinished(1),
	},
	{
		Name: "a replay to all endpoints leaves disabled ones out", Method: http.MethodPost, Path: "/replays", Status: 200,
		Body: `{"states": ["failed"], "dry_run": true}`, Want: `{"matched": 0, "exact": true}`,
	},
	{
		Name: "a replay to all endpoints must select something", Method: http.MethodPost, Path: "/replays", Body: `{"rate": 5}`, Status: 400,
		Code: "invalid_field", Field: "all", After: unfinished(0),
	},
	{
		Name: "a replay of everything must not select", Method: http.MethodPost, Path: "/replays",
		Body: `{"all": true, "types": ["member.left"]}`, Status: 400, Code: "invalid_field", Field: "all", After: unfinished(0),
	},
	{
		Name: "a replay to all endpoints needs a body", Method: http.MethodPost, Path: "/replays", Status: 400, Code: "invalid_json",
		Invalid: true,
	},
	{
		Name: "missed events are those of an endpoint", Method: http.MethodPost, Path: "/replays", Body: `{"missed": true}`, Status: 400,
		Code: "unknown_field", Field: "missed", Invalid: true,
	},
	{
		Name: "a replay to all endpoints beyond the limit is refused", Method: http.MethodPost, Path: "/replays", Body: `{"all": true}`,
		Status: 409, Code: "replay_limit", Prepare: replays,
	},

	{
		Name: "replays are listed, the newest first", Path: "/replays?per_page=2", Status: 200, Prepare: replays,
		Permission: webhookhttp.PermissionDeliveries,
		Want:       `{"data": [{"event_id": "e", "state": "running"}, {"event_id": "d"}], "next_cursor": "<any>"}`,
	},
	{Name: "another tenant's replays are not listed", Path: "/replays", Status: 200, Prepare: theirReplay, Want: `{"data": [], "next_cursor": null}`},
	{Name: "a bad cursor of replays is refused", Path: "/replays?cursor=abc", Status: 400, Code: "invalid_cursor", Field: "cursor"},
	{
		Name: "a filter that replays do not have is refused", Path: "/replays?state=running", Status: 400, Code: "invalid_parameter",
		Field: "state",
	},
	{
		Name: "a replay is read", Path: "/replays/{replay}", Status: 200, Prepare: ourReplay, Permission: webhookhttp.PermissionDeliveries,
		Want: `{"id": "{replay}", "state": "running", "endpoint_id": "active", "states": ["succeeded"], "matched": 3}`,
	},
	{
		Name: "a finished replay is done", Path: "/replays/{replay}", Status: 200, Prepare: finishedReplay,
		Want: `{"state": "done", "reason": null, "changed": 0, "finished_at": ` + rfc3339 + `}`,
	},
	{
		Name: "another tenant's replay is not found", Path: "/replays/{replay}", Status: 404, Code: "not_found", Prepare: theirReplay,
		Want: `{"detail": "/replay/"}`,
	},
	{Name: "a replay that there is not", Path: "/replays/019abc3e-7f1d-7c3a-9d2e-51c0c4a1b2f3", Status: 404, Code: "not_found"},
	{Name: "a replay that there cannot be", Path: "/replays/%00", Status: 404, Code: "not_found"},
	{
		Name: "a replay is canceled", Method: http.MethodDelete, Path: "/replays/{replay}", Status: 200, Prepare: ourReplay,
		Permission: webhookhttp.PermissionRetry, Want: `{"id": "{replay}", "state": "canceled", "reason": "canceled", "finished_at": ` + rfc3339 + `}`,
		After: unfinished(0),
	},
	{
		Name: "a replay is canceled twice", Method: http.MethodDelete, Path: "/replays/{replay}", Status: 200, Prepare: canceledReplay,
		Want: `{"state": "canceled"}`,
	},
	{
		Name: "a finished replay is not canceled", Method: http.MethodDelete, Path: "/replays/{replay}", Status: 409, Code: "finished",
		Prepare: finishedReplay,
	},
	{
		Name: "another tenant's replay is not canceled", Method: http.MethodDelete, Path: "/replays/{replay}", Status: 404,
		Code: "not_found", Prepare: theirReplay,
		After: func(t *testing.T, w *World) {
			t.Helper()
			page, err := w.Dispatcher.Tenant(Theirs).Replays(t.Context(), webhook.Query{})
			check(t, err)
			if len(page.Items) != 1 || !page.Items[0].FinishedAt.IsZero() {
				t.Errorf("their replay does not run: %+v", page.Items)
			}
		},
	},
}
