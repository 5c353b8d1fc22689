package acceptance

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhooktest"
)

func TestEndpointsHaveNoHeaderThatServesAbuseAlone(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		e := r.endpoint("ep1")
		for _, name := range []string{
			"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-URL", "X-Original-Host", "X-Rewrite-URL",
			"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded", "X-Real-IP", "True-Client-IP", "CF-Connecting-IP",
			"Forwarded", "Via", "Cookie", "Range", "Accept-Encoding", "Metadata-Flavor", "Metadata", "X-Google-Metadata-Request",
			"X-aws-ec2-metadata-token", "X-aws-ec2-metadata-token-ttl-seconds",
			"Connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Proxy-Authorization", "Proxy-Foo",
			"x_forwarded_for", "X-FORWARDED_Host", "Content_Length", "webhook_signature", "transfer_encoding",
		} {
			for _, variant := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
				header := map[string]webhook.Secret{variant: "c4n4ry"}
				_, err := r.Tenant(acme).CreateEndpoint(t.Context(), webhook.Endpoint{URL: "https://a.example", Events: []string{"*"}, Header: header})
				var field *webhook.FieldError
				require.ErrorAs(t, err, &field, variant)
				assert.Contains(t, field.Field, "Endpoint.Header[")
				assert.NotEmpty(t, field.Cure)
				assert.NotContains(t, err.Error(), "c4n4ry")
				e.Header = header
				_, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
				require.ErrorAs(t, err, &field, variant)
			}
		}
		e.Header = map[string]webhook.Secret{"Authorization": "a", "X-Api-Key": "b", "X_Tenant": "c", "Accept": "d"}
		_, err := r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
	})
}

func TestAGivenSecretHas16BytesUnlessTheApplicationSaysOtherwise(t *testing.T) {
	inTime(t, func(t *testing.T) {
		raw := func(c *webhook.Config, _ *webhooktest.Transport) {
			c.Profiles = map[string]webhook.Profile{
				"raw":   {Signers: []webhook.Signer{webhook.HMAC{Header: "X-S"}.Sign}},
				"short": {Signers: []webhook.Signer{webhook.HMAC{Header: "X-S"}.Sign}, Issue: issueShort},
			}
			c.Profile = "raw"
		}
		r := newRig(t, raw)
		give := func(r *rig, profile string, secret webhook.Secret) error {
			_, err := r.Tenant(acme).CreateEndpoint(t.Context(), webhook.Endpoint{
				URL: "https://a.example", Events: []string{"*"}, Profile: profile, Secret: secret,
			})
			return err
		}
		for _, short := range []webhook.Secret{"x", "123456789012345"} {
			err := give(r, "raw", short)
			var field *webhook.FieldError
			require.ErrorAs(t, err, &field)
			assert.Equal(t, "Endpoint.Secret", field.Field)
			assert.Contains(t, field.Cure, "AllowShortSecrets")
			assert.NotContains(t, err.Error(), string(short)+" ")
		}
		require.ErrorIs(t, give(r, "short", ""), webhook.ErrInvalid)
		require.NoError(t, give(r, "raw", "1234567890123456"))
		allowed := r.restarted(func(c *webhook.Config, net *webhooktest.Transport) {
			raw(c, net)
			c.AllowShortSecrets = true
		})
		require.NoError(t, give(allowed, "raw", "x"))
		require.NoError(t, give(allowed, "short", ""))
	})
}

func issueShort(e *webhook.Endpoint) error {
	e.Secret = "short"
	return nil
}
