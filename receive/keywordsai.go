package receive

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/gowebhook/webhook/internal/signature"
)

// KeywordsAI returns a verifier of the webhooks of Keywords AI, now Respan.
// X-Keywordsai-Signature or X-Respan-Signature is the bare hex HMAC-SHA256 of the body as
// Python's json.dumps prints it. If both headers are present, one match is enough. A secret is
// the webhook's own, or the API key whose request triggered the event.
//
// The body may be that text, or any other JSON text of the same value. Another text is written
// again as Python writes it. Event.Body then holds the rewritten text, because it is the signed
// one. Event.ID is "", because requests have no id. No timestamp is signed.
//
// Source: https://docs.keywordsai.co/features/webhooks
func KeywordsAI(secrets ...string) (Verifier, error) {
	keys, err := plainKeys(secrets)
	if err != nil {
		return nil, err
	}
	return builtIn(func(r *http.Request, body []byte) (Event, error) {
		codes, err := keywordsAICodes(r.Header)
		if err != nil {
			return Event{}, err
		}
		if isHeaderOnly(r) {
			return Event{}, nil
		}
		for _, code := range codes {
			if matches(code, keys, body) {
				return Event{Body: body, Header: r.Header}, nil
			}
		}
		signed, err := signature.AppendPythonJSON(nil, body)
		if err != nil {
			return Event{}, fmt.Errorf("%w, and %w", ErrNoMatch, err)
		}
		for _, code := range codes {
			if matches(code, keys, signed) {
				return Event{Body: signed, Header: r.Header}, nil
			}
		}
		return Event{}, ErrNoMatch
	}), nil
}

// keywordsAICodes returns the signatures under the old and the new name of the header. At least
// one must be present.
func keywordsAICodes(h http.Header) ([]string, error) {
	var codes []string
	for _, name := range []string{"X-Keywordsai-Signature", "X-Respan-Signature"} {
		code, err := header(h, name)
		switch {
		case errors.Is(err, ErrMissingHeader):
			continue
		case err != nil:
			return nil, err
		case !isHex(code, 32):
			return nil, fmt.Errorf("%w: %s is not 64 lowercase hex digits", ErrMalformed, name)
		}
		codes = append(codes, code)
	}
	if len(codes) == 0 {
		return nil, fmt.Errorf("%w: X-Keywordsai-Signature or X-Respan-Signature", ErrMissingHeader)
	}
	return codes, nil
}
