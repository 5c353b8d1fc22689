package apicases

import (
	"net/http"
	"testing"
	"time"

	"github.com/gowebhook/webhook"
)

// failing lets the delivery to the endpoint "down" fail once more, and gives the endpoint a status.
// The attempt has a class.
func failing(status webhook.HealthStatus, class webhook.Class) func(*testing.T, *World) {
	return func(t *testing.T, w *World) {
		t.Helper()
		ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
		check(t, w.Dispatcher.Tenant(Ours).RetryDelivery(ctx, "evt-joined", "down"))
		page, err := w.store.Claim(ctx, webhook.ClaimRequest{Now: now.Add(time.Hour), LeaseUntil: now.Add(2 * time.Hour), Max: 10, MaxBytes: 1 << 20, Room: 10})
		check(t, err)
		for _, l := range page.Deliveries {
			if l.Endpoint.ID != "down" {
				continue
			}
			item := webhook.Settlement{
				UID: l.UID, Endpoint: l.Endpoint, LeaseNo: l.LeaseNo, State: webhook.DeliveryPending, DueAt: now.Add(time.Hour), Failures: 1,
				Version: l.Version, Status: status, OpenCircuit: true, Holds: 1, BlockUntil: now.Add(time.Hour),
				FailingSince: w.stored(t, "down").Health.FailingSince,
				Attempt:      &webhook.Attempt{StartedAt: now, Class: class, Duration: time.Second, EventID: "evt-joined", EventType: "member.joined"},
			}
			settled, err := w.store.Settle(ctx, now, []webhook.Settlement{item})
			check(t, err)
			if len(settled.Lost)+len(settled.Failed) > 0 {
				t.Fatalf("settled: %+v", settled)
			}
			return
		}
		t.Fatal("no delivery to the endpoint is due")
	}
}

// minute matches a time without seconds, and never the one of an exact time but by accident.
const minute = `"/^20\\d\\d-\\d\\d-\\d\\dT\\d\\d:\\d\\d:00\\.000Z$/"`

// unreachableHealth is the health of an endpoint that cannot be reached, for any reason.
const unreachableHealth = `{"health": {"status": "failing", "since": ` + minute + `, "failures": 2, "last_class": "unreachable",
	"last_status": null, "circuit_open": true, "next_try_at": ` + minute + `}}`

var healthCases = []Case{
	{Name: "health of an address where nobody listens", Path: "/webhooks/down", Status: 200, Prepare: failing(webhook.HealthFailing, webhook.ClassRefused), Want: unreachableHealth},
	{Name: "health of an address that may not be dialed", Path: "/webhooks/down", Status: 200, Prepare: failing(webhook.HealthFailing, webhook.ClassBlocked), Want: unreachableHealth},
	{Name: "health of a name that is not resolved", Path: "/webhooks/down", Status: 200, Prepare: failing(webhook.HealthFailing, webhook.ClassDNS), Want: unreachableHealth},
	{
		Name: "health of an endpoint that is too slow", Path: "/webhooks/down", Status: 200, Prepare: failing(webhook.HealthFailing, webhook.ClassTimeout),
		Want: `{"health": {"status": "failing", "since": ` + minute + `, "last_class": "timeout"}}`,
	},
	{
		Name: "endpoints that are failing", Path: "/webhooks?health=failing", Status: 200, Prepare: failing(webhook.HealthFailing, webhook.ClassTimeout),
		Want: `{"data": [{"id": "down"}], "next_cursor": null}`,
	},
	{
		Name: "endpoints that are failing include those that will be disabled", Path: "/webhooks?health=failing", Status: 200,
		Prepare: failing(webhook.HealthDisabling, webhook.ClassTimeout), Want: `{"data": [{"id": "down", "health": {"status": "disabling_soon"}}]}`,
	},
	{
		Name: "endpoints that will be disabled", Path: "/webhooks?health=disabling_soon", Status: 200,
		Prepare: failing(webhook.HealthFailing, webhook.ClassTimeout), Want: `{"data": [], "next_cursor": null}`,
	},
	{Name: "an unknown health is refused", Path: "/webhooks?health=healthy", Status: 400, Code: "invalid_parameter", Field: "health", Invalid: true},
	{
		Name: "the health of an endpoint cannot be set", Method: http.MethodPatch, Path: "/webhooks/down", Body: `{"health": null}`, Status: 400,
		Code: "read_only", Field: "health", Invalid: true,
	},
}
