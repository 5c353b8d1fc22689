package webhook

import (
	"fmt"
	"io"

	"github.com/gowebhook/webhook/internal/signature"
)

// A Secret is a signing key or a header value that must not be seen. It prints as "[redacted]" through fmt, slog and
// encoding/json; string(s) is the value, so every place that reveals one can be found by searching for it. Three mistakes get
// past that, because no method is then called: to print a type that has a Secret in an unexported field, to give one to the
// verbs %p and %w, and to use it as a map key in JSON.
//
// Standard Webhooks secrets are "whsec_" and the base64 of 24 to 64 random bytes; the library makes those. Other profiles take
// other forms; the empty secret is refused everywhere, because it is a valid HMAC key that everybody knows.
type Secret string

// newSecret returns a fresh Standard Webhooks secret.
func newSecret() Secret { return Secret(signature.NewSecret()) }

const redacted = "[redacted]"

// Format implements [fmt.Formatter]: whatever the verb, the value does not appear. An empty secret prints as nothing.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.shown()) }

// MarshalText implements [encoding.TextMarshaler], which encoding/json uses for values, though not for map keys of strings.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.shown()), nil }

func (s Secret) shown() string {
	if s == "" {
		return ""
	}
	return redacted
}
