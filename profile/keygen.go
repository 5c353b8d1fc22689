package profile

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/url"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
)

// KeygenOptions are the facts about the application that [Keygen] needs.
type KeygenOptions struct {
	// Keys returns the private keys of an endpoint's tenant, in any order. The first key that
	// fits the endpoint's algorithm signs. A key is the hex of the 32 bytes of an Ed25519 seed,
	// or a PEM text: PKCS #8, PKCS #1 for RSA, SEC 1 for ECDSA. RSA keys have at least 2,048
	// bits. ECDSA keys are on P-256. If Keys fails, the delivery is tried again in 10 seconds
	// and no attempt is counted. Required.
	Keys func(context.Context, *webhook.Endpoint) ([]webhook.Secret, error)

	// Account returns the account id of a tenant, for the body and the signature's keyid. The
	// id is visible ASCII without quotes and backslashes. Account must be a pure function.
	// Defaults to the tenant itself.
	Account func(tenant string) string

	// Version is the API version of the payloads. Defaults to "1.8". For several versions,
	// register a profile for each, with an Encode that converts the data and then calls
	// Keygen's Encode.
	Version string

	// UserAgent is sent with every request. Defaults to "Keygen/1.8
	// (+https://keygen.sh/docs/api/webhooks/)", with Version in place of 1.8.
	UserAgent string
}

// Keygen speaks as Keygen does.
//
//	body       a JSON:API resource: the event when the delivery was created
//	header     Keygen-Signature, beside Date, Digest, Keygen-Date and Keygen-Digest
//	covers     method, path and query, host without port, Date and Digest
//	retries    15 in 38 to 61 hours, for timeouts, TLS failures and outcomes not named below
//	success    2xx; 410 Gone, 530, and a missing tunnel of ngrok disable the endpoint
//	test       "test.ping"; Keygen has none
//	timeout    15 s, as Config.RequestTimeout
//
// The body is the event as Keygen's own API would show it. attributes.payload is the data of
// the event, a string of JSON. meta.idempotencyToken is the token that receivers remember. The
// token and the resource's id are made from the tenant and the delivery's id, so every attempt
// has the same ones, also after a retry by hand. (Keygen makes a new resource with the same
// token for a retry by hand; here it is the same delivery.)
//
// The signature is in the manner of draft-cavage-http-signatures. Date and Digest are sent
// twice, the second time as Keygen-Date and Keygen-Digest, for receivers whose proxy sets Date
// anew. The algorithm is an endpoint's Metadata["signatureAlgorithm"]: "ed25519" (the
// default), "rsa-pss-sha256", "rsa-sha256" or "ecdsa-p256". Any other is refused. An
// endpoint's own secret signs nothing, so nobody needs to see it.
//
// 530 is a status of Cloudflare. ngrok answers with a page about a tunnel that does not exist.
// Four other failures fail the delivery for good:
//
//   - a 504 from a tunnel of ngrok or localtunnel
//   - a name that is not resolved
//   - a connection that is refused, reset or ended
//   - a network or host that is not reached
//
// Because a reset is for good, each request has a connection of its own. To retry these too,
// set Judge to nil. [KeygenState] names the state of a delivery as Keygen does.
//
// The profile differs from Keygen in four ways. Redirects are not followed, and a password in
// a URL is refused: see SECURITY.md. Retry-After is honoured. An endpoint that has
// unsubscribed from a type still gets the deliveries that were pending.
//
// Keygen requires https of endpoints. It keeps 2,048 bytes of a response
// (Network.MaxResponseBytes), and events for 30 days (Config.Retention).
//
// Source: https://keygen.sh/docs/api/webhooks/ and https://keygen.sh/docs/api/signatures/, and
// where they are silent, Keygen's source code.
func Keygen(options KeygenOptions) webhook.Profile {
	version := cmp.Or(options.Version, "1.8")
	userAgent := cmp.Or(options.UserAgent, "Keygen/"+version+" (+https://keygen.sh/docs/api/webhooks/)")
	account, keys := options.Account, options.Keys
	if account == nil {
		account = func(tenant string) string { return tenant }
	}
	if keys == nil {
		keys = func(context.Context, *webhook.Endpoint) ([]webhook.Secret, error) {
			return nil, errors.New("KeygenOptions.Keys is nil; give a function that returns the tenant's private keys")
		}
	}
	return webhook.Profile{
		Encode: func(m *webhook.Message) ([]byte, error) {
			return encodeKeygen(m, account(m.Event.Tenant), version)
		},
		Header: func(r *webhook.Request) error {
			r.Header.Set("User-Agent", userAgent)
			r.Header.Set("Keygen-Version", version)
			// A kept connection may be reset only because it was idle, and a reset fails the
			// delivery for good.
			r.OwnConn = true
			return withoutID(r)
		},
		Signers: []webhook.Signer{func(r *webhook.Request, secrets []webhook.Secret) error {
			return signKeygen(r, account(r.Event.Tenant), secrets)
		}},
		Keys:  keys,
		Retry: retryKeygen,
		Judge: judgeKeygen,
		Check: checkKeygenAlgorithm,
	}
}

// The resource, in the order in which Keygen writes it.
type (
	keygenDocument struct {
		Data keygenEvent `json:"data"`
	}
	keygenEvent struct {
		ID            string              `json:"id"`
		Type          string              `json:"type"`
		Attributes    keygenAttributes    `json:"attributes"`
		Relationships keygenRelationships `json:"relationships"`
		Links         keygenLinks         `json:"links"`
		Meta          keygenMeta          `json:"meta"`
	}
	keygenAttributes struct {
		Endpoint         string  `json:"endpoint"`
		APIVersion       string  `json:"apiVersion"`
		Payload          string  `json:"payload"`
		Event            string  `json:"event"`
		Status           string  `json:"status"`
		LastResponseCode *int    `json:"lastResponseCode"`
		LastResponseBody *string `json:"lastResponseBody"`
		Created          string  `json:"created"`
		Updated          string  `json:"updated"`
	}
	keygenRelationships struct {
		Account keygenAccount `json:"account"`
	}
	keygenAccount struct {
		Links keygenLinks `json:"links"`
		Data  keygenRef   `json:"data"`
	}
	keygenRef struct {
		Type string `json:"type"`
		ID   string `json:"id"`
	}
	keygenLinks struct {
		Related string `json:"related,omitempty"`
		Self    string `json:"self,omitempty"`
	}
	keygenMeta struct {
		IdempotencyToken string `json:"idempotencyToken"`
	}
)

// encodeKeygen writes the resource as it was when the delivery was created, so that later
// changes do not show.
func encodeKeygen(m *webhook.Message, account, version string) ([]byte, error) {
	data, err := rawData(m)
	if err != nil {
		return nil, err
	}
	id, token := keygenIDs(m)
	created := m.CreatedAt.UTC().Format(rfc3339Millis)
	link := "/v1/accounts/" + url.PathEscape(account)
	return marshal(keygenDocument{keygenEvent{
		ID:   id,
		Type: "webhook-events",
		Attributes: keygenAttributes{
			Endpoint: m.Endpoint.URL, APIVersion: version, Payload: string(data), Event: m.Event.Type,
			Status: keygenDelivering, Created: created, Updated: created,
		},
		Relationships: keygenRelationships{keygenAccount{
			Links: keygenLinks{Related: link}, Data: keygenRef{Type: "accounts", ID: account},
		}},
		Links: keygenLinks{Self: link + "/webhook-events/" + id},
		Meta:  keygenMeta{token},
	}})
}

// keygenSpace is the name space of resource ids (RFC 9562 §5.5).
var keygenSpace = uuid.MustParse("7c3d3f7e-6a0e-4a55-9b0d-3b1f6a1c2e94")

// keygenIDs returns the id of a delivery's resource and its token, 64 characters that end in
// "v3". A delivery's id is unique only within its tenant, so both are made from the two.
func keygenIDs(m *webhook.Message) (id, token string) {
	name := m.Event.Tenant + "\x00" + m.DeliveryID
	sum := sha256.Sum256([]byte("idempotency token\x00" + name))
	return uuid.NewSHA1(keygenSpace, []byte(name)).String(), hex.EncodeToString(sum[:31]) + "v3"
}
