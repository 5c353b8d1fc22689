package receive

import (
	"crypto/hmac"
	"encoding/base64"
	"fmt"
	"net/http"

	"github.com/gowebhook/webhook/internal/signature"
)

const shopifyID = "X-Shopify-Webhook-Id"

// Shopify returns a verifier of Shopify's X-Shopify-Hmac-Sha256 header: the base64 HMAC-SHA256
// of the body. A secret is the app's client secret as text. After a rotation, Shopify signs
// with the old secret for up to an hour.
//
// Event.ID is X-Shopify-Webhook-Id, which is the same in all repeats of a webhook. It is not
// signed. The topic, the shop and the time are not signed either.
//
// Source: https://shopify.dev/docs/apps/build/webhooks/subscribe/https
func Shopify(secrets ...string) (Verifier, error) {
	keys, err := plainKeys(secrets)
	if err != nil {
		return nil, err
	}
	const name = "X-Shopify-Hmac-Sha256"
	return builtIn(func(r *http.Request, body []byte) (Event, error) {
		value, err := header(r.Header, name)
		if err != nil {
			return Event{}, err
		}
		if code, err := base64.StdEncoding.Strict().DecodeString(value); err != nil || len(value) != base64Length || len(code) != 32 {
			return Event{}, fmt.Errorf("%w: %s is not 32 bytes in standard base64", ErrMalformed, name)
		}
		id, err := optionalHeader(r.Header, shopifyID)
		if err != nil || isHeaderOnly(r) {
			return Event{}, err
		}
		for _, key := range keys {
			if hmac.Equal([]byte(value), base64HMAC(key, body)) {
				return Event{ID: id, Body: body, Header: r.Header}, nil
			}
		}
		return Event{}, ErrNoMatch
	}), nil
}

// base64HMAC returns the HMAC-SHA256 of body under key, in base64.
func base64HMAC(key, body []byte) []byte {
	s := signature.GetScratch()
	defer signature.PutScratch(s)
	s.MAC.Reset(key)
	_, _ = s.MAC.Write(body)
	s.Code = s.MAC.Sum(s.Code[:0])
	return base64.StdEncoding.AppendEncode(nil, s.Code)
}
