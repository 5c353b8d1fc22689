package profile_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/profile"
	"github.com/gowebhook/webhook/receive"
)

// Computed with another implementation; the key is the text "whsec_test_secret", prefix and all.
func TestStripeSignsWithTheSecretAsText(t *testing.T) {
	got := sign(t, profile.Stripe(profile.StripeOptions{}), time.Unix(1700000000, 999e6), "{\n  \"id\": \"evt_test_webhook\",\n  \"object\": \"event\"\n}",
		"whsec_test_secret")
	assert.Equal(t, "t=1700000000,v1=4f1cd7feda9826e746b7d482c4badebb657398df1099e1046364f6196a230150", got.Get("Stripe-Signature"))
	assert.Len(t, got, 1)
}

func TestStripeSendsAnEventAsItsLibrariesReadIt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		at := time.Date(2026, 5, 25, 12, 51, 0, 999e6, time.UTC)
		w := newWire(t, profile.Stripe(profile.StripeOptions{}), webhook.Endpoint{Secret: "whsec_test_secret", Metadata: map[string]string{
			"api_version": "2025-08-27.basil", "account": "acct_1", "livemode": "false",
		}})
		r := w.emit(webhook.Event{
			Type: "charge.updated", ID: "evt_1", Time: at,
			Data: []byte(`{"object":{"id":"ch_1","amount":1e400,"text":"<&>é"},"previous_attributes":{"amount":1.0}}`),
		})
		const want = `{"id":"evt_1","object":"event","account":"acct_1","api_version":"2025-08-27.basil","created":1779713460,` +
			`"data":{"object":{"id":"ch_1","amount":1e400,"text":"<&>é"},"previous_attributes":{"amount":1.0}},` +
			`"livemode":false,"pending_webhooks":1,"request":{"id":null,"idempotency_key":null},"type":"charge.updated"}`
		assertBody(t, want, r)
		assert.Equal(t, "application/json; charset=utf-8", r.Header.Get("Content-Type"))
		verify, err := receive.Stripe(receive.Window{}, receive.AllowShort("whsec_test_secret"))
		event := verified(t, verify, err, r)
		assert.Equal(t, "evt_1", event.ID)
		assert.Equal(t, r.Time.Truncate(time.Second), event.Time)
	})
}

func TestStripeIsLiveAndOfNoVersionUnlessMetadataSaysOtherwise(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, profile.Stripe(profile.StripeOptions{}), webhook.Endpoint{})
		body := string(w.emit(webhook.Event{Type: "charge.updated", ID: "evt_1", Data: []byte(`{"object":{}}`)}).Body)
		assert.Contains(t, body, `"object":"event","api_version":null,"created":`)
		assert.Contains(t, body, `"livemode":true`)
	})
}

func TestStripesVersionIsTheEndpointsOrElseThatOfTheOptions(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		options := profile.StripeOptions{APIVersion: "2025-08-27.basil"}
		for want, metadata := range map[string]map[string]string{"2025-08-27.basil": nil, "2024-06-20": {"api_version": "2024-06-20"}} {
			w := newWire(t, profile.Stripe(options), webhook.Endpoint{Metadata: metadata})
			body := string(w.emit(webhook.Event{Type: "charge.updated", ID: "evt_1", Data: []byte(`{"object":{}}`)}).Body)
			assert.Contains(t, body, `"api_version":"`+want+`"`)
		}
	})
}

func TestStripeAndSlackRefuseDataThatTheirReceiversCannotRead(t *testing.T) {
	for name, p := range map[string]webhook.Profile{"object": profile.Stripe(profile.StripeOptions{}), "type": profile.Slack()} {
		for _, data := range []string{`null`, `[]`, `"object"`, `{}`, `{"` + strings.ToUpper(name) + `":"x"}`, `{"data":{"` + name + `":"x"}}`} {
			m := &webhook.Message{Event: &webhook.Event{ID: "evt_1", Type: "a.b", Data: json.RawMessage(data)}, Endpoint: &webhook.Endpoint{}}
			_, err := p.Encode(m)
			require.ErrorContains(t, err, `data is not a JSON object with a member "`+name+`"`, data)
			m.Event.Data = json.RawMessage(`{"` + name + `":"x"}`)
			_, err = p.Encode(m)
			require.NoError(t, err)
		}
	}
}

func TestStripeSignsWithEachLiveSecretWhileARotationOverlaps(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, profile.Stripe(profile.StripeOptions{}), webhook.Endpoint{Secret: "whsec_old"})
		rotated, err := w.scope.RotateSecret(t.Context(), w.endpoint.ID, 24*time.Hour)
		require.NoError(t, err)
		r := w.emit(webhook.Event{Type: "charge.updated", Data: []byte(`{"object":{}}`)})
		assert.Equal(t, 2, strings.Count(r.Header.Get("Stripe-Signature"), "v1="))
		for _, secret := range []string{"whsec_old", string(rotated.Secret)} {
			verify, err := receive.Stripe(receive.Window{}, receive.AllowShort(secret))
			verified(t, verify, err, r)
		}
		w.pass(24 * time.Hour)
		r = w.emit(webhook.Event{Type: "charge.updated", Data: []byte(`{"object":{}}`)})
		assert.Equal(t, 1, strings.Count(r.Header.Get("Stripe-Signature"), "v1="))
		verify, err := receive.Stripe(receive.Window{}, receive.AllowShort(string(rotated.Secret)))
		verified(t, verify, err, r)
	})
}

func TestStripeRetriesForUpToThreeDaysWithFreshSignatures(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, profile.Stripe(profile.StripeOptions{}), webhook.Endpoint{Secret: "whsec_test_secret"})
		w.answer(500)
		first := w.emit(webhook.Event{Type: "charge.updated", ID: "evt_1", Data: []byte(`{"object":{}}`)})
		w.pass(4 * 24 * time.Hour)
		sent := w.net.Sent()
		require.Len(t, sent, 17)
		assert.Equal(t, webhook.DeliveryFailed, w.delivery("evt_1").State)
		verify, err := receive.Stripe(receive.Window{Tolerance: -1}, receive.AllowShort("whsec_test_secret"))
		for _, r := range sent {
			assert.Equal(t, first.Body, r.Body)
			assert.Equal(t, r.Time.Truncate(time.Second), verified(t, verify, err, r).Time)
		}
		total := sent[16].Time.Sub(sent[0].Time)
		assert.Greater(t, total, 58*time.Hour)
		assert.Less(t, total, 72*time.Hour)
	})
}

func TestStripeNeverRetriesAfterThreeDays(t *testing.T) {
	assert.Less(t, longest(profile.Stripe(profile.StripeOptions{}).Retry), 72*time.Hour)
	assert.Less(t, longest(profile.Shopify().Retry), 4*time.Hour)
}

// longest adds up the longest waits of a policy.
func longest(policy webhook.RetryPolicy) (sum time.Duration) {
	for failures := 0; ; failures++ {
		wait, again := policy(webhook.Outcome{Failures: failures}, 1)
		if !again {
			return sum
		}
		sum += wait
	}
}

func TestStripeTestsWithAnEmptyObject(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, profile.Stripe(profile.StripeOptions{}), webhook.Endpoint{})
		_, err := w.scope.Test(t.Context(), w.endpoint.ID)
		require.NoError(t, err)
		body := string(w.net.Sent()[0].Body)
		assert.Contains(t, body, `"data":{"object":{}}`)
		assert.Contains(t, body, `"type":"test.ping"`)
	})
}
