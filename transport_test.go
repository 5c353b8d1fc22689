package webhook

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/internal/sender"
)

func TestTheSendersClassesAreTheDocumentedOnes(t *testing.T) {
	for class, want := range map[Class]string{
		ClassDNS: sender.DNS, ClassRefused: sender.Refused, ClassReset: sender.Reset, ClassTLS: sender.TLS,
		ClassTimeout: sender.Timeout, ClassBlocked: sender.Blocked, ClassProtocol: sender.Protocol,
	} {
		assert.Equal(t, want, string(class))
	}
}

func TestTheTransportOfTheLibrarySendsWhatANetworkAllows(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Own", r.Header.Get("X-Own"))
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write(body)
	}))
	defer server.Close()
	req := &Request{URL: server.URL, Header: http.Header{"X-Own": {"a"}}, Body: []byte("body"), OwnConn: true}

	open := httpTransport{sender.New[Class](Network{AllowHTTP: true, AllowLoopback: true, MaxResponseBytes: 3}.sending(1))}
	resp, err := open.Send(t.Context(), req)
	require.NoError(t, err)
	assert.Equal(t, http.StatusTeapot, resp.StatusCode)
	assert.Equal(t, "a", resp.Header.Get("X-Own"))
	assert.Equal(t, "bod", string(resp.Body))
	assert.True(t, resp.Truncated)

	err = open.sendBy(t.Context(), time.Now().Add(-time.Second), req, new(Response))
	require.ErrorIs(t, err, ClassTimeout)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	closed := httpTransport{sender.New[Class](Network{AllowHTTP: true}.sending(1))}
	resp, err = closed.Send(t.Context(), req)
	assert.Nil(t, resp)
	require.ErrorIs(t, err, ClassBlocked)
}
