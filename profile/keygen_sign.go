package profile

import (
	"cmp"
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
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/signature"
)

// keygenAlgorithmKey is the key of an endpoint's algorithm in its Metadata.
const keygenAlgorithmKey = "signatureAlgorithm"

// A keygenScheme is one of the algorithms: the test of its keys, and the options of signing.
type keygenScheme struct {
	fits func(crypto.Signer) bool
	opts crypto.SignerOpts
}

var keygenSchemes = map[string]keygenScheme{
	"ed25519":        {isKey[ed25519.PrivateKey], crypto.Hash(0)},
	"rsa-pss-sha256": {isKey[*rsa.PrivateKey], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto, Hash: crypto.SHA256}}, // the longest
	"rsa-sha256":     {isKey[*rsa.PrivateKey], crypto.SHA256},
	"ecdsa-p256":     {isKey[*ecdsa.PrivateKey], crypto.SHA256}, // ASN.1
}

func isKey[K crypto.Signer](key crypto.Signer) bool {
	_, ok := key.(K)
	return ok
}

// keygenAlgorithm returns the endpoint's algorithm.
func keygenAlgorithm(e *webhook.Endpoint) (string, keygenScheme, error) {
	name := cmp.Or(e.Metadata[keygenAlgorithmKey], "ed25519")
	scheme, known := keygenSchemes[name]
	if !known {
		return "", scheme, &webhook.FieldError{
			Field:   fmt.Sprintf("Endpoint.Metadata[%q]", keygenAlgorithmKey),
			Problem: fmt.Sprintf("is unknown: %q", name), Cure: "use ed25519, rsa-pss-sha256, rsa-sha256 or ecdsa-p256",
		}
	}
	return name, scheme, nil
}

// checkKeygenAlgorithm is a Profile.Check.
func checkKeygenAlgorithm(e *webhook.Endpoint) error {
	_, _, err := keygenAlgorithm(e)
	return err
}

// signKeygen sets Keygen-Signature and the headers that it covers.
func signKeygen(r *webhook.Request, account string, secrets []webhook.Secret) error {
	if strings.ContainsFunc(account, func(c rune) bool { return c <= ' ' || c > '~' || c == '"' || c == '\\' }) {
		return errors.New("the account id is not visible ASCII without quotes and backslashes; return another one from KeygenOptions.Account")
	}
	algorithm, scheme, err := keygenAlgorithm(r.Endpoint)
	if err != nil {
		return err
	}
	key, err := keygenKey(secrets, scheme)
	if err != nil {
		return fmt.Errorf("for %s: %w", algorithm, err)
	}
	u, err := url.Parse(r.URL)
	if err != nil {
		return errors.New("the URL cannot be read") // the error would quote it
	}
	date, digest := r.Time.UTC().Format(http.TimeFormat), signature.BodyDigest(r.Body)
	// The signature covers the target as it is sent, because receivers read it as it arrives.
	// Keygen leaves out a "?" without a query.
	message := signature.AppendKeygen(nil, "post", u.RequestURI(), strings.TrimSuffix(u.Host, ":"+u.Port()), date, digest)
	if hash := scheme.opts.HashFunc(); hash != 0 {
		sum := sha256.Sum256(message)
		message = sum[:]
	}
	code, err := key.Sign(rand.Reader, message, scheme.opts)
	if err != nil {
		return fmt.Errorf("for %s: %w", algorithm, err)
	}
	r.Header.Set("Date", date)
	r.Header.Set("Digest", digest)
	r.Header.Set("Keygen-Date", date)
	r.Header.Set("Keygen-Digest", digest)
	r.Header.Set("Keygen-Signature", `keyid="`+account+`", algorithm="`+algorithm+`", signature="`+
		base64.StdEncoding.EncodeToString(code)+`", headers="`+signature.KeygenHeaders+`"`)
	return nil
}

// keygenKey returns the first key that fits. It parses the keys for every signature; that costs
// a seventh of an RSA signature.
func keygenKey(secrets []webhook.Secret, scheme keygenScheme) (crypto.Signer, error) {
	for i, secret := range secrets {
		key, problem := parseKeygenKey(strings.TrimSpace(string(secret)))
		if problem != "" {
			return nil, fmt.Errorf("key %d of the tenant %s", i+1, problem)
		}
		if scheme.fits(key) {
			return key, nil
		}
	}
	return nil, errors.New("the tenant has no key")
}

// parseKeygenKey reads a private key. If it cannot, it returns the problem, without quoting the
// key.
func parseKeygenKey(text string) (key crypto.Signer, problem string) {
	if !strings.HasPrefix(text, "-----BEGIN ") {
		seed, err := hex.DecodeString(text)
		if err != nil || len(seed) != ed25519.SeedSize {
			return nil, "is neither the hex of 32 bytes nor a PEM text"
		}
		return ed25519.NewKeyFromSeed(seed), ""
	}
	block, rest := pem.Decode([]byte(text))
	switch {
	case block == nil:
		return nil, "is not a whole PEM text"
	case len(rest) > 0:
		return nil, "has more than one PEM block"
	}
	var parsed any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		parsed, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return nil, `is a PEM text of another type than "PRIVATE KEY", "RSA PRIVATE KEY" and "EC PRIVATE KEY"`
	}
	if err != nil {
		return nil, "is a PEM text whose key cannot be read"
	}
	switch key := parsed.(type) {
	case ed25519.PrivateKey:
		return key, ""
	case *rsa.PrivateKey:
		if bits := key.N.BitLen(); bits < 2048 {
			return nil, fmt.Sprintf("is an RSA key of %d bits, less than 2048", bits)
		}
		return key, ""
	case *ecdsa.PrivateKey:
		if key.Curve != elliptic.P256() {
			return nil, "is on another curve than P-256"
		}
		return key, ""
	}
	return nil, "is a key of another kind than Ed25519, RSA and ECDSA"
}
