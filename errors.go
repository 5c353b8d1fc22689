package webhook

import (
	"errors"
	"strings"
)

// Sentinel errors. Test for them with [errors.Is]: they arrive wrapped in what was being done.
var (
	// ErrNotFound is returned for an endpoint, event or delivery that does not exist for the tenant. What
	// belongs to another tenant does not exist.
	ErrNotFound = errors.New("webhook: not found")

	// ErrConflict is returned when an event id was used before with other content, an endpoint id is taken, an
	// endpoint changed since it was read (read it again and repeat), or a delivery's endpoint is disabled.
	ErrConflict = errors.New("webhook: conflict")

	// ErrInvalid is what every [FieldError] wraps.
	ErrInvalid = errors.New("webhook: invalid")

	// ErrInFlight is returned by [Scope.Retry] and [Scope.Cancel] for a single delivery that is being sent right
	// now, and by [Scope.Test] while too many test sends run.
	ErrInFlight = errors.New("webhook: in flight")

	// ErrFull is returned by Emit when a bounded Store, such as memstore, has no room for more unfinished
	// deliveries. Nothing was stored; emit again when deliveries have finished.
	ErrFull = errors.New("webhook: store is full")
)

// A FieldError says which input was refused, why, and what to do about it. Nothing was stored. It wraps [ErrInvalid].
type FieldError struct {
	Field   string // the input, as a Go path: "Event.Type", "Endpoint.Events[2]", "Config.Lease"
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
