package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/gowebhook/webhook/examples/internal/loopback"
)

// A receiver is a customer's handler, as https://keygen.sh/docs/api/signatures/ and
// https://keygen.sh/docs/api/webhooks/ describe it. It checks the digest of the body, the date
// (at most five minutes old) and the signature over four lines, with the account's public key.
// It acknowledges a repeated token and does nothing else with it.
type receiver struct {
	keys  map[string]crypto.PublicKey // by algorithm
	inbox *loopback.Inbox

	mu   sync.Mutex
	seen map[string]bool // idempotency tokens
}

func (c *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	algorithm, err := c.verify(r, body)
	if err != nil {
		c.inbox.Refused("%v", err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	var event struct {
		Data struct {
			Attributes struct{ Event, Payload string }
			Meta       struct{ IdempotencyToken string }
		}
	}
	if err := json.Unmarshal(body, &event); err != nil || !json.Valid([]byte(event.Data.Attributes.Payload)) {
		c.inbox.Refused("the body or its payload is not JSON")
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	token := event.Data.Meta.IdempotencyToken
	c.mu.Lock()
	again := c.seen[token]
	c.seen[token] = true
	c.mu.Unlock()
	action := "acted on"
	if again {
		action = "seen before"
	}
	c.inbox.Verified("%-14s  %s  %s…%s, %s", algorithm, event.Data.Attributes.Event, token[:8], token[len(token)-2:], action)
	w.WriteHeader(http.StatusNoContent)
}

var parameter = regexp.MustCompile(`(\w+)="([^"]*)"`)

// verify returns the algorithm of the signature, if it is valid.
func (c *receiver) verify(r *http.Request, body []byte) (algorithm string, err error) {
	sum := sha256.Sum256(body)
	digest := "sha-256=" + base64.StdEncoding.EncodeToString(sum[:])
	if r.Header.Get("Digest") != digest {
		return "", errors.New("the digest does not match the body")
	}
	date, err := http.ParseTime(r.Header.Get("Date"))
	if err != nil || time.Since(date) > 5*time.Minute {
		return "", errors.New("the date is none, or too old")
	}
	parameters := make(map[string]string)
	for _, match := range parameter.FindAllStringSubmatch(r.Header.Get("Keygen-Signature"), -1) {
		parameters[match[1]] = match[2]
	}
	if parameters["headers"] != "(request-target) host date digest" {
		return "", errors.New("the signature does not cover the four lines")
	}
	algorithm = parameters["algorithm"]
	code, err := base64.StdEncoding.DecodeString(parameters["signature"])
	if err != nil {
		return "", err
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	text := strings.Join([]string{
		"(request-target): " + strings.ToLower(r.Method) + " " + r.URL.RequestURI(),
		"host: " + host,
		"date: " + r.Header.Get("Date"),
		"digest: " + digest,
	}, "\n")
	if algorithm != r.URL.Query().Get("by") || !isSigned(c.keys[algorithm], algorithm, text, code) {
		return "", fmt.Errorf("the signature by %q is not valid", algorithm)
	}
	return algorithm, nil
}

func isSigned(key crypto.PublicKey, algorithm, text string, code []byte) bool {
	sum := sha256.Sum256([]byte(text))
	switch key := key.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(key, []byte(text), code)
	case *rsa.PublicKey:
		if algorithm == "rsa-pss-sha256" {
			return rsa.VerifyPSS(key, crypto.SHA256, sum[:], code, nil) == nil
		}
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], code) == nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, sum[:], code)
	}
	return false
}
