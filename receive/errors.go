package receive

import "errors"

// ErrSecret is what the constructors of verifiers wrap when a secret or a public key cannot be used. The message says which one, by
// its position, and what to do; it does not contain the secret.
var ErrSecret = errors.New("receive: a secret cannot be used")

// Errors of a [Verifier] wrap one of these, which says which check failed. They name headers and say what is wrong, and contain
// neither values of headers, nor secrets, nor bodies. Whoever sent the request should not see them: they help an attacker.
var (
	// ErrMissingHeader: a header that the scheme needs is missing or empty.
	ErrMissingHeader = errors.New("receive: a header is missing")

	// ErrMalformed: a header is there, but is not as the scheme says, or is there twice.
	ErrMalformed = errors.New("receive: a header is malformed")

	// ErrTooOld: the signed timestamp is further back than the tolerance, so it may be a replay; or this machine's clock is fast.
	ErrTooOld = errors.New("receive: the timestamp is too old")

	// ErrTooNew: the signed timestamp is further ahead than the tolerance; or this machine's clock is slow.
	ErrTooNew = errors.New("receive: the timestamp is in the future")

	// ErrNoMatch: no signature belongs to one of the secrets and to this request. The secret is another one, or the request has
	// been changed on the way: often by code that parses the body and writes it again before it is verified.
	ErrNoMatch = errors.New("receive: no signature matches")
)

// Errors that Config.Handle may wrap to say what the sender should do. Any other error asks it to repeat the request.
var (
	// ErrDrop: this event will never be handled, so do not send it again. The sender gets 204, because no other answer means
	// that: senders repeat after 4xx too. Config.Observe gets the error.
	ErrDrop = errors.New("receive: the event is dropped")

	// ErrGone: send no more events here. The sender gets 410; those that follow Standard Webhooks then disable the endpoint.
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
