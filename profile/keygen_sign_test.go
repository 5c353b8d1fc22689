package profile

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/receive"
)

// A keygenPair is a private key and the public one that receivers are given.
type keygenPair struct {
	algorithm string
	private   webhook.Secret
	public    string
	key       crypto.Signer
}

var keygenPairs = sync.OnceValue(func() []keygenPair {
	edKey := ed25519.NewKeyFromSeed([]byte(strings.Repeat("seed", 8)))
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 2048)
	ecKey, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	public := func(key crypto.Signer) string {
		der, _ := x509.MarshalPKIXPublicKey(key.Public())
		return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
	return []keygenPair{
		{"ed25519", webhook.Secret(hex.EncodeToString(edKey.Seed())), hex.EncodeToString(edKey[32:]), edKey},
		{"rsa-pss-sha256", privatePEM(rsaKey), public(rsaKey), rsaKey},
		{"rsa-sha256", privatePEM(rsaKey), public(rsaKey), rsaKey},
		{"ecdsa-p256", privatePEM(ecKey), public(ecKey), ecKey},
	}
})

func privatePEM(key crypto.Signer) webhook.Secret {
	der, _ := x509.MarshalPKCS8PrivateKey(key)
	return pemOf("PRIVATE KEY", der)
}

func pemOf(kind string, der []byte) webhook.Secret {
	return webhook.Secret(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// signed returns a request that is signed with some of these keys.
func signed(algorithm, url string, keys ...webhook.Secret) (*webhook.Request, error) {
	m := message(webhook.Event{ID: "evt", Type: "license.created"})
	m.Endpoint.Metadata = map[string]string{"signatureAlgorithm": algorithm}
	r := &webhook.Request{Message: m, URL: url, Header: make(map[string][]string), Body: []byte("{}"), Time: time.Now()}
	return r, signKeygen(r, keygenAccountID, keys)
}

func TestKeygenReadsKeysInEveryFormTheyComeIn(t *testing.T) {
	pairs := keygenPairs()
	ec, err := x509.MarshalECPrivateKey(pairs[3].key.(*ecdsa.PrivateKey))
	require.NoError(t, err)
	pkcs1 := pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(pairs[1].key.(*rsa.PrivateKey)))
	for _, c := range []struct {
		pair keygenPair
		key  webhook.Secret
	}{
		{pairs[0], privatePEM(pairs[0].key)},
		{pairs[0], webhook.Secret(strings.ToUpper(string(pairs[0].private)) + "\n")},
		{pairs[1], pkcs1},
		{pairs[2], pkcs1},
		{pairs[3], pemOf("EC PRIVATE KEY", ec)},
	} {
		r, err := signed(c.pair.algorithm, keygenURL, c.key)
		require.NoError(t, err)
		verify, err := receive.Keygen(receive.Window{}, c.pair.public)
		require.NoError(t, err)
		_, err = verify(arrived(r), r.Body)
		assert.NoError(t, err, c.pair.algorithm)
	}
}

func TestKeygenSignsWithTheFirstKeyThatFits(t *testing.T) {
	pairs := keygenPairs()
	other := webhook.Secret(strings.Repeat("ab", 32))
	r, err := signed("ed25519", keygenURL, pairs[1].private, pairs[0].private, other)
	require.NoError(t, err)
	verify, err := receive.Keygen(receive.Window{}, pairs[0].public)
	require.NoError(t, err)
	_, err = verify(arrived(r), r.Body)
	assert.NoError(t, err)
}

func TestKeygenSaltOfPSSIsAsLongAsItCanBe(t *testing.T) {
	scheme := keygenSchemes["rsa-pss-sha256"]
	sum := make([]byte, 32)
	code, err := keygenPairs()[1].key.Sign(rand.Reader, sum, scheme.opts)
	require.NoError(t, err)
	public := keygenPairs()[1].key.Public().(*rsa.PublicKey)
	assert.NoError(t, rsa.VerifyPSS(public, crypto.SHA256, sum, code, &rsa.PSSOptions{SaltLength: 222}))
}

// Receivers rebuild the signed text from the request.
func TestKeygenCoversTheTargetAndHostThatAreSent(t *testing.T) {
	pair := keygenPairs()[0]
	verify, err := receive.Keygen(receive.Window{}, pair.public)
	require.NoError(t, err)
	for _, url := range []string{
		"https://example.com", "https://example.com/", "https://example.com/?", "https://example.com?a=b", "https://example.com:8443/x",
		"https://example.com/a%2Fb/%C3%A9?q=%20+", "https://[2001:db8::1]/x", "https://[2001:db8::1]:8443/x", "https://example.com//a/../b",
	} {
		r, err := signed("", url, pair.private)
		require.NoError(t, err)
		_, err = verify(arrived(r), r.Body)
		assert.NoError(t, err, url)
	}
}

func TestKeygenSaysWhatIsWrongWithAKeyWithoutShowingIt(t *testing.T) {
	pairs := keygenPairs()
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	curve, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	const good = "ed25519"
	for _, c := range []struct {
		algorithm string
		keys      []webhook.Secret
		problem   string
	}{
		{good, nil, "for ed25519: the tenant has no key"},
		{"rsa-sha256", []webhook.Secret{pairs[0].private, pairs[3].private}, "for rsa-sha256: the tenant has no key"},
		{good, []webhook.Secret{""}, "key 1 of the tenant is neither"},
		{good, []webhook.Secret{"c4n4ry"}, "key 1 of the tenant is neither"},
		{good, []webhook.Secret{pairs[1].private, pairs[0].private[:62]}, "key 2 of the tenant is neither"},
		{good, []webhook.Secret{"-----BEGIN PRIVATE KEY-----\nc4n4ry"}, "not a whole PEM text"},
		{good, []webhook.Secret{pemOf("PRIVATE KEY", []byte("c4n4ry"))}, "whose key cannot be read"},
		{good, []webhook.Secret{webhook.Secret(pairs[1].public)}, "of another type"},
		{good, []webhook.Secret{pairs[1].private + pairs[3].private}, "more than one PEM block"},
		{good, []webhook.Secret{privatePEM(small)}, "an RSA key of 1024 bits"},
		{good, []webhook.Secret{privatePEM(curve)}, "another curve"},
		{"RSA-SHA256", []webhook.Secret{pairs[1].private}, `Endpoint.Metadata["signatureAlgorithm"] is unknown: "RSA-SHA256"`},
	} {
		r, err := signed(c.algorithm, keygenURL, c.keys...)
		require.ErrorContains(t, err, c.problem)
		assert.NotContains(t, err.Error(), "c4n4ry")
		assert.Empty(t, r.Header)
	}
	r, err := signed(good, "https://c4n4ry%", pairs[0].private)
	require.ErrorContains(t, err, "URL cannot be read")
	assert.NotContains(t, err.Error(), "c4n4ry")
	for _, account := range []string{`a"`, `a\`, "a b", "é", "a\n"} {
		assert.ErrorContains(t, signKeygen(r, account, []webhook.Secret{pairs[0].private}), "account id")
	}
}

func TestKeygenRefusesAnEndpointWithAnUnknownAlgorithm(t *testing.T) {
	s := newSender(t, Keygen(keygenKeys(keygenPairs()[0].private)))
	_, err := s.Tenant(tenant).CreateEndpoint(t.Context(), webhook.Endpoint{
		URL: keygenURL, Events: []string{"*"}, Metadata: map[string]string{"signatureAlgorithm": "hmac"},
	})
	assert.ErrorIs(t, err, webhook.ErrInvalid)
	require.ErrorContains(t, err, "use ed25519, rsa-pss-sha256, rsa-sha256 or ecdsa-p256")
	e := s.register(t, webhook.Endpoint{URL: keygenURL})
	e.Metadata = map[string]string{"signatureAlgorithm": "hmac"}
	_, err = s.Tenant(tenant).UpdateEndpoint(t.Context(), e)
	assert.ErrorIs(t, err, webhook.ErrInvalid)
}

// A kept connection that the receiver's side has dropped would fail the delivery for good.
func TestKeygenHasAConnectionForEachRequest(t *testing.T) {
	s := newSender(t, Keygen(keygenKeys(keygenPairs()[0].private)))
	s.register(t, webhook.Endpoint{URL: keygenURL})
	assert.True(t, s.sendOne(t, webhook.Event{Type: "license.created"}).OwnConn)
}
