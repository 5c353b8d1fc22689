package profile

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"

	"github.com/gowebhook/webhook"
)

// Layouts of times in UTC: RFC 3339 with whole seconds, and with exactly three decimals.
const (
	rfc3339Seconds = "2006-01-02T15:04:05Z"
	rfc3339Millis  = "2006-01-02T15:04:05.000Z"
)

// rawData returns the data of a message's event, which is one valid JSON value.
func rawData(m *webhook.Message) (json.RawMessage, error) {
	raw, ok := m.Event.Data.(json.RawMessage)
	if !ok {
		return nil, fmt.Errorf("data is %T, not json.RawMessage", m.Event.Data)
	}
	return raw, nil
}

// withoutID removes the library's webhook-id, which the provider does not send.
func withoutID(r *webhook.Request) error {
	r.Header.Del("Webhook-Id")
	return nil
}

// marshal returns the compact JSON of v, with <, > and & unescaped.
func marshal(v any) ([]byte, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// alphanumeric returns n random letters and digits. All are equally likely, because it skips
// bytes that would favour some.
func alphanumeric(n int) string {
	const fair = 256 - 256%len(letters)
	text, chunk := make([]byte, 0, n), make([]byte, n)
	for len(text) < n {
		_, _ = rand.Read(chunk) // it never fails
		for _, b := range chunk {
			if int(b) < fair && len(text) < n {
				text = append(text, letters[int(b)%len(letters)])
			}
		}
	}
	return string(text)
}
