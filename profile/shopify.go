package profile

import (
	"strings"
	"time"

	"github.com/gowebhook/webhook"
)

// shopifyRetries is the number of Shopify's retries. It is also the number of failures in a row
// after which Shopify deletes the subscription.
const shopifyRetries = 8

// Shopify speaks as Shopify's webhooks do.
//
//	body       the event's data, unchanged: the resource
//	header     X-Shopify-Hmac-Sha256: {base64}
//	covers     the body, with HMAC-SHA256 under the whole secret
//	retries    8 within 4 hours: after 45 s, then twice as long each time
//	success    2xx; 410 Gone, and 8 retries in vain, disable the endpoint
//	test       "test.ping", so the topic is "test/ping"
//	timeout    5 s at Shopify: set Endpoint.Timeout or Config.RequestTimeout
//
// At Shopify the secret is the app's client secret, the same for all its shops. There is room
// for one signature, so a rotation has no overlap on the wire: the new secret signs from the
// next request on. Shopify takes up to an hour for that. The scheme signs no time, so anybody
// who has seen a request can send it again.
//
// The other headers:
//
//	X-Shopify-Topic         Event.Type with a slash in place of its first dot, because event
//	                        types cannot have a slash: "orders/create"
//	X-Shopify-Webhook-Id    a GUID of the delivery, the same in every repeat; receivers drop
//	                        duplicates by it
//	X-Shopify-Event-Id      a GUID of the event, the same for all endpoints: Event.ID if that
//	                        is a UUID
//	X-Shopify-Triggered-At  Event.Time
//	X-Shopify-Shop-Domain, X-Shopify-API-Version
//	                        "shop_domain" and "api_version" of Endpoint.Metadata, if present
//
// A few topics of Shopify have a dot, for example "customer.tags_added". Name these in
// Event.Header, which wins.
//
// Each wait is up to 20 % longer at random. Shopify documents the number of retries and the 4
// hours, but not the waits.
//
// Shopify deletes a subscription that was made by its API after 8 consecutive failures. Here
// the endpoint is disabled, with ReasonGone, when the last retry of a delivery has failed and
// no other delivery succeeded meanwhile. This is the cautious reading: 8 events that fail in
// the same second disable nothing. Redirects are failures. Shopify does not mention 410 Gone.
//
// Shopify's limit of 1 second to connect is not applied. The user agent is the library's own.
//
// Source: https://shopify.dev/docs/apps/build/webhooks and the pages below it.
func Shopify() webhook.Profile {
	return webhook.Profile{
		Encode:  func(m *webhook.Message) ([]byte, error) { return rawData(m) },
		Header:  headShopify,
		Signers: []webhook.Signer{webhook.HMAC{Header: "X-Shopify-Hmac-Sha256", Base64: true}.Sign},
		Retry:   webhook.Exponential(45*time.Second, 4*time.Hour, shopifyRetries),
		Judge:   judgeShopify,
	}
}

func headShopify(r *webhook.Request) error {
	const topic = "X-Shopify-Topic"
	if named := r.Event.Header[topic]; named != "" {
		r.Header.Set(topic, named) // an endpoint's own header of that name would have won
	} else {
		r.Header.Set(topic, strings.Replace(r.Event.Type, ".", "/", 1))
	}
	r.Header.Set("X-Shopify-Webhook-Id", deliveryGUID(r.Message))
	r.Header.Set("X-Shopify-Event-Id", eventGUID(r.Event))
	r.Header.Set("X-Shopify-Triggered-At", r.Event.Time.UTC().Format(time.RFC3339Nano))
	setFromMetadata(r, "X-Shopify-Shop-Domain", "shop_domain")
	setFromMetadata(r, "X-Shopify-API-Version", "api_version")
	return withoutID(r)
}

func judgeShopify(o webhook.Outcome) webhook.Verdict {
	if !isOK(o.Response) && o.Failures >= shopifyRetries && o.Health.Failures >= shopifyRetries {
		return webhook.VerdictDisable
	}
	return ""
}
