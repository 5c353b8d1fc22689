package webhookhttp

import (
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gowebhook/webhook"
)

// problem returns the answer for err. An error that the client did not cause is reported, and
// shown without details.
func (x *exchange) problem(err error) Problem {
	if r, ok := errors.AsType[*refusal](err); ok {
		return Problem(*r)
	}
	field, isField := errors.AsType[*webhook.FieldError](err)
	var known error
	switch {
	case isField && errors.Is(err, webhook.ErrLimit):
		known = refuse(http.StatusConflict, codeEndpointLimit, "", "your account "+field.Problem, "delete a webhook that you do not need")
	case tooOften(x.w, err):
		known = refuse(http.StatusTooManyRequests, codeTooManyRequests, "", "You have tested or retried too often.",
			"Wait for the seconds in Retry-After, then send the request again.")
	case isField:
		known = x.fieldRefusal(field)
	case errors.Is(err, webhook.ErrNotFound):
		known = notFound(x.route.path)
	case errors.Is(err, webhook.ErrInFlight):
		known = refuse(http.StatusConflict, codeInFlight, "", "the delivery is being sent right now", "wait for its result")
	case errors.Is(err, webhook.ErrConflict):
		known = refuse(http.StatusConflict, codeConflict, "", "the webhook was changed at the same time", "send the request again")
	}
	if known == nil {
		known = x.unavailable(err)
	}
	r, _ := errors.AsType[*refusal](known)
	return Problem(*r)
}

// tooOften reports whether the Dispatcher refused a call because of its rate, and sets Retry-After.
func tooOften(w http.ResponseWriter, err error) bool {
	rate, ok := errors.AsType[*webhook.RateError](err)
	if ok {
		seconds := (rate.Wait + time.Second - 1) / time.Second
		w.Header().Set("Retry-After", strconv.Itoa(int(seconds)))
	}
	return ok
}

// notFound returns the answer for a path that names something missing.
func notFound(path string) error {
	what := "endpoint"
	switch {
	case strings.HasPrefix(path, "/deliveries"):
		what = "delivery"
	case strings.HasPrefix(path, "/events"):
		what = "event"
	case strings.HasPrefix(path, "/replays/"):
		what = "replay"
	}
	return refuse(http.StatusNotFound, codeNotFound, "", "there is no such "+what, "check the id; it may have been deleted")
}

// jsonFields maps fields of an Endpoint to the names that customers use.
var jsonFields = map[string]string{
	"Endpoint.URL": "url", "Endpoint.Events": "events", "Endpoint.Description": "description", "Endpoint.State": "state",
	"Endpoint.Channel": "channel", "Endpoint.Profile": "profile", "Endpoint.Metadata": "metadata", "Endpoint.Header": "headers",
	"Endpoint.Timeout": "timeout_ms", "Endpoint.MaxInFlight": "max_in_flight", "Endpoint.Rate": "rate", "Endpoint.Burst": "burst",
	"Event.Type":          "type",
	"ReplayRequest.Event": "event_id", "ReplayRequest.Types": "types", "ReplayRequest.States": "states",
}

// fieldRefusal returns the answer for refused input. It returns nil if the input was not the
// client's.
func (x *exchange) fieldRefusal(e *webhook.FieldError) error {
	switch e.Field {
	case "Query.Cursor":
		return refuse(http.StatusBadRequest, codeInvalidCursor, "cursor", "the cursor is invalid or belongs to another list",
			"use next_cursor of the page before as it is, or start again without a cursor")
	case "Endpoint.Reason":
		return refuse(http.StatusConflict, codeEndpointDisabled, "", "the webhook is suspended", "ask support to lift the suspension")
	case "tenant", "Query.Tenant": // a tenant that cannot exist has nothing
		return notFound(x.route.path)
	}
	name, rest := e.Field, ""
	if i := strings.IndexByte(name, '['); i >= 0 {
		name, rest = name[:i], name[i:]
	}
	field, known := jsonFields[name]
	if !known || field == "profile" && !x.given[field] {
		return nil
	}
	cure, problem := customersCure(e.Cure), e.Problem
	switch field {
	case "profile":
		cure = "leave it out, or ask us for the names of the profiles"
	case "timeout_ms":
		cure, problem = inMilliseconds(cure), inMilliseconds(problem)
	}
	return refuse(http.StatusBadRequest, codeInvalidField, field+rest, field+rest+" "+problem, cure)
}

var duration = regexp.MustCompile(`\b\d[\w.µ]*[a-z]\b`)

// inMilliseconds replaces the durations in a text by numbers of milliseconds, the unit of
// customers.
func inMilliseconds(text string) string {
	return duration.ReplaceAllStringFunc(text, func(s string) string {
		d, err := time.ParseDuration(s)
		if err != nil {
			return s
		}
		return strconv.FormatInt(d.Milliseconds(), 10)
	})
}

// withCure returns a refusal with another cure.
func withCure(err error, cure string) error {
	r, ok := errors.AsType[*refusal](err)
	if !ok {
		return err
	}
	other := *r
	other.Cure = cure
	return &other
}

// customersCure returns the part of a cure that a customer can follow. It drops advice that
// only the application can follow.
func customersCure(cure string) string {
	cure, _, _ = strings.Cut(cure, ", or allow ")
	if strings.Contains(cure, "Config.") || strings.Contains(cure, "Network.") {
		return ""
	}
	return cure
}
