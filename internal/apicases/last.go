package apicases

import (
	"testing"

	"github.com/gowebhook/webhook"
)

// hiddenClass asks for deliveries by a class that customers see as unreachable.
func hiddenClass(c webhook.Class) Case {
	return Case{
		Name: "deliveries by the class " + string(c) + " are refused", Path: "/deliveries?last_class=" + string(c), Status: 400,
		Code: "invalid_parameter", Field: "last_class", Want: `{"cure": "/unreachable/"}`, Invalid: true,
	}
}

// lastUnreachable tests an endpoint that cannot be reached, and asks for the deliveries to it.
func lastUnreachable(how, url string) Case {
	return Case{
		Name: "a delivery " + how + " is unreachable", Path: "/deliveries?last_class=unreachable&endpoint_id=down", Status: 200,
		Want: `{"data": [{"test": true, "last_status": null, "last_class": "unreachable"}, {"id": "evt-joined.down"}]}`,
		Prepare: func(t *testing.T, w *World) {
			t.Helper()
			at(url)(t, w)
			_, err := w.Dispatcher.Tenant(Ours).Test(t.Context(), "down")
			check(t, err)
		},
	}
}

// lastCases select deliveries by their last attempts.
var lastCases = []Case{
	{
		Name: "deliveries with a last status", Path: "/deliveries?last_status=500", Status: 200,
		Want: `{"data": [{"id": "evt-left.failing", "last_status": 500, "last_class": "http_status"}]}`,
	},
	{
		Name: "deliveries with a last status that none has", Path: "/deliveries?last_status=599", Status: 200, Want: `{"data": []}`,
	},
	{
		Name: "a last status that is none is refused", Path: "/deliveries?last_status=20", Status: 400, Code: "invalid_parameter",
		Field: "last_status", Invalid: true,
	},
	{
		Name: "deliveries whose last attempt failed in a way", Path: "/deliveries?last_class=http_status&event_id=evt-left", Status: 200,
		Want: `{"data": [{"id": "evt-left.failing"}, {"id": "evt-left.gone", "last_status": 410, "last_class": "http_status"}]}`,
	},
	{
		Name: "deliveries to addresses where nobody listens are unreachable", Path: "/deliveries?last_class=unreachable", Status: 200,
		Want: `{"data": [{"id": "evt-joined.down", "last_status": null, "last_class": "unreachable"}]}`,
	},
	{Name: "deliveries that failed in no such way", Path: "/deliveries?last_class=tls", Status: 200, Want: `{"data": []}`},
	hiddenClass(webhook.ClassDNS), hiddenClass(webhook.ClassRefused), hiddenClass(webhook.ClassBlocked),
	lastUnreachable("to an address where nobody listens", "https://down.example"),
	lastUnreachable("to an address that may not be dialed", "https://blocked.example"),
	lastUnreachable("to a name that is not resolved", "https://unknown.example"),
}
