package receive

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"

	"github.com/gowebhook/webhook/internal/signature"
)

// Keygen returns a verifier of Keygen's Keygen-Signature header. The signature covers the
// method, the URL, the host without its port, and the headers Date and Digest. Digest covers
// the body. A public key is the hex of 32 bytes for ed25519, or a PEM text. RSA keys of at
// least 2,048 bits are for rsa-pss-sha256 and rsa-sha256, P-256 keys for ecdsa-p256. The key
// decides which algorithms are accepted.
//
// Event.ID is the idempotency token of the body. It is signed, and the same in every retry,
// also in retries by hand. If the body has no token, Event.ID is the id of the webhook event.
// Event.Time is the date, which is signed and must be in the window. Keygen's own library
// judges only dates in the past.
//
// The host and the URL must be the ones that Keygen was given. If a proxy changes them, write a
// Verifier that sets Host and RequestURI of a copy of the request and calls this one.
//
// Source: https://keygen.sh/docs/api/signatures/
func Keygen(window Window, publicKeys ...string) (Verifier, error) {
	return newKeygen(window, "", publicKeys)
}

// KeygenBehindProxy is [Keygen] with the headers Keygen-Date and Keygen-Digest, which repeat
// Date and Digest. They are for receivers behind a proxy that sets its own Date, as
// Cloudflare's and AWS's do.
func KeygenBehindProxy(window Window, publicKeys ...string) (Verifier, error) {
	return newKeygen(window, "Keygen-", publicKeys)
}

func newKeygen(window Window, prefix string, publicKeys []string) (Verifier, error) {
	if len(publicKeys) == 0 {
		return nil, noSecrets()
	}
	keys := make([]crypto.PublicKey, len(publicKeys))
	for i, text := range publicKeys {
		var problem string
		if keys[i], problem = parseKeygenKey(text); problem != "" {
			return nil, badSecret(i, problem)
		}
	}
	dateName, digestName := prefix+"Date", prefix+"Digest"
	return builtIn(func(r *http.Request, body []byte) (Event, error) {
		value, err := header(r.Header, keygenName)
		if err != nil {
			return Event{}, err
		}
		algorithm, code, err := parseKeygen(value)
		if err != nil {
			return Event{}, err
		}
		date, err := header(r.Header, dateName)
		if err != nil {
			return Event{}, err
		}
		at, err := http.ParseTime(date)
		if err != nil {
			return Event{}, fmt.Errorf("%w: %s is not an HTTP date", ErrMalformed, dateName)
		}
		digest, err := header(r.Header, digestName)
		if err != nil {
			return Event{}, err
		}
		if err = window.judge(at); err != nil {
			return Event{}, err
		}
		if isHeaderOnly(r) {
			return Event{}, nil
		}
		if digest != signature.BodyDigest(body) {
			return Event{}, fmt.Errorf("%w: %s is not that of the body", ErrNoMatch, digestName)
		}
		text := signature.AppendKeygen(nil, strings.ToLower(r.Method), target(r), withoutPort(r.Host), date, digest)
		for _, key := range keys {
			if verifyKeygen(key, algorithm, text, code) {
				return Event{ID: keygenID(body), Time: at, Body: body, Header: r.Header}, nil
			}
		}
		return Event{}, ErrNoMatch
	}), nil
}

const keygenName = "Keygen-Signature"

// The algorithms of Keygen-Signature.
const (
	keygenEd25519 = "ed25519"
	keygenPSS     = "rsa-pss-sha256"
	keygenPKCS1   = "rsa-sha256"
	keygenECDSA   = "ecdsa-p256"
)

// parseKeygenKey reads a public key, or returns the problem with it.
func parseKeygenKey(text string) (key crypto.PublicKey, problem string) {
	text = strings.TrimSpace(text)
	if !strings.HasPrefix(text, "-----BEGIN ") {
		raw, err := hex.DecodeString(text)
		if err != nil || len(raw) != ed25519.PublicKeySize {
			return nil, "is neither the hex of 32 bytes nor a PEM text; copy the account's public key from Keygen's settings"
		}
		return ed25519.PublicKey(raw), ""
	}
	block, rest := pem.Decode([]byte(text))
	switch {
	case block == nil:
		return nil, "is not a whole PEM text; copy it with its first and last line"
	case strings.Contains(block.Type, "PRIVATE"):
		return nil, "is a private key; use the public one"
	case len(rest) > 0:
		return nil, "has more than one PEM block; pass each key by itself"
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		if key, err = x509.ParsePKCS1PublicKey(block.Bytes); err != nil {
			return nil, "is a PEM text without a public key"
		}
	}
	switch key := key.(type) {
	case ed25519.PublicKey:
		return key, ""
	case *rsa.PublicKey:
		if key.N.BitLen() < 2048 {
			return nil, fmt.Sprintf("is an RSA key of %d bits; use one of at least 2048", key.N.BitLen())
		}
		return key, ""
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return nil, "is on another curve than P-256"
		}
		return key, ""
	}
	return nil, "is a key of another kind than Ed25519, RSA and ECDSA"
}

// parseKeygen returns the algorithm and the signature of a Keygen-Signature.
func parseKeygen(value string) (algorithm string, code []byte, err error) {
	malformed := func(problem string) (string, []byte, error) {
		return "", nil, fmt.Errorf("%w: %s %s", ErrMalformed, keygenName, problem)
	}
	parameters := make(map[string]string, 4)
	for rest := value; ; {
		name, after, opened := strings.Cut(rest, `="`)
		text, next, closed := strings.Cut(after, `"`)
		if !opened || !closed || strings.ContainsAny(name, `", `) {
			return malformed(`is not a list of name="value"`)
		}
		if _, twice := parameters[name]; twice {
			return malformed("has a parameter twice")
		}
		parameters[name] = text
		if next == "" {
			break
		}
		if rest = strings.TrimPrefix(next, ","); rest == next {
			return malformed(`is not a list of name="value"`)
		}
		rest = strings.TrimLeft(rest, " ")
	}
	// A signature over fewer headers would stay valid if the rest of the request was changed.
	if parameters["headers"] != signature.KeygenHeaders {
		return malformed(`does not cover "` + signature.KeygenHeaders + `"`)
	}
	code, err = base64.StdEncoding.Strict().DecodeString(parameters["signature"])
	if err != nil || len(code) == 0 {
		return malformed("has a signature that is not standard base64")
	}
	if algorithm = parameters["algorithm"]; algorithm == "" {
		return malformed("has no algorithm")
	}
	return algorithm, code, nil
}

// verifyKeygen reports whether code is a signature of text by the algorithm, and the algorithm
// fits key.
func verifyKeygen(key crypto.PublicKey, algorithm string, text, code []byte) bool {
	sum := sha256.Sum256(text)
	switch key := key.(type) {
	case ed25519.PublicKey:
		return algorithm == keygenEd25519 && ed25519.Verify(key, text, code)
	case *rsa.PublicKey:
		switch algorithm {
		case keygenPSS:
			return rsa.VerifyPSS(key, crypto.SHA256, sum[:], code, nil) == nil
		case keygenPKCS1:
			return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], code) == nil
		}
	case *ecdsa.PublicKey:
		return algorithm == keygenECDSA && ecdsa.VerifyASN1(key, sum[:], code)
	}
	return false
}

// target returns the path and query as the sender wrote them. A router may have shortened
// r.URL.
func target(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		return r.RequestURI
	}
	return r.URL.RequestURI()
}

// withoutPort cuts the port off a Host header, which may be an IPv6 address in brackets.
func withoutPort(host string) string {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		return host[:i]
	}
	return host
}

func keygenID(body []byte) string {
	var fields struct {
		Data struct {
			ID   string `json:"id"`
			Meta struct {
				IdempotencyToken string `json:"idempotencyToken"`
			} `json:"meta"`
		} `json:"data"`
	}
	if json.Unmarshal(body, &fields) != nil {
		return ""
	}
	return cmp.Or(fields.Data.Meta.IdempotencyToken, fields.Data.ID)
}
