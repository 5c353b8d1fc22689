package profile

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gowebhook/webhook"
)

// KeyOptions are the choices of an application in [Key]. The zero value is Key's own choice.
type KeyOptions struct {
	// UserAgent is sent with every request. Defaults to "Key-Community-Webhooks/1.0".
	UserAgent string

	// TestData returns the data of a "webhook.test" event, which must encode as a JSON object. Defaults to
	// {"community":{"id":…}} with the endpoint's tenant.
	TestData func(*webhook.Endpoint) any
}

// Key speaks as Key (key.ai) does.
//
//	body       the event's data, an object, with eventType, eventId and occurredAt first
//	header     X-Webhook-Signature: sha256={hex}
//	covers     the body, with HMAC-SHA256 under the whole secret
//	retries    3: after 15 minutes, 2 hours and 16 hours
//	success    2xx; 410 Gone disables the endpoint
//	test       "webhook.test"
//
// The data of an event is a JSON object of the application, for example
// {"community":…,"status":…,"member":…,"questions":…}. It must not have the three members of
// the profile. Data that is not such an object fails when it is encoded.
//
// An endpoint's id is the client id, "wh_" and 16 letters and digits. Its secret is the client
// secret, "sk_" and 25 letters and digits. Both are made when the endpoint is created, and
// only then is the secret shown. There is room for one signature, so a rotation has no overlap
// on the wire: the new secret signs from the next request on.
//
// The other headers:
//
//	X-Client-Id         Endpoint.ID
//	X-Event-Id          Event.ID. In Key's examples it is "evt_" and 24 hex digits, in Key's
//	                    text a UUID. Set Event.ID for the first form. The library makes the
//	                    second, as it always does for test sends
//	X-Event-Type        Event.Type
//	X-Event-Timestamp   Event.Time, not the attempt's, like occurredAt; only the latter is
//	                    signed
//
// Each wait is up to 20 % longer at random. So all attempts are made within 24 hours, unless
// the receiver asks for more by Retry-After. Key documents the number of retries and the 24
// hours, but not the waits and not the successes.
//
// Key has one endpoint for each community, and its URL is https. Set Config.MaxEndpoints to 1
// and subscribe the endpoint to "*".
//
// Source: https://www.key.ai/help/webhooks/webhooks-getting-started and the pages beside it.
func Key(options KeyOptions) webhook.Profile {
	userAgent := cmp.Or(options.UserAgent, "Key-Community-Webhooks/1.0")
	testData := options.TestData
	if testData == nil {
		testData = keyTestData
	}
	return webhook.Profile{
		Encode: encodeKey,
		Header: func(r *webhook.Request) error {
			r.Header.Set("User-Agent", userAgent)
			r.Header.Set("X-Client-Id", r.Endpoint.ID)
			r.Header.Set("X-Event-Id", r.Event.ID)
			r.Header.Set("X-Event-Type", r.Event.Type)
			r.Header.Set("X-Event-Timestamp", r.Event.Time.UTC().Format(rfc3339Millis))
			return withoutID(r)
		},
		Signers: []webhook.Signer{webhook.HMAC{Header: "X-Webhook-Signature", Prefix: "sha256="}.Sign},
		Retry:   webhook.Schedule(15*time.Minute, 2*time.Hour, 16*time.Hour),
		Test: func(e *webhook.Endpoint) webhook.Event {
			return webhook.Event{Type: "webhook.test", Data: testData(e)}
		},
		Issue: issueKey,
	}
}

func keyTestData(e *webhook.Endpoint) any {
	return map[string]any{"community": map[string]string{"id": e.Tenant}}
}

func issueKey(e *webhook.Endpoint) error {
	if e.ID == "" {
		e.ID = "wh_" + alphanumeric(16)
	}
	if e.Secret == "" {
		e.Secret = webhook.Secret("sk_" + alphanumeric(25))
	}
	return nil
}

// encodeKey puts the event's type, id and time before the members of its data, which stay
// unchanged.
func encodeKey(m *webhook.Message) ([]byte, error) {
	data, err := rawData(m)
	if err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(data, &members) != nil || members == nil {
		return nil, errors.New("data is not a JSON object, whose members the body could have")
	}
	head := []byte{'{'}
	for i, member := range []struct{ name, value string }{
		{"eventType", m.Event.Type},
		{"eventId", m.Event.ID},
		{"occurredAt", m.Event.Time.UTC().Format(rfc3339Millis)},
	} {
		if _, twice := members[member.name]; twice {
			return nil, fmt.Errorf("data has a member %q, which is for the profile to set", member.name)
		}
		if i > 0 {
			head = append(head, ',')
		}
		value, err := marshal(member.value)
		if err != nil {
			return nil, err
		}
		head = append(head, `"`+member.name+`":`...)
		head = append(head, value...)
	}
	if len(members) > 0 {
		head = append(head, ',')
	}
	return append(head, bytes.TrimSpace(data)[1:]...), nil
}
