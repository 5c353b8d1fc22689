package webhook

import (
	"fmt"
	"strings"

	"github.com/gowebhook/webhook/internal/signature"
)

// IssueEd25519 gives new endpoints an Ed25519 key pair of their own, and a new one at each rotation, in place of a shared secret. It is
// a Profile.Issue:
//
//	Profiles: map[string]webhook.Profile{"ed25519": {Issue: webhook.IssueEd25519}}
//
// [SignStandard] then makes "v1a,"-signatures. Customers get the public key, EndpointSecret.PublicKey; the private one never leaves the
// library.
func IssueEd25519(e *Endpoint) error {
	if e.Secret == "" {
		e.Secret = Secret(signature.NewPrivateKey())
	}
	return nil
}

// PublicKey returns the public key of an Ed25519 private key, "whpk_" and base64, as receivers of Standard Webhooks take it: for keys
// that Profile.Keys returns. Errors say what is wrong with the key and do not quote it.
func PublicKey(secret Secret) (string, error) {
	if !isPrivateKey(secret) {
		return "", &FieldError{"secret", "is not an Ed25519 private key", fmt.Sprintf("one begins with %q", signature.PrivatePrefix)}
	}
	public, err := signature.PublicKey(string(secret))
	if err != nil {
		return "", fmt.Errorf("webhook: %w", err)
	}
	return public, nil
}

// publicKeyOf returns the public key of a secret, or "" if that is no private key, or one that
// nothing can be signed with.
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
