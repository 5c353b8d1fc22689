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

// KeyOptions are what an application may change of [Key]. The zero value is Key's own.
type KeyOptions struct {
	// UserAgent is sent with every request. Defaults to "Key-Community-Webhooks/1.0".
	UserAgent string

	// TestData returns the data of a "webhook.test" event, which must encode as a JSON object. Defaults to
	// {"community":{"id":…}} with the endpoint's tenant.
	TestData func(*webhook.Endpoint) any
}

// Key speaks as Key (key.ai) does. The data of an event is a JSON object of the application's own, such as
// {"community":…,"status":…,"member":…,"questions":…}; the body is the same object with eventType, eventId and occurredAt
// before its members, so it must not have these three. An event whose data is anything else fails when it is encoded.
//
// An endpoint's id is the client id, "wh_" and 16 letters and digits, and its secret the client secret, "sk_" and 25 of them; both are
// made when the endpoint is created, and the secret is shown this once. X-Webhook-Signature is "sha256=" and the hex HMAC-SHA256 of the
// body with the whole secret. A rotation has no overlap on the wire, because the scheme has room for one signature: the new
// secret signs from the next request on.
//
// X-Event-Id is Event.ID. Key's are "evt_" and 24 hex digits in its examples and a UUID in its text; the application gives one of
// the first kind, or leaves it to the library for the second, as a test send always does. X-Event-Timestamp and occurredAt are the
// time of the event, not of the attempt, and only the latter is signed.
//
// There are three retries, after 15 minutes, 2 hours and 16 hours, each up to 20 % later at random, so that all attempts are made
// within 24 hours unless the receiver asks for more by Retry-After. Key documents their number and the 24 hours, but not the
// waits. What is a success is not documented either: it is 2xx, and 410 Gone disables the endpoint.
//
// Key has one endpoint for each community, of https: set Config.MaxEndpoints to 1 and subscribe it to "*".
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

// encodeKey puts what the event is before the members of its data, which stay as they are.
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
