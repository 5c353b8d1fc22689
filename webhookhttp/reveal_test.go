package webhookhttp_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhookhttp"
)

// revealing returns a handler of a Dispatcher that reveals secrets. second is the answer of
// Authorize for PermissionSecrets.
func revealing(t *testing.T, second func() (string, error)) (h *webhookhttp.Handler, secret string, asked *[]webhookhttp.Permission) {
	t.Helper()
	d := newDispatcher(t, func(c *webhook.Config) { c.RevealSecrets = true })
	asked = &[]webhookhttp.Permission{}
	h = newHandler(t, d, func(c *webhookhttp.Config) {
		c.Logger = slog.New(slog.DiscardHandler)
		c.Authorize = func(_ *http.Request, p webhookhttp.Permission) (string, error) {
			*asked = append(*asked, p)
			if p == webhookhttp.PermissionSecrets {
				return second()
			}
			return "acme", nil
		}
	})
	for _, id := range []string{"one", "two"} {
		e, err := d.Tenant("acme").CreateEndpoint(t.Context(), webhook.Endpoint{
			ID: id, URL: "https://a.example", Events: []string{"*"}, Header: map[string]webhook.Secret{"X-Key": "header-value"},
		})
		require.NoError(t, err)
		secret = string(e.Secret)
	}
	return h, secret, asked
}

func TestARevealedSecretIsShownToThoseWhoMaySeeSecrets(t *testing.T) {
	h, secret, asked := revealing(t, func() (string, error) { return "acme", nil })
	one := send(h, "GET", "/webhooks/two", "")
	assert.Contains(t, one.Body.String(), secret)
	assert.Equal(t, "no-store", one.Header().Get("Cache-Control"))
	assert.NotContains(t, one.Body.String(), "header-value")
	assert.Equal(t, []webhookhttp.Permission{webhookhttp.PermissionRead, webhookhttp.PermissionSecrets}, *asked)
	*asked = nil
	list := send(h, "GET", "/webhooks", "")
	assert.Contains(t, list.Body.String(), secret)
	assert.Equal(t, "no-store", list.Header().Get("Cache-Control"))
	assert.Len(t, *asked, 2, "once for the whole list")
	assert.Contains(t, send(h, "PATCH", "/webhooks/two", `{"description": "d"}`).Body.String(), secret)
	again := send(h, "GET", "/webhooks/two", "", "If-None-Match", "*")
	assert.Equal(t, 200, again.Code)
}

func TestARevealedSecretIsNotShownToOthers(t *testing.T) {
	for name, second := range map[string]func() (string, error){
		"forbidden":       func() (string, error) { return "acme", webhookhttp.ErrForbidden },
		"unauthenticated": func() (string, error) { return "", webhookhttp.ErrUnauthenticated },
		"another tenant":  func() (string, error) { return "other", nil },
		"no tenant":       func() (string, error) { return "", nil },
	} {
		t.Run(name, func(t *testing.T) {
			h, _, _ := revealing(t, second)
			for _, answer := range []string{
				send(h, "GET", "/webhooks/one", "").Body.String(),
				send(h, "GET", "/webhooks", "").Body.String(),
				send(h, "PATCH", "/webhooks/one", `{"description": "d"}`).Body.String(),
			} {
				assert.Contains(t, answer, `"id":"one"`)
				assert.NotContains(t, answer, "whsec_")
				assert.NotContains(t, answer, `"secret":`)
			}
		})
	}
	h, _, _ := revealing(t, func() (string, error) { return "", errors.New("away") })
	assert.Equal(t, 500, send(h, "GET", "/webhooks/one", "").Code)
	assert.Equal(t, 500, send(h, "GET", "/webhooks", "").Code)
}

func TestANewSecretIsTheOneThatRequestsAreSignedWith(t *testing.T) {
	d := newDispatcher(t)
	h := newHandler(t, d)
	created := send(h, "POST", "/webhooks", aBody)
	id := strings.TrimPrefix(created.Header().Get("Location"), "/webhooks/")
	secretOf := func(body []byte) webhook.Secret {
		var e struct{ Secret string }
		require.NoError(t, json.Unmarshal(body, &e))
		return webhook.Secret(e.Secret)
	}
	first := secretOf(created.Body.Bytes())
	second := secretOf(send(h, "POST", "/webhooks/"+id+"/secret/rotate", `{"overlap_seconds": 60}`).Body.Bytes())
	third := secretOf(send(h, "POST", "/webhooks/"+id+"/secret/rotate", `{"overlap_seconds": 0}`).Body.Bytes())
	for secret, want := range map[webhook.Secret]bool{first: false, second: false, third: true, "": false} {
		live, err := d.Tenant("acme").VerifySecret(t.Context(), id, secret)
		require.NoError(t, err)
		assert.Equal(t, want, live)
	}
}
