package signature

import (
	"crypto/ed25519"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The test vector that the libraries of Standard Webhooks and Svix share.
const (
	vectorPrivate = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
	vectorPublic  = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
	vectorCode    = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
)

func TestEd25519SignsTheVector(t *testing.T) {
	key, err := ParsePrivateKey(vectorPrivate)
	require.NoError(t, err)
	s := GetScratch()
	defer PutScratch(s)
	got := s.AppendStandardEd25519([]byte("x "), key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, []byte(`{"test": 2432232314}`))
	assert.Equal(t, "x "+vectorCode, string(got))
	public, err := PublicKey(vectorPrivate)
	require.NoError(t, err)
	assert.Equal(t, vectorPublic, public)
}

func TestAPrivateKeyMayBeItsSeedAlone(t *testing.T) {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(vectorPrivate, PrivatePrefix))
	require.NoError(t, err)
	public, err := PublicKey(PrivatePrefix + base64.StdEncoding.EncodeToString(raw[:32]))
	require.NoError(t, err)
	assert.Equal(t, vectorPublic, public)
}

func TestNewPrivateKeysSignAndDiffer(t *testing.T) {
	a, b := NewPrivateKey(), NewPrivateKey()
	assert.NotEqual(t, a, b)
	key, err := ParsePrivateKey(a)
	require.NoError(t, err)
	public, err := PublicKey(a)
	require.NoError(t, err)
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(public, PublicPrefix))
	require.NoError(t, err)
	assert.True(t, ed25519.Verify(raw, []byte("m"), ed25519.Sign(key, []byte("m"))))
}

func TestParsePrivateKeySaysWhatIsWrongAndDoesNotQuote(t *testing.T) {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(vectorPrivate, PrivatePrefix))
	require.NoError(t, err)
	encode := base64.StdEncoding.EncodeToString
	swapped := append(append([]byte{}, raw[:32]...), make([]byte, 32)...)
	for secret, want := range map[string]string{
		"whsk_":                                        "has 0 bytes, and must have 32, or 64",
		"whsk_" + encode(raw[:31]):                     "has 31 bytes",
		"whsk_" + encode(raw[:33]):                     "has 33 bytes",
		"whsk_" + encode(raw[:63]):                     "has 63 bytes",
		"whsk_" + encode(append(raw, 1)):               "has 65 bytes",
		"whsk_" + encode(swapped):                      "second half is not the public key of its first",
		"whsk_c4n4ry!":                                 "not standard base64",
		vectorPrivate[:20] + "\n" + vectorPrivate[20:]: "not standard base64",
	} {
		_, err := ParsePrivateKey(secret)
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "c4n4ry")
		assert.NotContains(t, err.Error(), vectorPrivate[5:25])
	}
}

func FuzzParsePrivateKey(f *testing.F) {
	f.Add(vectorPrivate)
	f.Add(PrivatePrefix)
	f.Add(vectorPublic)
	f.Fuzz(func(t *testing.T, secret string) {
		key, err := ParsePrivateKey(secret)
		if err != nil {
			return
		}
		public, err := PublicKey(secret)
		require.NoError(t, err)
		raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(public, PublicPrefix))
		require.NoError(t, err)
		require.True(t, ed25519.Verify(raw, []byte("m"), ed25519.Sign(key, []byte("m"))))
	})
}
