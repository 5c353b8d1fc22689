package receive

import "errors"

// ErrSecret is wrapped by the errors of constructors when a secret or a public key cannot be
// used. The message gives the position of the secret and the remedy. It does not contain the
// secret.
var ErrSecret = errors.New("receive: a secret cannot be used")

// Errors of a [Verifier] wrap one of these, which tells which check failed. They name headers
// and the problem. They contain no values of headers, no secrets and no bodies. Do not show
// them to the sender of the request, because they help an attacker.
var (
	// ErrMissingHeader: a header that the scheme needs is missing or empty.
	ErrMissingHeader = errors.New("receive: a header is missing")

	// ErrMalformed: a header does not have the form of the scheme, or is there twice.
	ErrMalformed = errors.New("receive: a header is malformed")

	// ErrTooOld: the signed timestamp is further back than the tolerance. The request may be a
	// replay, or this machine's clock is fast.
	ErrTooOld = errors.New("receive: the timestamp is too old")

	// ErrTooNew: the signed timestamp is further ahead than the tolerance. This machine's clock
	// may be slow.
	ErrTooNew = errors.New("receive: the timestamp is in the future")

	// ErrNoMatch: no signature belongs to one of the secrets and to this request. The secret is
	// another one, or the request was changed on the way. Often, code parses the body and
	// writes it again before it is verified.
	ErrNoMatch = errors.New("receive: no signature matches")
)

// Errors that Config.Handle may wrap to give the sender an instruction. Any other error asks
// the sender to repeat the request.
var (
	// ErrDrop: this event will never be handled, so do not send it again. The sender gets 204.
	// No other answer has this meaning, because senders repeat after 4xx too. Config.Observe
	// gets the error.
	ErrDrop = errors.New("receive: the event is dropped")

	// ErrGone: send no more events here. The sender gets 410. A sender that follows Standard
	// Webhooks then disables the endpoint.
	ErrGone = errors.New("receive: the endpoint is gone")
)

// Errors of [Dedupe.Claim].
var (
	// ErrDuplicate: the event has been handled.
	ErrDuplicate = errors.New("receive: the event has been handled before")

	// ErrInProgress: the event is being handled.
	ErrInProgress = errors.New("receive: the event is being handled")

	// ErrFull: a [Memory] is full of events that are being handled.
	ErrFull = errors.New("receive: too many events are being handled")
)
