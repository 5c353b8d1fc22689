package receive

import (
	"errors"
	"fmt"
	"net/http"
)

// maxHeader bounds a header that is read, in bytes. The longest genuine one, with 16 Ed25519
// signatures, has 1,487.
const maxHeader = 8 << 10

// Bounds of the work that one header causes. Senders send one signature for each live secret,
// the newest first. An Ed25519 signature costs a hash of the body for each key. Other
// signatures cost a comparison. Ed25519 signatures after the eighth are not tried.
const (
	maxSignatures       = 16
	maxPublicSignatures = 8
)

// optionalHeader returns the value of a header that may be missing. It returns "" for a missing
// header and for an empty name.
func optionalHeader(h http.Header, name string) (string, error) {
	if name == "" || len(h.Values(name)) == 0 {
		return "", nil
	}
	value, err := header(h, name)
	if errors.Is(err, ErrMissingHeader) { // present but empty
		return "", nil
	}
	return value, err
}

// header returns the only value of a header. It refuses two values, because this package and
// another reader could believe different ones.
func header(h http.Header, name string) (string, error) {
	values := h.Values(name)
	switch {
	case len(values) == 0 || len(values) == 1 && values[0] == "":
		return "", fmt.Errorf("%w: %s", ErrMissingHeader, name)
	case len(values) > 1:
		return "", fmt.Errorf("%w: %s is there %d times", ErrMalformed, name, len(values))
	case len(values[0]) > maxHeader:
		return "", fmt.Errorf("%w: %s has %d bytes", ErrMalformed, name, len(values[0]))
	}
	return values[0], nil
}

// isHex reports whether s is n bytes in lowercase hex, the form that all providers send.
func isHex(s string, n int) bool {
	if len(s) != 2*n {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
