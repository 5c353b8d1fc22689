package receive

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// untouched is a body that must not be read.
type untouched struct{ t *testing.T }

func (b untouched) Read([]byte) (int, error) {
	b.t.Error("the body was read")
	return 0, io.EOF
}

// Every scheme refuses as much as it can by the header alone.
func TestARequestIsRefusedByItsHeaderBeforeItsBodyIsRead(t *testing.T) {
	for _, s := range schemes {
		v := one(t, s.name)
		for name, change := range map[string]func(http.Header) bool{
			"no signature":  func(h http.Header) bool { h.Del(s.signed[len(s.signed)-1]); return true },
			"a doubled one": func(h http.Header) bool { h.Add(s.signed[len(s.signed)-1], "x"); return true },
			"a malformed one": func(h http.Header) bool {
				h.Set(s.signed[len(s.signed)-1], "x")
				return s.name != "standard" && s.name != "svix"
			},
			"another timestamp": func(http.Header) bool { return s.timed },
		} {
			verify := v.verifier(t, 0)
			if name == "another timestamp" {
				verify = v.verifier(t, 2*defaultTolerance)
			}
			h, err := NewHandler(Config{Verify: verify, Handle: func(context.Context, Event) error { return nil }, Observe: func(context.Context, Result) {}})
			require.NoError(t, err)
			r := v.request(t)
			r.Method, r.ContentLength = http.MethodPost, -1
			if !change(r.Header) {
				continue
			}
			r.Body = io.NopCloser(untouched{t})
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			assert.Equal(t, http.StatusUnauthorized, w.Code, "%s: %s", s.name, name)
		}
		h, err := NewHandler(Config{Verify: v.verifier(t, 0), Handle: func(context.Context, Event) error { return nil }})
		require.NoError(t, err)
		r := v.request(t)
		r.Body = io.NopCloser(strings.NewReader(v.Body))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		assert.Equal(t, http.StatusNoContent, w.Code, s.name)
	}
}

// A verifier of the application's is called once, with the body, also if it calls one of this
// package.
func TestAVerifierOfTheApplicationIsCalledOnceWithTheBody(t *testing.T) {
	v := one(t, "github")
	inner, calls := v.verifier(t, 0), 0
	h, err := NewHandler(Config{
		Verify: func(r *http.Request, body []byte) (Event, error) {
			calls++
			if string(body) != v.Body {
				return Event{}, errors.New("no body")
			}
			return inner(r, body)
		},
		Handle: func(context.Context, Event) error { return nil },
	})
	require.NoError(t, err)
	r := v.request(t)
	r.Body = io.NopCloser(strings.NewReader(v.Body))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	assert.Equal(t, http.StatusNoContent, w.Code)
	assert.Equal(t, 1, calls)
}

// However many signatures a header has, the body is hashed eight times for a public key at
// most, and not at all for one that cannot be valid.
func TestSignaturesOfAStrangerCostEightHashesOfTheBodyForEachKey(t *testing.T) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	public := "whpk_" + base64.StdEncoding.EncodeToString(key.Public().(ed25519.PublicKey))
	body := make([]byte, 1<<20)
	var hashed int
	verifyEd25519 = func(key ed25519.PublicKey, message, code []byte) bool {
		hashed += len(message)
		return false
	}
	t.Cleanup(func() { verifyEd25519 = ed25519.Verify })
	verify, err := Standard(Window{Now: clock(1, 0)}, public, public)
	require.NoError(t, err)
	code := ed25519.Sign(key, []byte("other"))
	large := append([]byte{}, code...)
	large[63] |= 0xe0
	order := append(append([]byte{}, code[:32]...), // S = L
		0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10)
	for name, c := range map[string]struct {
		code  []byte
		n     int
		most  int
		least int
	}{
		"one":                 {code, 1, 1, 1},
		"eight":               {code, 8, 8, 8},
		"sixteen":             {code, 16, 8, 8},
		"64":                  {code, 64, 0, 0},
		"not reduced":         {large, 16, 0, 0},
		"the order":           {order, 16, 0, 0},
		"too short":           {code[:63], 16, 0, 0},
		"one less than order": {append(append([]byte{}, order[:32]...), append([]byte{0xec}, order[33:]...)...), 1, 1, 1},
	} {
		hashed = 0
		r := http.Request{Header: http.Header{"Webhook-Id": {"id"}, "Webhook-Timestamp": {"1"}}}
		one := "v1a," + base64.StdEncoding.EncodeToString(c.code)
		r.Header.Set("Webhook-Signature", strings.TrimSuffix(strings.Repeat(one+" ", c.n), " "))
		_, err := verify(&r, body)
		require.Error(t, err, name)
		perKey := hashed / 2 / len(body)
		assert.LessOrEqual(t, perKey, c.most, name)
		assert.GreaterOrEqual(t, perKey, c.least, name)
	}
}

func TestADoubledUnsignedIDIsRefused(t *testing.T) {
	for scheme, name := range map[string]string{"github": githubDelivery, "github-sha1": githubDelivery, "shopify": shopifyID} {
		v := one(t, scheme)
		r := v.request(t)
		r.Header[http.CanonicalHeaderKey(name)] = []string{"one", "two"}
		_, err := v.verifier(t, 0)(r, []byte(v.Body))
		assert.ErrorIs(t, err, ErrMalformed, scheme)
		r.Header.Set(name, "one")
		event, err := v.verifier(t, 0)(r, []byte(v.Body))
		require.NoError(t, err)
		assert.Equal(t, "one", event.ID)
		r.Header.Del(name)
		_, err = v.verifier(t, 0)(r, []byte(v.Body))
		require.NoError(t, err)
	}
}

func TestAPlainSecretHas16BytesUnlessAllowShortSaysOtherwise(t *testing.T) {
	for name, construct := range map[string]func(...string) (Verifier, error){
		"github": GitHub, "github-sha1": GitHubLegacySHA1, "shopify": Shopify, "key": Key, "tryno": Tryno, "keywordsai": KeywordsAI,
		"slack":  func(s ...string) (Verifier, error) { return Slack(Window{}, s...) },
		"stripe": func(s ...string) (Verifier, error) { return Stripe(Window{}, s...) },
	} {
		_, err := construct("123456789012345")
		assert.ErrorIs(t, err, ErrSecret, name)
		_, err = construct("1234567890123456", "x")
		assert.ErrorIs(t, err, ErrSecret, name)
		_, err = construct("1234567890123456", AllowShort("x"))
		assert.NoError(t, err, name)
		_, err = construct(AllowShort(""))
		assert.ErrorIs(t, err, ErrSecret, name)
		_, err = construct(AllowShort(" x"))
		assert.ErrorIs(t, err, ErrSecret, name)
	}
	_, err := Key(AllowShort("wh_id"))
	assert.ErrorIs(t, err, ErrSecret)
}
