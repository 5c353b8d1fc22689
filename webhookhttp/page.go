package webhookhttp

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gowebhook/webhook"
)

// Limits of lists.
const (
	defaultPerPage = 20
	maxPerPage     = 50
	maxPaged       = 1000      // entries that page × per_page may reach
	maxListBytes   = 128 << 10 // of settings, for one page of endpoints
)

// A list is one page of a list in JSON.
type list[T any] struct {
	Data       []T     `json:"data"`
	NextCursor *string `json:"next_cursor"`
}

// A paging is the request for one page of a list.
type paging struct {
	params  url.Values
	perPage int
	page    int // 0 if none is asked for
	cursor  string
}

func (p *paging) query() webhook.Query { return webhook.Query{Limit: p.perPage, Cursor: p.cursor} }

// invalidParameter returns the answer for a refused query parameter.
func invalidParameter(name, problem, cure string) error {
	return refuse(http.StatusBadRequest, codeInvalidParameter, name, name+" "+problem, cure)
}

// query parses the query of the request.
func (x *exchange) query() (url.Values, error) {
	values, err := url.ParseQuery(x.r.URL.RawQuery)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, codeInvalidParameter, "", "The query string is malformed.",
			"Percent-encode the values, and separate parameters with &.")
	}
	return values, nil
}

// aliases are other names of parameters. Tryno's API calls an event's type "event".
var aliases = map[string]string{"event": "event_type"}

// checkParameters refuses a query parameter that the route does not have.
func (x *exchange) checkParameters() error {
	if x.route.parameters == nil || x.r.URL.RawQuery == "" {
		return nil
	}
	values, err := x.query()
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		known := name
		if alias, ok := aliases[name]; ok {
			known = alias
		}
		if slices.Contains(x.route.parameters, known) || slices.Contains(x.h.config.Parameters, name) {
			continue
		}
		cure := "Leave it out: this request has no query parameters."
		if len(x.route.parameters) > 0 {
			cure = "Use " + strings.Join(x.route.parameters, ", ") + "."
		}
		return refuse(http.StatusBadRequest, codeInvalidParameter, clip(name), clip(name)+" is not a parameter of this request.", cure)
	}
	return nil
}

// paging reads the parameters that all lists have.
func (x *exchange) paging() (*paging, error) {
	values, err := x.query()
	if err != nil {
		return nil, err
	}
	p := &paging{params: values, perPage: defaultPerPage}
	if _, given := values["per_page"]; given {
		if p.perPage, err = p.number("per_page", 1, maxPerPage); err != nil {
			return nil, err
		}
	}
	if values.Get("cursor") != "" {
		if p.cursor, err = p.text("cursor", func(string) bool { return true }, ""); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// one returns the value of a parameter, and whether it is given.
func (p *paging) one(name string) (string, bool, error) {
	values, given := p.params[name]
	switch {
	case !given:
		return "", false, nil
	case len(values) > 1:
		return "", true, invalidParameter(name, "is there twice", "send it once")
	case values[0] == "":
		return "", true, invalidParameter(name, "is empty", "give it a value, or leave it out")
	}
	return values[0], true, nil
}

// number reads a whole number from low to high. It returns 0 if the parameter is not given.
func (p *paging) number(name string, low, high int) (int, error) {
	s, given, err := p.one(name)
	if err != nil || !given {
		return 0, err
	}
	n, err := strconv.Atoi(s)
	if errors.Is(err, strconv.ErrRange) {
		err = nil // n is the nearest int
	}
	if err != nil || n < low || n > high || s[0] == '+' {
		cure := fmt.Sprintf("use a whole number from %d to %d", low, high)
		if high == math.MaxInt {
			cure = fmt.Sprintf("use a whole number, %d or more", low)
		}
		return 0, invalidParameter(name, fmt.Sprintf("is %q", clip(s)), cure)
	}
	return n, nil
}

// text reads a value that valid accepts. It returns "" if the parameter is not given.
func (p *paging) text(name string, valid func(string) bool, cure string) (string, error) {
	s, given, err := p.one(name)
	if err == nil && given && !valid(s) {
		return "", invalidParameter(name, fmt.Sprintf("is %q", clip(s)), cure)
	}
	return s, err
}

// id reads the id of an event or endpoint.
func (p *paging) id(name string) (string, error) {
	return p.text(name, isID, "use an id as it came in an answer")
}

// eventType reads an event type from event_type or its alias.
func (p *paging) eventType() (string, error) {
	name := "event_type"
	if _, given := p.params["event"]; given {
		if _, both := p.params[name]; both {
			return "", invalidParameter("event", "is there beside event_type", "send event_type alone")
		}
		name = "event"
	}
	return p.text(name, isEventType, "use a type as /event-types lists it")
}

// time reads a time. It returns the zero time if the parameter is not given.
func (p *paging) time(name string) (time.Time, error) {
	s, given, err := p.one(name)
	if err != nil || !given {
		return time.Time{}, err
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		cure := timeCure
		if strings.Contains(s, " ") {
			cure += "; a plus sign is %2B in a query"
		}
		return time.Time{}, invalidParameter(name, fmt.Sprintf("is %q", clip(s)), cure)
	}
	return t, nil
}

// timeCure tells customers how to write a time.
const timeCure = "write it as 2026-01-31T09:30:00Z"

// between reads the parameters from and to.
func (p *paging) between(q *webhook.Query) (err error) {
	if q.From, err = p.time("from"); err != nil {
		return err
	}
	q.To, err = p.time("to")
	return err
}

// finished reads the parameters finished_from and finished_to.
func (p *paging) finished(q *webhook.Query) (err error) {
	if q.FinishedFrom, err = p.time("finished_from"); err != nil {
		return err
	}
	q.FinishedTo, err = p.time("finished_to")
	return err
}

// isID reports whether an event or endpoint may have the id.
func isID(s string) bool {
	const longest = 255
	if s == "" || len(s) > longest {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '.' {
			return false
		}
	}
	return true
}

// isEventType reports whether an event may have the type.
func isEventType(s string) bool {
	const longest = 255
	if s == "" || len(s) > longest {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '.' && c != '-' {
			return false
		}
	}
	return true
}

// skip returns the rows of the page with a number, counted from 1. The store passes over the
// rows of the pages before. They must be among the first rows that it reads.
func skip[T any](q webhook.Query, number int, fetch func(webhook.Query) (webhook.Page[T], error)) (webhook.Page[T], error) {
	q.Skip = (max(number, 1) - 1) * q.Limit
	page, err := fetch(q)
	if err == nil && q.Skip > 0 && len(page.Items) == 0 && page.Next != "" {
		return page, useCursor("The entries that match your filter are too far apart to count pages of them.")
	}
	return page, err
}

func useCursor(detail string) error {
	return refuse(http.StatusBadRequest, codeUseCursor, "page", detail,
		"Leave page out, and send next_cursor of each answer as cursor to get the next page.")
}
