package receive

import (
	"encoding/json"
	"strings"
)

// Key returns a verifier of Key's X-Webhook-Signature header: "sha256=" and the hex HMAC-SHA256
// of the body. A secret is the client secret ("sk_…") that Key showed when the webhook was
// created.
//
// Event.ID is eventId of the body, which is signed. X-Event-Id has the same value, but is not
// signed.
//
// Key advises to refuse requests whose X-Event-Timestamp is older than five minutes. The
// verifier does not: this timestamp is the time of the event, it is not signed, and retries
// come up to a day later.
//
// Source: https://www.key.ai/help/webhooks/webhooks-signature-verification
func Key(secrets ...string) (Verifier, error) {
	for i, secret := range secrets {
		if strings.HasPrefix(strings.TrimPrefix(secret, shortMark), "wh_") {
			return nil, badSecret(i, `begins with "wh_": that is the client id, which is public; use the client secret, "sk_…"`)
		}
	}
	return hexBody("X-Webhook-Signature", "sha256=", secrets, "", func(body []byte) string {
		var fields struct {
			EventID string `json:"eventId"`
		}
		if json.Unmarshal(body, &fields) != nil {
			return ""
		}
		return fields.EventID
	})
}
