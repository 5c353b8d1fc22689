package webhookhttp

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/gowebhook/webhook"
)

// A Handler serves the API. It is safe for concurrent use, and starts nothing.
type Handler struct {
	d       *webhook.Dispatcher
	config  Config // complete
	mux     *http.ServeMux
	served  map[string]bool // the patterns of routes
	origins *http.CrossOriginProtection
	gate    *gate

	testType string // of the test event

	below  *http.ServeMux // has the paths below the prefix; nil without a prefix
	astray sync.Once      // has reported a request outside Config.Prefix
}

// New returns a Handler for the endpoints of d. It refuses a nil Dispatcher, and a Config that
// cannot work, with a [*webhook.FieldError].
func New(d *webhook.Dispatcher, config Config) (*Handler, error) {
	if d == nil {
		return nil, &webhook.FieldError{Field: "dispatcher", Problem: "is nil", Cure: "pass the result of webhook.New"}
	}
	if config.EventTypes == nil {
		config.EventTypes = d.EventTypes()
	}
	c, err := config.complete()
	if err != nil {
		return nil, err
	}
	h := &Handler{
		d: d, config: c, mux: http.NewServeMux(), served: make(map[string]bool, len(routes)), origins: http.NewCrossOriginProtection(),
		gate: newGate(c.MaxRequests, c.MaxTenantRequests), testType: d.TestEventType(),
	}
	for i, origin := range c.TrustedOrigins {
		if err := h.origins.AddTrustedOrigin(origin); err != nil {
			return nil, &webhook.FieldError{
				Field: fmt.Sprintf("Config.TrustedOrigins[%d]", i), Problem: "is not an origin: " + err.Error(),
				Cure: `write it as "https://app.example.com"`,
			}
		}
	}
	if err := h.register(); err != nil {
		return nil, err
	}
	return h, nil
}

// register fills the mux. ServeMux panics on an invalid pattern, and only Prefix can make a
// pattern invalid.
func (h *Handler) register() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &webhook.FieldError{
				Field: "Config.Prefix", Problem: fmt.Sprintf("is no pattern: %v", p),
				Cure: `write it as "/v1/communities/{community_id}"; the names webhook_id, delivery_id, replay_id and event_id are taken`,
			}
		}
	}()
	for i := range routes {
		rt := &routes[i]
		pattern := rt.method + " " + h.config.Prefix + rt.path
		h.mux.Handle(pattern, h.handle(rt))
		h.served[pattern] = true
	}
	for _, path := range []string{"/deliveries/retry", "/deliveries/cancel"} { // they are no ids of deliveries
		h.mux.Handle(http.MethodGet+" "+h.config.Prefix+path, h.handle(&route{path: "/", serve: (*exchange).noRoute}))
	}
	if h.config.Prefix != "" {
		h.below = http.NewServeMux()
		h.below.Handle(h.config.Prefix, http.NotFoundHandler())
		h.below.Handle(h.config.Prefix+"/", http.NotFoundHandler())
	}
	h.mux.Handle("/", h.handle(&route{path: "/", serve: (*exchange).noRoute}))
	return nil
}

// allowed returns the methods that the path of a request has, as Allow lists them. It returns ""
// for an unknown path.
func (h *Handler) allowed(r *http.Request) string {
	var methods []string
	other := r.WithContext(r.Context()) // a copy
	for _, name := range []string{http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodPatch, http.MethodPost} {
		other.Method = name
		if _, pattern := h.mux.Handler(other); h.served[pattern] {
			methods = append(methods, name)
		}
	}
	return strings.Join(methods, ", ")
}

// method returns the name of the request's method for use in an answer.
func method(r *http.Request) string {
	const longest = 20
	if len(r.Method) > longest {
		return "this method"
	}
	return r.Method
}

// noRoute returns the answer for an unknown path, or for a method that the path does not have.
func (x *exchange) noRoute() error {
	if methods := x.h.allowed(x.r); methods != "" {
		x.w.Header().Set("Allow", methods)
		return refuse(http.StatusMethodNotAllowed, codeMethodNotAllowed, "",
			fmt.Sprintf("%s is not among the methods of this path", method(x.r)), "use "+methods)
	}
	x.reportAstray()
	return nothingHere()
}

func nothingHere() error {
	return refuse(http.StatusNotFound, codeNotFound, "", "Nothing is served under this path.", "See openapi.yaml for the paths that there are.")
}

// reportAstray logs, once, a request that looks like one for the API under another prefix.
// Then the Handler is mounted elsewhere than Config.Prefix says.
func (x *exchange) reportAstray() {
	h, asked := x.h, x.r.URL.Path
	if h.below != nil {
		if _, pattern := h.below.Handler(x.r); pattern != "" {
			return
		}
	}
	for _, first := range []string{"/webhooks", "/deliveries", "/replays", "/events", "/event-types", "/openapi.yaml"} {
		before, after, found := strings.Cut(asked, first)
		if !found || after != "" && after[0] != '/' || before == "" && h.below == nil {
			continue
		}
		h.astray.Do(func() {
			h.config.Logger.WarnContext(x.r.Context(), "webhookhttp: request outside Config.Prefix; set Prefix to the pattern under which requests arrive",
				"path", clip(asked), "prefix", h.config.Prefix)
		})
		return
	}
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The mux sets the pattern and the path values of its own copy of the request. The values
	// from a mux around it stay unchanged.
	inner := r.WithContext(context.WithValue(r.Context(), outerKey{}, r))
	if err := h.origins.Check(r); err != nil {
		refused := h.handle(&route{serve: func(*exchange) error {
			return refuse(http.StatusForbidden, codeCrossOrigin, "", "the request comes from a page of another origin",
				"send it from the application's own pages, or from a server")
		}})
		refused(w, inner)
		return
	}
	// The mux would redirect to the clean path, and that path would lack a stripped prefix.
	if p := r.URL.EscapedPath(); p == "" || p[0] != '/' || path.Clean(p) != p {
		h.handle(&route{serve: func(*exchange) error { return nothingHere() }})(w, inner)
		return
	}
	h.mux.ServeHTTP(w, inner)
}

// outerKey is the context key of the original request.
type outerKey struct{}

// An exchange is one request being served, with its response.
type exchange struct {
	h      *Handler
	w      http.ResponseWriter
	r      *http.Request
	route  *route
	tenant string          // set if the route has a permission
	sent   []byte          // the body
	given  map[string]bool // members of the body
	leave  func()          // ends the turn at the gate; nil if there is none
}

func (h *Handler) handle(rt *route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		x := &exchange{h: h, w: w, r: r, route: rt}
		defer x.endTurn()
		if err := x.serve(); err != nil {
			p := x.problem(err)
			x.endTurn()
			h.config.RenderError(w, r, p)
		}
	}
}

func (x *exchange) serve() (err error) {
	if x.route.permission != "" {
		x.keepPathValues()
		if x.tenant, err = x.authorize(x.route.permission); err != nil {
			return err
		}
	}
	if err := x.checkParameters(); err != nil {
		return err
	}
	if x.route.maxBody > 0 { // before the turn begins: a slow client must not hold it
		if x.sent, err = x.readBody(); err != nil {
			return err
		}
	}
	if !x.route.ungated && x.route.permission != "" {
		leave, ok := x.h.gate.enter(x.r.Context(), x.tenant)
		if !ok {
			x.w.Header().Set("Retry-After", "2")
			return refuse(http.StatusTooManyRequests, codeTooManyRequests, "", "You have too many requests running at the same time.",
				"Wait for the seconds in Retry-After, then send the request again. Send fewer requests at the same time.")
		}
		x.leave = leave
	}
	return x.route.serve(x)
}

// endTurn ends the turn at the gate, if there is one. It is called before the answer is
// written, because a client may read slowly.
func (x *exchange) endTurn() {
	if x.leave != nil {
		x.leave()
		x.leave = nil
	}
}

// keepPathValues adds the path values of a pattern around the Handler's own.
func (x *exchange) keepPathValues() {
	outer, ok := x.r.Context().Value(outerKey{}).(*http.Request)
	if !ok {
		return
	}
	rest := outer.Pattern
	for {
		_, after, found := strings.Cut(rest, "{")
		if !found {
			return
		}
		name, end, _ := strings.Cut(after, "}")
		rest = end
		if name = strings.TrimSuffix(name, "..."); x.r.PathValue(name) == "" {
			x.r.SetPathValue(name, outer.PathValue(name))
		}
	}
}

// answer writes v as JSON.
func (x *exchange) answer(status int, v any) error {
	body, err := marshal(v)
	if err != nil {
		return x.broken(fmt.Errorf("encoding: %w", err))
	}
	header := x.w.Header()
	header.Set("Content-Type", "application/json")
	if header.Get("Cache-Control") == "" {
		header.Set("Cache-Control", "private, no-cache")
	}
	x.endTurn()
	x.w.WriteHeader(status)
	_, _ = x.w.Write(body) // the client may be gone
	return nil
}

// marshal encodes v without HTML escaping, so that a customer sees the text as it was stored.
func marshal(v any) ([]byte, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return []byte(b.String()), nil
}
