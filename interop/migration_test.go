package interop

import (
	"encoding/base64"
	"strings"
	"testing"

	gogithub "github.com/google/go-github/v72/github"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

// migrating signs with an old header and with Standard Webhooks, like the example of package
// profile.
func migrating() webhook.Profile {
	old := webhook.HMAC{Header: "X-Acme-Signature", Prefix: "sha256="}
	return webhook.Profile{Signers: []webhook.Signer{
		func(r *webhook.Request, secrets []webhook.Secret) error { return old.Sign(r, secrets[len(secrets)-1:]) },
		func(r *webhook.Request, secrets []webhook.Secret) error {
			keys := make([]webhook.Secret, len(secrets))
			for i, s := range secrets {
				if keys[i] = s; !strings.HasPrefix(string(s), "whsec_") {
					keys[i] = webhook.Secret(asStandard(string(s)))
				}
			}
			return webhook.SignStandard(r, keys)
		},
	}}
}

// asStandard encodes an old secret in the form of Standard Webhooks.
func asStandard(old string) string { return "whsec_" + base64.StdEncoding.EncodeToString([]byte(old)) }

func TestClientsOfBothSchemesAcceptARequestThatHasBothSignatures(t *testing.T) {
	for name, c := range map[string]struct{ secret, written string }{
		"an endpoint with an old secret":     {"3f9a6c0de1b24785a0c9d3e4f5061728", asStandard("3f9a6c0de1b24785a0c9d3e4f5061728")},
		"an endpoint with a standard secret": {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
	} {
		t.Run(name, func(t *testing.T) {
			told := tell(t, setup{
				profile: migrating(), endpoint: webhook.Endpoint{Secret: webhook.Secret(c.secret)},
				event: webhook.Event{ID: "evt_1", Type: "member.joined"},
			})
			for _, s := range []shot{told.first, told.again, told.rotate} {
				old := s.header.Get("X-Acme-Signature")
				assert.NoError(t, gogithub.ValidateSignature(old, s.body, []byte(c.secret)))
				assert.Error(t, gogithub.ValidateSignature(old, append([]byte(" "), s.body...), []byte(c.secret)))
				assert.NoError(t, byStandardWebhooks(t, c.written, s))
				assert.NoError(t, bySvix(t, c.written, s))
			}
			assert.NoError(t, byStandardWebhooks(t, told.new, told.rotate))
			assert.Error(t, byStandardWebhooks(t, told.new, told.first))
			s := told.first.clone()
			s.body[0] ^= 1
			assert.Error(t, byStandardWebhooks(t, c.written, s))
		})
	}
}

// A customer can leave the old secret as it is: the libraries accept that, too.
func TestTheStandardsClientTakesAnOldSecretAsItIs(t *testing.T) {
	const old = "3f9a6c0de1b24785a0c9d3e4f5061728"
	told := tell(t, setup{
		profile: migrating(), endpoint: webhook.Endpoint{Secret: old},
		event: webhook.Event{ID: "evt_1", Type: "member.joined"},
	})
	client, err := standardwebhooks.NewWebhookRaw([]byte(old))
	require.NoError(t, err)
	assert.NoError(t, client.Verify(told.first.body, told.first.header))
}
