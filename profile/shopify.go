package profile

import (
	"strings"
	"time"

	"github.com/gowebhook/webhook"
)

// shopifyRetries is how often Shopify repeats a request, and how many failures in a row make it delete the subscription.
const shopifyRetries = 8

// Shopify speaks as Shopify's webhooks do. The body is the event's data as it is: the resource.
//
// X-Shopify-Hmac-Sha256 is the base64 HMAC-SHA256 of the body with the whole secret, which at Shopify is the app's client secret, the same
// for all its shops. There is room for one signature, so a rotation has no overlap on the wire: the new secret signs from the next
// request on, where Shopify takes up to an hour. The scheme signs no time: whoever has seen a request can send it again.
//
// X-Shopify-Topic is Event.Type with a slash for its first dot, because types have none: "orders/create" of "orders.create". Shopify has
// a few topics with a dot, such as "customer.tags_added": name these in Event.Header, which wins. X-Shopify-Webhook-Id is a GUID of the
// delivery, the same in every repeat, by which receivers drop duplicates. X-Shopify-Event-Id is a GUID of the event, the same for all
// endpoints: Event.ID if that is a UUID. X-Shopify-Triggered-At is Event.Time. X-Shopify-Shop-Domain and X-Shopify-API-Version are
// "shop_domain" and "api_version" of Endpoint.Metadata, if they are there.
//
// There are 8 retries within 4 hours: after 45 seconds and then twice as long each time, each wait up to 20 % longer at random. Shopify
// documents their number and the 4 hours, but not the waits. It deletes a subscription, one that was made by its API, after 8
// consecutive failures: here the endpoint is disabled, with ReasonGone, when the last retry of a delivery has failed and no other
// delivery succeeded meanwhile. That is the cautious reading: 8 events that fail in the same second disable nothing. Success is 2xx,
// and redirects are failures. Of 410 Gone Shopify says nothing: it disables the endpoint.
//
// Shopify waits 5 seconds for an answer: set Endpoint.Timeout, or Config.RequestTimeout. Its limit of 1 second to connect is not
// applied. A test send has the type "test.ping", and so the topic "test/ping". The user agent is the library's own.
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
