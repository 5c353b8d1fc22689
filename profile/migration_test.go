package profile_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/profile"
	"github.com/gowebhook/webhook/receive"
)

// The profile of the example: an old header beside Standard Webhooks.
func migrating() webhook.Profile {
	return webhook.Profile{Signers: []webhook.Signer{signOld, signNew}}
}

// acceptsOld reports whether a receiver of the old header accepts a request. The scheme is
// GitHub's under another name.
func acceptsOld(t *testing.T, r *webhook.Request, secret webhook.Secret) bool {
	t.Helper()
	verify, err := receive.GitHub(receive.AllowShort(string(secret)))
	require.NoError(t, err)
	received := asReceived(t, r)
	received.Header = received.Header.Clone()
	received.Header.Set("X-Hub-Signature-256", r.Header.Get("X-Acme-Signature"))
	_, err = verify(received, r.Body)
	return err == nil
}

// acceptsNew reports whether a receiver of Standard Webhooks accepts a request.
func acceptsNew(t *testing.T, r *webhook.Request, secret webhook.Secret) bool {
	t.Helper()
	verify, err := receive.Standard(receive.Window{}, string(secret))
	require.NoError(t, err)
	_, err = verify(asReceived(t, r), r.Body)
	return err == nil
}

func inBase64(s string) webhook.Secret {
	return webhook.Secret("whsec_" + base64.StdEncoding.EncodeToString([]byte(s)))
}

func TestARequestHasBothSignaturesWhateverKindOfSecretTheEndpointHas(t *testing.T) {
	const standard = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	for name, c := range map[string]struct {
		secret, written webhook.Secret // as the endpoint has it, and as a Standard Webhooks receiver has it
	}{
		"an old secret of 24 bytes": {webhook.Secret(strings.Repeat("k", 24)), inBase64(strings.Repeat("k", 24))},
		"an old secret of 64 bytes": {webhook.Secret(strings.Repeat("é", 32)), inBase64(strings.Repeat("é", 32))},
		"a standard secret":         {standard, standard},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWire(t, migrating(), webhook.Endpoint{Secret: c.secret})
				r := w.emit(webhook.Event{Type: "member.joined"})
				assert.True(t, acceptsOld(t, r, c.secret))
				assert.True(t, acceptsNew(t, r, c.written))
				assert.False(t, acceptsOld(t, r, c.secret+"x"))
				assert.False(t, acceptsNew(t, r, inBase64(strings.Repeat("x", 24))))
				r.Body[0] ^= 1
				assert.False(t, acceptsOld(t, r, c.secret))
				assert.False(t, acceptsNew(t, r, c.written))
			})
		})
	}
}

func TestAnOldSecretThatIsNoStandardKeyHasTheOldSignatureAlone(t *testing.T) {
	for _, size := range []int{1, 23, 65} {
		inBubble(t, func(t *testing.T) {
			secret := webhook.Secret(strings.Repeat("k", size))
			w := newWire(t, migrating(), webhook.Endpoint{Secret: secret})
			r := w.emit(webhook.Event{Type: "member.joined"})
			assert.True(t, acceptsOld(t, r, secret))
			assert.Empty(t, headers(r, "Webhook-Timestamp", "Webhook-Signature"))
		})
	}
}

// The rotation is how a customer gets a secret of the new kind: nothing that worked before
// stops before the overlap ends.
func TestWhileTheSecretsOfTwoKindsOverlapEveryReceiverGoesOn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const old = "3f9a6c0de1b24785a0c9d3e4f5061728"
		w := newWire(t, migrating(), webhook.Endpoint{Secret: old})
		rotated, err := w.scope.RotateSecret(t.Context(), w.endpoint.ID, 24*time.Hour)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(rotated.Secret), "whsec_"))

		r := w.emit(webhook.Event{Type: "member.joined"})
		assert.True(t, acceptsOld(t, r, old))
		assert.True(t, acceptsNew(t, r, inBase64(old)))
		assert.True(t, acceptsNew(t, r, rotated.Secret))

		w.pass(25 * time.Hour)
		r = w.emit(webhook.Event{Type: "member.joined"})
		assert.False(t, acceptsOld(t, r, old))
		assert.True(t, acceptsOld(t, r, rotated.Secret))
		assert.False(t, acceptsNew(t, r, inBase64(old)))
		assert.True(t, acceptsNew(t, r, rotated.Secret))
	})
}

// Any profile's signers combine with others, as long as they set different headers.
func TestTheSignaturesOfSeveralProvidersFitOnOneRequest(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
		p := profile.Stripe(profile.StripeOptions{})
		p.Signers = append(p.Signers, profile.GitHub().Signers...)
		p.Signers = append(p.Signers, profile.Shopify().Signers...)
		p.Signers = append(p.Signers, profile.Slack().Signers...)
		p.Signers = append(p.Signers, webhook.SignStandard)
		w := newWire(t, p, webhook.Endpoint{Secret: secret})
		r := w.emit(webhook.Event{Type: "charge.updated", Data: []byte(`{"object":{}}`)})

		stripe, err := receive.Stripe(receive.Window{}, receive.AllowShort(secret))
		verified(t, stripe, err, r)
		verified2(t, r, secret)
		shopify, err := receive.Shopify(receive.AllowShort(secret))
		verified(t, shopify, err, r)
		slack, err := receive.Slack(receive.Window{}, receive.AllowShort(secret))
		verified(t, slack, err, r)
		assert.True(t, acceptsNew(t, r, secret))
	})
}
