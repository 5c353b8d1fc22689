// Package replay has the common part of the replays of all stores: the limits, the
// selection, and the pace.
package replay

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/contract"
	"github.com/gowebhook/webhook/internal/paging"
)

const (
	// MaxCount is the number at which a count ends.
	MaxCount = 10_000

	// CountRows is how many deliveries, events and endpoints a count reads at most.
	CountRows = 20_000

	// StepRows is how many deliveries, events and endpoints a step reads at most.
	StepRows = 5_000

	// MaxStep is how many deliveries a step changes at most.
	MaxStep = 1_000

	// MaxOpen is how many replays may be unfinished.
	MaxOpen = 100

	// MaxOpenOfTenant is how many of them may be one tenant's.
	MaxOpenOfTenant = 5

	// Retry is the wait after a step that something stood in the way of.
	Retry = time.Second
)

// CheckTenant refuses a replay that names neither a tenant nor all tenants.
func CheckTenant(r *webhook.Replay) error {
	switch {
	case r.Tenant == "" && !r.AllTenants:
		return paging.NoTenant("Replay.Tenant")
	case r.Tenant != "" && r.AllTenants:
		return &webhook.FieldError{Field: "Replay.Tenant", Problem: "is set beside AllTenants", Cure: "use one of them"}
	}
	return nil
}

// ID returns the UUID of a replay. found is false for a text that is the id of none.
func ID(id string) (u uuid.UUID, found bool) {
	u, err := uuid.Parse(id)
	return u, err == nil && u.String() == id
}

// To returns the time before which the selected events were emitted.
func To(r *webhook.Replay) time.Time {
	if to := r.Request.To; !to.IsZero() && to.Before(r.CreatedAt) {
		return to
	}
	return r.CreatedAt
}

// States returns the states of the deliveries that a replay selects.
func States(r *webhook.Replay) []webhook.DeliveryState {
	if r.Cancels {
		return []webhook.DeliveryState{webhook.DeliveryPending}
	}
	return r.Request.States
}

// TakesEvent reports whether a replay selects an event, or deliveries of it. created is
// in microseconds.
func TakesEvent(r *webhook.Replay, id, typ string, created int64) bool {
	q := &r.Request
	return (q.Event == "" || id == q.Event) &&
		(q.From.IsZero() || created >= q.From.UnixMicro()) && created < To(r).UnixMicro() &&
		(len(q.Types) == 0 || matches(q.Types, typ))
}

// TakesFinished reports whether a replay selects a delivery with one of its States that
// finished at a time in microseconds.
func TakesFinished(r *webhook.Replay, at int64) bool {
	q := &r.Request
	return (q.FinishedFrom.IsZero() || at >= q.FinishedFrom.UnixMicro()) &&
		(q.FinishedTo.IsZero() || at < q.FinishedTo.UnixMicro()) && at < r.CreatedAt.UnixMicro()
}

// TakesPending reports whether a replay with the state pending selects a delivery. since
// is in microseconds. The call that has left the rest to the replay has made some due
// already.
func TakesPending(r *webhook.Replay, since int64) bool {
	q := &r.Request
	return q.FinishedFrom.IsZero() && q.FinishedTo.IsZero() && (r.Cancels || since != r.CreatedAt.UnixMicro())
}

// Receives reports whether a replay sends missed events of a type and channel to an endpoint. It
// must be subscribed to them. Operational events are left out, because the endpoint may be the
// one that they are about.
func Receives(e *webhook.Endpoint, typ, channel string) bool {
	return !contract.IsOperational(typ) && (e.Channel == "" || e.Channel == channel) && matches(e.Events, typ)
}

// matches reports whether one of the patterns matches a type.
func matches(patterns []string, typ string) bool {
	event := webhook.EventRecord{Type: typ}
	return slices.ContainsFunc(event.Patterns(), func(p string) bool { return slices.Contains(patterns, p) })
}

// Step returns how many deliveries one step of a replay may change: the rate of one
// second.
func Step(r *webhook.Replay) int { return min(max(int(r.Request.Rate), 1), MaxStep) }

// Wait returns the time from a step that has changed some deliveries to the next step.
func Wait(r *webhook.Replay, changed int) time.Duration {
	if changed == 0 {
		return 0
	}
	return time.Duration(float64(changed) / r.Request.Rate * float64(time.Second)).Truncate(time.Microsecond)
}

// IsRunning reports whether a replay is unfinished.
func IsRunning(r *webhook.Replay) bool { return r.FinishedAt.IsZero() }

// IsCanceled reports whether a replay was canceled.
func IsCanceled(r *webhook.Replay) bool { return !IsRunning(r) && r.Reason != "" }
