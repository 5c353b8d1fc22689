package receive

import (
	"errors"
	"fmt"
	"net/http"
)

// maxHeader bounds a header that is read, in bytes. The longest that is genuine, 16 Ed25519 signatures, has 1,487.
const maxHeader = 8 << 10

// Bounds of the work that one header causes. Senders have a signature for each live secret, the
// newest first. An Ed25519 signature costs a hash of the body for each key; the others cost a
// comparison. Of the former, those after the eighth are not tried.
const (
	maxSignatures       = 16
	maxPublicSignatures = 8
)

// optionalHeader is header for one that may be missing, or "" for no name.
func optionalHeader(h http.Header, name string) (string, error) {
	if name == "" || len(h.Values(name)) == 0 {
		return "", nil
	}
	value, err := header(h, name)
	if errors.Is(err, ErrMissingHeader) { // it is there and empty
		return "", nil
	}
	return value, err
}

// header returns the one value of a header. With two, this package and another reader could believe different ones.
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

// isHex reports whether s is n bytes in lowercase hex, which is what all providers send.
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
