package webhook

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func cipherKey(id string, fill byte) CipherKey {
	return CipherKey{ID: id, Key: bytes.Repeat([]byte{fill}, 32)}
}

func newCipher(t *testing.T, keys ...CipherKey) Cipher {
	t.Helper()
	c, err := NewCipher(keys...)
	require.NoError(t, err)
	return c
}

func TestNewCipherRefusesKeysThatCannotBeUsed(t *testing.T) {
	ok := cipherKey("ok", 1)
	for name, c := range map[string]struct {
		keys  []CipherKey
		field string
	}{
		"none":             {nil, "keys"},
		"no id":            {[]CipherKey{cipherKey("", 1)}, "keys[0].ID"},
		"a long id":        {[]CipherKey{cipherKey(strings.Repeat("a", 65), 1)}, "keys[0].ID"},
		"a colon":          {[]CipherKey{cipherKey("a:b", 1)}, "keys[0].ID"},
		"a dot":            {[]CipherKey{cipherKey("a.b", 1)}, "keys[0].ID"},
		"twice the same":   {[]CipherKey{ok, cipherKey("ok", 2)}, "keys[1].ID"},
		"no key":           {[]CipherKey{{ID: "a"}}, "keys[0].Key"},
		"31 bytes":         {[]CipherKey{ok, {ID: "a", Key: make([]byte, 31)}}, "keys[1].Key"},
		"33 bytes":         {[]CipherKey{{ID: "a", Key: make([]byte, 33)}}, "keys[0].Key"},
		"AES-128":          {[]CipherKey{{ID: "a", Key: make([]byte, 16)}}, "keys[0].Key"},
		"64 digits of hex": {[]CipherKey{{ID: "a", Key: []byte(strings.Repeat("0f", 32))}}, "keys[0].Key"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewCipher(c.keys...)
			var field *FieldError
			require.ErrorAs(t, err, &field)
			assert.Equal(t, c.field, field.Field)
		})
	}
	newCipher(t, cipherKey(strings.Repeat("a", 64), 1), cipherKey("A-z_0", 2))
}

func TestWhatIsSealedIsOpenedUnderTheSameBoundAlone(t *testing.T) {
	c := newCipher(t, cipherKey("k1", 1))
	ctx := t.Context()
	for _, plain := range []string{"", "x", strings.Repeat("secret ", 600)} {
		sealed, err := c.Seal(ctx, []byte(plain), "acme ep1")
		require.NoError(t, err)
		require.NoError(t, checkSealed(sealed, len(plain)))
		if len(plain) > 5 {
			assert.NotContains(t, sealed, plain)
		}
		again, err := c.Seal(ctx, []byte(plain), "acme ep1")
		require.NoError(t, err)
		assert.NotEqual(t, sealed, again, "a nonce is used once")
		got, err := c.Open(ctx, sealed, "acme ep1")
		require.NoError(t, err)
		assert.Equal(t, plain, string(got))
		_, err = c.Open(ctx, sealed, "acme ep2")
		require.ErrorContains(t, err, "another tenant, endpoint or field")
	}
}

func TestEveryByteOfWhatIsSealedIsAuthenticated(t *testing.T) {
	c := newCipher(t, cipherKey("k1", 1), cipherKey("k2", 1))
	sealed, err := c.Seal(t.Context(), []byte("secret"), "b")
	require.NoError(t, err)
	for i := range len(sealed) {
		for _, to := range []byte{'A', 'B', ':', '!'} {
			changed := []byte(sealed)
			if changed[i] == to {
				continue
			}
			changed[i] = to
			plain, err := c.Open(t.Context(), string(changed), "b")
			if err == nil { // base64 has bits that mean nothing at its end
				require.Equal(t, len(sealed)-1, i)
				require.Equal(t, "secret", string(plain))
			}
		}
	}
	for n := range len(sealed) {
		_, err := c.Open(t.Context(), sealed[:n], "b")
		require.Error(t, err)
	}
}

func TestTheFirstKeySealsAndAllOpen(t *testing.T) {
	old, current := cipherKey("2025", 1), cipherKey("2026", 2)
	before := newCipher(t, old)
	sealed, err := before.Seal(t.Context(), []byte("secret"), "b")
	require.NoError(t, err)
	both := newCipher(t, current, old)
	plain, err := both.Open(t.Context(), sealed, "b")
	require.NoError(t, err)
	assert.Equal(t, "secret", string(plain))
	sealed, err = both.Seal(t.Context(), []byte("secret"), "b")
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(sealed, "2026:"))
	_, err = before.Open(t.Context(), sealed, "b")
	require.ErrorContains(t, err, `sealed with the key "2026", which NewCipher was not given`)
}

func TestNewCipherCopiesTheKeys(t *testing.T) {
	k := cipherKey("k1", 1)
	c := newCipher(t, k)
	sealed, err := c.Seal(t.Context(), []byte("secret"), "b")
	require.NoError(t, err)
	clear(k.Key)
	plain, err := c.Open(t.Context(), sealed, "b")
	require.NoError(t, err)
	assert.Equal(t, "secret", string(plain))
}

func TestACipherPrintsAsRedacted(t *testing.T) {
	c := newCipher(t, CipherKey{ID: "k1", Key: []byte("c4n4ryc4n4ryc4n4ryc4n4ryc4n4ry32")})
	assert.Equal(t, "[redacted] [redacted] [redacted]", fmt.Sprintf("%v %+v %#v", c, c, c))
	assert.NotContains(t, fmt.Sprintf("%+v", Config{Cipher: c}), "c4n4ry")
	k := CipherKey{ID: "k1", Key: []byte("c4n4ry")}
	assert.Equal(t, `{"k1" [redacted]} {"k1" [redacted]}`, fmt.Sprintf("%+v %s", k, k))
}

func FuzzCipherOpen(f *testing.F) {
	c, err := NewCipher(CipherKey{ID: "k1", Key: make([]byte, 32)})
	require.NoError(f, err)
	sealed, err := c.Seal(f.Context(), []byte("secret"), "b")
	require.NoError(f, err)
	f.Add(sealed)
	f.Add("k1:")
	f.Add(":")
	f.Fuzz(func(t *testing.T, text string) {
		if plain, err := c.Open(t.Context(), text, "b"); err == nil {
			require.Equal(t, "secret", string(plain), "nothing else was ever sealed")
		}
	})
}
