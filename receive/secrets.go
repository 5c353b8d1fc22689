package receive

import (
	"fmt"
	"strings"
)

// badSecret returns an error about the secret at index i, without quoting it.
func badSecret(i int, problem string) error {
	return fmt.Errorf("%w: number %d %s", ErrSecret, i+1, problem)
}

// noSecrets returns the error for a verifier that would refuse everything.
func noSecrets() error { return fmt.Errorf("%w: there is none; pass at least one", ErrSecret) }

// minPlainKey is the least number of bytes of a plain secret. With fewer, somebody who has seen
// one request may find the secret by trying.
const minPlainKey = 16

// shortMark begins a secret that AllowShort has marked. No environment variable can contain it.
const shortMark = "\x00short\x00"

// AllowShort marks a secret that may have fewer than 16 bytes. Use it if the provider gives no
// longer one:
//
//	receive.GitHub(receive.AllowShort(os.Getenv("GITHUB_SECRET")))
//
// It is for schemes whose secret is used as text. An empty secret is still refused.
func AllowShort(secret string) string { return shortMark + secret }

// plainKeys returns keys that are the bytes of the secrets. It refuses an empty secret, because
// everybody would know the key.
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
