package receive

import (
	"fmt"
	"strings"
)

// badSecret says what is wrong with the secret at index i, without quoting it.
func badSecret(i int, problem string) error {
	return fmt.Errorf("%w: number %d %s", ErrSecret, i+1, problem)
}

// noSecrets is the error of a verifier that would refuse everything.
func noSecrets() error { return fmt.Errorf("%w: there is none; pass at least one", ErrSecret) }

// minPlainKey is how many bytes a plain secret has. With fewer, who has seen one request may find
// the secret by trying.
const minPlainKey = 16

// shortMark begins a secret that AllowShort was called with. No environment variable can have it.
const shortMark = "\x00short\x00"

// AllowShort marks a secret as one that may have fewer than 16 bytes, for a provider that gives no
// other:
//
//	receive.GitHub(receive.AllowShort(os.Getenv("GITHUB_SECRET")))
//
// It is for schemes whose secret is used as text. It may still not be empty.
func AllowShort(secret string) string { return shortMark + secret }

// plainKeys returns secrets whose bytes are the key. An empty one would be a key that everybody knows.
func plainKeys(secrets []string) ([][]byte, error) {
	if len(secrets) == 0 {
		return nil, noSecrets()
	}
	keys := make([][]byte, len(secrets))
	for i, secret := range secrets {
		secret, isShort := strings.CutPrefix(secret, shortMark)
		if err := checkPlain(i, secret); err != nil {
			return nil, err
		}
		if len(secret) < minPlainKey && !isShort {
			return nil, badSecret(i, fmt.Sprintf("has %d bytes, and needs %d; use a longer one, or AllowShort", len(secret), minPlainKey))
		}
		keys[i] = []byte(secret)
	}
	return keys, nil
}

func checkPlain(i int, secret string) error {
	switch {
	case secret == "":
		return badSecret(i, "is empty; is the variable that it comes from set?")
	case strings.TrimSpace(secret) != secret:
		return badSecret(i, "begins or ends with white space; trim it, files often end with a newline")
	}
	return nil
}
