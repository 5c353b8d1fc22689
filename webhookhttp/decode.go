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

// maxBody bounds the body of a request.
const maxBody = 1 << 20

// A member is a member of a JSON object. Its field is its path in the body.
type member struct {
	name  string
	field string
	value json.RawMessage
}

// body returns the members of the JSON object that the request carries; none if it has no body and need not have one.
func (c *call) body(required bool) ([]member, error) {
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, refuse(http.StatusRequestEntityTooLarge, codeBodyTooLarge, "", "the body has more than 1 MiB", "send less")
	}
	switch {
	case err != nil:
		return nil, refuse(http.StatusBadRequest, codeInvalidJSON, "", "the body did not arrive whole", "send it again")
	case len(body) == 0 && !required:
		return nil, nil
	case len(body) == 0:
		return nil, refuse(http.StatusBadRequest, codeInvalidJSON, "", "the body is empty", "send a JSON object")
	}
	if err := checkMediaType(c.r); err != nil {
		return nil, err
	}
	members, err := decodeBody(body)
	if err != nil {
		return nil, err
	}
	c.given = make(map[string]bool, len(members))
	for _, m := range members {
		c.given[m.name] = true
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

// decodeBody returns the members of a JSON object. encoding/json would take names in any case, take the last of several
// members with one name, and replace what is not UTF-8.
func decodeBody(body []byte) ([]member, error) {
	invalid := func(detail, cure string) error {
		return refuse(http.StatusBadRequest, codeInvalidJSON, "", detail, cure)
	}
	if !utf8.Valid(body) {
		return nil, invalid("the body is not valid UTF-8", "encode it as UTF-8")
	}
	var whole json.RawMessage
	if err := json.Unmarshal(body, &whole); err != nil {
		detail := "the body is not JSON"
		if e, ok := errors.AsType[*json.SyntaxError](err); ok {
			detail = fmt.Sprintf("the body is not JSON: %s at byte %d", e.Error(), e.Offset)
		}
		return nil, invalid(detail, "send one JSON object")
	}
	if k := kindOf(whole); k != "an object" {
		return nil, invalid("the body is "+k, "send a JSON object")
	}
	return decodeObject("", whole)
}

// decodeObject returns the members of an object, which is valid JSON, in their order.
func decodeObject(field string, raw json.RawMessage) ([]member, error) {
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

// kindOf names what a valid JSON value is.
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

// invalidField is the answer to a field that is refused.
func invalidField(field, problem, cure string) error {
	return refuse(http.StatusBadRequest, codeInvalidField, field, field+" "+problem, cure)
}

// decodeAs decodes a value of a kind into v.
func decodeAs(field string, raw json.RawMessage, kind string, v any) error {
	if got := kindOf(raw); got != kind {
		return invalidField(field, "is "+got, "send "+kind)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return invalidField(field, "cannot be read", "send "+kind)
	}
	return nil
}

func decodeString(field string, raw json.RawMessage) (s string, err error) {
	return s, decodeAs(field, raw, "a string", &s)
}

func decodeBool(field string, raw json.RawMessage) (b bool, err error) {
	return b, decodeAs(field, raw, "a boolean", &b)
}

// decodeInt accepts a whole number from low to high.
func decodeInt(field string, raw json.RawMessage, low, high int64) (int64, error) {
	var number json.Number
	if err := decodeAs(field, raw, "a number", &number); err != nil {
		return 0, err
	}
	n, err := number.Int64()
	if err != nil || n < low || n > high {
		return 0, invalidField(field, "is "+clip(number.String()), fmt.Sprintf("send a whole number from %d to %d", low, high))
	}
	return n, nil
}

func decodeStrings(field string, raw json.RawMessage) ([]string, error) {
	var values []json.RawMessage
	if err := decodeAs(field, raw, "an array", &values); err != nil {
		return nil, err
	}
	list := make([]string, len(values))
	for i, value := range values {
		s, err := decodeString(field+"["+strconv.Itoa(i)+"]", value)
		if err != nil {
			return nil, err
		}
		list[i] = s
	}
	return list, nil
}

// decodeMap accepts an object of strings.
func decodeMap[V ~string](field string, raw json.RawMessage) (map[string]V, error) {
	if got := kindOf(raw); got != "an object" {
		return nil, invalidField(field, "is "+got, "send an object")
	}
	members, err := decodeObject(field, raw)
	if err != nil {
		return nil, err
	}
	values := make(map[string]V, len(members))
	for _, m := range members {
		s, err := decodeString(m.field, m.value)
		if err != nil {
			return nil, err
		}
		values[m.name] = V(s)
	}
	return values, nil
}

// clip shortens what a client sent for an answer.
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
