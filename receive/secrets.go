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

// plainKeys returns secrets whose bytes are the key. An empty one would be a key that everybody knows.
func plainKeys(secrets []string) ([][]byte, error) {
	if len(secrets) == 0 {
		return nil, noSecrets()
	}
	keys := make([][]byte, len(secrets))
	for i, secret := range secrets {
		if err := checkPlain(i, secret); err != nil {
			return nil, err
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
