package receive

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"github.com/gowebhook/webhook/internal/signature"
)

// Standard returns a verifier of Standard Webhooks 1.0.0. A secret is one of two kinds. A
// symmetric secret is "whsec_" and the base64 of at least 16 bytes, for v1 signatures
// (HMAC-SHA256). A public key is "whpk_" and the base64 of 32 bytes, for v1a signatures
// (Ed25519). A secret without a prefix is symmetric.
//
// The headers are webhook-id, webhook-timestamp and webhook-signature. One signature that
// matches one secret is enough. Signatures of other versions are skipped.
//
// Event.ID is webhook-id, which is signed and the same in every repeat of an event. Event.Time
// is webhook-timestamp, which is signed and new in every attempt.
//
// An id with a dot is refused, as the specification forbids it. Otherwise one signed text could
// be read in two ways: "a.1.2.x" is the id "a", time 1 and body "2.x", or the id "a.1", time 2
// and body "x".
//
// Source:
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
func Standard(window Window, secrets ...string) (Verifier, error) {
	keys, err := standardKeysOf(secrets)
	if err != nil {
		return nil, err
	}
	return builtIn(func(r *http.Request, body []byte) (Event, error) {
		return keys.verify(window, "Webhook-", r, body)
	}), nil
}

// Svix returns a verifier of requests that Svix sends for a provider. It is [Standard] with the
// headers svix-id, svix-timestamp and svix-signature. If a request has no svix-signature, the
// headers of the standard are used.
//
// Source: https://docs.svix.com/receiving/verifying-payloads/how-manual
func Svix(window Window, secrets ...string) (Verifier, error) {
	keys, err := standardKeysOf(secrets)
	if err != nil {
		return nil, err
	}
	return builtIn(func(r *http.Request, body []byte) (Event, error) {
		if len(r.Header.Values("Svix-Signature")) == 0 {
			return keys.verify(window, "Webhook-", r, body)
		}
		return keys.verify(window, "Svix-", r, body)
	}), nil
}

// standardKeys are the keys of a Standard Webhooks verifier.
type standardKeys struct {
	symmetric [][]byte
	public    []ed25519.PublicKey
}

const (
	// minStandardKey is less than the specification asks of senders. Some senders, among them
	// Svix, do not obey it, and the receiver cannot choose. A key of less than 128 bits is a
	// mistake.
	minStandardKey = 16
)

func standardKeysOf(secrets []string) (standardKeys, error) {
	var keys standardKeys
	if len(secrets) == 0 {
		return keys, noSecrets()
	}
	for i, secret := range secrets {
		switch {
		case strings.HasPrefix(secret, signature.PrivatePrefix):
			return keys, badSecret(i, `begins with "whsk_": that is the sender's private key; use the public one, "whpk_…"`)
		case strings.HasPrefix(secret, signature.PublicPrefix):
			key, err := base64.StdEncoding.Strict().DecodeString(secret[len(signature.PublicPrefix):])
			if err != nil || len(key) != ed25519.PublicKeySize {
				return keys, badSecret(i, `is not "whpk_" and the standard base64 of 32 bytes; copy it again`)
			}
			keys.public = append(keys.public, key)
		default:
			if err := checkPlain(i, secret); err != nil {
				return keys, err
			}
			encoded := strings.TrimPrefix(secret, signature.SecretPrefix)
			key, err := base64.StdEncoding.DecodeString(encoded)
			switch {
			case err != nil || strings.ContainsAny(encoded, "\r\n"): // encoding/base64 skips these
				return keys, badSecret(i, `is not "whsec_" and standard base64; copy it again`)
			case len(key) < minStandardKey:
				return keys, badSecret(i, fmt.Sprintf("has a key of %d bytes, and needs %d; copy all of it", len(key), minStandardKey))
			}
			keys.symmetric = append(keys.symmetric, key)
		}
	}
	return keys, nil
}

func (k standardKeys) verify(window Window, prefix string, r *http.Request, body []byte) (Event, error) {
	h := r.Header
	var values [3]string
	for i, name := range []string{"Id", "Timestamp", "Signature"} {
		var err error
		if values[i], err = header(h, prefix+name); err != nil {
			return Event{}, err
		}
	}
	id, timestamp, list := values[0], values[1], values[2]
	if strings.Contains(id, ".") {
		return Event{}, fmt.Errorf("%w: %sId has a dot", ErrMalformed, prefix)
	}
	if strings.Count(list, " ") >= maxSignatures {
		return Event{}, fmt.Errorf("%w: %sSignature has more than %d signatures", ErrMalformed, prefix, maxSignatures)
	}
	at, err := window.judgeUnix(prefix+"Timestamp", timestamp)
	if err != nil {
		return Event{}, err
	}
	if isHeaderOnly(r) {
		return Event{}, nil
	}
	signatures := strings.Split(list, " ")
	if !k.matchSymmetric(signatures, id, at.Unix(), body) && !k.matchPublic(signatures, id, timestamp, body) {
		return Event{}, ErrNoMatch
	}
	return Event{ID: id, Time: at, Body: body, Header: h}, nil
}

func (k standardKeys) matchSymmetric(signatures []string, id string, timestamp int64, body []byte) bool {
	s := signature.GetScratch()
	defer signature.PutScratch(s)
	for _, key := range k.symmetric {
		s.Text = s.AppendStandard(s.Text[:0], key, id, timestamp, body)
		if anyEqual(signatures, s.Text) {
			return true
		}
	}
	return false
}

func (k standardKeys) matchPublic(signatures []string, id, timestamp string, body []byte) bool {
	if len(k.public) == 0 {
		return false
	}
	var message []byte
	tried := 0
	for _, one := range signatures {
		encoded, isV1a := strings.CutPrefix(one, "v1a,")
		if !isV1a || len(encoded) != base64.StdEncoding.EncodedLen(ed25519.SignatureSize) {
			continue
		}
		code, err := base64.StdEncoding.Strict().DecodeString(encoded)
		if err != nil || !isReduced(code[ed25519.SignatureSize/2:]) {
			continue
		}
		if tried++; tried > maxPublicSignatures {
			return false
		}
		if message == nil {
			message = append([]byte(id+"."+timestamp+"."), body...)
		}
		for _, key := range k.public {
			if verifyEd25519(key, message, code) {
				return true
			}
		}
	}
	return false
}

// verifyEd25519 hashes the message once. It is a variable so that tests can count the bytes.
var verifyEd25519 = ed25519.Verify

// isReduced reports whether s is less than the order of the group, as RFC 8032 §5.1.7 demands.
// The argument s is the little-endian second half of an Ed25519 signature. The function
// ed25519.Verify tests it only after the hash.
func isReduced(s []byte) bool {
	order := [...]byte{ // 2^252 + 27742317777372353535851937790883648493, little-endian
		0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
		0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x10,
	}
	for i := len(order) - 1; i >= 0; i-- {
		if s[i] != order[i] {
			return s[i] < order[i]
		}
	}
	return false
}
