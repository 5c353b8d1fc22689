package profile

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/receive"
)

// joined returns the documented event of Key.
func joined(t *testing.T) (vector seedVector, event webhook.Event) {
	t.Helper()
	v := seed(t, "key-joined-compact")
	_, members, found := strings.Cut(v.Body, `.000Z",`)
	require.True(t, found)
	return v, webhook.Event{
		ID: "evt_50b56daed0a3486fbe8350f9", Type: "member.joined", Time: time.Date(2026, 5, 25, 12, 51, 0, 0, time.UTC),
		Data: json.RawMessage("{" + members),
	}
}

func TestKeySendsTheDocumentedRequest(t *testing.T) {
	s := newSender(t, Key(KeyOptions{}))
	v, event := joined(t)
	s.register(t, webhook.Endpoint{ID: "wh_8aF3kL2pNxRqYv9c", Secret: v.Secret})
	r := s.sendOne(t, event)
	assert.Equal(t, v.Body, string(r.Body))
	assert.Equal(t, v.header(), r.Header)

	verify, err := receive.Key(receive.AllowShort(string(v.Secret)))
	require.NoError(t, err)
	assert.Equal(t, event.ID, assertVerifies(t, verify, r).ID)
}

func TestKeyIssuesAClientIDAndASecretThatIsShownOnce(t *testing.T) {
	const id, secret = `^wh_[A-Za-z0-9]{16}$`, `^sk_[A-Za-z0-9]{25}$`
	s := newSender(t, Key(KeyOptions{}))
	e := s.register(t, webhook.Endpoint{})
	assert.Regexp(t, id, e.ID)
	assert.Regexp(t, secret, string(e.Secret))
	other := s.register(t, webhook.Endpoint{})
	assert.NotEqual(t, e.ID, other.ID)
	assert.NotEqual(t, string(e.Secret), string(other.Secret))

	scope := s.Tenant(tenant)
	read, err := scope.Endpoint(t.Context(), e.ID)
	require.NoError(t, err)
	assert.Empty(t, string(read.Secret))
	rotated, err := scope.RotateSecret(t.Context(), e.ID, 0)
	require.NoError(t, err)
	assert.Regexp(t, secret, string(rotated.Secret))
	assert.NotEqual(t, string(e.Secret), string(rotated.Secret))

	given := s.register(t, webhook.Endpoint{ID: "wh_customer", Secret: "sk_theirs"})
	assert.Equal(t, "wh_customer", given.ID)
	assert.Equal(t, "sk_theirs", string(given.Secret))
}

func TestKeyTestsAreOfTheTypeWebhookTest(t *testing.T) {
	s := newSender(t, Key(KeyOptions{}), Key(KeyOptions{
		UserAgent: "Acme/2", TestData: func(e *webhook.Endpoint) any { return map[string]string{"hello": e.ID} },
	}))
	e := s.register(t, webhook.Endpoint{Events: []string{"member.*"}})
	r := s.test(t, e.ID)
	assert.Equal(t, "webhook.test", r.Header.Get("X-Event-Type"))
	assert.Equal(t, "Key-Community-Webhooks/1.0", r.Header.Get("User-Agent"))
	var body struct {
		EventType, EventID, OccurredAt string
		Community                      struct{ ID string }
	}
	require.NoError(t, json.Unmarshal(r.Body, &body))
	assert.Equal(t, "webhook.test", body.EventType)
	assert.Equal(t, r.Header.Get("X-Event-Id"), body.EventID)
	assert.Equal(t, r.Header.Get("X-Event-Timestamp"), body.OccurredAt)
	assert.Equal(t, tenant, body.Community.ID)
	verify, err := receive.Key(receive.AllowShort(string(e.Secret)))
	require.NoError(t, err)
	assert.Equal(t, body.EventID, assertVerifies(t, verify, r).ID)

	e = s.register(t, webhook.Endpoint{Profile: "second"})
	r = s.test(t, e.ID)
	assert.Contains(t, string(r.Body), `"hello":"`+e.ID+`"}`)
	assert.Equal(t, "Acme/2", r.Header.Get("User-Agent"))
}

func TestKeyRetriesThreeTimesWithinADay(t *testing.T) {
	policy := Key(KeyOptions{}).Retry
	assert.Equal(t, []time.Duration{15 * time.Minute, 2 * time.Hour, 16 * time.Hour}, waits(policy, 0))
	const almost = 0.999999
	assert.Len(t, waits(policy, almost), 3)
	assert.Less(t, sum(waits(policy, almost)), 24*time.Hour-4*time.Minute, "with four attempts of a minute")
}

func TestKeyRetriesRepeatTheEventUnchanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSender(t, Key(KeyOptions{}))
		s.answer(503)
		s.register(t, webhook.Endpoint{})
		_, event := joined(t)
		event.Tenant = tenant
		_, err := s.Emit(t.Context(), event)
		require.NoError(t, err)
		s.runFor(t, 30*time.Hour)
		sent := s.Sent()
		require.Len(t, sent, 4)
		for _, r := range sent[1:] {
			assert.Equal(t, string(sent[0].Body), string(r.Body))
			assert.Equal(t, sent[0].Header, r.Header, "the time is the event's, and the code covers nothing else")
		}
		page, err := s.Tenant(tenant).Deliveries(t.Context(), webhook.Query{EventID: event.ID})
		require.NoError(t, err)
		assert.Equal(t, webhook.ReasonExhausted, page.Items[0].Reason)
	})
}

func TestKeyPutsWhatTheEventIsBeforeTheMembersOfItsData(t *testing.T) {
	const head = `{"eventType":"member.left","eventId":"a\"\\<b","occurredAt":"2026-01-02T03:04:05.678Z"`
	at := time.Date(2026, 1, 2, 4, 4, 5, 678999000, time.FixedZone("", 3600))
	for data, want := range map[string]string{
		`{}`:                               head + `}`,
		" { \n} ":                          head + " \n}",
		`{"a":1}`:                          head + `,"a":1}`,
		"\t{ \"a\" : [1.0, \"<\u2028\"] }": head + ", \"a\" : [1.0, \"<\u2028\"] }",
		`{"EventID":1,"a":{"eventId":2}}`:  head + `,"EventID":1,"a":{"eventId":2}}`,
	} {
		body, err := encodeKey(message(webhook.Event{ID: `a"\<b`, Type: "member.left", Time: at, Data: json.RawMessage(data)}))
		require.NoError(t, err, data)
		assert.Equal(t, want, string(body))
		assert.True(t, json.Valid(body))
	}
}

func TestKeyRefusesDataThatIsNoObjectOrHasItsMembers(t *testing.T) {
	for data, problem := range map[string]string{
		`null`: "not a JSON object", `[]`: "not a JSON object", `"c4n4ry"`: "not a JSON object", `1`: "not a JSON object",
		`{"eventId":"c4n4ry"}`:         `a member "eventId"`,
		`{"x":1,"eventType":"c4n4ry"}`: `a member "eventType"`,
		`{"\u006fccurredAt":"c4n4ry"}`: `a member "occurredAt"`,
	} {
		_, err := encodeKey(message(webhook.Event{ID: "evt", Type: "member.left", Data: json.RawMessage(data)}))
		assert.ErrorContains(t, err, problem, data)
		assert.NotContains(t, err.Error(), "c4n4ry")
	}
	_, err := encodeKey(message(webhook.Event{ID: "evt", Type: "member.left", Data: 1}))
	assert.ErrorContains(t, err, "data is int")
}
