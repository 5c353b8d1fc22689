package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/examples/internal/loopback"
)

func TestItEndsWhenAllWasVerifiedAndTheBrokenEndpointIsDisabled(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run(t.Context(), &out), out.String())
	assert.Equal(t, 4, strings.Count(out.String(), "verified"), out.String())
	assert.Equal(t, 1, strings.Count(out.String(), "answered with 503"), out.String())
	assert.Contains(t, out.String(), "disabled after four attempts that failed")
	assert.NotContains(t, out.String(), "post.created", "nobody is subscribed to it")
}

// The body comes from the documentation, and the code from package profile's test vector.
func TestTheReceiverRefusesWhatWasChanged(t *testing.T) {
	const code = "d3be560d2475c981c4938ff142794332dafe856237bba846768722b63210c98d"
	const body = `{"event":"member.joined","timestamp":"2026-01-15T10:30:00Z","data":{"community_id":"7f0c1d1e-0000-4000-8000-000000000001",` +
		`"user_id":"7f0c1d1e-0000-4000-8000-000000000002","metadata":{}}}`
	send := func(code, body string) int {
		c := &receiver{secret: "tryno_test_secret_0123456789abcdef", inbox: &loopback.Inbox{Out: io.Discard}}
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("X-Tryno-Signature", code)
		w := httptest.NewRecorder()
		c.ServeHTTP(w, r)
		return w.Code
	}
	assert.Equal(t, http.StatusOK, send(code, body))
	assert.Equal(t, http.StatusUnauthorized, send(code, body+" "))
	assert.Equal(t, http.StatusUnauthorized, send("", body))
	assert.Equal(t, http.StatusUnauthorized, send("sha256="+code, body))
}
