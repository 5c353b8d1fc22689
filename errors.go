package webhook

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
)

// Sentinel errors. Test for them with [errors.Is]. They arrive wrapped in the operation, as in
// "webhook: emit: …".
var (
	// ErrNotFound is returned for an endpoint, event or delivery that does not exist for the
	// tenant. Another tenant's rows do not exist for it.
	ErrNotFound = errors.New("not found")

	// ErrConflict is returned when an event id was used before with other content, when an
	// endpoint id is taken, or when a delivery's endpoint is disabled. It is also returned when
	// an endpoint has changed since it was read: read it again and repeat.
	ErrConflict = errors.New("conflict")

	// ErrInvalid is wrapped by every [*FieldError].
	ErrInvalid = errors.New("invalid")

	// ErrInFlight is returned by [Scope.RetryDelivery] and [Scope.CancelDelivery] for a delivery
	// that is being sent right now, and by [Scope.Test] while too many test sends run.
	ErrInFlight = errors.New("in flight")

	// ErrFull is returned by Emit when a bounded Store, for example memstore, has no room for
	// more unfinished deliveries. Nothing was stored. Emit again when some have finished.
	ErrFull = errors.New("store is full")

	// ErrLimit is returned by CreateEndpoint, with a [*FieldError], when the tenant has
	// Config.MaxEndpoints endpoints. Replay, Retry and Cancel return it in the same way while too
	// many replays are unfinished.
	ErrLimit = errors.New("limit reached")
)

// A FieldError names the input that was refused, the problem and the cure. Nothing was stored.
// Errors contain a *FieldError, which wraps [ErrInvalid]. Field and Problem may be shown to
// the person who gave the input. Cure is for developers too, and may name options of the
// Config.
type FieldError struct {
	Field   string // the input, as a Go path: "Event.Type", "Endpoint.Events[2]", "Config.Lease", or a parameter: "tenant"
	Problem string // the problem with the input
	Cure    string // the remedy
}

// Error returns the three parts as one line.
func (e *FieldError) Error() string {
	var b strings.Builder
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

// addOperation puts the name of the operation before the error of an exported method, which
// defers it. Each error passes it once.
func addOperation(name string, err *error) {
	if *err != nil {
		*err = fmt.Errorf("webhook: %s: %w", name, *err)
	}
}

// recovered turns a panic of the application's code into an error. The error has the place of
// the panic but not its value, which may contain a secret.
func recovered(err *error) {
	p := recover()
	if p == nil {
		return
	}
	at := ""
	pcs := make([]uintptr, 16)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		frame, more := frames.Next()
		if !strings.HasPrefix(frame.Function, "runtime.") {
			at = fmt.Sprintf(" at %s:%d", filepath.Base(frame.File), frame.Line)
			break
		}
		if !more {
			break
		}
	}
	*err = fmt.Errorf("panic of type %T%s", p, at)
}
