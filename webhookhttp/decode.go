package webhookhttp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of bodies. The largest valid endpoint takes less than maxBody.
const (
	maxBody      = 256 << 10
	maxSmallBody = 4 << 10 // where one or two short fields may be sent
)

// A member is a member of a JSON object. Its field is its path in the body.
type member struct {
	name  string
	field string
	value json.RawMessage
}

// readBody reads the body of the request.
func (x *exchange) readBody() ([]byte, error) {
	most := x.route.maxBody
	body, err := io.ReadAll(http.MaxBytesReader(x.w, x.r.Body, int64(most)))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, refuse(http.StatusRequestEntityTooLarge, codeBodyTooLarge, "",
			fmt.Sprintf("The body has more than %d KiB.", most>>10), "Send less.")
	}
	if err != nil {
		return nil, refuse(http.StatusBadRequest, codeInvalidJSON, "", "the body did not arrive whole", "send it again")
	}
	return body, nil
}

// body returns the members of the JSON object in the request's body. A body that is not
// required may be empty and has no members. It stops at the first member that check refuses.
func (x *exchange) body(required bool, check func(name string) error) ([]member, error) {
	switch {
	case len(x.sent) == 0 && !required:
		return nil, nil
	case len(x.sent) == 0:
		return nil, refuse(http.StatusBadRequest, codeInvalidJSON, "", "the body is empty", "send a JSON object")
	}
	if err := checkMediaType(x.r); err != nil {
		return nil, err
	}
	members, err := decodeBody(x.sent, check)
	if err != nil {
		return nil, err
	}
	x.given = make(map[string]bool, len(members))
	for _, m := range members {
		x.given[m.name] = true
	}
	return members, nil
}

// checkMediaType accepts JSON in UTF-8.
func checkMediaType(r *http.Request) error {
	wrong := func(field, detail, cure string) error {
		return refuse(http.StatusUnsupportedMediaType, codeUnsupportedMedia, field, detail, cure)
	}
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return wrong("Content-Encoding", "the body is compressed", "send it as it is")
	}
	const cure = "send JSON, with Content-Type: application/json"
	mediaType, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return wrong("Content-Type", "the media type of the body is missing or malformed", cure)
	}
	if mediaType != "application/json" && (mediaType != "application/merge-patch+json" || r.Method != http.MethodPatch) {
		return wrong("Content-Type", "the body is not sent as JSON", cure)
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return wrong("Content-Type", "the body is not in UTF-8", cure)
	}
	return nil
}

// decodeBody returns the members of a JSON object, as far as check accepts them. It replaces
// encoding/json, which ignores the case of names, takes the last of several members with one
// name, and replaces bytes that are not UTF-8.
func decodeBody(body []byte, check func(name string) error) ([]member, error) {
	invalid := func(detail, cure string) error {
		return refuse(http.StatusBadRequest, codeInvalidJSON, "", detail, cure)
	}
	if !utf8.Valid(body) {
		return nil, invalid("the body is not valid UTF-8", "encode it as UTF-8")
	}
	if !json.Valid(body) {
		detail := "the body is not JSON"
		var whole json.RawMessage
		if e, ok := errors.AsType[*json.SyntaxError](json.Unmarshal(body, &whole)); ok {
			detail = fmt.Sprintf("the body is not JSON: %s at byte %d", e.Error(), e.Offset)
		}
		return nil, invalid(detail, "send one JSON object")
	}
	if k := kindOf(body); k != "an object" {
		return nil, invalid("the body is "+k, "send a JSON object")
	}
	return decodeObject("", body, check)
}

// decodeObject returns the members of an object, in order. The object must be valid JSON. It
// stops at the first name that check refuses, so a body of many names costs no more than one of
// few.
func decodeObject(field string, raw json.RawMessage, check func(name string) error) ([]member, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		return nil, invalidField(field, "is malformed", "send an object")
	}
	var members []member
	seen := make(map[string]bool)
	for dec.More() {
		token, err := dec.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return nil, invalidField(field, "is malformed", "send an object")
		}
		if err := check(name); err != nil {
			return nil, err
		}
		m := member{name: name, field: name}
		if field != "" {
			m.field = field + "[" + strconv.Quote(clip(name)) + "]"
		}
		if seen[name] {
			return nil, invalidField(clip(m.field), "is there twice", "send it once")
		}
		seen[name] = true
		if err := dec.Decode(&m.value); err != nil {
			return nil, invalidField(clip(m.field), "is malformed", "send valid JSON")
		}
		members = append(members, m)
	}
	return members, nil
}

// kindOf names the kind of a valid JSON value.
func kindOf(raw json.RawMessage) string {
	trimmed := bytes.TrimLeft(raw, " \t\r\n")
	if len(trimmed) == 0 {
		return "empty"
	}
	switch trimmed[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	default:
		return "a number"
	}
}

func isNull(raw json.RawMessage) bool { return kindOf(raw) == "null" }

// invalidField returns the answer for a field that is refused.
func invalidField(field, problem, cure string) error {
	return refuse(http.StatusBadRequest, codeInvalidField, field, field+" "+problem, cure)
}

// clip shortens a text from the client for use in an answer.
func clip(s string) string {
	const longest = 100
	if len(s) <= longest {
		return s
	}
	end := longest
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}
