package webhook

import (
	"fmt"
	"io"

	"github.com/gowebhook/webhook/internal/signature"
)

// A Secret is a signing key or a header value that must not be seen. It prints as "[redacted]"
// through fmt, slog and encoding/json. string(s) is the value, so a search for string( finds
// every place that reveals one.
//
// Three mistakes reveal the value, because no method is then called:
//
//   - printing a type that has a Secret in an unexported field
//   - giving a Secret to the verbs %p and %w
//   - using a Secret as a map key in JSON
//
// A Standard Webhooks secret is "whsec_" and the base64 of 24 to 64 random bytes; the library
// makes these. Other profiles take other forms. The empty secret is refused everywhere, because
// it is a valid HMAC key that everybody knows.
type Secret string

// newSecret returns a fresh Standard Webhooks secret.
func newSecret() Secret { return Secret(signature.NewSecret()) }

const redacted = "[redacted]"

// Format implements [fmt.Formatter]. The value appears with no verb. An empty secret prints as
// nothing.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.shown()) }

// MarshalText implements [encoding.TextMarshaler]. encoding/json uses it for values, but not
// for map keys of type string.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.shown()), nil }

func (s Secret) shown() string {
	if s == "" {
		return ""
	}
	return redacted
}
