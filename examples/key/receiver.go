package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/gowebhook/webhook/examples/internal/loopback"
)

// A receiver is the customer's handler, as
// https://www.key.ai/help/webhooks/webhooks-signature-verification describes it. It computes
// the code of the raw body and compares it with the whole header in constant time. It answers
// 401 if they differ.
type receiver struct {
	clientID, secret string
	inbox            *loopback.Inbox
}

// verify checks the credentials and this server with one call, as
// https://www.key.ai/help/webhooks/webhooks-getting-started describes it.
func (c *receiver) verify(ctx context.Context, url string) error {
	body, err := json.Marshal(map[string]string{"communityId": community, "clientId": c.clientID, "clientSecret": c.secret})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Client-Id", c.clientID)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the verify call was answered with %d: %s", resp.StatusCode, answer)
	}
	return nil
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
		c.inbox.Refused("%s does not match its headers", event.EventType)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.inbox.Verified("%-16s %s  %s", event.EventType, event.EventID, event.OccurredAt)
	w.WriteHeader(http.StatusOK)
}
