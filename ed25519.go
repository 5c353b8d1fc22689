package webhook

import (
	"fmt"
	"strings"

	"github.com/gowebhook/webhook/internal/signature"
)

// IssueEd25519 gives a new endpoint an Ed25519 key pair of its own in place of a shared
// secret, and a new one at each rotation. It is a Profile.Issue:
//
//	Profiles: map[string]webhook.Profile{"ed25519": {Issue: webhook.IssueEd25519}}
//
// [SignStandard] then makes "v1a,"-signatures. Customers get the public key,
// EndpointSecret.PublicKey. The private key never leaves the library.
func IssueEd25519(e *Endpoint) error {
	if e.Secret == "" {
		e.Secret = Secret(signature.NewPrivateKey())
	}
	return nil
}

// PublicKey returns the public key of an Ed25519 private key, in the form that receivers of
// Standard Webhooks take: "whpk_" and base64. Use it for keys that Profile.Keys returns.
// Errors describe the problem with the key and do not quote it.
func PublicKey(secret Secret) (public string, err error) {
	defer addOperation("public key", &err)
	if !isPrivateKey(secret) {
		return "", &FieldError{"secret", "is not an Ed25519 private key", fmt.Sprintf("one begins with %q", signature.PrivatePrefix)}
	}
	return signature.PublicKey(string(secret))
}

// publicKeyOf returns the public key of a secret. It returns "" if the secret is no private
// key, or one that cannot sign.
func publicKeyOf(secret Secret) string {
	if !isPrivateKey(secret) {
		return ""
	}
	public, _ := signature.PublicKey(string(secret))
	return public
}

func isPrivateKey(secret Secret) bool {
	return strings.HasPrefix(string(secret), signature.PrivatePrefix)
}
