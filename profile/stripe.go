package profile

import (
	"cmp"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/gowebhook/webhook"
)

// StripeOptions are the choices of an application in [Stripe].
type StripeOptions struct {
	// APIVersion is the "api_version" of events to endpoints whose Metadata has none, for
	// example "2025-08-27.basil". Most of Stripe's libraries refuse events of another version
	// than their own, and events without a version. Defaults to none: null.
	APIVersion string
}

// Stripe speaks as Stripe's webhooks do.
//
//	body       an event as Stripe's libraries read it; see below
//	header     Stripe-Signature: t={seconds},v1={hex}
//	covers     "{t}.{body}", with HMAC-SHA256; t is the attempt's time
//	retries    16: after 10 s, then twice as long each time, at most 12 hours
//	success    2xx; 410 Gone disables the endpoint
//	test       "test.ping" with an empty object
//	timeout    Config.RequestTimeout; Stripe documents none
//
// The fields of the body:
//
//	id                 Event.ID. Stripe's ids are "evt_" and letters and digits: give such an
//	                   id, or it is a UUID
//	object             "event"
//	type, created      Event.Type and Event.Time
//	data               the event's data: {"object":…}, with "previous_attributes" beside it
//	                   if something was updated
//	api_version        "api_version" of Endpoint.Metadata, or the one of the options
//	account            "account" of Endpoint.Metadata, if present, for connected accounts
//	livemode           true, unless Endpoint.Metadata has "livemode": "false"
//	pending_webhooks   always 1, because the profile does not know it
//	request            without values, because the profile does not know them
//
// Data without "object" fails when it is encoded.
//
// While a rotation overlaps, there is one v1 for each live secret. Stripe lets it overlap for
// up to a day. The key is the whole secret as text, with its "whsec_"; it is not decoded as in
// Standard Webhooks.
//
// Each wait is up to 20 % longer at random, 58 to 71 hours in all. Stripe documents "up to
// three days with an exponential back off", but not the waits. Stripe retries less in test
// mode; the profile does not. Stripe documents no success but 2xx: here redirects are
// failures.
//
// Stripe itself has no test send; its command line triggers genuine events. The user agent is
// the library's own.
//
// Source: https://docs.stripe.com/webhooks and https://docs.stripe.com/api/events/object
func Stripe(options StripeOptions) webhook.Profile {
	return webhook.Profile{
		Encode: func(m *webhook.Message) ([]byte, error) { return encodeStripe(m, options.APIVersion) },
		Header: func(r *webhook.Request) error {
			r.Header.Set("Content-Type", "application/json; charset=utf-8")
			return withoutID(r)
		},
		Signers: []webhook.Signer{webhook.HMAC{
			Header: "Stripe-Signature",
			Prefix: "v1=",
			Content: func(r *webhook.Request) []byte {
				content := strconv.AppendInt(make([]byte, 0, 11+len(r.Body)), r.Time.Unix(), 10)
				return append(append(content, '.'), r.Body...)
			},
			Value: func(r *webhook.Request, codes []string) string {
				return "t=" + strconv.FormatInt(r.Time.Unix(), 10) + "," + strings.Join(codes, ",")
			},
		}.Sign},
		Retry: webhook.Exponential(10*time.Second, 12*time.Hour, 16),
		Test: func(*webhook.Endpoint) webhook.Event {
			return webhook.Event{Type: "test.ping", Data: json.RawMessage(`{"object":{}}`)}
		},
	}
}

type stripeEvent struct {
	ID              string          `json:"id"`
	Object          string          `json:"object"`
	Account         string          `json:"account,omitempty"`
	APIVersion      *string         `json:"api_version"`
	Created         int64           `json:"created"`
	Data            json.RawMessage `json:"data"`
	Livemode        bool            `json:"livemode"`
	PendingWebhooks int             `json:"pending_webhooks"`
	Request         stripeRequest   `json:"request"`
	Type            string          `json:"type"`
}

type stripeRequest struct {
	ID             *string `json:"id"`
	IdempotencyKey *string `json:"idempotency_key"`
}

func encodeStripe(m *webhook.Message, version string) ([]byte, error) {
	data, err := rawData(m)
	if err != nil {
		return nil, err
	}
	if member(data, "object") == nil {
		return nil, errors.New(`data is not a JSON object with a member "object"`)
	}
	event := stripeEvent{
		ID: m.Event.ID, Object: "event", Type: m.Event.Type, Created: m.Event.Time.Unix(), Data: data,
		Account:  m.Endpoint.Metadata["account"],
		Livemode: m.Endpoint.Metadata["livemode"] != "false", PendingWebhooks: 1,
	}
	if version = cmp.Or(m.Endpoint.Metadata["api_version"], version); version != "" {
		event.APIVersion = &version
	}
	return marshal(event)
}
