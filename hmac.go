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

// HMAC is the family of signature schemes that most providers' are of: a code over the body, or over it and something more, in a
// header of one's own. Its method Sign is a [Signer]:
//
//	Signers: []webhook.Signer{webhook.HMAC{Header: "X-Acme-Signature", Prefix: "sha256="}.Sign}
//
// The request has the event's id in the header webhook-id, with which receivers drop repeats; see the example. Unless Content
// covers that id, an attacker who repeats a request can give it another one.
//
// An HMAC over the body alone does not say when it was made, so that whoever gets hold of a request can send it again. Let Content
// begin with the time, and tell receivers to look at it, where the scheme is yours to choose; or use [SignStandard].
type HMAC struct {
	// Header is the name of the header that Sign sets. Required.
	Header string

	// Prefix goes before the code, such as "sha256=". Defaults to none.
	Prefix string

	// Hash is crypto.SHA256, crypto.SHA512, or, for the sake of old receivers, crypto.SHA1. Defaults to crypto.SHA256.
	Hash crypto.Hash

	// Base64 writes the code in base64, with padding. Defaults to false, lower-case hex.
	Base64 bool

	// Content returns what is signed. Defaults to the body.
	Content func(*Request) []byte

	// Key returns the key that a secret stands for. Its errors must not quote the secret. Defaults to the bytes of the secret as
	// they are, with any prefix.
	Key func(Secret) ([]byte, error)

	// Value makes the header's value of the codes, each with Prefix, one for each live secret, the newest first. Defaults to the
	// first: receivers then have to know a new secret when it begins to be used, whatever the overlap of the rotation.
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
