package acceptance

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/receive"
	"github.com/gowebhook/webhook/webhooktest"
)

func withEd25519(c *webhook.Config, _ *webhooktest.Transport) {
	c.Profiles = map[string]webhook.Profile{"ed25519": {Issue: webhook.IssueEd25519}}
}

func ed25519Endpoint(e *webhook.Endpoint) { e.Profile = "ed25519" }

// verified returns the error of a receiver that checks the sent request with these keys.
func verified(t *testing.T, req *webhook.Request, keys ...string) error {
	t.Helper()
	verify, err := receive.Standard(receive.Window{Now: func() time.Time { return req.Time }}, keys...)
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Header = req.Header
	_, err = verify(r, req.Body)
	return err
}

func TestAnEd25519EndpointShowsItsPublicKeyAndNeverItsPrivateOne(t *testing.T) {
	inTime(t, func(t *testing.T) {
		for _, reveal := range []bool{false, true} {
			r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
				withEd25519(c, net)
				c.RevealSecrets = reveal
			})
			created := r.endpoint("ep1", ed25519Endpoint)
			require.Len(t, created.Secrets, 1)
			assert.True(t, strings.HasPrefix(created.Secrets[0].PublicKey, "whpk_"))
			read, err := r.Tenant(acme).Endpoint(t.Context(), "ep1")
			require.NoError(t, err)
			rotated, err := r.Tenant(acme).RotateSecret(t.Context(), "ep1", time.Hour)
			require.NoError(t, err)
			require.Len(t, rotated.Secrets, 2)
			assert.NotEqual(t, created.Secrets[0].PublicKey, rotated.Secrets[0].PublicKey)
			assert.Equal(t, created.Secrets[0].PublicKey, rotated.Secrets[1].PublicKey)
			for _, e := range []webhook.Endpoint{created, read, rotated} {
				assert.Empty(t, string(e.Secret))
				for _, s := range e.Secrets {
					assert.Empty(t, string(s.Value))
				}
			}
		}
	})
}

func TestRequestsToAnEd25519EndpointVerifyWithItsPublicKeys(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, withEd25519)
		created := r.endpoint("ep1", ed25519Endpoint)
		rotated, err := r.Tenant(acme).RotateSecret(t.Context(), "ep1", time.Hour)
		require.NoError(t, err)
		r.run()
		r.emit("evt1")
		pass(time.Second)
		sent := r.net.Sent()
		require.Len(t, sent, 1)
		require.NoError(t, verified(t, sent[0], created.Secrets[0].PublicKey), "the old key, during the overlap")
		require.NoError(t, verified(t, sent[0], rotated.Secrets[0].PublicKey))
		other := newRig(t, withEd25519).endpoint("ep1", ed25519Endpoint)
		require.ErrorIs(t, verified(t, sent[0], other.Secrets[0].PublicKey), receive.ErrNoMatch)
	})
}

// An endpoint changes from a shared secret to a key pair. The receiver may change at any
// time within the overlap.
func TestAnEndpointMayChangeFromASecretToAKeyPair(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, withEd25519)
		e := r.endpoint("ep1")
		shared := string(e.Secret)
		e.Profile = "ed25519"
		e, err := r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
		e, err = r.Tenant(acme).RotateSecret(t.Context(), e.ID, time.Hour)
		require.NoError(t, err)
		r.run()
		r.emit("evt1")
		pass(time.Second)
		sent := r.net.Sent()
		require.Len(t, sent, 1)
		require.NoError(t, verified(t, sent[0], shared))
		require.NoError(t, verified(t, sent[0], e.Secrets[0].PublicKey))
	})
}

func TestAPrivateKeyWithAnotherPublicHalfIsRefused(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		raw := make([]byte, 64)
		_, err := r.Tenant(acme).CreateEndpoint(t.Context(), webhook.Endpoint{
			URL: "https://a.example", Events: []string{"*"}, Secret: webhook.Secret("whsk_" + base64.StdEncoding.EncodeToString(raw)),
		})
		require.ErrorContains(t, err, "second half is not the public key")
		require.ErrorIs(t, err, webhook.ErrInvalid)
	})
}

func TestPublicKeySaysWhatIsNotAPrivateKey(t *testing.T) {
	_, err := webhook.PublicKey("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	require.ErrorIs(t, err, webhook.ErrInvalid)
	assert.NotContains(t, err.Error(), "MfKQ")
	_, err = webhook.PublicKey("whsk_c4n4ry")
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "c4n4ry")
	public, err := webhook.PublicKey("whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==")
	require.NoError(t, err)
	assert.Equal(t, "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=", public)
}
