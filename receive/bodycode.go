package receive

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	"github.com/gowebhook/webhook/internal/signature"
)

// hexHMAC returns the HMAC-SHA256 of the parts, one after the other, under key, in hex.
func hexHMAC(key []byte, parts ...[]byte) []byte {
	s := signature.GetScratch()
	defer signature.PutScratch(s)
	s.MAC.Reset(key)
	for _, part := range parts {
		_, _ = s.MAC.Write(part)
	}
	s.Code = s.MAC.Sum(s.Code[:0])
	return hex.AppendEncode(nil, s.Code)
}

// matches reports whether code is the hexHMAC of parts under one of the keys.
func matches(code string, keys [][]byte, parts ...[]byte) bool {
	for _, key := range keys {
		if hmac.Equal([]byte(code), hexHMAC(key, parts...)) {
			return true
		}
	}
	return false
}

// hexBody returns a verifier of a header that is prefix and the hex HMAC-SHA256 of the body.
// The event's id is the header idName, or else the result of identify.
func hexBody(name, prefix string, secrets []string, idName string, identify func([]byte) string) (Verifier, error) {
	keys, err := plainKeys(secrets)
	if err != nil {
		return nil, err
	}
	return builtIn(func(r *http.Request, body []byte) (Event, error) {
		value, err := header(r.Header, name)
		if err != nil {
			return Event{}, err
		}
		code, prefixed := strings.CutPrefix(value, prefix)
		if !prefixed || !isHex(code, 32) {
			return Event{}, fmt.Errorf("%w: %s is not %q and 64 lowercase hex digits", ErrMalformed, name, prefix)
		}
		id, err := optionalHeader(r.Header, idName)
		if err != nil || isHeaderOnly(r) {
			return Event{}, err
		}
		if !matches(code, keys, body) {
			return Event{}, ErrNoMatch
		}
		if id == "" {
			id = identify(body)
		}
		return Event{ID: id, Body: body, Header: r.Header}, nil
	}), nil
}

func withoutID([]byte) string { return "" }

// base64Length is the length of an HMAC-SHA256 in padded base64.
var base64Length = base64.StdEncoding.EncodedLen(32)

// anyEqual reports whether want is among codes.
func anyEqual(codes []string, want []byte) bool {
	for _, code := range codes {
		if hmac.Equal([]byte(code), want) {
			return true
		}
	}
	return false
}
