package webhookhttp

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/gowebhook/webhook"
)

// verifyTimeout is how long the customer's server may take to answer a verify call.
const verifyTimeout = 8 * time.Second

// A VerifyConfig configures NewVerify. Its zero value is usable.
type VerifyConfig struct {
	// PerMinute is the number of calls a minute for one endpoint, spread out or all at once.
	// Further calls are answered with 429 and Retry-After. Each process counts its own calls,
	// so several processes allow several times as many. Calls for unknown endpoints are not
	// counted. Defaults to 10.
	PerMinute int

	// HideTenants answers 401, not 404, where a community has no endpoint, so that strangers
	// cannot find out which communities have one. The default answers 404 there, as Key does.
	HideTenants bool

	// Logger gets the failures that are answered with 500. Defaults to slog.Default().
	Logger *slog.Logger
}

// NewVerify returns a handler for Key's verify call. With it, customers check their credentials
// and their server at once, before the first event. Mount it by itself, outside of the
// application's authentication, because it checks the credentials in the body.
//
//	mux.Handle("/v1/webhooks/verify", verify)
//
// A request is a POST of this JSON, with the client id again in X-Client-Id:
//
//	{"communityId": tenant, "clientId": endpoint id, "clientSecret": signing secret}
//
// If all belong together, the handler sends a test event as Scope.Test does. It waits up to 8
// seconds for any HTTP answer.
//
//	200 {"message": …}                               the credentials are right; the server answered
//	400 {"error": "invalid_payload", "message": …}   the body cannot be used
//	401 {"error": "invalid_credentials"}             the community has no endpoint with this id and secret
//	404 {"error": "webhook_not_found"}               the community has no endpoint, or is unknown;
//	                                                 401 with HideTenants
//	503 {"error": "endpoint_unreachable"}            no answer came
//	429 {"error": "rate_limited"}, with Retry-After  too many calls, or too many tests at once
//
// Key defines the first five. A failure of the store is a 500 {"error": "internal_error"}.
//
// The handler makes the same look-ups for right and wrong credentials, and compares secrets in
// constant time. A test that takes over 8 seconds is not in the delivery log. Every other test
// is. Somebody who knows a client id can use up its calls, so put a limit for each address in
// front of the handler.
//
// Source: https://www.key.ai/help/webhooks/webhooks-getting-started
func NewVerify(d *webhook.Dispatcher, config VerifyConfig) (http.Handler, error) {
	if d == nil {
		return nil, &webhook.FieldError{Field: "dispatcher", Problem: "is nil", Cure: "pass the result of webhook.New"}
	}
	switch {
	case config.PerMinute < 0:
		return nil, &webhook.FieldError{Field: "VerifyConfig.PerMinute", Problem: "is negative", Cure: "use 1 or more, or 0 for 10"}
	case config.PerMinute == 0:
		config.PerMinute = 10
	}
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	return &verifier{d: d, logger: config.Logger, calls: newLimiter(config.PerMinute), hide: config.HideTenants}, nil
}

// A verifier is the handler of NewVerify.
type verifier struct {
	d      *webhook.Dispatcher
	logger *slog.Logger
	calls  *limiter
	hide   bool // VerifyConfig.HideTenants
}

// credentials are the body of a verify call.
type credentials struct{ community, client, secret string }

// A verifyError is an answer other than success.
type verifyError struct {
	status  int
	Code    string `json:"error"`
	Message string `json:"message,omitempty"`
}

func (e *verifyError) Error() string { return e.Code }

var (
	errCredentials = &verifyError{status: http.StatusUnauthorized, Code: "invalid_credentials"}
	errNoWebhook   = &verifyError{status: http.StatusNotFound, Code: "webhook_not_found"}
	errUnreachable = &verifyError{status: http.StatusServiceUnavailable, Code: "endpoint_unreachable"}
	errTooMany     = &verifyError{status: http.StatusTooManyRequests, Code: "rate_limited"}
)

func invalidPayload(message string) error {
	return &verifyError{http.StatusBadRequest, "invalid_payload", message}
}

func (v *verifier) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	var answer any = map[string]string{"message": "Webhook endpoint verified successfully."}
	status := http.StatusOK
	if err := v.verify(w, r); err != nil {
		e, ok := errors.AsType[*verifyError](err)
		if !ok && r.Context().Err() != nil {
			return // the client has gone
		}
		if !ok {
			v.logger.ErrorContext(r.Context(), "webhookhttp: verify", "error", err.Error())
			e = &verifyError{status: http.StatusInternalServerError, Code: "internal_error"}
		}
		answer, status = e, e.status
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

func (v *verifier) verify(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return &verifyError{http.StatusMethodNotAllowed, "method_not_allowed", "use POST"}
	}
	given, err := readCredentials(w, r)
	if err != nil {
		return err
	}
	if !isID(given.client) {
		return errCredentials // no endpoint has such an id
	}
	limited := func(wait time.Duration) error {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
		return errTooMany
	}
	name := given.community + "\x00" + given.client
	if wait := v.calls.wait(name, time.Now()); wait > 0 {
		return limited(wait)
	}
	scope := v.d.Tenant(given.community)
	exists, err := v.check(r.Context(), scope, given)
	if exists {
		if wait := v.calls.take(name, time.Now()); wait > 0 {
			return limited(wait)
		}
	}
	if errors.Is(err, errNoWebhook) && v.hide || err == nil && r.Header.Get("X-Client-Id") != given.client {
		return errCredentials
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), verifyTimeout)
	defer cancel()
	attempt, err := scope.Test(ctx, given.client)
	switch {
	case errors.Is(err, webhook.ErrInFlight):
		w.Header().Set("Retry-After", strconv.Itoa(int(verifyTimeout/time.Second)))
		return errTooMany
	case tooOften(w, err):
		return errTooMany
	case errors.Is(err, webhook.ErrNotFound): // deleted meanwhile
		return errNoWebhook
	case err != nil && r.Context().Err() == nil && ctx.Err() != nil:
		return errUnreachable
	case err != nil:
		return err
	case attempt.Status == 0:
		return errUnreachable
	}
	return nil
}

// check does the same work for every outcome, so that its time reveals no more than its answer.
// It reports whether the community has the endpoint, and returns the refusal, if any.
func (v *verifier) check(ctx context.Context, scope webhook.Scope, given credentials) (exists bool, err error) {
	endpoints, err := scope.Endpoints(ctx, webhook.Query{Limit: 1})
	if errors.Is(err, webhook.ErrInvalid) {
		return false, errNoWebhook // no tenant can have this name
	}
	if err != nil {
		return false, err
	}
	named, err := scope.Endpoints(ctx, webhook.Query{EndpointID: given.client})
	if err != nil {
		return false, err
	}
	exists = len(named.Items) > 0
	ok, err := scope.VerifySecret(ctx, given.client, webhook.Secret(given.secret))
	switch {
	case err != nil:
		return exists, err
	case len(endpoints.Items) == 0:
		return exists, errNoWebhook
	case !ok:
		return exists, errCredentials
	}
	return exists, nil
}

// readCredentials reads the body. It ignores members that it does not know.
func readCredentials(w http.ResponseWriter, r *http.Request) (c credentials, err error) {
	const maxCredentials = 16 << 10
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCredentials))
	if err != nil {
		return c, invalidPayload("the body has more than 16 KiB, or did not arrive whole")
	}
	if err := checkMediaType(r); err != nil {
		return c, invalidPayload(detailOf(err))
	}
	members, err := decodeBody(body, func(string) error { return nil })
	if err != nil {
		return c, invalidPayload(detailOf(err))
	}
	into := map[string]*string{"communityId": &c.community, "clientId": &c.client, "clientSecret": &c.secret}
	for _, m := range members {
		if field := into[m.name]; field != nil {
			if *field, err = decodeString(m.field, m.value); err != nil {
				return c, invalidPayload(detailOf(err))
			}
		}
	}
	for _, name := range []string{"communityId", "clientId", "clientSecret"} {
		if *into[name] == "" {
			return c, invalidPayload(name + " is required")
		}
	}
	return c, nil
}

// detailOf returns the detail of a refusal.
func detailOf(err error) string {
	if refused, ok := errors.AsType[*refusal](err); ok {
		return refused.Detail
	}
	return "the body cannot be read"
}
