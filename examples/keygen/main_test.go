package main

import (
	"crypto"
	"crypto/ed25519"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/examples/internal/loopback"
	"github.com/gowebhook/webhook/profile"
)

func TestItEndsWhenAllFourAlgorithmsAndARetryByHandHaveBeenVerified(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run(t.Context(), &out), out.String())
	assert.Equal(t, 4, strings.Count(out.String(), "acted on"), out.String())
	assert.Equal(t, 1, strings.Count(out.String(), "seen before"), out.String())
	assert.Equal(t, 4, strings.Count(out.String(), "DELIVERED"), out.String())
	assert.NotContains(t, out.String(), "REFUSED")
}

func TestTheReceiverRefusesWhatWasChanged(t *testing.T) {
	const url = "https://example.com:8443/hooks?by=ed25519"
	const body = `{"data":{"attributes":{"event":"license.created","payload":"{}"},"meta":{"idempotencyToken":"0123456789v3"}}}`
	key := ed25519.NewKeyFromSeed([]byte(strings.Repeat("seed", 8)))
	send := func(sent time.Time, toURL, withBody string, change func(http.Header)) int {
		t.Helper()
		signed := &webhook.Request{
			Message: &webhook.Message{Event: &webhook.Event{Tenant: account}, Endpoint: &webhook.Endpoint{}},
			URL:     url, Header: make(http.Header), Body: []byte(body), Time: sent,
		}
		sign := profile.Keygen(profile.KeygenOptions{}).Signers[0]
		require.NoError(t, sign(signed, []webhook.Secret{webhook.Secret(hex.EncodeToString(key.Seed()))}))
		c := &receiver{
			inbox: &loopback.Inbox{Out: io.Discard}, seen: make(map[string]bool), keys: map[string]crypto.PublicKey{"ed25519": key.Public()},
		}
		r := httptest.NewRequest(http.MethodPost, toURL, strings.NewReader(withBody))
		r.Header = signed.Header
		if change != nil {
			change(r.Header)
		}
		w := httptest.NewRecorder()
		c.ServeHTTP(w, r)
		return w.Code
	}
	now := time.Now()
	assert.Equal(t, http.StatusNoContent, send(now, url, body, nil))
	assert.Equal(t, http.StatusBadRequest, send(now, url, body+" ", nil))
	assert.Equal(t, http.StatusBadRequest, send(now, url+"&x", body, nil))
	assert.Equal(t, http.StatusBadRequest, send(now.Add(-6*time.Minute), url, body, nil))
	for name, value := range map[string]string{
		"Date":             now.Add(time.Second).UTC().Format(http.TimeFormat),
		"Digest":           "sha-256=",
		"Keygen-Signature": `keyid="x", algorithm="ed25519", signature="AAAA", headers="(request-target) host date digest"`,
	} {
		assert.Equal(t, http.StatusBadRequest, send(now, url, body, func(h http.Header) { h.Set(name, value) }), name)
	}
	narrow := func(h http.Header) {
		h.Set("Keygen-Signature", strings.Replace(h.Get("Keygen-Signature"), " digest", "", 1))
	}
	assert.Equal(t, http.StatusBadRequest, send(now, url, body, narrow))
}
