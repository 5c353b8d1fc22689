package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhookhttp"
)

// prefix is the path of a community. Communities are the customers here, so they are webhook's
// tenants.
const prefix = "/v1/communities/{community_id}"

// catalogue has the event types.
var catalogue = map[string]string{
	"member.joined":       "Somebody has become a member of the community.",
	"member.left":         "A member has left the community, or was removed.",
	"post.created":        "A member has written a post.",
	"post.deleted":        "A post was deleted.",
	"payment.completed":   "A member has paid.",
	"payment.refunded":    "A payment was returned.",
	"challenge.enrolled":  "A member takes part in a challenge.",
	"challenge.completed": "A member has completed a challenge.",
	"event.registered":    "A member has registered for an event.",
	"event.checked_in":    "A member has arrived at an event.",
}

// An api is the application's HTTP handler.
type api struct {
	*http.ServeMux
	d       *webhook.Dispatcher
	members *members
	token   [sha256.Size]byte
	logger  *slog.Logger
}

func newAPI(d *webhook.Dispatcher, m *members, token string, logger *slog.Logger) (*api, error) {
	a := &api{ServeMux: http.NewServeMux(), d: d, members: m, token: sha256.Sum256([]byte(token)), logger: logger}
	webhooks, err := webhookhttp.New(d, webhookhttp.Config{
		Prefix: prefix, Authorize: a.authorize, Logger: logger,
	})
	if err != nil {
		return nil, err
	}
	a.Handle(prefix+"/", webhooks)
	a.HandleFunc("POST "+prefix+"/events", a.emit)
	a.HandleFunc("POST "+prefix+"/members", a.join)
	a.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	a.HandleFunc("GET /readyz", a.ready)
	return a, nil
}

// authorize lets a caller with the token manage the webhooks of every community. A real
// application authenticates its own users instead.
func (a *api) authorize(r *http.Request, _ webhookhttp.Permission) (string, error) {
	given, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	hash := sha256.Sum256([]byte(given)) // so that it takes as long whatever is given
	if !found || subtle.ConstantTimeCompare(hash[:], a.token[:]) == 0 {
		return "", webhookhttp.ErrUnauthenticated
	}
	return r.PathValue("community_id"), nil
}

// ready tells a load balancer whether this process delivers.
func (a *api) ready(w http.ResponseWriter, r *http.Request) {
	if err := a.d.Ready(); err != nil {
		a.logger.WarnContext(r.Context(), "not ready", "error", err)
		answer(w, http.StatusServiceUnavailable, map[string]string{"status": "not ready"})
		return
	}
	answer(w, http.StatusOK, map[string]string{"status": "ok"})
}

// emit stores an event of any type.
func (a *api) emit(w http.ResponseWriter, r *http.Request) {
	var body struct {
		ID   string          `json:"id"`
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
	}
	tenant, ok := a.read(w, r, &body)
	if !ok {
		return
	}
	event := webhook.Event{Tenant: tenant, ID: body.ID, Type: body.Type}
	if body.Data != nil {
		event.Data = body.Data
	}
	receipt, err := a.d.Emit(r.Context(), event)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	answer(w, http.StatusAccepted, emitted(receipt))
}

// join stores a member and the event "member.joined".
func (a *api) join(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Name string `json:"name"`
	}
	tenant, ok := a.read(w, r, &body)
	if !ok {
		return
	}
	if n := len(body.Name); n < 1 || n > 200 {
		a.refuse(w, r, http.StatusBadRequest, "invalid_field", "name", "name must have 1 to 200 bytes", "give the member's name")
		return
	}
	m, receipt, err := a.members.join(r.Context(), a.d, tenant, body.Name)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	answer(w, http.StatusCreated, struct {
		member
		Event receiptJSON `json:"event"`
	}{m, emitted(receipt)})
}

// A receiptJSON is the result of emitting an event.
type receiptJSON struct {
	ID         string `json:"id"`
	Deliveries *int   `json:"deliveries"` // null when that is decided later
	Duplicate  bool   `json:"duplicate,omitempty"`
}

func emitted(r webhook.Receipt) receiptJSON {
	out := receiptJSON{ID: r.EventID, Duplicate: r.Duplicate}
	if r.Deliveries >= 0 {
		out.Deliveries = &r.Deliveries
	}
	return out
}

// isWebhook reports whether this library made a request. A customer may register this API as
// an endpoint, with their token as a header, and each event would then make another. Endpoints
// cannot set either header. An application whose profiles change them checks its own headers.
func isWebhook(r *http.Request) bool {
	return r.Header.Get("Webhook-Id") != "" || strings.HasPrefix(r.UserAgent(), "gowebhook/")
}

// read authorizes a request and reads its body. If it returns false it has answered.
func (a *api) read(w http.ResponseWriter, r *http.Request, body any) (tenant string, ok bool) {
	tenant, err := a.authorize(r, "")
	if err != nil {
		w.Header().Set("WWW-Authenticate", "Bearer")
		a.refuse(w, r, http.StatusUnauthorized, "unauthenticated", "", "the request has no valid token", "send Authorization: Bearer <token>")
		return "", false
	}
	if isWebhook(r) {
		a.refuse(w, r, http.StatusLoopDetected, "loop_detected", "", "the request is a webhook", "do not register this API as an endpoint")
		return "", false
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		a.refuse(w, r, http.StatusUnsupportedMediaType, "unsupported_media_type", "", "the body is not sent as JSON",
			"send Content-Type: application/json")
		return "", false
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
	decoder.DisallowUnknownFields()
	err = decoder.Decode(body)
	if err == nil {
		if _, end := decoder.Token(); !errors.Is(end, io.EOF) {
			err = errors.New("something follows the object")
		}
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		a.refuse(w, r, http.StatusRequestEntityTooLarge, "body_too_large", "", "the body is over 1 MiB", "send less")
	case err != nil:
		a.refuse(w, r, http.StatusBadRequest, "invalid_json", "", err.Error(), "send one JSON object with the fields that are documented")
	}
	return tenant, err == nil
}

// fail answers with the error of a method of the library.
func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	var field *webhook.FieldError
	switch {
	case errors.As(err, &field):
		name := strings.ToLower(field.Field[strings.LastIndexByte(field.Field, '.')+1:])
		a.refuse(w, r, http.StatusBadRequest, "invalid_field", name, name+" "+field.Problem, field.Cure)
	case errors.Is(err, webhook.ErrConflict):
		a.refuse(w, r, http.StatusConflict, "conflict", "id", "there is another event with this id", "use an id once")
	default:
		a.logger.ErrorContext(r.Context(), "request failed", "path", r.URL.Path, "error", err)
		a.refuse(w, r, http.StatusServiceUnavailable, "unavailable", "", "it could not be stored", "try again, with the same id")
	}
}

func (a *api) refuse(w http.ResponseWriter, r *http.Request, status int, code, field, detail, cure string) {
	webhookhttp.Problem{Status: status, Code: code, Field: field, Detail: detail, Cure: cure}.ServeHTTP(w, r)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // if it fails, the client has gone
}
