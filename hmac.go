package webhook

import (
	"crypto"
	"crypto/hmac"
	_ "crypto/sha1" //nolint:gosec // receivers of GitHub's old header expect it, and in HMAC it is not broken
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/gowebhook/webhook/internal/signature"
)

// HMAC signs with a keyed hash of the body, or of Content, and puts it in a header. Most
// providers' schemes have this form. Its method Sign is a [Signer]:
//
//	Signers: []webhook.Signer{webhook.HMAC{Header: "X-Acme-Signature", Prefix: "sha256="}.Sign}
//
// The request has the event's id in the header webhook-id, so that receivers can drop repeats;
// see the example. If Content does not cover that id, an attacker who repeats a request can
// give it another id.
//
// An HMAC over the body alone does not say when it was made. An attacker who gets hold of a
// request can send it again later. If you may choose the scheme, let Content begin with the
// time and tell receivers to check it, or use [SignStandard].
type HMAC struct {
	// Header is the name of the header that Sign sets. Required.
	Header string

	// Prefix goes before the code, for example "sha256=". Defaults to none.
	Prefix string

	// Hash is crypto.SHA256, crypto.SHA512 or, for old receivers, crypto.SHA1. Defaults to
	// crypto.SHA256.
	Hash crypto.Hash

	// Base64 writes the code in base64, with padding. Defaults to false, lower-case hex.
	Base64 bool

	// Content returns the bytes to sign. Defaults to the body.
	Content func(*Request) []byte

	// Key returns the key for a secret. Its errors must not quote the secret. Defaults to the
	// bytes of the secret, with its prefix if it has one.
	Key func(Secret) ([]byte, error)

	// Value makes the header's value from the codes. There is one code for each live secret,
	// the newest first, each with Prefix. Defaults to the first code. Receivers then have to
	// know a new secret as soon as it is used, even if the rotation has an overlap.
	Value func(req *Request, codes []string) string
}

var errPrivateKey = errors.New("the secret is an Ed25519 private key, which the receiver does not know; this scheme needs a shared one")

// Sign implements [Signer].
func (h HMAC) Sign(req *Request, secrets []Secret) error {
	switch {
	case h.Header == "":
		return errors.New("HMAC.Header is empty; name the header that gets the signature")
	case len(secrets) == 0:
		return errNoSecret
	}
	if h.Value == nil {
		secrets = secrets[:1]
	}
	content := req.Body
	if h.Content != nil {
		content = h.Content(req)
	}
	codes := make([]string, len(secrets))
	for i, secret := range secrets {
		key, err := h.key(secret)
		if err != nil {
			return err
		}
		code, err := h.code(key, content)
		if err != nil {
			return err
		}
		codes[i] = h.Prefix + code
	}
	value := codes[0]
	if h.Value != nil {
		value = h.Value(req, codes)
	}
	req.Header.Set(h.Header, value)
	return nil
}

func (h HMAC) key(secret Secret) ([]byte, error) {
	if strings.HasPrefix(string(secret), signature.PrivatePrefix) {
		return nil, errPrivateKey
	}
	key := []byte(secret)
	if h.Key != nil {
		var err error
		if key, err = h.Key(secret); err != nil {
			return nil, err
		}
	}
	if len(key) == 0 {
		return nil, signature.ErrEmptySecret
	}
	return key, nil
}

func (h HMAC) code(key, content []byte) (string, error) {
	var sum []byte
	switch h.Hash {
	case 0, crypto.SHA256:
		s := signature.GetScratch()
		defer signature.PutScratch(s)
		s.MAC.Reset(key)
		_, _ = s.MAC.Write(content)
		s.Code = s.MAC.Sum(s.Code[:0])
		sum = s.Code
	case crypto.SHA1, crypto.SHA512:
		mac := hmac.New(h.Hash.New, key)
		mac.Write(content)
		sum = mac.Sum(nil)
	default:
		return "", fmt.Errorf("HMAC.Hash is %v; use crypto.SHA256, crypto.SHA512 or crypto.SHA1", h.Hash)
	}
	if h.Base64 {
		return base64.StdEncoding.EncodeToString(sum), nil
	}
	return hex.EncodeToString(sum), nil
}
