package signature

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// SecretPrefix begins a serialised Standard Webhooks secret.
const SecretPrefix = "whsec_"

// Bounds of a Standard Webhooks key, in bytes after decoding.
const (
	MinKey = 24
	MaxKey = 64
	newKey = 32 // the length that SHA-256 keys usually have
)

// maxEncodedKey is the length of MaxKey bytes in base64.
const maxEncodedKey = (MaxKey + 2) / 3 * 4

// ErrEmptySecret reports a secret without a single byte. HMAC would accept it, as a key that
// everybody knows.
var ErrEmptySecret = errors.New("the secret is empty")

// NewSecret returns a fresh serialised secret.
func NewSecret() string {
	var key [newKey]byte
	_, _ = rand.Read(key[:]) // never fails: the runtime crashes first
	return SecretPrefix + base64.StdEncoding.EncodeToString(key[:])
}

// AppendKey decodes a serialised secret and appends the key to dst. The prefix may be missing,
// as in the libraries that receivers use. Errors describe the problem and never quote the
// secret.
func AppendKey(dst []byte, secret string) ([]byte, error) {
	encoded := strings.TrimPrefix(secret, SecretPrefix)
	switch {
	case encoded == "":
		return dst, ErrEmptySecret
	case len(encoded) > maxEncodedKey:
		return dst, fmt.Errorf("the secret has %d characters after %q, more than a key of %d bytes needs",
			len(encoded), SecretPrefix, MaxKey)
	}
	key, err := base64.StdEncoding.AppendDecode(dst, []byte(encoded))
	if err != nil || strings.ContainsAny(encoded, "\r\n") { // encoding/base64 skips line ends, receivers' decoders do not
		return dst, fmt.Errorf("the secret is not standard base64 after %q: %s", SecretPrefix, describeBase64(encoded))
	}
	if n := len(key) - len(dst); n < MinKey || n > MaxKey {
		return dst, fmt.Errorf("the secret's key has %d bytes, and must have %d to %d", n, MinKey, MaxKey)
	}
	return key, nil
}

// describeBase64 returns the rule of standard, padded base64 that a text breaks, without
// quoting the text.
func describeBase64(s string) string {
	body := strings.TrimRight(s, "=")
	for i, c := range []byte(body) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '+', c == '/':
		case c == '-' || c == '_':
			return fmt.Sprintf("character %d is of the URL alphabet, use + and /", i+1)
		case c == '=':
			return fmt.Sprintf("padding at character %d, before the end", i+1)
		default:
			return fmt.Sprintf("character %d is outside the alphabet", i+1)
		}
	}
	return "wrong length or padding: it must be a multiple of 4 characters, padded with ="
}
