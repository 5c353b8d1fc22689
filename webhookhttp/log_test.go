package webhookhttp_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/gowebhook/webhook/webhookhttp"
)

// recorder keeps the log.
type recorder struct{ strings.Builder }

func (r *recorder) into(c *webhookhttp.Config) {
	c.Logger = slog.New(slog.NewTextHandler(&r.Builder, nil))
}

func sendWith(ctx context.Context, h http.Handler, method, target string) {
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, method, target, nil))
}

func TestFailuresToAuthorizeAreLoggedWithTheRouteAndRefusalsAreNot(t *testing.T) {
	log := &recorder{}
	err := errors.New("the session store is away")
	h := newHandler(t, newDispatcher(t), log.into, func(c *webhookhttp.Config) {
		c.Authorize = func(*http.Request, webhookhttp.Permission) (string, error) { return "acme", err }
	})
	answer := send(h, "GET", "/webhooks/secret-path?token=secret-token", "")
	assert.Equal(t, 500, answer.Code)
	assert.NotContains(t, answer.Body.String(), "session")
	assert.Contains(t, log.String(), `error="authorize: the session store is away" method=GET route=/webhooks/{webhook_id}`)
	assert.NotContains(t, log.String(), "secret-")
	log.Reset()
	err = errors.Join(errors.New("expired"), webhookhttp.ErrForbidden)
	assert.Equal(t, 403, send(h, "GET", "/webhooks", "").Code)
	assert.Empty(t, log.String())
}
