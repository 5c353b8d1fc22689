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

// KeygenOptions are what [Keygen] needs to know of the application.
type KeygenOptions struct {
	// Keys returns the private keys of an endpoint's tenant, in any order; of those that fit the endpoint's algorithm the first one
	// signs. A key is the hex of the 32 bytes of an Ed25519 seed, or a PEM text: PKCS #8, PKCS #1 for RSA, SEC 1 for ECDSA.
	// RSA keys have at least 2,048 bits, ECDSA keys are on P-256. When it fails, the delivery is tried again in 10 seconds and no
	// attempt is counted. Required.
	Keys func(context.Context, *webhook.Endpoint) ([]webhook.Secret, error)

	// Account returns the account id of a tenant, for the body and the signature's keyid: visible ASCII without quotes and
	// backslashes. It must be a pure function. Defaults to the tenant itself.
	Account func(tenant string) string

	// Version is the version of the API that payloads are of. Defaults to "1.8". For several versions, register a profile for each,
	// with an Encode that converts the data and then calls the one of Keygen.
	Version string

	// UserAgent is sent with every request. Defaults to "Keygen/1.8 (+https://keygen.sh/docs/api/webhooks/)", with Version.
	UserAgent string
}

// Keygen speaks as Keygen does. The body is a JSON:API resource, the event as its own API would show it when the delivery was created:
// the data of the event is attributes.payload, a string of JSON, and meta.idempotencyToken is the token that receivers remember.
// The token and the resource's id are made of the tenant and the delivery's id, so that every attempt has the same ones, also after a
// retry by hand. (Keygen makes a new resource for that, with the same token; here it is the same delivery.)
//
// Keygen-Signature covers the method, the path and query, the host without its port, Date and Digest, in the manner of
// draft-cavage-http-signatures. Date and Digest are sent twice, the second time with "Keygen-" before their names, for receivers whose
// proxy sets Date anew. The algorithm is an endpoint's Metadata["signatureAlgorithm"]: "ed25519", the default, "rsa-pss-sha256",
// "rsa-sha256" or "ecdsa-p256"; another one is refused. An endpoint's own secret signs nothing and need not be shown to anybody.
//
// 2xx is a success. 410 Gone, Cloudflare's 530 and ngrok's page about a tunnel that does not exist disable the endpoint. A 504 from a
// tunnel of ngrok or localtunnel, a name that is not resolved, a connection that is refused, reset or ended, and a network or host that
// is not reached fail the delivery for good; so each request has a connection of its own. Timeouts, TLS and everything else are
// retried, up to 15 times in 38 to 61 hours. To retry all of them, set Judge to nil. [KeygenState] names the state of a delivery as
// Keygen does.
//
// It departs from Keygen in this: redirects are not followed and a password in a URL is refused, see SECURITY.md; Retry-After is
// honoured; and an endpoint that has unsubscribed from a type still gets what was owed to it.
//
// Keygen asks of endpoints that they are of https, waits 15 seconds (Config.RequestTimeout), keeps 2,048 bytes of a response
// (Network.MaxResponseBytes) and events for 30 days (Config.Retention), and has no test send; here one has the type "test.ping".
//
// Source: https://keygen.sh/docs/api/webhooks/ and https://keygen.sh/docs/api/signatures/, and where they are silent, its source.
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
			// A connection that is kept may be reset because nothing was sent for a while, and a reset is for good.
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

// encodeKeygen writes the resource as it was when the delivery was created, whatever has become of it since.
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

// keygenSpace is the namespace of resource ids, RFC 9562 §5.5.
var keygenSpace = uuid.MustParse("7c3d3f7e-6a0e-4a55-9b0d-3b1f6a1c2e94")

// keygenIDs returns the id of a delivery's resource and its token, 64 characters that end in "v3". A delivery's id is unique within
// its tenant.
func keygenIDs(m *webhook.Message) (id, token string) {
	name := m.Event.Tenant + "\x00" + m.DeliveryID
	sum := sha256.Sum256([]byte("idempotency token\x00" + name))
	return uuid.NewSHA1(keygenSpace, []byte(name)).String(), hex.EncodeToString(sum[:31]) + "v3"
}
