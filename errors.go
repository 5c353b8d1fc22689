package webhook

import (
	"errors"
	"strings"
)

// Sentinel errors. Test for them with [errors.Is]: they arrive wrapped in what was being done, as in "webhook: emit: …".
var (
	// ErrNotFound is returned for an endpoint, event or delivery that does not exist for the tenant. What
	// belongs to another tenant does not exist.
	ErrNotFound = errors.New("not found")

	// ErrConflict is returned when an event id was used before with other content, an endpoint id is taken, an
	// endpoint changed since it was read (read it again and repeat), or a delivery's endpoint is disabled.
	ErrConflict = errors.New("conflict")

	// ErrInvalid is what every [FieldError] wraps.
	ErrInvalid = errors.New("invalid")

	// ErrInFlight is returned by [Scope.Retry] and [Scope.Cancel] for a single delivery that is being sent right
	// now, and by [Scope.Test] while too many test sends run.
	ErrInFlight = errors.New("in flight")

	// ErrFull is returned by Emit when a bounded Store, such as memstore, has no room for more unfinished
	// deliveries (nothing was stored; emit again when some have finished), and by CreateEndpoint, with a [FieldError], when the
	// tenant has Config.MaxEndpoints.
	ErrFull = errors.New("store is full")
)

// A FieldError says which input was refused, why, and what to do about it. Nothing was stored. It wraps [ErrInvalid]. Field and
// Problem may be shown to whoever gave the input; Cure is for developers too, and may name options of the Config.
type FieldError struct {
	Field   string // the input, as a Go path: "Event.Type", "Endpoint.Events[2]", "Config.Lease", or a parameter: "tenant"
	Problem string // what is wrong with it
	Cure    string // what to do
}

// Error returns the three parts as one line.
func (e *FieldError) Error() string {
	var b strings.Builder
	b.WriteString("webhook: ")
	b.WriteString(e.Field)
	b.WriteString(" ")
	b.WriteString(e.Problem)
	if e.Cure != "" {
		b.WriteString("; ")
		b.WriteString(e.Cure)
	}
	return b.String()
}

// Unwrap returns [ErrInvalid].
func (e *FieldError) Unwrap() error { return ErrInvalid }
