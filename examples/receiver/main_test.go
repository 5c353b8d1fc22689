package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/webhooktest"
)

func TestWhatTheLibrarySendsIsValidForTheSecretOfTheEndpoint(t *testing.T) {
	d, err := webhook.New(memstore.New(memstore.Options{}), webhooktest.Config())
	require.NoError(t, err)
	var out bytes.Buffer
	server := httptest.NewServer(handler(&out, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
	defer server.Close()
	for i, secret := range []webhook.Secret{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"} {
		tenant := string(rune('a' + i))
		_, err = d.Tenant(tenant).CreateEndpoint(t.Context(), webhook.Endpoint{URL: server.URL, Secret: secret, Events: []string{"*"}})
		require.NoError(t, err)
		page, err := d.Tenant(tenant).Endpoints(t.Context(), webhook.Query{})
		require.NoError(t, err)
		attempt, err := d.Tenant(tenant).Test(t.Context(), page.Items[0].ID)
		require.NoError(t, err)
		assert.Equal(t, []int{http.StatusNoContent, http.StatusUnauthorized}[i], attempt.Status)
	}
	assert.Contains(t, out.String(), "signature valid")
	assert.Contains(t, out.String(), "refused: no signature is this body's")
}

func TestAnOldTimestampIsRefused(t *testing.T) {
	now := time.Unix(1795336000, 0)
	h := http.Header{
		"Webhook-Id": {"019abc3e-7f1d-7c3a-9d2e-51c0c4a1b2f3"}, "Webhook-Timestamp": {"1795336000"},
		"Webhook-Signature": {"v1,5UD6scod1rCzA3Zx9hXppUfG6X8ZMkjWX0dbzJznB8Q="},
	}
	body := []byte(`{"type":"member.joined","timestamp":"2026-11-22T08:26:40.000Z","data":{"member_id":"mem_1"}}`)
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	require.NoError(t, verify(secret, h, body, now))
	require.NoError(t, verify(secret, h, body, now.Add(tolerance)))
	require.ErrorContains(t, verify(secret, h, body, now.Add(tolerance+time.Second)), "timestamp")
	require.ErrorContains(t, verify(secret, h, append(body, ' '), now), "no signature")
	require.ErrorContains(t, verify("whsec_?", h, body, now), "base64")
}
