package profile_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/profile"
	"github.com/gowebhook/webhook/receive"
)

// The first is of a public library's tests, the second computed with another implementation.
func TestShopifySignsKnownExamples(t *testing.T) {
	for body, want := range map[string]string{
		`"my secret message"`:       "hMTq0K2x7oyOjoBwGYeTj5oxfnaVYXzbanUG9aajpKI=",
		`{"id":820982911946154508}`: "qBvrsZF7RfB1iS6BX6IHqJTp5L911P7intnPeTPsH0I=",
	} {
		assert.Equal(t, http.Header{"X-Shopify-Hmac-Sha256": {want}}, sign(t, profile.Shopify(), time.Now(), body, "hush", "an older one"))
	}
}

func TestShopifySendsTheDataAsItIsWithItsHeaders(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, profile.Shopify(), webhook.Endpoint{Secret: "hush", Metadata: map[string]string{
			"shop_domain": "acme.myshopify.com", "api_version": "2026-04",
		}})
		const body = `{"id":820982911946154508, "total_price":"10.00","note":"<&>"}`
		at := time.Date(2026, 5, 25, 14, 51, 0, 877041000, time.FixedZone("", 7200))
		r := w.emit(webhook.Event{Type: "orders.create", ID: someUUID, Time: at, Data: []byte(body)})
		assertBody(t, body, r)
		verify, err := receive.Shopify(receive.AllowShort("hush"))
		event := verified(t, verify, err, r)
		assert.NotEmpty(t, event.ID)
		assert.NotEqual(t, someUUID, event.ID)
		assert.Equal(t, map[string]string{
			"Content-Type": "application/json", "X-Shopify-Topic": "orders/create", "X-Shopify-Shop-Domain": "acme.myshopify.com",
			"X-Shopify-API-Version": "2026-04", "X-Shopify-Event-Id": someUUID, "X-Shopify-Triggered-At": "2026-05-25T12:51:00.877041Z",
		}, headers(r, "Content-Type", "X-Shopify-Topic", "X-Shopify-Shop-Domain", "X-Shopify-API-Version", "X-Shopify-Event-Id",
			"X-Shopify-Triggered-At", "Webhook-Id"))
	})
}

func TestShopifyTopicsAreTypesWithASlashUnlessTheEventNamesOne(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, profile.Shopify(), webhook.Endpoint{Header: map[string]webhook.Secret{"X-Shopify-Topic": "mine"}})
		for typ, want := range map[string]string{
			"orders.create": "orders/create", "app.scopes_update": "app/scopes_update", "a.b.c": "a/b.c", "plain": "plain",
		} {
			assert.Equal(t, want, w.emit(webhook.Event{Type: typ}).Header.Get("X-Shopify-Topic"))
		}
		r := w.emit(webhook.Event{Type: "customer.tags_added", Header: map[string]string{"x-shopify-topic": "customer.tags_added"}})
		assert.Equal(t, []string{"customer.tags_added"}, r.Header["X-Shopify-Topic"])
	})
}

func TestShopifyRetriesEightTimesWithinFourHoursThenDisablesTheEndpoint(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, profile.Shopify(), webhook.Endpoint{Secret: "hush"})
		w.answer(503)
		w.emit(webhook.Event{Type: "orders.create", ID: "evt_1"})
		w.pass(3 * time.Hour)
		assert.Equal(t, webhook.EndpointActive, w.state())
		w.pass(time.Hour)
		assert.Equal(t, webhook.DeliveryFailed, w.delivery("evt_1").State)
		assert.Equal(t, webhook.EndpointDisabled, w.state())
		sent := w.net.Sent()
		require.Len(t, sent, 9)
		assert.Less(t, sent[8].Time.Sub(sent[0].Time), 4*time.Hour)
		verify, err := receive.Shopify(receive.AllowShort("hush"))
		for _, r := range sent {
			assert.Equal(t, sent[0].Header, r.Header, "the scheme has nothing of the attempt's")
			verified(t, verify, err, r)
		}
	})
}

func TestShopifyDisablesNothingIfAnotherDeliverySucceededMeanwhile(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, profile.Shopify(), webhook.Endpoint{Secret: "hush"})
		w.answer(503)
		w.emit(webhook.Event{Type: "orders.create", ID: "evt_1"})
		w.pass(time.Hour)
		w.answer(200)
		w.emit(webhook.Event{Type: "orders.create", ID: "evt_2"})
		w.answer(503)
		w.pass(4 * time.Hour)
		assert.Equal(t, webhook.DeliveryFailed, w.delivery("evt_1").State)
		assert.Equal(t, webhook.DeliverySucceeded, w.delivery("evt_2").State)
		assert.Len(t, w.net.Sent(), 10)
		assert.Equal(t, webhook.EndpointActive, w.state())
	})
}

func TestShopifyFailuresOfManyEventsAtOnceDisableNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, profile.Shopify(), webhook.Endpoint{Secret: "hush"})
		w.answer(503)
		for range 20 {
			w.emit(webhook.Event{Type: "orders.create"})
		}
		assert.Equal(t, webhook.EndpointActive, w.state())
	})
}

func TestShopifyDisablesOnlyAfterTheLastRetryOfAnEndpointThatNeverAnswersWell(t *testing.T) {
	judge := profile.Shopify().Judge
	bad, good := &webhook.Response{StatusCode: 500}, &webhook.Response{StatusCode: 299}
	for name, c := range map[string]struct {
		o    webhook.Outcome
		want webhook.Verdict
	}{
		"the last retry":                       {webhook.Outcome{Response: bad, Failures: 8, Health: webhook.Health{Failures: 8}}, webhook.VerdictDisable},
		"no answer to it":                      {webhook.Outcome{Class: webhook.ClassTimeout, Failures: 8, Health: webhook.Health{Failures: 99}}, webhook.VerdictDisable},
		"a retry before":                       {webhook.Outcome{Response: bad, Failures: 7, Health: webhook.Health{Failures: 99}}, ""},
		"another delivery succeeded meanwhile": {webhook.Outcome{Response: bad, Failures: 8, Health: webhook.Health{Failures: 7}}, ""},
		"a success":                            {webhook.Outcome{Response: good, Failures: 8, Health: webhook.Health{Failures: 8}}, ""},
	} {
		assert.Equal(t, c.want, judge(c.o), name)
	}
}
