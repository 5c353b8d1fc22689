package receive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"
)

const (
	defaultMaxBody = 1 << 20

	retryAfter = "5" // seconds that a sender waits before it repeats a request

	// endTimeout bounds the end of a claim, even after the request has ended.
	endTimeout = 10 * time.Second
)

// Config configures a [Handler].
type Config struct {
	// Verify checks each request. A verifier from a constructor of this package also refuses
	// requests by their header alone, with 401, before the body is read. Required.
	Verify Verifier

	// Handle is called with each verified event, concurrently. Return nil when the event is
	// safe: the sender gets 204 and will not send it again. After an error, the sender gets 500
	// and repeats the request, unless the error wraps ErrDrop or ErrGone. ctx is the request's.
	// It ends when the sender hangs up, which many senders do after about 10 s. Required.
	Handle func(ctx context.Context, event Event) error

	// MaxBody bounds the bytes of a body. A negative value is refused. Defaults to 1 MiB.
	MaxBody int64

	// Dedupe keeps repeats of an event from Handle. Nil means that Handle gets repeats too,
	// even while it works on the first request.
	Dedupe Dedupe

	// Identify returns the key of an event for Dedupe. An event with the key "" is always
	// handled. Nil means Event.ID.
	Identify func(event Event) string

	// Observe is called once for each request, after the answer, concurrently. Nil means
	// slog.Default: refused and dropped events are logged as warnings, answers of 500 and above
	// as errors, and repeats as debug messages.
	Observe func(ctx context.Context, result Result)
}

// A Result is the outcome of a request.
type Result struct {
	// Status is the status of the answer, or 0 if Handle panicked.
	Status int

	// EventID is the result of Config.Identify, by default Event.ID; "" if the request was not
	// verified.
	EventID string

	// Err is nil if the event was handled. Otherwise it is the error of the Verifier, Handle or
	// Dedupe. Two errors of Dedupe are [ErrDuplicate] with 204 and [ErrInProgress] with 503.
	// With 204 it may also be the error of a claim that could not be committed.
	Err error
}

// A Handler receives webhooks over HTTP. It reads the body, verifies the request, claims the
// event and lets the application handle it. It is safe for concurrent use. It answers:
//
//	204  the event has been handled, in this request or before, or is dropped
//	400  the body did not arrive
//	401  the request is not verified; only Config.Observe learns why
//	405  the method is not POST
//	410  Handle returned ErrGone
//	413  the body is longer than Config.MaxBody
//	500  Handle returned another error
//	503  the event is being handled, or could not be claimed; with Retry-After
//
// If Handle panics, the claim is released and the panic goes on to net/http, which logs it and
// closes the connection.
type Handler struct {
	config    Config
	isBuiltIn bool // Config.Verify can check the header alone
}

// NewHandler returns a Handler. The error names the wrong field of c.
func NewHandler(c Config) (*Handler, error) {
	switch {
	case c.Verify == nil:
		return nil, errors.New("receive: Config.Verify is nil; set the result of Standard or of another constructor")
	case c.Handle == nil:
		return nil, errors.New("receive: Config.Handle is nil; set the function that handles events")
	case c.MaxBody < 0:
		return nil, fmt.Errorf("receive: Config.MaxBody is %d; set a number of bytes, or 0 for %d", c.MaxBody, defaultMaxBody)
	case c.MaxBody == 0:
		c.MaxBody = defaultMaxBody
	}
	if c.Identify == nil {
		c.Identify = func(event Event) string { return event.ID }
	}
	if c.Observe == nil {
		c.Observe = logResult
	}
	return &Handler{config: c, isBuiltIn: isBuiltIn(c.Verify)}, nil
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	result := Result{Err: errPanic}
	defer func() { h.config.Observe(ctx, result) }()

	event, status, err := h.receive(w, r)
	if status == 0 {
		key := h.config.Identify(event)
		result.EventID = key
		status, err = h.once(ctx, key, event)
	}
	answer(w, status)
	result.Status, result.Err = status, err
}

var errPanic = errors.New("receive: Config.Handle panicked")

// receive returns the verified event, or the status for the refusal.
func (h *Handler) receive(w http.ResponseWriter, r *http.Request) (Event, int, error) {
	if r.Method != http.MethodPost {
		return Event{}, http.StatusMethodNotAllowed, errors.New("receive: the method is not POST")
	}
	if r.ContentLength > h.config.MaxBody {
		return Event{}, http.StatusRequestEntityTooLarge, &http.MaxBytesError{Limit: h.config.MaxBody}
	}
	if h.isBuiltIn {
		if err := checkHeader(h.config.Verify, r); err != nil {
			return Event{}, http.StatusUnauthorized, err
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.config.MaxBody))
	if err != nil {
		status := http.StatusBadRequest
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			status = http.StatusRequestEntityTooLarge
		}
		return Event{}, status, fmt.Errorf("receive: the body: %w", err)
	}
	event, err := h.config.Verify(r, body)
	if err != nil {
		return Event{}, http.StatusUnauthorized, err
	}
	return event, 0, nil
}

// once handles an event unless it has been handled before, and returns the status of the
// answer.
func (h *Handler) once(ctx context.Context, key string, event Event) (status int, err error) {
	if h.config.Dedupe == nil || key == "" {
		return h.handle(ctx, event)
	}
	claim, err := h.config.Dedupe.Claim(ctx, key)
	switch {
	case errors.Is(err, ErrDuplicate):
		return http.StatusNoContent, err
	case err != nil:
		return http.StatusServiceUnavailable, fmt.Errorf("receive: claim: %w", err)
	}
	end := claim.Release // also if Handle panics
	defer func() {
		if failed := endClaim(ctx, end); failed != nil {
			err = errors.Join(err, failed)
		}
	}()
	if status, err = h.handle(ctx, event); status == http.StatusNoContent {
		end = claim.Commit
	}
	return status, err
}

// endClaim ends a claim, even if the sender has hung up.
func endClaim(ctx context.Context, end func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if err := end(ctx); err != nil {
		return fmt.Errorf("receive: the end of a claim: %w", err)
	}
	return nil
}

// handle lets the application handle an event, and returns the status of the answer.
func (h *Handler) handle(ctx context.Context, event Event) (int, error) {
	err := h.config.Handle(ctx, event)
	switch {
	case err == nil, errors.Is(err, ErrDrop):
		return http.StatusNoContent, err
	case errors.Is(err, ErrGone):
		return http.StatusGone, err
	default:
		return http.StatusInternalServerError, err
	}
}

// answer writes the status alone, because the cause of a failure is not for the sender.
func answer(w http.ResponseWriter, status int) {
	switch status {
	case http.StatusNoContent:
		w.WriteHeader(status)
		return
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodPost)
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", retryAfter)
	}
	http.Error(w, http.StatusText(status), status)
}

// logResult is the default of Config.Observe.
func logResult(ctx context.Context, result Result) {
	level := slog.LevelWarn
	switch {
	case result.Err == nil:
		return
	case errors.Is(result.Err, ErrDuplicate), errors.Is(result.Err, ErrInProgress):
		level = slog.LevelDebug
	case result.Status == 0, result.Status >= http.StatusInternalServerError:
		level = slog.LevelError
	}
	slog.Default().LogAttrs(ctx, level, "webhook",
		slog.Int("status", result.Status), slog.String("event", result.EventID), slog.Any("error", result.Err))
}
