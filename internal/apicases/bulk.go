package apicases

import (
	"net/http"
	"testing"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhookhttp"
)

// states expects the states of some deliveries of ours, by their ids.
func states(want map[[2]string]webhook.DeliveryState) func(*testing.T, *World) {
	return func(t *testing.T, w *World) {
		t.Helper()
		for id, state := range want {
			page, err := w.Dispatcher.Tenant(Ours).Deliveries(t.Context(), webhook.Query{EventID: id[0], EndpointID: id[1]})
			check(t, err)
			if len(page.Items) != 1 || page.Items[0].State != state {
				t.Errorf("%v is %+v, not %s", id, page.Items, state)
			}
		}
	}
}

// noneOfTheirs expects that the other tenant's delivery is as it was.
func noneOfTheirs(t *testing.T, w *World) {
	t.Helper()
	page, err := w.Dispatcher.Tenant(Theirs).Deliveries(t.Context(), webhook.Query{State: webhook.DeliverySucceeded})
	check(t, err)
	if len(page.Items) != 1 {
		t.Errorf("their delivery is changed")
	}
}

// many returns a case of a change of many deliveries: "retry" or "cancel".
func many(name, change, body string, status int, want string) Case {
	return Case{
		Name: name, Method: http.MethodPost, Path: "/deliveries/" + change, Body: body, Status: status, Want: want,
		Permission: webhookhttp.PermissionRetry,
	}
}

// notMany returns a case of a change that is refused because of a field.
func notMany(name, change, body, field string) Case {
	c := many(name, change, body, 400, "")
	c.Code, c.Field, c.After = "invalid_field", field, nothingSent
	return c
}

// invalid returns a case that the document refuses too.
func invalid(c Case) Case {
	c.Invalid = true
	return c
}

// then returns a case with a check of the World afterwards.
func then(c Case, after func(*testing.T, *World)) Case {
	c.After = after
	return c
}

const (
	pending   = webhook.DeliveryPending
	canceled  = webhook.DeliveryCanceled
	succeeded = webhook.DeliverySucceeded
)

var bulkCases = []Case{
	then(
		many("all deliveries that failed are retried", "retry", `{"all": true}`, 202, `{"changed": 0, "in_flight": 0, "replay_id": null}`),
		noneOfTheirs,
	),
	then(
		many("deliveries in a state are retried", "retry", `{"state": "succeeded", "event_type": "member.left"}`, 202, `{"changed": 1}`),
		states(map[[2]string]webhook.DeliveryState{{"evt-left", "active"}: pending, {"evt-file", "active"}: succeeded}),
	),
	many("deliveries of an endpoint are retried", "retry", `{"endpoint_id": "active", "state": "succeeded"}`, 202, `{"changed": 3}`),
	many("deliveries of an event are retried", "retry", `{"event_id": "evt-file", "state": "succeeded", "all": false}`, 202, `{"changed": 1}`),
	many("deliveries that finished are retried", "retry",
		`{"state": "succeeded", "finished_from": "2001-01-01T00:00:00Z", "finished_to": "2101-01-01T00:00:00Z"}`, 202, `{"changed": 3}`),
	many("deliveries of a time are retried", "retry", `{"state": "succeeded", "to": "2001-01-01T00:00:00Z"}`, 202, `{"changed": 0}`),
	many("deliveries of another tenant are not retried", "retry", `{"event_id": "evt-theirs", "state": "succeeded"}`, 202, `{"changed": 0}`),
	many("deliveries to no endpoint are not retried", "retry", `{"endpoint_id": "nothing"}`, 202, `{"changed": 0}`),
	{
		Name: "a retry of many leaves those out that are being sent", Method: http.MethodPost, Path: "/deliveries/retry", Status: 202,
		Body: `{"endpoint_id": "hanging", "state": "pending"}`, Want: `{"changed": 0, "in_flight": 1}`,
		Prepare: func(t *testing.T, w *World) { t.Helper(); w.hangOn(t) },
	},
	notMany("a retry must select something", "retry", `{"all": false, "state": null}`, "all"),
	invalid(notMany("an empty retry is refused", "retry", `{}`, "all")),
	notMany("a retry of everything must not select", "retry", `{"all": true, "state": "failed"}`, "all"),
	notMany("a retry from the beginning of time selects nothing", "retry", `{"from": "0001-01-01T00:00:00Z"}`, "all"),
	notMany("a retry of one delivery has a path of its own", "retry", `{"event_id": "evt-left", "endpoint_id": "active"}`, "endpoint_id"),
	invalid(notMany("a retry in an unknown state is refused", "retry", `{"state": "sending"}`, "state")),
	invalid(notMany("a retry in a state that is a number is refused", "retry", `{"state": 1}`, "state")),
	invalid(notMany("a retry of an endpoint that there cannot be is refused", "retry", `{"endpoint_id": "a.b"}`, "endpoint_id")),
	invalid(notMany("a retry of an event that there cannot be is refused", "retry", `{"event_id": ""}`, "event_id")),
	invalid(notMany("a retry of a type that there cannot be is refused", "retry", `{"event_type": "a b"}`, "event_type")),
	invalid(notMany("a retry from a time that is none is refused", "retry", `{"from": "2026-01-01"}`, "from")),
	notMany("a retry of a time that ends before it begins is refused", "retry",
		`{"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}`, "to"),
	notMany("a retry that finished before it began is refused", "retry",
		`{"finished_from": "2026-01-02T00:00:00Z", "finished_to": "2026-01-01T00:00:00Z"}`, "finished_to"),
	invalid(notMany("a retry of all that is a string is refused", "retry", `{"all": "true"}`, "all")),
	{
		Name: "a retry without a body is refused", Method: http.MethodPost, Path: "/deliveries/retry", Status: 400, Code: "invalid_json",
		After: nothingSent, Invalid: true,
	},
	{
		Name: "a retry with an unknown filter is refused", Method: http.MethodPost, Path: "/deliveries/retry", Body: `{"states": ["failed"]}`,
		Status: 400, Code: "unknown_field", Field: "states", After: nothingSent, Invalid: true,
	},
	{
		Name: "a retry of many is not read", Path: "/deliveries/retry", Status: 405, Code: "method_not_allowed",
		WantHeader: map[string]string{"Allow": "POST"},
	},
	{
		Name: "a cancellation of many has its methods", Method: http.MethodPut, Path: "/deliveries/cancel", Status: 405,
		Code:       "method_not_allowed",
		WantHeader: map[string]string{"Allow": "POST"},
	},

	then(
		many("pending deliveries are canceled", "cancel", `{"all": true}`, 200, `{"changed": 3, "in_flight": 0, "replay_id": null}`),
		states(map[[2]string]webhook.DeliveryState{
			{"evt-joined", "paused"}: canceled, {"evt-joined", "down"}: canceled, {"evt-left", "failing"}: canceled, {"evt-left", "active"}: succeeded,
		}),
	),
	then(
		many("pending deliveries of an endpoint are canceled", "cancel", `{"endpoint_id": "paused"}`, 200, `{"changed": 1}`),
		states(map[[2]string]webhook.DeliveryState{{"evt-joined", "paused"}: canceled, {"evt-joined", "down"}: pending}),
	),
	many("pending deliveries of a type are canceled", "cancel", `{"event_type": "member.left", "from": "2001-01-01T00:00:00Z"}`, 200, `{"changed": 1}`),
	many("pending deliveries of another tenant are not canceled", "cancel", `{"event_id": "evt-theirs"}`, 200, `{"changed": 0}`),
	notMany("a cancellation must select something", "cancel", `{"all": null}`, "all"),
	notMany("a cancellation of one delivery has a path of its own", "cancel", `{"event_id": "evt-left", "endpoint_id": "active"}`, "endpoint_id"),
	{
		Name: "a cancellation of finished deliveries is refused", Method: http.MethodPost, Path: "/deliveries/cancel",
		Body: `{"state": "failed"}`, Status: 400, Code: "unknown_field", Field: "state", Invalid: true,
	},

	{
		Name: "a delivery is canceled", Method: http.MethodPost, Path: "/deliveries/evt-joined.paused/cancel", Status: 200,
		Permission: webhookhttp.PermissionRetry, Want: `{"id": "evt-joined.paused", "state": "canceled", "reason": "canceled", "next_attempt_at": null}`,
	},
	{
		Name: "a delivery that has finished is not canceled", Method: http.MethodPost, Path: "/deliveries/evt-joined.active/cancel", Status: 409,
		Code: "finished", Want: `{"detail": "/succeeded/"}`,
	},
	{
		Name: "a delivery that is being sent is not canceled", Method: http.MethodPost, Path: "/deliveries/evt-hang.hanging/cancel", Status: 409,
		Code: "in_flight", Prepare: func(t *testing.T, w *World) { t.Helper(); w.hangOn(t) },
	},
	{
		Name: "a delivery to an endpoint that was disabled is canceled anyway", Method: http.MethodPost,
		Path: "/deliveries/evt-joined.paused/cancel", Status: 409, Code: "endpoint_disabled",
		Prepare: func(t *testing.T, w *World) {
			t.Helper()
			e := w.stored(t, "paused")
			e.State = webhook.EndpointDisabled
			_, err := w.Dispatcher.Tenant(Ours).UpdateEndpoint(t.Context(), e)
			check(t, err)
		},
	},
	{
		Name: "another tenant's delivery is not canceled", Method: http.MethodPost, Path: "/deliveries/evt-theirs.theirs/cancel", Status: 404,
		Code: "not_found", After: noneOfTheirs,
	},
	{
		Name: "a cancellation of one delivery with a field is refused", Method: http.MethodPost, Path: "/deliveries/evt-joined.paused/cancel",
		Body: `{"force": true}`, Status: 400, Code: "unknown_field", Field: "force", Invalid: true,
	},
	{
		Name: "deliveries by the time when they finished", Path: "/deliveries?finished_from=2001-01-01T00:00:00Z&state=failed", Status: 200,
		Want: `{"data": [{"id": "evt-left.gone"}]}`,
	},
	{Name: "deliveries that finished long ago", Path: "/deliveries?finished_to=2001-01-01T00:00:00Z", Status: 200, Want: `{"data": []}`},
	{
		Name: "a time of finishing that is none is refused", Path: "/deliveries?finished_to=x", Status: 400, Code: "invalid_parameter",
		Field: "finished_to", Invalid: true,
	},

	{
		Name: "an event is canceled", Method: http.MethodDelete, Path: "/events/evt-joined", Status: 200, Permission: webhookhttp.PermissionRetry,
		Want: `{"changed": 2, "in_flight": 0, "replay_id": null}`,
		After: states(map[[2]string]webhook.DeliveryState{
			{"evt-joined", "active"}: succeeded, {"evt-joined", "paused"}: canceled, {"evt-left", "failing"}: pending,
		}),
	},
	{
		Name: "an event that waits for its time is canceled", Method: http.MethodDelete, Path: "/events/evt-later", Status: 200,
		Want: `{"changed": 1}`,
		Prepare: func(t *testing.T, w *World) {
			t.Helper()
			_, err := w.Dispatcher.Emit(t.Context(), webhook.Event{
				ID: "evt-later", Tenant: Ours, Type: "file.changed", NotBefore: time.Now().Add(time.Hour),
			})
			check(t, err)
		},
		After: states(map[[2]string]webhook.DeliveryState{{"evt-later", "active"}: canceled}),
	},
	{
		Name: "an event that waits in the outbox is canceled", Method: http.MethodDelete, Path: "/events/evt-outbox", Status: 200,
		Want: `{"changed": 1}`,
		Prepare: func(t *testing.T, w *World) {
			t.Helper()
			_, err := w.Dispatcher.EmitTx(t.Context(), w.store, webhook.Event{
				ID: "evt-outbox", Tenant: Ours, Type: "file.changed", NotBefore: time.Now().Add(time.Hour),
			})
			check(t, err)
		},
		After: func(t *testing.T, w *World) {
			t.Helper()
			if stats, err := w.Dispatcher.Stats(t.Context()); err != nil || stats.Outbox != 0 {
				t.Errorf("%d events are in the outbox: %v", stats.Outbox, err)
			}
		},
	},
	{
		Name: "an event that was sent is not canceled", Method: http.MethodDelete, Path: "/events/evt-file", Status: 409, Code: "finished",
	},
	{
		Name: "an event that is being sent is not canceled", Method: http.MethodDelete, Path: "/events/evt-hang", Status: 409,
		Code: "in_flight", Prepare: func(t *testing.T, w *World) { t.Helper(); w.hangOn(t) },
	},
	{Name: "an event that there is not is not canceled", Method: http.MethodDelete, Path: "/events/nothing", Status: 404, Code: "not_found"},
	{
		Name: "another tenant's event is not canceled", Method: http.MethodDelete, Path: "/events/evt-theirs", Status: 404, Code: "not_found",
		After: noneOfTheirs,
	},
}
