package webhookhttp

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gowebhook/webhook"
)

// Limits of lists.
const (
	defaultPerPage = 20
	maxPerPage     = 50
	maxPaged       = 5000 // rows that page × per_page may reach
	maxReads       = 40   // calls to the store for one answer
	maxRead        = 1000 // rows of one call
)

// A list is a part of a list in JSON.
type list[T any] struct {
	Data       []T     `json:"data"`
	NextCursor *string `json:"next_cursor"`
}

// A paging is which part of a list is asked for.
type paging struct {
	params  url.Values
	perPage int
	page    int // 0 if none is asked for
	cursor  string
}

func (p *paging) query() webhook.Query { return webhook.Query{Limit: p.perPage, Cursor: p.cursor} }

// invalidParameter is the answer to a parameter of the query that is refused.
func invalidParameter(name, problem, cure string) error {
	return refuse(http.StatusBadRequest, codeInvalidParameter, name, name+" "+problem, cure)
}

// paging reads the parameters that all lists have.
func (c *call) paging() (*paging, error) {
	values, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, codeInvalidParameter, "", "the query is malformed",
			"percent-encode its values, and separate them by &")
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

// one returns the value of a parameter; false if it is not given.
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

// number reads a whole number from low to high; 0 if it is not given.
func (p *paging) number(name string, low, high int) (int, error) {
	s, given, err := p.one(name)
	if err != nil || !given {
		return 0, err
	}
	n, err := strconv.Atoi(s)
	if errors.Is(err, strconv.ErrRange) {
		err = nil // n is the nearest there is
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

// text reads a value that is valid; empty if it is not given.
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

// eventType reads a type of events.
func (p *paging) eventType(name string) (string, error) {
	return p.text(name, isEventType, "use a type as event-types lists it")
}

// time reads a time; the zero time if it is not given.
func (p *paging) time(name string) (time.Time, error) {
	s, given, err := p.one(name)
	if err != nil || !given {
		return time.Time{}, err
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		cure := "write it as 2026-01-31T09:30:00Z"
		if strings.Contains(s, " ") {
			cure += "; a plus sign is %2B in a query"
		}
		return time.Time{}, invalidParameter(name, fmt.Sprintf("is %q", clip(s)), cure)
	}
	return t, nil
}

// between reads the parameters from and to.
func (p *paging) between(q *webhook.Query) (err error) {
	if q.From, err = p.time("from"); err != nil {
		return err
	}
	q.To, err = p.time("to")
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

// fill asks for a page until it has a row, or there are no more: a store may return a short page before the end.
func fill[T any](q webhook.Query, fetch func(webhook.Query) (webhook.Page[T], error)) (webhook.Page[T], error) {
	for read := 1; ; read++ {
		page, err := fetch(q)
		if err != nil || len(page.Items) > 0 || page.Next == "" || read == maxReads {
			return page, err
		}
		q.Cursor = page.Next
	}
}

// skip returns the rows of a page that is counted from 1, by reading from the beginning. The page may be short if the rows are few
// among many others.
func skip[T any](q webhook.Query, number int, fetch func(webhook.Query) (webhook.Page[T], error)) (webhook.Page[T], error) {
	perPage := q.Limit
	before := (number - 1) * perPage
	var result webhook.Page[T]
	for read := 1; ; read++ {
		if read > maxReads && before > 0 {
			return result, useCursor()
		}
		q.Limit = min(before+perPage-len(result.Items), maxRead)
		page, err := fetch(q)
		if err != nil {
			return result, err
		}
		passed := min(before, len(page.Items))
		before -= passed
		result.Items = append(result.Items, page.Items[passed:]...)
		q.Cursor, result.Next = page.Next, page.Next
		if page.Next == "" || len(result.Items) == perPage || read >= maxReads && before == 0 {
			return result, nil
		}
	}
}

func useCursor() error {
	return refuse(http.StatusBadRequest, codeUseCursor, "page", "page is too far from the beginning",
		fmt.Sprintf("go on with next_cursor of the page before: page × per_page may reach %d", maxPaged))
}
