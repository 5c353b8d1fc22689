package signature

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// reference returns the HMAC-SHA256 of the standard library.
func reference(key, message []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(message)
	return h.Sum(nil)
}

func mac(m *MAC, key []byte, parts ...[]byte) []byte {
	m.Reset(key)
	for _, part := range parts {
		_, _ = m.Write(part)
	}
	return m.Sum(nil)
}

// counting returns n bytes: 1, 2, 3 and so on. The first 256 differ from each other.
func counting(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i + 1)
	}
	return b
}

// The test cases of RFC 4231 §4, without the case of the truncated code.
func TestMACGivesTheCodesOfRFC4231(t *testing.T) {
	var m MAC
	for name, tt := range map[string]struct {
		key, message, code string
	}{
		"1": {
			strings.Repeat("\x0b", 20), "Hi There",
			"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
		},
		"2 key shorter than the code": {
			"Jefe", "what do ya want for nothing?",
			"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
		},
		"3 more than a block": {
			strings.Repeat("\xaa", 20), strings.Repeat("\xdd", 50),
			"773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
		},
		"4": {
			string(counting(25)), strings.Repeat("\xcd", 50),
			"82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
		},
		"6 key longer than a block": {
			strings.Repeat("\xaa", 131), "Test Using Larger Than Block-Size Key - Hash Key First",
			"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
		},
		"7 both longer than a block": {
			strings.Repeat("\xaa", 131),
			"This is a test using a larger than block-size key and a larger than block-size data. " +
				"The key needs to be hashed before being used by the HMAC algorithm.",
			"9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
		},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tt.code, hex.EncodeToString(mac(&m, []byte(tt.key), []byte(tt.message))))
		})
	}
}

func TestMACEqualsCryptoHMACForEveryKeySizeWhenReused(t *testing.T) {
	var m MAC
	message := counting(1100)
	for size := range 201 {
		key := counting(size)
		for _, n := range []int{0, 1, 31, 32, 55, 56, 63, 64, 65, 127, 128, 129, 1024, 1100} {
			require.Equal(t, reference(key, message[:n]), mac(&m, key, message[:n]), "key of %d bytes, message of %d", size, n)
		}
	}
	require.Equal(t, reference(counting(3), message), mac(&m, counting(3), message), "a short key after a long one")
}

func TestMACTakesAMessageInParts(t *testing.T) {
	var m MAC
	key, message := counting(32), counting(300)
	for cut := range message {
		require.Equal(t, reference(key, message), mac(&m, key, message[:cut], message[cut:]), "cut at %d", cut)
	}
}

func TestMACResetAbandonsTheMessageBefore(t *testing.T) {
	var m MAC
	m.Reset(counting(64))
	_, _ = m.Write([]byte("abandoned"))
	assert.Equal(t, reference([]byte("key"), []byte("message")), mac(&m, []byte("key"), []byte("message")))
}

func TestMACSumAppends(t *testing.T) {
	var m MAC
	m.Reset([]byte("key"))
	_, _ = m.Write([]byte("message"))
	got := m.Sum([]byte("before "))
	assert.Equal(t, append([]byte("before "), reference([]byte("key"), []byte("message"))...), got)
}

func TestMACDoesNotChangeKeyOrMessage(t *testing.T) {
	var m MAC
	for _, size := range []int{0, 24, 64, 65, 200} {
		key, message := counting(size), counting(100)
		mac(&m, key, message)
		assert.Equal(t, counting(size), key)
		assert.Equal(t, counting(100), message)
	}
}

func TestMACKeepsNoKeyAfterSum(t *testing.T) {
	for _, size := range []int{24, 63, 64, 65, 96, 127, 200} {
		var m MAC
		key := counting(size)
		mac(&m, key, []byte("short"))
		assert.Zero(t, m.key, "key of %d bytes", size)
		assert.Zero(t, m.pad, "key of %d bytes", size)
		// The state of the hash has a buffer for the last bytes, which did not fill a block.
		state := fmt.Sprintf("%x", m.hash)
		for part := range slices.Chunk(key, 8) {
			if len(part) == 8 {
				assert.NotContains(t, state, hex.EncodeToString(part), "key of %d bytes", size)
			}
		}
	}
}

func TestMACAllocatesNothingWhenReused(t *testing.T) {
	var m MAC
	key, message, code := counting(32), counting(1024), make([]byte, 0, sha256.Size)
	m.Reset(key)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		m.Reset(key)
		_, _ = m.Write(message)
		code = m.Sum(code[:0])
	}))
}

func FuzzMAC(f *testing.F) {
	f.Add([]byte(nil), []byte(nil), 0)
	f.Add([]byte("key"), []byte("message"), 3)
	for _, n := range []int{63, 64, 65, 128, 200} {
		f.Add(counting(n), counting(n), n/2)
	}
	f.Fuzz(func(t *testing.T, key, message []byte, cut int) {
		cut = max(0, min(cut, len(message)))
		var m MAC
		for range 2 {
			if got := mac(&m, key, message[:cut], message[cut:]); !bytes.Equal(got, reference(key, message)) {
				t.Fatalf("MAC(%x, %x) = %x", key, message, got)
			}
			if got := mac(&m, message, key); !bytes.Equal(got, reference(message, key)) {
				t.Fatalf("MAC(%x, %x) = %x", message, key, got)
			}
		}
	})
}
