package signature

import (
	"bytes"
	"encoding/base64"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func encoded(n int) string { return base64.StdEncoding.EncodeToString(counting(n)) }

func TestAppendKeyTakesKeysOf24To64Bytes(t *testing.T) {
	for n := range 100 {
		for _, prefix := range []string{"", SecretPrefix} {
			key, err := AppendKey([]byte("before "), prefix+encoded(n))
			if n < MinKey || n > MaxKey {
				assert.Error(t, err, "%d bytes", n)
				assert.Equal(t, "before ", string(key), "%d bytes", n)
				continue
			}
			assert.NoError(t, err, "%d bytes", n)
			assert.Equal(t, "before "+string(counting(n)), string(key), "%d bytes", n)
		}
	}
}

func TestAppendKeySaysWhatIsWrong(t *testing.T) {
	good := encoded(24) // 32 characters without padding
	for name, tt := range map[string]struct {
		secret, problem string
	}{
		"empty":                   {"", "the secret is empty"},
		"prefix alone":            {"whsec_", "the secret is empty"},
		"key of 1 byte":           {"whsec_" + encoded(1), "the secret's key has 1 bytes, and must have 24 to 64"},
		"key of 23 bytes":         {"whsec_" + encoded(23), "the secret's key has 23 bytes, and must have 24 to 64"},
		"key of 65 bytes":         {"whsec_" + encoded(65), "the secret's key has 65 bytes, and must have 24 to 64"},
		"key of 67 bytes":         {encoded(67), `the secret has 92 characters after "whsec_", more than a key of 64 bytes needs`},
		"over-long text":          {"whsec_" + strings.Repeat("A", 1<<20), `the secret has 1048576 characters after "whsec_", more than a key of 64 bytes needs`},
		"URL alphabet, minus":     {"whsec_" + good[:8] + "-" + good[9:], "character 9 is of the URL alphabet, use + and /"},
		"URL alphabet, underline": {good[:31] + "_", "character 32 is of the URL alphabet, use + and /"},
		"prefix twice":            {"whsec_whsec_" + good, "character 6 is of the URL alphabet, use + and /"},
		"prefix in capitals":      {"WHSEC_" + good, "character 6 is of the URL alphabet, use + and /"},
		"missing padding":         {strings.TrimRight(encoded(25), "="), "wrong length or padding: it must be a multiple of 4 characters, padded with ="},
		"half of the padding":     {strings.TrimSuffix(encoded(25), "="), "wrong length or padding: it must be a multiple of 4 characters, padded with ="},
		"too much padding":        {good + "====", "wrong length or padding: it must be a multiple of 4 characters, padded with ="},
		"one character too many":  {good + "A", "wrong length or padding: it must be a multiple of 4 characters, padded with ="},
		"padding alone":           {"whsec_====", "wrong length or padding: it must be a multiple of 4 characters, padded with ="},
		"padding inside":          {good[:3] + "=" + good, "padding at character 4, before the end"},
		"two texts joined":        {encoded(25) + encoded(24), "padding at character 35, before the end"},
		"space inside":            {good[:4] + " " + good[4:], "character 5 is outside the alphabet"},
		"space before":            {" " + good, "character 1 is outside the alphabet"},
		"space before the prefix": {" whsec_" + good, "character 1 is outside the alphabet"},
		"space behind":            {good + " ", "character 33 is outside the alphabet"},
		"tab behind":              {good + "\t", "character 33 is outside the alphabet"},
		"newline behind":          {"whsec_" + good + "\n", "character 33 is outside the alphabet"},
		"newline inside":          {good[:16] + "\r\n" + good[16:], "character 17 is outside the alphabet"},
		"newline behind padding":  {encoded(25) + "\n", "padding at character 35, before the end"},
		"newlines alone":          {"whsec_\n\n\n\n", "character 1 is outside the alphabet"},
		"not ASCII":               {"ä" + good, "character 1 is outside the alphabet"},
		"NUL":                     {good[:31] + "\x00", "character 32 is outside the alphabet"},
		"hexadecimal, odd":        {"whsec_0123456789abcdef0123456789abcdef0", "wrong length or padding: it must be a multiple of 4 characters, padded with ="},
	} {
		t.Run(name, func(t *testing.T) {
			key, err := AppendKey([]byte("before"), tt.secret)
			require.Error(t, err)
			assert.Contains(t, err.Error(), tt.problem)
			assert.Regexp(t, keyError, err.Error())
			assert.Equal(t, "before", string(key), "what was there before")
		})
	}
}

func TestAppendKeyReportsAnEmptySecretAsSuch(t *testing.T) {
	for _, secret := range []string{"", SecretPrefix} {
		_, err := AppendKey(nil, secret)
		assert.ErrorIs(t, err, ErrEmptySecret)
	}
}

// keyError matches every text that an error of AppendKey may have. The text contains nothing
// of the secret except lengths and positions.
var keyError = regexp.MustCompile(`\A(the secret is empty` +
	`|the secret has \d+ characters after "whsec_", more than a key of 64 bytes needs` +
	`|the secret's key has \d+ bytes, and must have 24 to 64` +
	`|the secret is not standard base64 after "whsec_": (character \d+ is of the URL alphabet, use \+ and /` +
	`|padding at character \d+, before the end` +
	`|character \d+ is outside the alphabet` +
	`|wrong length or padding: it must be a multiple of 4 characters, padded with =))\z`)

func TestNewSecretHas32BytesAndDiffersEachTime(t *testing.T) {
	seen := make(map[string]bool)
	for range 1000 {
		secret := NewSecret()
		require.True(t, strings.HasPrefix(secret, SecretPrefix), "the prefix")
		key, err := AppendKey(nil, secret)
		require.NoError(t, err)
		require.Len(t, key, 32)
		require.False(t, seen[string(key)], "the same key again")
		seen[string(key)] = true
	}
}

func FuzzAppendKey(f *testing.F) {
	for _, n := range []int{0, 1, 23, 24, 25, 32, 64, 65, 66, 67} {
		f.Add(encoded(n))
		f.Add(SecretPrefix + encoded(n))
	}
	f.Add(encoded(32) + "\n")
	f.Add("whsec_" + strings.Repeat("-", 32))
	f.Add("AAA=" + encoded(24))
	f.Fuzz(func(t *testing.T, secret string) {
		before := []byte("before")
		got, err := AppendKey(before, secret)
		text := strings.TrimPrefix(secret, SecretPrefix)
		want, bad := base64.StdEncoding.DecodeString(text)
		usable := bad == nil && !strings.ContainsAny(text, "\r\n") && len(want) >= MinKey && len(want) <= MaxKey
		switch {
		case err != nil && usable:
			t.Fatalf("%q is refused: %v", secret, err)
		case err != nil && !keyError.MatchString(err.Error()):
			t.Fatalf("%q: the error says more than it may: %v", secret, err)
		case err != nil && !bytes.Equal(got, before):
			t.Fatalf("%q is refused, but appended to", secret)
		case err == nil && !usable:
			t.Fatalf("%q is accepted", secret)
		case err == nil && string(got) != "before"+string(want):
			t.Fatalf("%q gives %x, not %x", secret, got, want)
		}
	})
}
