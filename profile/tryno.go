package profile

import (
	"time"

	"github.com/gowebhook/webhook"
)

// trynoFailures is the number of failed attempts in a row after which Tryno disables an
// endpoint.
const trynoFailures = 4

// Tryno speaks as Tryno does.
//
//	body       {"event":…,"timestamp":…,"data":…}, with the event's time in whole seconds
//	header     X-Tryno-Signature: {hex}
//	covers     the body, with HMAC-SHA256 under the whole secret
//	retries    4: at once, and after 1, 5 and 30 minutes
//	success    every answer below 400; the fourth failure in a row disables the endpoint
//	test       "test.ping"
//
// Nothing in the body identifies the event. If receivers must not act twice, put an id into
// the data.
//
// Tryno's documentation says "an HMAC-SHA256 signature" and no more. This is its plainest
// reading, which package receive shares.
//
// Redirects are successes, and are not followed. A request without an answer is a failure;
// Tryno's documentation does not mention the case. Each wait is up to 20 % longer at random.
//
// The fourth failed attempt in a row disables the endpoint, with ReasonGone, until its owner
// enables it again. Attempts of all deliveries count, as in Endpoint.Health, but no test
// sends. So the fourth retry of a delivery happens only if another delivery succeeded
// meanwhile. Health is as of the last claim or settle. When many requests to an endpoint fail
// at once, a few more than four may have been made.
//
// Tryno's event types are a closed catalogue: set Config.EventTypes. Package webhookhttp
// manages endpoints as Tryno does.
//
// Source: https://docs.tryno.io/api-reference/webhooks and
// https://docs.tryno.io/integrations/webhooks
func Tryno() webhook.Profile {
	return webhook.Profile{
		Encode:  encodeTryno,
		Header:  withoutID,
		Signers: []webhook.Signer{webhook.HMAC{Header: "X-Tryno-Signature"}.Sign},
		Retry:   webhook.Schedule(0, time.Minute, 5*time.Minute, 30*time.Minute),
		Judge:   judgeTryno,
		Test: func(*webhook.Endpoint) webhook.Event {
			return webhook.Event{Type: "test.ping", Data: struct{}{}}
		},
	}
}

func judgeTryno(o webhook.Outcome) webhook.Verdict {
	switch {
	case o.Response != nil && o.Response.StatusCode < 400:
		return webhook.VerdictSuccess
	case o.Class == webhook.ClassLocal: // no request was made, so the receiver is not to blame
		return webhook.VerdictRetry
	case o.Health.Failures >= trynoFailures-1: // this attempt is the fourth
		return webhook.VerdictDisable
	default:
		return webhook.VerdictRetry
	}
}

func encodeTryno(m *webhook.Message) ([]byte, error) {
	data, err := rawData(m)
	if err != nil {
		return nil, err
	}
	body := append([]byte(`{"event":"`), m.Event.Type...) // its alphabet needs no escaping
	body = append(body, `","timestamp":"`...)
	body = m.Event.Time.UTC().AppendFormat(body, rfc3339Seconds)
	body = append(body, `","data":`...)
	body = append(body, data...)
	return append(body, '}'), nil
}
