package receive

import (
	"crypto/ed25519"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAPublicKeyAndASecretCanBeUsedTogether(t *testing.T) {
	var v1, v1a vector
	for _, v := range vectors(t) {
		switch v.Name {
		case "sw-canonical":
			v1 = v
		case "sw-v1a":
			v1a = v
		}
	}
	verify := v1.verifier(t, 0, v1.Secret, v1a.Secret)
	for _, v := range []vector{v1, v1a} {
		_, err := verify(v.request(t), []byte(v.Body))
		assert.NoError(t, err, v.Name)
	}
	both := v1.request(t)
	both.Header.Set("Webhook-Signature", "v1,AAAA "+v1a.Header["webhook-signature"])
	_, err := verify(both, []byte(v1.Body))
	assert.NoError(t, err)
	_, err = v1.verifier(t, 0)(both, []byte(v1.Body))
	assert.ErrorIs(t, err, ErrNoMatch, "without the public key, v1a says nothing")
}

// A v1a signature must not be taken for a v1, or the other way round, and neither for one of a
// version to come.
func TestASignatureCountsUnderItsOwnVersionOnly(t *testing.T) {
	for _, v := range vectors(t) {
		if v.Scheme != "standard" || v.Error != "" {
			continue
		}
		for _, version := range []string{"v1", "v1a", "v2", "V1", "", "v1,v1"} {
			r := v.request(t)
			own, code, _ := strings.Cut(v.Header["webhook-signature"], ",")
			if version == own || strings.Contains(code, " ") {
				continue
			}
			r.Header.Set("Webhook-Signature", version+","+code)
			_, err := v.verifier(t, 0)(r, []byte(v.Body))
			assert.ErrorIs(t, err, ErrNoMatch, "%s as %s", v.Name, version)
		}
	}
}

func TestUpTo16SignaturesAreRead(t *testing.T) {
	v := one(t, "standard")
	own := v.Header["webhook-signature"]
	for n, want := range map[int]error{1: nil, 2: nil, 16: nil, 17: ErrMalformed, 10_000: ErrMalformed} {
		r := v.request(t)
		r.Header.Set("Webhook-Signature", strings.Repeat("v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4= ", n-1)+own)
		_, err := v.verifier(t, 0)(r, []byte(v.Body))
		assert.ErrorIs(t, err, want, "%d signatures", n)
	}
}

func TestHeadersOfUpTo8KiBAreRead(t *testing.T) {
	v := one(t, "standard")
	own := v.Header["webhook-signature"]
	for n, want := range map[int]error{8192: nil, 8193: ErrMalformed} {
		r := v.request(t)
		r.Header.Set("Webhook-Signature", strings.Repeat("x", n-1-len(own))+" "+own)
		_, err := v.verifier(t, 0)(r, []byte(v.Body))
		assert.ErrorIs(t, err, want, "%d bytes", n)
	}
}

func TestTheFirstEightPublicKeySignaturesAreTried(t *testing.T) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	public := "whpk_" + base64.StdEncoding.EncodeToString(key.Public().(ed25519.PublicKey))
	verify, err := Standard(Window{Now: clock(1, 0)}, public)
	require.NoError(t, err)
	r := http.Request{Header: http.Header{"Webhook-Id": {"id"}, "Webhook-Timestamp": {"1"}}}
	good := "v1a," + base64.StdEncoding.EncodeToString(ed25519.Sign(key, []byte("id.1.body")))
	bad := "v1a," + base64.StdEncoding.EncodeToString(ed25519.Sign(key, []byte("other")))
	for others, want := range map[int]error{0: nil, 7: nil, 8: ErrNoMatch, 15: ErrNoMatch, 16: ErrMalformed} {
		r.Header.Set("Webhook-Signature", strings.Repeat(bad+" ", others)+good)
		_, err = verify(&r, []byte("body"))
		assert.ErrorIs(t, err, want, "%d before it", others)
	}
}

// The signed text joins id, timestamp and body with dots. With a dot in the id, "a.1" at 2 is
// the same text as "a" at 1.
func TestTheSignedTextCannotBeCutElsewhere(t *testing.T) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	public := "whpk_" + base64.StdEncoding.EncodeToString(key.Public().(ed25519.PublicKey))
	verify, err := Standard(Window{Now: clock(1700000000, 0)}, public)
	require.NoError(t, err)
	code := "v1a," + base64.StdEncoding.EncodeToString(ed25519.Sign(key, []byte("id.1600000000.1700000000.body")))
	r := http.Request{Header: http.Header{
		"Webhook-Id": {"id.1600000000"}, "Webhook-Timestamp": {"1700000000"}, "Webhook-Signature": {code},
	}}
	_, err = verify(&r, []byte("body"))
	assert.ErrorIs(t, err, ErrMalformed)
}

func TestStandardDoesNotReadTheHeadersOfSvix(t *testing.T) {
	v := one(t, "svix")
	verify, err := Standard(Window{Now: clock(v.Now, 0)}, v.Secret)
	require.NoError(t, err)
	_, err = verify(v.request(t), []byte(v.Body))
	assert.ErrorIs(t, err, ErrMissingHeader)
}

func TestSvixReadsOneFamilyOfHeaders(t *testing.T) {
	v := one(t, "standard")
	verify, err := Svix(Window{Now: clock(v.Now, 0)}, v.Secret)
	require.NoError(t, err)
	r := v.request(t)
	event, err := verify(r, []byte(v.Body))
	assert.NoError(t, err, "those of the standard alone")
	assert.Equal(t, v.ID, event.ID)

	r.Header.Set("Svix-Signature", r.Header.Get("Webhook-Signature"))
	_, err = verify(r, []byte(v.Body))
	assert.ErrorIs(t, err, ErrMissingHeader, "svix-signature without svix-id")

	r.Header.Set("Svix-Id", v.ID)
	r.Header.Set("Svix-Timestamp", "1")
	_, err = verify(r, []byte(v.Body))
	assert.ErrorIs(t, err, ErrTooOld)
}

func TestBodiesThatAreNotTextAreVerified(t *testing.T) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	public := "whpk_" + base64.StdEncoding.EncodeToString(key.Public().(ed25519.PublicKey))
	verify, err := Standard(Window{Now: clock(1, 0)}, public)
	require.NoError(t, err)
	for _, body := range []string{"", "\x00", "\xff\xfe\xfd", "{\"a\":\"\xc3\x28\"}", strings.Repeat("\xf0", 1<<20)} {
		code := "v1a," + base64.StdEncoding.EncodeToString(ed25519.Sign(key, []byte("id.1."+body)))
		r := http.Request{Header: http.Header{"Webhook-Id": {"id"}, "Webhook-Timestamp": {"1"}, "Webhook-Signature": {code}}}
		event, err := verify(&r, []byte(body))
		assert.NoError(t, err)
		assert.Equal(t, body, string(event.Body))
	}
}
