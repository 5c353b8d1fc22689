package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"

	"github.com/gowebhook/webhook/examples/internal/loopback"
)

// A receiver is the customer's handler, like the Django view in
// https://docs.keywordsai.co/features/webhooks. It parses the body, writes it again as
// json.dumps does, and compares the hex HMAC-SHA256 of the result with the header.
type receiver struct {
	name, key string
	inbox     *loopback.Inbox
}

func (c *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, err := dumps(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		c.inbox.Refused("%s: %v", c.name, err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	mac := hmac.New(sha256.New, []byte(c.key))
	mac.Write([]byte(text))
	if !hmac.Equal([]byte(hex.EncodeToString(mac.Sum(nil))), []byte(r.Header.Get("X-Keywordsai-Signature"))) {
		c.inbox.Refused("%s: %s", c.name, text)
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"message":"Webhook signature does not match."}`)
		return
	}
	c.inbox.Verified("%-10s  %s", c.name, text)
	_, _ = io.WriteString(w, `{"message":"Webhook received."}`)
}
