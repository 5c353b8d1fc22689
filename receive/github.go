package receive

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // GitHub's old header; as an HMAC it has not been broken
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
)

const githubDelivery = "X-GitHub-Delivery"

// GitHub returns a verifier of GitHub's X-Hub-Signature-256 header: "sha256=" and the hex
// HMAC-SHA256 of the body. The webhook's content type may be JSON or a form. A secret is the
// text that was typed into the webhook's settings.
//
// Event.ID is X-GitHub-Delivery, which redeliveries repeat. A request with two of them is
// refused. X-GitHub-Delivery and X-GitHub-Event are not signed, and there is no signed
// timestamp. GitHub sends bodies of up to 25 MB, so Config.MaxBody may have to be larger than
// its default.
//
// Source: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
func GitHub(secrets ...string) (Verifier, error) {
	return hexBody("X-Hub-Signature-256", "sha256=", secrets, githubDelivery, withoutID)
}

// GitHubLegacySHA1 returns a verifier of the X-Hub-Signature header: "sha1=" and the hex
// HMAC-SHA1 of the body. Old versions of GitHub Enterprise Server, and systems that imitate it,
// send only this header. If a request has X-Hub-Signature-256 too, use [GitHub]. Otherwise the
// two verifiers are alike.
func GitHubLegacySHA1(secrets ...string) (Verifier, error) {
	keys, err := plainKeys(secrets)
	if err != nil {
		return nil, err
	}
	const name = "X-Hub-Signature"
	return builtIn(func(r *http.Request, body []byte) (Event, error) {
		value, err := header(r.Header, name)
		if err != nil {
			return Event{}, err
		}
		code, prefixed := strings.CutPrefix(value, "sha1=")
		if !prefixed || !isHex(code, sha1.Size) {
			return Event{}, fmt.Errorf(`%w: %s is not "sha1=" and 40 lowercase hex digits`, ErrMalformed, name)
		}
		id, err := optionalHeader(r.Header, githubDelivery)
		if err != nil || isHeaderOnly(r) {
			return Event{}, err
		}
		for _, key := range keys {
			mac := hmac.New(sha1.New, key)
			mac.Write(body)
			if hmac.Equal([]byte(code), hex.AppendEncode(nil, mac.Sum(nil))) {
				return Event{ID: id, Body: body, Header: r.Header}, nil
			}
		}
		return Event{}, ErrNoMatch
	}), nil
}
