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
	"github.com/gowebhook/webhook/internal/signature"
)

func TestItEndsWhenBothCustomersHaveVerifiedBothEvents(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run(t.Context(), &out), out.String())
	assert.Equal(t, 2, strings.Count(out.String(), "verified  by api-key"), out.String())
	assert.Equal(t, 2, strings.Count(out.String(), "verified  by secret"), out.String())
	assert.NotContains(t, out.String(), "REFUSED")
}

// The code comes from package profile's test vector. The body has other white space here,
// because the receiver writes it again.
func TestTheReceiverRefusesWhatWasChanged(t *testing.T) {
	const code = "8f2699676d8cc7a6760a4835cb579c3c2e295e686ded21f4ccfede1240e7a87f"
	send := func(code, body string) (int, string) {
		c := &receiver{key: "kwai_test_0123456789abcdefghijABCDEFGHIJ", inbox: &loopback.Inbox{Out: io.Discard}}
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("X-Keywordsai-Signature", code)
		w := httptest.NewRecorder()
		c.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	for _, body := range []string{`{"some": "data"}`, `{"some":"data"}`, "{ \"s\\u006fme\" :\n\"data\" }\n"} {
		status, answer := send(code, body)
		assert.Equal(t, http.StatusOK, status)
		assert.JSONEq(t, `{"message":"Webhook received."}`, answer)
	}
	status, answer := send(code, `{"some": "datum"}`)
	assert.Equal(t, http.StatusUnauthorized, status)
	assert.JSONEq(t, `{"message":"Webhook signature does not match."}`, answer)
	for _, body := range []string{``, `{`, `{"some": "data"}{}`, `{"some": "data"}}`, `[1e400]`} {
		status, _ = send(code, body)
		assert.Equal(t, http.StatusBadRequest, status, body)
	}
}

func TestDumpsWritesAsPythonDoes(t *testing.T) {
	for _, text := range []string{
		`null`, `[ ]`, `{}`, `{"b":[1,2,{"a":[]}],"a":{"c":true}}`,
		`"\"\\\/\b\f\n\r\t\u0000\u007f <>&'é\u2028🦊"`, `[0,-1,123456789012345678901234567890]`,
		`[0.0,-0.0,1.0,1e0,100.0,1.5e-7,0.0001,0.00001,1e15,1e16,1.25E+300,9007199254740993.0,5e-324]`,
	} {
		want, err := signature.AppendPythonJSON(nil, []byte(text))
		require.NoError(t, err)
		got, err := dumps(strings.NewReader(text))
		require.NoError(t, err)
		assert.Equal(t, string(want), got)
	}
}
