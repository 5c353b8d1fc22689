package webhookhttp

import (
	"net/http"
)

// A Problem is an answer that says what went wrong, in the terms of RFC 9457. Its JSON also has
// "type" ("about:blank") and "title" (the text of the status).
type Problem struct {
	// Status is the HTTP status code.
	Status int

	// Code is the kind of problem, for programs. New codes may be added. The existing ones do
	// not change:
	//
	//	invalid_json            400  the body is empty, or not one JSON object
	//	unknown_field           400  the body has an unknown field
	//	read_only               400  the body has a field that cannot be set
	//	invalid_field           400  a field of the body has a wrong type or a refused value
	//	invalid_parameter       400  a parameter of the query is refused
	//	invalid_cursor          400  the cursor is not from a list
	//	use_cursor              400  the page is too far from the beginning
	//	invalid_header          400  a header of the request is malformed
	//	unauthenticated         401
	//	forbidden               403
	//	cross_origin            403  a browser sent it for a page of another origin
	//	not_found               404  there is no such thing, or no such path
	//	method_not_allowed      405  see Allow
	//	conflict                409  something else changed it at the same time
	//	endpoint_limit          409  the tenant has reached the limit of endpoints
	//	secret_limit            409  the endpoint has reached the limit of live secrets
	//	replay_limit            409  too many replays are unfinished
	//	endpoint_disabled       409  the delivery's endpoint is disabled, or the endpoint suspended
	//	in_flight               409  the delivery is being sent right now
	//	finished                409  there is nothing left to cancel
	//	precondition_failed     412  If-Match names another version
	//	body_too_large          413  the body is over 256 KiB, or over 4 KiB for short bodies
	//	unsupported_media_type  415  the body is not sent as JSON
	//	too_many_requests       429  the tenant runs too many requests at the same time, or
	//	                             has tested or retried too often; see Retry-After
	//	test_running            429  a test of this endpoint runs, or too many others run;
	//	                             see Retry-After
	//	internal                500  a failure of the application
	//	unavailable             503  a failure of the store; see Retry-After
	Code string

	// Detail describes this case of the problem, for people.
	Detail string

	// Field names the wrong part of the request: a path in the body ("url", "events[2]",
	// `headers["X-Key"]`), a query parameter, or a header. Empty if it is none of them.
	Field string

	// Cure tells people how to solve the problem.
	Cure string
}

// Codes of problems.
const (
	codeInvalidJSON        = "invalid_json"
	codeUnknownField       = "unknown_field"
	codeReadOnly           = "read_only"
	codeInvalidField       = "invalid_field"
	codeInvalidParameter   = "invalid_parameter"
	codeInvalidCursor      = "invalid_cursor"
	codeUseCursor          = "use_cursor"
	codeInvalidHeader      = "invalid_header"
	codeUnauthenticated    = "unauthenticated"
	codeForbidden          = "forbidden"
	codeCrossOrigin        = "cross_origin"
	codeNotFound           = "not_found"
	codeMethodNotAllowed   = "method_not_allowed"
	codeConflict           = "conflict"
	codeEndpointLimit      = "endpoint_limit"
	codeSecretLimit        = "secret_limit"
	codeReplayLimit        = "replay_limit"
	codeEndpointDisabled   = "endpoint_disabled"
	codeInFlight           = "in_flight"
	codeFinished           = "finished"
	codePreconditionFailed = "precondition_failed"
	codeBodyTooLarge       = "body_too_large"
	codeUnsupportedMedia   = "unsupported_media_type"
	codeTooManyRequests    = "too_many_requests"
	codeTestRunning        = "test_running"
	codeInternal           = "internal"
	codeUnavailable        = "unavailable"
)

// ServeHTTP writes the problem as application/problem+json.
func (p Problem) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	body, err := marshal(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail,omitempty"`
		Code   string `json:"code"`
		Field  string `json:"field,omitempty"`
		Cure   string `json:"cure,omitempty"`
	}{"about:blank", http.StatusText(p.Status), p.Status, p.Detail, p.Code, p.Field, p.Cure})
	if err != nil {
		body = nil // strings and numbers can always be encoded
	}
	header := w.Header()
	header.Set("Content-Type", "application/problem+json")
	header.Set("X-Content-Type-Options", "nosniff") // also where the application calls it
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_, _ = w.Write(body) // the client may be gone
}

// A refusal is a Problem on its way to the client.
type refusal Problem

func (r *refusal) Error() string { return r.Code + ": " + r.Detail }

// refuse returns a refusal.
func refuse(status int, code, field, detail, cure string) error {
	return &refusal{Status: status, Code: code, Field: field, Detail: detail, Cure: cure}
}
