package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/gowebhook/webhook/examples/internal/loopback"
)

// A receiver is the customer's handler. Tryno documents the header, an HMAC-SHA256 signature
// with the endpoint's secret, and the body.
type receiver struct {
	secret string
	busy   atomic.Bool
	inbox  *loopback.Inbox
}

func (c *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	mac := hmac.New(sha256.New, []byte(c.secret))
	mac.Write(body)
	if !hmac.Equal([]byte(hex.EncodeToString(mac.Sum(nil))), []byte(r.Header.Get("X-Tryno-Signature"))) {
		c.inbox.Refused("%d bytes", len(body))
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var event struct{ Event, Timestamp string }
	if err := json.Unmarshal(body, &event); err != nil {
		c.inbox.Refused("the body is not JSON")
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	status := http.StatusOK
	if c.busy.CompareAndSwap(true, false) {
		status = http.StatusServiceUnavailable
	}
	c.inbox.Verified("%-18s %s  and answered with %d", event.Event, event.Timestamp, status)
	w.WriteHeader(status)
}
