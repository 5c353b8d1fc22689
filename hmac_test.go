package webhook

import (
	"crypto"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each is published by the provider, or by the library that its users verify with.
func TestHMACMakesTheSignaturesOfProviders(t *testing.T) {
	for name, c := range map[string]struct {
		scheme HMAC
		secret Secret
		at     int64
		body   string
		want   string
	}{
		"GitHub": {
			scheme: HMAC{Header: "X-Hub-Signature-256", Prefix: "sha256="},
			secret: "It's a Secret to Everybody", body: "Hello, World!",
			want: "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
		},
		"Shopify": {
			scheme: HMAC{Header: "X-Shopify-Hmac-Sha256", Base64: true},
			secret: "hush", body: `"my secret message"`,
			want: "hMTq0K2x7oyOjoBwGYeTj5oxfnaVYXzbanUG9aajpKI=",
		},
		"Slack": {
			scheme: HMAC{Header: "X-Slack-Signature", Prefix: "v0=", Content: func(r *Request) []byte {
				return append([]byte("v0:"+strconv.FormatInt(r.Time.Unix(), 10)+":"), r.Body...)
			}},
			secret: "8f742231b10e8888abcd99yyyzzz85a5", at: 1531420618,
			body: "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_nam" +
				"e=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F" +
				"%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=3987386630" +
				"15.47445629121.803a0bc887a14d10d2c447fce8b6703c",
			want: "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
		},
		"RFC 2202 test case 2, SHA-1": {
			scheme: HMAC{Header: "X-Hub-Signature", Prefix: "sha1=", Hash: crypto.SHA1},
			secret: "Jefe", body: "what do ya want for nothing?",
			want: "sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
		},
		"RFC 4231 test case 2, SHA-512": {
			scheme: HMAC{Header: "X-Signature", Hash: crypto.SHA512},
			secret: "Jefe", body: "what do ya want for nothing?",
			want: "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
		},
	} {
		t.Run(name, func(t *testing.T) {
			req := requestToSign("evt_1", c.body, time.Unix(c.at, 0))
			require.NoError(t, c.scheme.Sign(req, []Secret{c.secret, "an older one"}))
			assert.Equal(t, http.Header{http.CanonicalHeaderKey(c.scheme.Header): {c.want}}, req.Header)
		})
	}
}

func TestHMACDecodesKeysAsItIsTold(t *testing.T) {
	plain, decoded := requestToSign("evt_1", "body", time.Now()), requestToSign("evt_1", "body", time.Now())
	scheme := HMAC{Header: "X-Signature"}
	require.NoError(t, scheme.Sign(plain, []Secret{"key"}))
	scheme.Key = func(s Secret) ([]byte, error) { return hex.DecodeString(string(s)) }
	require.NoError(t, scheme.Sign(decoded, []Secret{Secret(hex.EncodeToString([]byte("key")))}))
	assert.Equal(t, plain.Header, decoded.Header)
}

func TestHMACGivesValueACodeForEachSecretTheNewestFirst(t *testing.T) {
	sign := func(scheme HMAC, secrets ...Secret) string {
		req := requestToSign("evt_1", "body", time.Unix(1700000000, 0))
		require.NoError(t, scheme.Sign(req, secrets))
		return req.Header.Get("Stripe-Signature")
	}
	scheme := HMAC{Header: "Stripe-Signature", Prefix: "v1="}
	first, second := sign(scheme, "new"), sign(scheme, "old")
	scheme.Value = func(r *Request, codes []string) string {
		return "t=" + strconv.FormatInt(r.Time.Unix(), 10) + "," + strings.Join(codes, ",")
	}
	assert.Equal(t, "t=1700000000,"+first+","+second, sign(scheme, "new", "old"))
}

func TestHMACRefusesWhatCannotSign(t *testing.T) {
	for name, c := range map[string]struct {
		scheme  HMAC
		secrets []Secret
		want    string
	}{
		"no secrets":       {HMAC{Header: "X-S"}, nil, "no secret"},
		"an empty secret":  {HMAC{Header: "X-S"}, []Secret{""}, "the secret is empty"},
		"an empty key":     {HMAC{Header: "X-S", Key: func(Secret) ([]byte, error) { return nil, nil }}, []Secret{"c4n4ry"}, "the secret is empty"},
		"no header":        {HMAC{}, []Secret{"c4n4ry"}, "HMAC.Header is empty"},
		"MD5":              {HMAC{Header: "X-S", Hash: crypto.MD5}, []Secret{"c4n4ry"}, "HMAC.Hash is MD5; use crypto.SHA256"},
		"a key that fails": {HMAC{Header: "X-S", Key: func(Secret) ([]byte, error) { return nil, errors.New("not hex") }}, []Secret{"c4n4ry"}, "not hex"},
		"a private key":    {HMAC{Header: "X-S"}, []Secret{"whsk_c4n4ry"}, "Ed25519 private key"},
	} {
		t.Run(name, func(t *testing.T) {
			req := requestToSign("evt_1", "body", time.Now())
			err := c.scheme.Sign(req, c.secrets)
			require.ErrorContains(t, err, c.want)
			assert.NotContains(t, err.Error(), "c4n4ry")
			assert.Empty(t, req.Header)
		})
	}
}
