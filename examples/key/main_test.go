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

func TestItEndsWhenATestAndTwoEventsHaveBeenVerified(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run(t.Context(), &out), out.String())
	for typ, times := range map[string]int{"webhook.test": 2, "member.joined": 1, "member.approved": 1} { // one test is the verify call's
		assert.Equal(t, times, strings.Count(out.String(), "verified  "+typ), out.String())
	}
	assert.NotContains(t, out.String(), "REFUSED")
}

// The code was computed with Python.
func TestTheReceiverRefusesWhatWasChanged(t *testing.T) {
	const id, body = "evt_1", `{"eventType":"member.left","eventId":"evt_1"}`
	const code = "sha256=2d5a9880edbd7b517b68530b6267c0dacdd7829ccdf8cc8c0e86a8d6a9de6903"
	send := func(clientID, eventID, code, body string) int {
		c := &receiver{clientID: "wh_8aF3kL2pNxRqYv9c", secret: "sk_3xZqW2tBnMv8KpYjL5hVcG1Rd", inbox: &loopback.Inbox{Out: io.Discard}}
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		for name, value := range map[string]string{"X-Client-Id": clientID, "X-Event-Id": eventID, "X-Webhook-Signature": code} {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		c.ServeHTTP(w, r)
		return w.Code
	}
	assert.Equal(t, http.StatusOK, send("wh_8aF3kL2pNxRqYv9c", id, code, body))
	assert.Equal(t, http.StatusUnauthorized, send("wh_other", id, code, body))
	assert.Equal(t, http.StatusUnauthorized, send("wh_8aF3kL2pNxRqYv9c", id, strings.TrimPrefix(code, "sha256="), body))
	assert.Equal(t, http.StatusUnauthorized, send("wh_8aF3kL2pNxRqYv9c", id, code, body+" "))
	assert.Equal(t, http.StatusBadRequest, send("wh_8aF3kL2pNxRqYv9c", "evt_2", code, body))
}
