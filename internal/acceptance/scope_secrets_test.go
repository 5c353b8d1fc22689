package acceptance

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhooktest"
)

func TestASecretIsShownAtCreationAndRotationOnly(t *testing.T) {
	r := newRig(t, nil)
	created := r.endpoint("one", func(e *webhook.Endpoint) { e.Header = map[string]webhook.Secret{"X-Key": "canary-header"} })
	assert.True(t, strings.HasPrefix(string(created.Secret), "whsec_"))
	scope := r.Tenant(acme)
	isHidden := func(e webhook.Endpoint, err error) {
		t.Helper()
		require.NoError(t, err)
		assert.Empty(t, string(e.Secret))
		for _, s := range e.Secrets {
			assert.Empty(t, string(s.Value))
		}
		assert.Equal(t, map[string]webhook.Secret{"X-Key": ""}, e.Header)
	}
	read, err := scope.Endpoint(t.Context(), "one")
	isHidden(read, err)
	page, err := scope.Endpoints(t.Context(), webhook.Query{})
	isHidden(page.Items[0], err)
	isHidden(scope.UpdateEndpoint(t.Context(), read))
	rotated, err := scope.RotateSecret(t.Context(), "one", time.Hour)
	require.NoError(t, err)
	assert.NotEmpty(t, string(rotated.Secret))
	assert.NotEqual(t, created.Secret, rotated.Secret)
	assert.Len(t, rotated.Secrets, 2)
	isHidden(scope.RetireSecrets(t.Context(), "one"))
}

func TestRevealSecretsShowsSigningSecretsAndNeverHeaders(t *testing.T) {
	r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) { c.RevealSecrets = true })
	created := r.endpoint("one", func(e *webhook.Endpoint) { e.Header = map[string]webhook.Secret{"X-Key": "v"} })
	read, err := r.Tenant(acme).Endpoint(t.Context(), "one")
	require.NoError(t, err)
	assert.Equal(t, created.Secret, read.Secret)
	assert.Empty(t, string(read.Header["X-Key"]))
}

func TestARotationSignsWithBothSecretsUntilTheOverlapEnds(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.run()
		old := r.endpoint("one").Secret
		scope := r.Tenant(acme)
		rotated, err := scope.RotateSecret(t.Context(), "one", time.Hour)
		require.NoError(t, err)
		verify := func(secret webhook.Secret) bool {
			ok, err := scope.VerifySecret(t.Context(), "one", secret)
			require.NoError(t, err)
			return ok
		}
		signatures := func(id string) []string {
			r.emit(id)
			synctest.Wait()
			sent := r.net.Sent()
			return strings.Split(sent[len(sent)-1].Header.Get("webhook-signature"), " ")
		}
		assert.Len(t, signatures("during"), 2)
		assert.True(t, verify(old) && verify(rotated.Secret))
		pass(time.Hour)
		assert.Len(t, signatures("after"), 1)
		assert.False(t, verify(old))
		assert.True(t, verify(rotated.Secret))

		_, err = scope.RotateSecret(t.Context(), "one", time.Hour)
		require.NoError(t, err)
		_, err = scope.RetireSecrets(t.Context(), "one")
		require.NoError(t, err)
		assert.Len(t, signatures("retired"), 1, "retiring acts at once")
		assert.False(t, verify(rotated.Secret))
	})
}

func TestARotationKeepsTheOverlapOfTheOneBefore(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		first := r.endpoint("one").Secret
		scope := r.Tenant(acme)
		second, err := scope.RotateSecret(t.Context(), "one", 24*time.Hour)
		require.NoError(t, err)
		third, err := scope.RotateSecret(t.Context(), "one", time.Hour)
		require.NoError(t, err)
		live := func() (list []bool) {
			for _, secret := range []webhook.Secret{first, second.Secret, third.Secret} {
				ok, err := scope.VerifySecret(t.Context(), "one", secret)
				require.NoError(t, err)
				list = append(list, ok)
			}
			return list
		}
		assert.Equal(t, []bool{true, true, true}, live())
		pass(2 * time.Hour)
		assert.Equal(t, []bool{true, false, true}, live(), "each has the overlap of its own rotation")
		pass(22 * time.Hour)
		assert.Equal(t, []bool{false, false, true}, live())

		_, err = scope.RotateSecret(t.Context(), "one", time.Hour)
		require.NoError(t, err)
		last, err := scope.RotateSecret(t.Context(), "one", 0)
		require.NoError(t, err)
		assert.Len(t, last.Secrets, 1, "an overlap of 0 ends all old ones")
	})
}

func TestAnEndpointHasTenLiveSecretsAtMost(t *testing.T) {
	r := newRig(t, nil)
	r.endpoint("one")
	for range 9 {
		_, err := r.Tenant(acme).RotateSecret(t.Context(), "one", time.Hour)
		require.NoError(t, err)
	}
	_, err := r.Tenant(acme).RotateSecret(t.Context(), "one", time.Hour)
	require.ErrorIs(t, err, webhook.ErrInvalid)
	assert.ErrorContains(t, err, "has 10 live secrets")
	_, err = r.Tenant(acme).RotateSecret(t.Context(), "one", 0)
	require.NoError(t, err, "an overlap of 0 makes room")
	_, err = r.Tenant(acme).RotateSecret(t.Context(), "one", -1)
	require.ErrorIs(t, err, webhook.ErrInvalid)
	_, err = r.Tenant(acme).RotateSecret(t.Context(), "one", 31*24*time.Hour)
	require.ErrorIs(t, err, webhook.ErrInvalid)
}

func TestVerifySecretKnowsNoEmptySecretAndNoOtherEndpoint(t *testing.T) {
	r := newRig(t, nil)
	secret := r.endpoint("one").Secret
	r.endpoint("two")
	for _, c := range []struct {
		tenant, endpoint string
		secret           webhook.Secret
		want             bool
	}{
		{acme, "one", secret, true},
		{acme, "one", secret + " ", false},
		{acme, "one", "", false},
		{acme, "two", secret, false},
		{acme, "three", secret, false},
		{"other", "one", secret, false},
	} {
		ok, err := r.Tenant(c.tenant).VerifySecret(t.Context(), c.endpoint, c.secret)
		require.NoError(t, err)
		assert.Equal(t, c.want, ok, "%+v", c)
	}
}
