package webhookhttp

import (
	"time"

	"github.com/gowebhook/webhook"
)

// A healthJSON is the health of an endpoint as customers see it.
type healthJSON struct {
	Status        *webhook.HealthStatus `json:"status"`
	Since         *timestamp            `json:"since"`
	Failures      int                   `json:"failures"`
	FailingSince  *timestamp            `json:"failing_since"`
	LastFailureAt *timestamp            `json:"last_failure_at"`
	LastClass     *string               `json:"last_class"`
	LastStatus    *int                  `json:"last_status"`
	RecoveredAt   *timestamp            `json:"recovered_at"`
	CircuitOpen   bool                  `json:"circuit_open"`
	NextTryAt     *timestamp            `json:"next_try_at"`
}

// healthOf shows whole minutes of times that follow from the end of an attempt. Beside the
// beginning of the attempt, which the log shows, they would tell how long it took. An attempt at an
// unreachable endpoint must not tell that.
func healthOf(h *webhook.Health) healthJSON {
	next := h.BlockedUntil
	if h.Circuit {
		next = next.Add(time.Minute - 1).Truncate(time.Minute) // the last moment that it may be
	}
	return healthJSON{
		Status: optionalOf(h.Status), Since: optionalTime(h.Since.Truncate(time.Minute)),
		Failures: h.Failures, FailingSince: optionalTime(h.FailingSince), LastFailureAt: optionalTime(h.LastFailureAt),
		LastClass: classOf(h.LastClass), LastStatus: optionalOf(h.LastStatus), RecoveredAt: optionalTime(h.RecoveredAt),
		CircuitOpen: h.Circuit, NextTryAt: optionalTime(next),
	}
}

func isHealth(s string) bool {
	return webhook.HealthStatus(s) == webhook.HealthFailing || webhook.HealthStatus(s) == webhook.HealthDisabling
}
