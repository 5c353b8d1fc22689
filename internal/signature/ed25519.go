package signature

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Prefixes of serialised Ed25519 keys in Standard Webhooks 1.0.0.
const (
	PrivatePrefix = "whsk_"
	PublicPrefix  = "whpk_"
)

// errKeyPair reports a private key with another key's public half. Signing with such a pair
// reveals the private key.
var errKeyPair = errors.New("the private key's second half is not the public key of its first")

// NewPrivateKey returns a fresh serialised private key.
func NewPrivateKey() string {
	_, key, _ := ed25519.GenerateKey(nil) // never fails: the runtime crashes first
	return PrivatePrefix + base64.StdEncoding.EncodeToString(key)
}

// ParsePrivateKey reads "whsk_" and the base64 of a seed of 32 bytes, or of the seed and the
// public key. Errors never quote the key.
func ParsePrivateKey(secret string) (ed25519.PrivateKey, error) {
	encoded := strings.TrimPrefix(secret, PrivatePrefix)
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || strings.ContainsAny(encoded, "\r\n") {
		return nil, fmt.Errorf("the private key is not standard base64 after %q: %s", PrivatePrefix, describeBase64(encoded))
	}
	if len(raw) != ed25519.SeedSize && len(raw) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("the private key has %d bytes, and must have %d, or %d with the public key",
			len(raw), ed25519.SeedSize, ed25519.PrivateKeySize)
	}
	key := ed25519.NewKeyFromSeed(raw[:ed25519.SeedSize])
	if len(raw) == ed25519.PrivateKeySize && !bytes.Equal(key, raw) {
		return nil, errKeyPair
	}
	return key, nil
}

// PublicKey returns the serialised public key of a serialised private one.
func PublicKey(secret string) (string, error) {
	key, err := ParsePrivateKey(secret)
	if err != nil {
		return "", err
	}
	return PublicPrefix + base64.StdEncoding.EncodeToString(key[ed25519.SeedSize:]), nil
}

// AppendStandardEd25519 appends one v1a signature of a message: "v1a," and base64(Ed25519(key,
// id.timestamp.body)).
func (s *Scratch) AppendStandardEd25519(dst []byte, key ed25519.PrivateKey, id string, timestamp int64, body []byte) []byte {
	s.Code = append(s.Code[:0], id...)
	s.Code = append(s.Code, '.')
	s.Code = strconv.AppendInt(s.Code, timestamp, 10)
	s.Code = append(s.Code, '.')
	s.Code = append(s.Code, body...)
	dst = append(dst, "v1a,"...)
	return base64.StdEncoding.AppendEncode(dst, ed25519.Sign(key, s.Code))
}
