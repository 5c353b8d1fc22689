package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"

	"github.com/gowebhook/webhook/examples/internal/loopback"
)

// A receiver is the customer's handler, by https://www.key.ai/help/webhooks/webhooks-signature-verification: the code over the raw body
// is compared with the whole header in constant time, and answered with 401 if it differs.
type receiver struct {
	clientID, secret string
	inbox            *loopback.Inbox
}

func (c *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	mac := hmac.New(sha256.New, []byte(c.secret))
	mac.Write(body)
	want := "sha256=" + hex.EncodeToString(mac.Sum(nil))
	if r.Header.Get("X-Client-Id") != c.clientID || !hmac.Equal([]byte(want), []byte(r.Header.Get("X-Webhook-Signature"))) {
		c.inbox.Refused("%s", r.Header.Get("X-Event-Type"))
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var event struct{ EventType, EventID, OccurredAt string }
	if err := json.Unmarshal(body, &event); err != nil || event.EventID != r.Header.Get("X-Event-Id") {
		c.inbox.Refused("%s is not what its headers say", event.EventType)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.inbox.Verified("%-16s %s  %s", event.EventType, event.EventID, event.OccurredAt)
	w.WriteHeader(http.StatusOK)
}
