package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/webhooktest"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// send signs a test event with a secret and sends it to a receiver. It returns the status and
// the printed text.
func send(t *testing.T, receivers, senders string) (status int, printed string) {
	t.Helper()
	var out bytes.Buffer
	handler, err := newHandler(&out, receivers)
	require.NoError(t, err)
	server := httptest.NewServer(handler)
	d, err := webhook.New(memstore.New(memstore.Options{}), webhooktest.Config())
	require.NoError(t, err)
	e, err := d.Tenant("acme").CreateEndpoint(t.Context(), webhook.Endpoint{URL: server.URL, Secret: webhook.Secret(senders), Events: []string{"*"}})
	require.NoError(t, err)
	attempt, err := d.Tenant("acme").Test(t.Context(), e.ID)
	require.NoError(t, err)
	server.Close() // and what handled the request has ended
	return attempt.Status, out.String()
}

func TestWhatIsSignedWithTheSecretOfTheEndpointIsPrinted(t *testing.T) {
	status, printed := send(t, secret, secret)
	assert.Equal(t, http.StatusNoContent, status)
	assert.Contains(t, printed, "signature valid")
	assert.Contains(t, printed, `"type":"test.ping"`)
}

func TestWhatIsSignedWithAnotherSecretIsRefused(t *testing.T) {
	status, printed := send(t, secret, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	assert.Equal(t, http.StatusUnauthorized, status)
	assert.Contains(t, printed, "refused with 401: receive: no signature matches")
	assert.NotContains(t, printed, "test.ping")
}

func TestWithoutASecretItSaysThatNothingIsChecked(t *testing.T) {
	status, printed := send(t, "", secret)
	assert.Equal(t, http.StatusNoContent, status)
	assert.Contains(t, printed, "signature not checked")
}

func TestABadSecretIsAnErrorAtTheStart(t *testing.T) {
	_, err := newHandler(&bytes.Buffer{}, "whsec_?")
	assert.ErrorContains(t, err, "a secret cannot be used")
}
