package webhook

import (
	"encoding/json"
	"time"

	"github.com/gowebhook/webhook/internal/contract"
	"github.com/gowebhook/webhook/internal/hookurl"
	"github.com/gowebhook/webhook/internal/uuidv7"
)

// A Notice reports that an endpoint began to fail, recovered or was disabled, or that a
// delivery failed for good. It goes to [Observer.Notice], and becomes an operational event for
// the tenant's endpoints that subscribe to its Type.
//
// The Type is one of these:
//
//   - "webhook.endpoint.failing": Health.Status is now [HealthFailing].
//   - "webhook.endpoint.disabling_soon": Health.Status is now [HealthDisabling].
//   - "webhook.endpoint.disabled": the library disabled the endpoint, for Reason.
//   - "webhook.endpoint.recovered": an attempt succeeded after one of the statuses above.
//   - "webhook.delivery.failed": a delivery failed for good, for Reason.
//
// The Store makes the operational event together with the change that it reports. So there is
// one event for each change, over all processes, also after a crash.
//
// An operational event never goes to the endpoint that it is about, and there is none about the
// deliveries of operational events. The pattern "*" does not match these types; the exact types
// and prefixes such as "webhook.endpoint.*" do. An endpoint gives at most one event of each
// type an hour.
type Notice struct {
	Type     string
	Time     time.Time // store time
	Endpoint EndpointKey
	Health   Health // of the endpoint afterwards
	Reason   Reason // of "webhook.endpoint.disabled" and "webhook.delivery.failed"

	// Of "webhook.delivery.failed".
	EventID   string
	EventType string
	Attempts  int // Failures of the delivery: its failed attempts since it was created or retried by hand

	// Withheld is the number of earlier notices of this type that became no operational event,
	// because there had been one within the hour.
	Withheld int

	// Silent says that the notice itself is withheld in this way.
	Silent bool
}

// announcement is the Data of an operational event. It has no text of operators, and no part of
// the URL behind the host, which may be a secret.
type announcement struct {
	EndpointID   string       `json:"endpoint_id"`
	Origin       string       `json:"origin"`
	Description  string       `json:"description,omitempty"`
	Status       HealthStatus `json:"status,omitempty"`
	Reason       Reason       `json:"reason,omitempty"`
	Failures     int          `json:"failures"`
	FailingSince *time.Time   `json:"failing_since,omitempty"`
	LastClass    Class        `json:"last_class,omitempty"`
	LastStatus   int          `json:"last_status,omitempty"`
	NextTryAt    *time.Time   `json:"next_try_at,omitempty"`
	EventID      string       `json:"event_id,omitempty"`
	EventType    string       `json:"event_type,omitempty"`
	Attempts     int          `json:"attempts,omitempty"`
	Withheld     int          `json:"withheld,omitempty"`
}

// announce returns the operational event of a notice about an endpoint. It needs no Store, so a
// Store may call it within a transaction.
func announce(e *Endpoint, notice *Notice, ids *uuidv7.Generator) *EventRecord {
	h := &notice.Health
	status := h.Status
	if notice.Type == contract.TypeDisabled {
		status = "disabled"
	}
	class := h.LastClass
	if class.unreachable() {
		class = ClassRefused
	}
	data, err := json.Marshal(announcement{
		EndpointID: e.ID, Origin: hookurl.ShortOrigin(e.URL), Description: e.Description, Status: status, Reason: notice.Reason,
		Failures: h.Failures, FailingSince: optional(h.FailingSince), LastClass: class, LastStatus: h.LastStatus,
		NextTryAt: optional(h.BlockedUntil), EventID: notice.EventID, EventType: notice.EventType, Attempts: notice.Attempts,
		Withheld: notice.Withheld,
	})
	if err != nil {
		return nil // strings, numbers and times always have a JSON form
	}
	uid, at := ids.Next(notice.Time), micros(notice.Time)
	return &EventRecord{
		UID: uid, Tenant: e.Tenant, ID: uid.String(), Type: notice.Type, Channel: e.Channel, Data: data,
		Time: at, CreatedAt: at, NewID: true, About: e.ID,
	}
}

// optional returns a time for JSON, or nil for the zero time.
func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
