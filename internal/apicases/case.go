package apicases

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhookhttp"
)

// A Case is a request and its expected response. In its Path, Header, Want and WantHeader,
// {active} stands for the version of the endpoint "active", and {replay} for the id of the replay
// that Prepare has started.
type Case struct {
	Name   string // the rule that it tests
	Method string // GET if empty
	Path   string // below Base, unless it begins with Prefix's first segment
	Token  string
	Body   string

	// Header has the headers of the request. A Body without a Content-Type here has
	// application/json.
	Header map[string]string

	// Prepare changes the World first.
	Prepare func(*testing.T, *World)

	Status int
	Code   string // of a problem
	Field  string // of a problem; none if empty

	// Want is JSON that the response must contain. Its objects may have more members, its
	// arrays must have as many elements. "<any>" stands for any value but null, "<absent>" for
	// a missing member, and "/re/" for a string that matches.
	Want string

	// WantHeader has regular expressions for headers. An empty one stands for a missing
	// header.
	WantHeader map[string]string

	// Permission is the first one that Authorize must have been asked for.
	Permission webhookhttp.Permission

	// Invalid says that the OpenAPI document must refuse the request, too.
	Invalid bool

	// After checks the World after the request.
	After func(*testing.T, *World)
}

// An Exchange is the request of a case and its response.
type Exchange struct {
	Case     *Case
	Request  *http.Request // with its body unread
	Response *http.Response
	Body     []byte // of the response
}

// NewRequest returns the request of a case.
func (c *Case) NewRequest() *http.Request {
	method := c.Method
	if method == "" {
		method = http.MethodGet
	}
	target := c.Path
	if !strings.HasPrefix(target, "/v1/") {
		target = Base + c.Path
	}
	r := httptest.NewRequestWithContext(context.Background(), method, target, strings.NewReader(c.Body))
	if c.Token != tokenNone {
		r.Header.Set("Authorization", "Bearer "+c.Token)
	}
	if c.Body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, value := range c.Header {
		r.Header.Set(name, value)
		if value == "" {
			r.Header.Del(name)
		}
	}
	return r
}

// Options say how to play the cases.
type Options struct {
	Store func(*testing.T) webhook.Store         // returns an empty one; memstore if nil
	Mount func(http.Handler) http.Handler        // puts the handler in a router; nil for none
	Look  func(t *testing.T, exchange *Exchange) // sees what was exchanged; may be nil
}

// Run plays every case, each in a World of its own.
func Run(t *testing.T, o Options) {
	t.Helper()
	for _, c := range All() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			var s webhook.Store
			if o.Store != nil {
				s = o.Store(t)
			}
			w := NewWorld(t, s)
			var h http.Handler = w.Handler
			if o.Mount != nil {
				h = o.Mount(h)
			}
			c.play(t, w, h, o.Look)
		})
	}
}

func (c *Case) play(t *testing.T, w *World, h http.Handler, look func(*testing.T, *Exchange)) {
	t.Helper()
	if c.Prepare != nil {
		c.Prepare(t, w)
	}
	c = c.inWorld(w)
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, c.NewRequest())
	e := &Exchange{Case: c, Request: c.NewRequest(), Response: recorder.Result()}
	body, err := io.ReadAll(e.Response.Body)
	check(t, err)
	e.Body = body
	c.checkAnswer(t, e)
	if c.Permission != "" && (len(w.Asked) == 0 || w.Asked[0] != c.Permission) {
		t.Errorf("Authorize was asked for %v, not for %s", w.Asked, c.Permission)
	}
	for _, secret := range w.secrets {
		if bytes.Contains(body, []byte(secret)) {
			t.Error("the answer has a secret in it that was shown before")
		}
	}
	if bytes.Contains(body, []byte(Canary)) || strings.Contains(fmt.Sprint(e.Response.Header), Canary) {
		t.Errorf("the answer shows what it must not: %s", body)
	}
	if strings.Contains(w.Log.String(), Canary) {
		t.Errorf("the log shows what it must not: %s", w.Log)
	}
	if (e.Response.StatusCode >= http.StatusInternalServerError) != (w.Log.Len() > 0) {
		t.Errorf("failures are logged, and nothing else is: %s", w.Log)
	}
	if c.After != nil {
		c.After(t, w)
	}
	if look != nil {
		look(t, e)
	}
}

// inWorld returns the case with the values of a World in place of {active} and {replay}.
func (c *Case) inWorld(w *World) *Case {
	fill := strings.NewReplacer("{active}", w.active, "{replay}", w.replay).Replace
	asked := *c
	asked.Path, asked.Want = fill(c.Path), fill(c.Want)
	asked.Header, asked.WantHeader = maps.Clone(c.Header), maps.Clone(c.WantHeader)
	for _, header := range []map[string]string{asked.Header, asked.WantHeader} {
		for name, value := range header {
			header[name] = fill(value)
		}
	}
	return &asked
}

func (c *Case) checkAnswer(t *testing.T, e *Exchange) {
	t.Helper()
	if e.Response.StatusCode != c.Status {
		t.Fatalf("the status is %d, not %d: %s", e.Response.StatusCode, c.Status, e.Body)
	}
	for name, want := range c.WantHeader {
		got := e.Response.Header.Get(name)
		if want == "" && got != "" || !regexp.MustCompile("^(?:"+want+")$").MatchString(got) {
			t.Errorf("%s is %q, not %q", name, got, want)
		}
	}
	if c.Status >= http.StatusBadRequest && c.Method != http.MethodHead {
		c.checkProblem(t, e)
	}
	if c.Want != "" {
		contains(t, c.Want, e.Body)
	}
}

// checkProblem expects a problem that helps.
func (c *Case) checkProblem(t *testing.T, e *Exchange) {
	t.Helper()
	if got := e.Response.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type is %q", got)
	}
	if got := e.Response.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control is %q", got)
	}
	field := `"` + strings.ReplaceAll(c.Field, `"`, `\"`) + `"`
	if c.Field == "" {
		field = `"<absent>"`
	}
	contains(t, fmt.Sprintf(`{"type": "about:blank", "title": %q, "status": %d, "code": %q, "field": %s, "detail": "/./", "cure": "/./"}`,
		http.StatusText(c.Status), c.Status, c.Code, field), e.Body)
	for _, option := range []string{"Config.", "Network.", "Dispatcher", "Scope", "Endpoint."} {
		if bytes.Contains(e.Body, []byte(option)) {
			t.Errorf("a customer can do nothing about %q: %s", option, e.Body)
		}
	}
}

// All returns the table.
func All() []*Case {
	var all []*Case
	for _, part := range [][]Case{
		endpointCases, healthCases, stateCases, secretCases, conditionCases, deliveryCases, lastCases, bulkCases, replayCases, logCases, listCases, bodyCases, fieldCases, routeCases, authCases,
	} {
		for i := range part {
			all = append(all, &part[i])
		}
	}
	slices.SortStableFunc(all, func(a, b *Case) int { return strings.Compare(a.Name, b.Name) })
	return all
}
