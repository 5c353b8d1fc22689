package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// bodyTime is RFC 3339 with exactly three decimals, for times in UTC.
const bodyTime = "2006-01-02T15:04:05.000Z"

// encodeStandard makes the default body. Its members are in a fixed order, and Data is embedded
// byte for byte.
func encodeStandard(m *Message) ([]byte, error) {
	data, ok := m.Event.Data.(json.RawMessage)
	if !ok {
		return nil, fmt.Errorf("encoding: data is %T, not json.RawMessage", m.Event.Data)
	}
	const around = len(`{"type":"","timestamp":"","data":}`) + len(bodyTime)
	body := make([]byte, 0, around+len(m.Event.Type)+len(data))
	body = append(body, `{"type":"`...)
	body = append(body, m.Event.Type...) // its alphabet needs no escaping
	body = append(body, `","timestamp":"`...)
	body = m.Event.Time.UTC().AppendFormat(body, bodyTime)
	body = append(body, `","data":`...)
	body = append(body, data...)
	return append(body, '}'), nil
}

// encodeData returns v as the bytes of one JSON value, at most limit bytes. They share no
// memory with v.
func encodeData(v any, limit int) ([]byte, error) {
	var data []byte
	switch v := v.(type) {
	case nil:
		data = []byte("null")
	case json.RawMessage:
		data = ownBytes(v)
	case []byte:
		data = ownBytes(v)
	default:
		var buf bytes.Buffer
		enc := json.NewEncoder(&buf)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(v); err != nil {
			return nil, &FieldError{"Event.Data", "cannot be encoded as JSON: " + err.Error(), "pass a value that encoding/json accepts"}
		}
		data = bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
	}
	switch {
	case len(data) > limit:
		return nil, &FieldError{
			"Event.Data", "has " + strconv.Itoa(len(data)) + " bytes, more than " + strconv.Itoa(limit),
			"send less, or raise Config.MaxEventBytes",
		}
	case !json.Valid(data):
		return nil, &FieldError{"Event.Data", "is not one JSON value", "pass valid JSON, or a Go value to be encoded"}
	case !utf8.Valid(data):
		return nil, &FieldError{"Event.Data", "is not valid UTF-8", "JSON is UTF-8 (RFC 8259 §8.1)"}
	}
	return data, nil
}

// ownBytes copies data, which the caller may reuse. nil becomes null, as in encoding/json.
func ownBytes(data []byte) []byte {
	if data == nil {
		return []byte("null")
	}
	return bytes.Clone(data)
}

// micros returns t as a Store keeps it: UTC, in whole microseconds.
func micros(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}
