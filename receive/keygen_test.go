package receive

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const keygenDate = "Tue, 14 Nov 2023 22:13:20 GMT" // 1700000000

// A keygenSender signs as Keygen does.
type keygenSender struct {
	key       crypto.Signer
	algorithm string
	public    string
}

var keygenSenders = sync.OnceValue(func() []keygenSender {
	edKey := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 2048)
	ecKey, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return []keygenSender{
		{edKey, "ed25519", hex.EncodeToString(edKey.Public().(ed25519.PublicKey))},
		{rsaKey, "rsa-pss-sha256", publicPEM(rsaKey.Public())},
		{rsaKey, "rsa-sha256", publicPEM(rsaKey.Public())},
		{ecKey, "ecdsa-p256", publicPEM(ecKey.Public())},
	}
})

func publicPEM(key crypto.PublicKey) string {
	der, _ := x509.MarshalPKIXPublicKey(key)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func (s keygenSender) sign(text string) string {
	message, opts := []byte(text), crypto.SignerOpts(crypto.Hash(0))
	if s.algorithm != "ed25519" {
		sum := sha256.Sum256(message)
		message, opts = sum[:], crypto.SHA256
	}
	if s.algorithm == "rsa-pss-sha256" {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto, Hash: crypto.SHA256}
	}
	code, _ := s.key.Sign(rand.Reader, message, opts)
	return base64.StdEncoding.EncodeToString(code)
}

// header returns the header that Keygen sends for a text.
func (s keygenSender) header(text string) string {
	return `keyid="account", algorithm="` + s.algorithm + `", signature="` + s.sign(text) + `", headers="(request-target) host date digest"`
}

func keygenText(host, target, body string) string {
	sum := sha256.Sum256([]byte(body))
	return "(request-target): post " + target + "\nhost: " + host + "\ndate: " + keygenDate +
		"\ndigest: sha-256=" + base64.StdEncoding.EncodeToString(sum[:])
}

// request returns a request to url that is signed for host and target.
func (s keygenSender) request(url, host, target, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, url, strings.NewReader(body))
	sum := sha256.Sum256([]byte(body))
	r.Header.Set("Date", keygenDate)
	r.Header.Set("Digest", "sha-256="+base64.StdEncoding.EncodeToString(sum[:]))
	r.Header.Set("Keygen-Signature", s.header(keygenText(host, target, body)))
	return r
}

func (s keygenSender) verifier(t *testing.T) Verifier {
	t.Helper()
	verify, err := Keygen(Window{Now: clock(1700000000, 0)}, s.public)
	require.NoError(t, err)
	return verify
}

func TestKeygenVerifiesEachAlgorithmWithAKeyForIt(t *testing.T) {
	for _, sender := range keygenSenders() {
		r := sender.request("https://example.com/", "example.com", "/", "body")
		for _, receiver := range keygenSenders() {
			_, err := receiver.verifier(t)(r, []byte("body"))
			if receiver.public == sender.public {
				assert.NoError(t, err, "%s with the key of %s", sender.algorithm, receiver.algorithm)
			} else {
				assert.ErrorIs(t, err, ErrNoMatch, "%s with the key of %s", sender.algorithm, receiver.algorithm)
			}
		}
		for _, other := range []string{"ed25519", "rsa-pss-sha256", "rsa-sha256", "ecdsa-p256", "none", "hmac-sha256", "ED25519"} {
			if other == sender.algorithm {
				continue
			}
			forged := sender.request("https://example.com/", "example.com", "/", "body")
			value := r.Header.Get("Keygen-Signature")
			forged.Header.Set("Keygen-Signature", strings.Replace(value, `"`+sender.algorithm+`"`, `"`+other+`"`, 1))
			_, err := sender.verifier(t)(forged, []byte("body"))
			assert.ErrorIs(t, err, ErrNoMatch, "%s called %s", sender.algorithm, other)
		}
	}
}

func TestKeygenCoversMethodTargetAndHostWithoutPort(t *testing.T) {
	sender := keygenSenders()[0]
	for _, tt := range []struct {
		url, host, target string
		want              error
	}{
		{"https://example.com/hooks?token=x", "example.com", "/hooks?token=x", nil},
		{"https://example.com:8443/hooks", "example.com", "/hooks", nil},
		{"https://[2001:db8::1]:8443/", "[2001:db8::1]", "/", nil},
		{"https://[2001:db8::1]/", "[2001:db8::1]", "/", nil},
		{"https://example.com/a%2Fb/%C3%A9?q=%20+", "example.com", "/a%2Fb/%C3%A9?q=%20+", nil},
		{"https://example.com/hooks", "example.com", "/hooks?token=x", ErrNoMatch},
		{"https://example.com/other", "example.com", "/hooks", ErrNoMatch},
		{"https://other.example/hooks", "example.com", "/hooks", ErrNoMatch},
		{"https://example.com:8443/hooks", "example.com:8443", "/hooks", ErrNoMatch},
	} {
		_, err := sender.verifier(t)(sender.request(tt.url, tt.host, tt.target, "body"), []byte("body"))
		assert.ErrorIs(t, err, tt.want, tt.url)
	}
	put := sender.request("https://example.com/", "example.com", "/", "body")
	put.Method = http.MethodPut
	_, err := sender.verifier(t)(put, []byte("body"))
	assert.ErrorIs(t, err, ErrNoMatch)
}

func TestKeygenReadsTheTargetThatWasSentAlsoBehindARouter(t *testing.T) {
	sender := keygenSenders()[0]
	verify := sender.verifier(t)
	var err error
	router := http.StripPrefix("/hooks", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err = verify(r, []byte("body"))
	}))
	router.ServeHTTP(httptest.NewRecorder(), sender.request("/hooks/keygen?x=y", "example.com", "/hooks/keygen?x=y", "body"))
	assert.NoError(t, err)

	r := sender.request("https://example.com/hooks", "example.com", "/hooks", "body")
	r.RequestURI = ""
	_, err = verify(r, []byte("body"))
	assert.NoError(t, err, "a request that no server has read")
}

func TestKeygenRequiresAllFourToBeCovered(t *testing.T) {
	sender := keygenSenders()[0]
	for _, covered := range []string{"", "date", "(request-target) host date", "host date digest", "(request-target) host date digest "} {
		r := sender.request("https://example.com/", "example.com", "/", "body")
		value := r.Header.Get("Keygen-Signature")
		r.Header.Set("Keygen-Signature", strings.Replace(value, "(request-target) host date digest", covered, 1))
		_, err := sender.verifier(t)(r, []byte("body"))
		assert.ErrorIs(t, err, ErrMalformed, covered)
	}
}

func TestKeygenReadsItsHeader(t *testing.T) {
	for value, want := range map[string]error{
		`algorithm="a", signature="AAAA", headers="(request-target) host date digest"`:                nil,
		`headers="(request-target) host date digest",signature="AAAA",algorithm="a",x=""`:             nil,
		`algorithm="a",    signature="AAAA", headers="(request-target) host date digest"`:             nil,
		`algorithm="", signature="AAAA", headers="(request-target) host date digest"`:                 ErrMalformed,
		`signature="AAAA", headers="(request-target) host date digest"`:                               ErrMalformed,
		`algorithm="a", signature="", headers="(request-target) host date digest"`:                    ErrMalformed,
		`algorithm="a", signature="AA", headers="(request-target) host date digest"`:                  ErrMalformed,
		`algorithm="a", signature="A-_A", headers="(request-target) host date digest"`:                ErrMalformed,
		`algorithm="a", signature="AAAA"`:                                                             ErrMalformed,
		`algorithm="a", algorithm="a", signature="AAAA", headers="(request-target) host date digest"`: ErrMalformed,
		`algorithm="a", signature="AAAA", headers="(request-target) host date digest",`:               ErrMalformed,
		`algorithm="a", signature="AAAA", headers="(request-target) host date digest`:                 ErrMalformed,
		`algorithm="a" signature="AAAA" headers="(request-target) host date digest"`:                  ErrMalformed,
		`algorithm=a, signature="AAAA", headers="(request-target) host date digest"`:                  ErrMalformed,
		``:   ErrMalformed,
		`="`: ErrMalformed,
	} {
		_, _, err := parseKeygen(value)
		assert.ErrorIs(t, err, want, value)
	}
}

func TestKeygenRefusesADigestThatIsNotTheBodys(t *testing.T) {
	sender := keygenSenders()[0]
	r := sender.request("https://example.com/", "example.com", "/", "body")
	_, err := sender.verifier(t)(r, []byte("other"))
	assert.ErrorIs(t, err, ErrNoMatch)
	assert.ErrorContains(t, err, "Digest is not that of the body")
	r.Header.Set("Digest", "SHA-256"+strings.TrimPrefix(r.Header.Get("Digest"), "sha-256"))
	_, err = sender.verifier(t)(r, []byte("body"))
	assert.ErrorIs(t, err, ErrNoMatch)
}

func TestKeygenRefusesDatesThatAreNone(t *testing.T) {
	sender := keygenSenders()[0]
	for _, date := range []string{"1700000000", "2023-11-14T22:13:20Z", "Tue, 14 Nov 2023 22:13:20 +0000", "x", strings.Repeat("9", 9000)} {
		r := sender.request("https://example.com/", "example.com", "/", "body")
		r.Header.Set("Date", date)
		_, err := sender.verifier(t)(r, []byte("body"))
		assert.ErrorIs(t, err, ErrMalformed, "%.40q", date)
	}
}

func TestKeygenKeysThatAreTooWeakOrOfAnotherKindAreRefused(t *testing.T) {
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	curve, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	for text, problem := range map[string]string{
		publicPEM(weak.Public()):  "an RSA key of 1024 bits",
		publicPEM(curve.Public()): "another curve",
		publicPEM(keygenSenders()[1].key.Public()) + publicPEM(keygenSenders()[3].key.Public()): "more than one PEM block",
	} {
		_, err := Keygen(Window{}, text)
		assert.ErrorIs(t, err, ErrSecret)
		assert.ErrorContains(t, err, problem)
	}
	pkcs1 := pem.EncodeToMemory(&pem.Block{
		Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(keygenSenders()[1].key.Public().(*rsa.PublicKey)),
	})
	_, err = Keygen(Window{}, string(pkcs1), publicPEM(keygenSenders()[0].key.Public()))
	assert.NoError(t, err)
}

func TestKeygenIDIsTheTokenThatManualRetriesRepeat(t *testing.T) {
	sender := keygenSenders()[0]
	for body, want := range map[string]string{
		`{"data":{"id":"event","meta":{"idempotencyToken":"token"}}}`: "token",
		`{"data":{"id":"event"}}`:                                     "event",
		`{"data":[]}`:                                                 "",
		`x`:                                                           "",
	} {
		event, err := sender.verifier(t)(sender.request("https://example.com/", "example.com", "/", body), []byte(body))
		assert.NoError(t, err)
		assert.Equal(t, want, event.ID)
		assert.Equal(t, time.Unix(1700000000, 0).UTC(), event.Time.UTC())
	}
}
