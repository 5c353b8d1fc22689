package webhook

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// A Cipher seals secrets before they are stored; see Config.Cipher. [NewCipher] makes one with
// keys that the application holds. A Cipher of your own may leave the keys to a key management
// service. It must be safe for concurrent use, and its errors must not quote the plain text.
type Cipher interface {
	// Seal returns plain encrypted and authenticated, as visible ASCII of at most 2 ×
	// len(plain) + 512 bytes.
	//
	// additionalData is authenticated but not encrypted, as in [cipher.AEAD]. It names the
	// tenant, the endpoint and the field. For a header's value or a URL it also names the
	// scheme, host and port. Open must refuse the result with any other additionalData. So rows
	// cannot be swapped, and a value does not open for another place.
	Seal(ctx context.Context, plain []byte, additionalData string) (sealed string, err error)

	// Open returns the plain text that was sealed with the same additionalData, now or in the
	// past. If it fails, deliveries wait, and are tried again every 10 seconds.
	//
	// It is called about once for each version of an endpoint that this process sends to. A
	// Scope also calls it to test, update, rotate, reveal or verify. Lists and reads call it
	// for URLs and Ed25519 keys, and remember some thousands of the results.
	Open(ctx context.Context, sealed, additionalData string) (plain []byte, err error)
}

// A CipherKey is a key of NewCipher.
type CipherKey struct {
	ID  string // 1 to 64 of a–z, A–Z, 0–9, "_" and "-"; stored in clear with each sealed value
	Key []byte // 32 bytes, from crypto/rand or a secret manager
}

// Format implements [fmt.Formatter]. The key does not appear.
func (k CipherKey) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "{%q %s}", k.ID, redacted) }

// MarshalText implements [encoding.TextMarshaler], which encoding/json and slog use. The key
// does not appear.
func (k CipherKey) MarshalText() ([]byte, error) { return []byte(k.ID + " " + redacted), nil }

const (
	cipherKeyBytes = 32
	maxCipherKeyID = 64
)

// NewCipher returns a Cipher of AES-256-GCM (NIST SP 800-38D) with random nonces, which makes
// a key good for four billion secrets. The first key seals, and all keys open. The keys are
// copied. It returns a [*FieldError] for unusable keys.
//
// To change keys:
//
//   - Give every process the new key too, after the current one.
//   - Then put the new key first in every process.
//   - Then update every endpoint unchanged, as the example does.
//   - When that has succeeded, remove the old key.
//
// An update stores a value that it cannot open unchanged. Make sure that no key is missing
// when you update the endpoints.
//
// If a key is lost, so are the secrets, header values and URLs that it sealed. Give each
// URL and header again. Make new secrets with [Scope.RotateSecret], which works without the
// old key. Message.Endpoint of older deliveries then has the new URL.
func NewCipher(keys ...CipherKey) (c Cipher, err error) {
	defer addOperation("new cipher", &err)
	if len(keys) == 0 {
		return nil, &FieldError{"keys", "are none", "pass at least one CipherKey"}
	}
	made := &aesCipher{current: keys[0].ID, keys: make(map[string]cipher.AEAD, len(keys))}
	for i, k := range keys {
		field := fmt.Sprintf("keys[%d]", i)
		if err := checkCipherKeyID(field+".ID", k.ID); err != nil {
			return nil, err
		}
		if made.keys[k.ID] != nil {
			return nil, &FieldError{field + ".ID", fmt.Sprintf("is that of another key: %q", k.ID), "give each key an id of its own"}
		}
		if len(k.Key) != cipherKeyBytes {
			return nil, &FieldError{
				field + ".Key", fmt.Sprintf("has %d bytes", len(k.Key)), "use 32 random bytes; a key that is kept as text has to be decoded",
			}
		}
		block, err := aes.NewCipher(k.Key)
		if err != nil {
			return nil, err
		}
		if made.keys[k.ID], err = cipher.NewGCMWithRandomNonce(block); err != nil {
			return nil, err
		}
	}
	return made, nil
}

func checkCipherKeyID(field, id string) error {
	if id == "" {
		return &FieldError{field, "is empty", `name the key, as in "2026-11"`}
	}
	if len(id) > maxCipherKeyID {
		return &FieldError{field, fmt.Sprintf("has %d bytes, more than %d", len(id), maxCipherKeyID), "shorten it"}
	}
	for i := range len(id) {
		if c := id[i]; !isTypeByte(c) || c == '.' {
			return &FieldError{field, fmt.Sprintf("has %q at byte %d", id[i:i+1], i), `use a–z, A–Z, 0–9, "_" and "-"`}
		}
	}
	return nil
}

// An aesCipher seals as "{key id}:{base64 of nonce, ciphertext and tag}".
type aesCipher struct {
	current string
	keys    map[string]cipher.AEAD
}

// Format keeps the keys out of a Config that is printed.
func (c *aesCipher) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

func (c *aesCipher) Seal(_ context.Context, plain []byte, additionalData string) (string, error) {
	sealed := c.keys[c.current].Seal(nil, nil, plain, []byte(additionalData)) //nolint:gosec // G407: this AEAD makes its nonces itself
	return c.current + ":" + base64.RawStdEncoding.EncodeToString(sealed), nil
}

func (c *aesCipher) Open(_ context.Context, sealed, additionalData string) ([]byte, error) {
	id, encoded, ok := strings.Cut(sealed, ":")
	if !ok {
		return nil, errors.New("it was not sealed by NewCipher: there is no key id")
	}
	key := c.keys[id]
	if key == nil {
		return nil, fmt.Errorf("it was sealed with the key %q, which NewCipher was not given: pass it too, after the current one", clip(id, maxCipherKeyID))
	}
	raw, err := base64.RawStdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, errors.New("it was changed in the store: it is not base64")
	}
	plain, err := key.Open(nil, nil, raw, []byte(additionalData))
	if err != nil {
		return nil, fmt.Errorf("it was sealed for another tenant, endpoint or field, or with another key of the id %q, or changed in the store", id)
	}
	return plain, nil
}
