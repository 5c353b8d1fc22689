package profile

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/receive"
	"github.com/gowebhook/webhook/webhooktest"
)

const (
	keygenAccountID = "1fddcec8-8dd3-4d8d-9b16-215cac0f9b52"
	keygenURL       = "https://example.com/hooks/keygen?token=xxx"
)

// keygenKeys returns options with these private keys, for the account of the vectors.
func keygenKeys(keys ...webhook.Secret) KeygenOptions {
	return KeygenOptions{
		Keys:    func(context.Context, *webhook.Endpoint) ([]webhook.Secret, error) { return keys, nil },
		Account: func(string) string { return keygenAccountID },
	}
}

// keygenBody has the parts of a body that the tests read.
type keygenBody struct {
	Data struct {
		ID         string
		Attributes struct{ Payload, Event, Status, APIVersion, Endpoint, Created string }
		Links      struct{ Self string }
		Meta       struct{ IdempotencyToken string }
	}
}

func readKeygen(t *testing.T, body []byte) keygenBody {
	t.Helper()
	var read keygenBody
	require.NoError(t, json.Unmarshal(body, &read))
	return read
}

func TestKeygenSendsTheDocumentedRequest(t *testing.T) {
	v := seed(t, "keygen-ed25519-query")
	at := time.Unix(v.Time, 0)
	p := Keygen(keygenKeys(v.Secret))
	endpoint := &webhook.Endpoint{Tenant: tenant, ID: "endpoint", URL: keygenURL}

	// The vector's id and token are Keygen's own, which nothing is made of.
	documented := readKeygen(t, []byte(v.Body)).Data
	m := message(webhook.Event{
		ID: "evt", Type: documented.Attributes.Event, Time: at.Add(-time.Second), Data: json.RawMessage(documented.Attributes.Payload),
	})
	m.CreatedAt, m.Endpoint = at, endpoint
	body, err := p.Encode(m)
	require.NoError(t, err)
	ours := readKeygen(t, body).Data
	text := strings.ReplaceAll(string(body), ours.ID, documented.ID)
	assert.Equal(t, v.Body, strings.ReplaceAll(text, ours.Meta.IdempotencyToken, documented.Meta.IdempotencyToken))

	r := &webhook.Request{Message: m, URL: v.URL, Header: v.header(), Body: []byte(v.Body), Time: at, Attempt: 1}
	for name := range r.Header {
		if name != "Content-Type" { // which the library sets
			r.Header.Del(name)
		}
	}
	require.NoError(t, p.Header(r))
	require.NoError(t, p.Signers[0](r, []webhook.Secret{v.Secret}))
	assert.Equal(t, v.header(), r.Header)
}

func TestKeygenIsVerifiedInEachAlgorithm(t *testing.T) {
	pairs := keygenPairs()
	s := newSender(t, Keygen(keygenKeys(pairs[3].private, pairs[1].private, pairs[0].private)))
	for _, pair := range pairs {
		metadata := map[string]string{"signatureAlgorithm": pair.algorithm}
		if pair.algorithm == "ed25519" {
			metadata = nil // it is the default
		}
		e := s.register(t, webhook.Endpoint{URL: "https://Example.com:8443/a%2Fb?x=%20+", Metadata: metadata})
		r := s.test(t, e.ID)
		assert.Contains(t, r.Header.Get("Keygen-Signature"), `algorithm="`+pair.algorithm+`"`)

		verify, err := receive.Keygen(receive.Window{}, pair.public)
		require.NoError(t, err)
		assert.Equal(t, readKeygen(t, r.Body).Data.Meta.IdempotencyToken, assertVerifies(t, verify, r).ID)
		r.Header.Set("Date", "Mon, 06 Jun 2022 16:13:37 GMT") // by a proxy
		verify, err = receive.KeygenBehindProxy(receive.Window{}, pair.public)
		require.NoError(t, err)
		assertVerifies(t, verify, r)
	}
}

func TestKeygenPayloadIsTheDataAsAString(t *testing.T) {
	s := newSender(t, Keygen(KeygenOptions{Keys: keygenKeys(keygenPairs()[0].private).Keys, Version: "1.7", UserAgent: "Acme/2"}))
	s.register(t, webhook.Endpoint{URL: keygenURL})
	for _, data := range []string{"null", ` { "a" : [1.0, "<&>"] } `, `"é` + "\u2028" + `"`} {
		r := s.sendOne(t, webhook.Event{Type: "license.created", Data: json.RawMessage(data)})
		got := readKeygen(t, r.Body).Data
		assert.Equal(t, data, got.Attributes.Payload)
		assert.Equal(t, "license.created", got.Attributes.Event)
		assert.Equal(t, "DELIVERING", got.Attributes.Status)
		assert.Equal(t, "1.7", got.Attributes.APIVersion)
		assert.Equal(t, keygenURL, got.Attributes.Endpoint)
		assert.Equal(t, "/v1/accounts/"+tenant+"/webhook-events/"+got.ID, got.Links.Self, "the tenant is the account")
		assert.Contains(t, r.Header.Get("Keygen-Signature"), `keyid="`+tenant+`"`)
		assert.Equal(t, "1.7", r.Header.Get("Keygen-Version"))
		assert.Equal(t, "Acme/2", r.Header.Get("User-Agent"))
		assert.NotContains(t, string(r.Body), `\u0026`)
	}
	_, err := encodeKeygen(message(webhook.Event{Type: "license.created", Data: "c4n4ry"}), "account", "1.8")
	require.ErrorContains(t, err, "data is string")
	assert.NotContains(t, err.Error(), "c4n4ry")
}

func TestKeygenTokensAreOfOneDelivery(t *testing.T) {
	type delivery struct{ tenant, event, endpoint string }
	seen := make(map[string]delivery)
	for _, d := range []delivery{{"a", "e", "x"}, {"b", "e", "x"}, {"a", "f", "x"}, {"a", "e", "y"}} {
		m := &webhook.Message{Event: &webhook.Event{Tenant: d.tenant, ID: d.event}, DeliveryID: d.event + "." + d.endpoint}
		id, token := keygenIDs(m)
		again, sameToken := keygenIDs(m)
		assert.Equal(t, []string{id, token}, []string{again, sameToken})
		parsed, err := uuid.Parse(id)
		require.NoError(t, err)
		assert.Equal(t, uuid.Version(5), parsed.Version())
		assert.Regexp(t, "^[0-9a-f]{62}v3$", token)
		for _, text := range []string{id, token} {
			assert.NotContains(t, seen, text)
			seen[text] = d
		}
	}
}

func TestKeygenRepeatsTheBodyAndTheTokenInEveryAttemptAndAfterARetryByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pair := keygenPairs()[0]
		s := newSender(t, Keygen(keygenKeys(pair.private)))
		s.answer(500)
		endpoint := s.register(t, webhook.Endpoint{URL: keygenURL})
		receipt, err := s.Emit(t.Context(), webhook.Event{Tenant: tenant, Type: "license.created"})
		require.NoError(t, err)
		scope, query := s.Tenant(tenant), webhook.Query{EventID: receipt.EventID}
		state := func() string {
			page, err := scope.Deliveries(t.Context(), query)
			require.NoError(t, err)
			require.Len(t, page.Items, 1)
			return KeygenState(page.Items[0])
		}
		assert.Equal(t, "DELIVERING", state())
		s.runFor(t, time.Minute)
		assert.Equal(t, "FAILING", state())
		s.runFor(t, 61*time.Hour)
		assert.Equal(t, "FAILED", state())
		require.Len(t, s.Sent(), 16)

		s.answer(204)
		err = scope.RetryDelivery(t.Context(), receipt.EventID, endpoint.ID)
		require.NoError(t, err)
		assert.Equal(t, "DELIVERING", state())
		require.NoError(t, webhooktest.Drain(t.Context(), s.Dispatcher))
		assert.Equal(t, "DELIVERED", state())

		sent := s.Sent()
		require.Len(t, sent, 17)
		for i, r := range sent {
			assert.Equal(t, string(sent[0].Body), string(r.Body))
			verify, err := receive.Keygen(receive.Window{Now: func() time.Time { return r.Time }}, pair.public)
			require.NoError(t, err)
			assertVerifies(t, verify, r)
			if i > 0 {
				assert.NotEqual(t, sent[i-1].Header.Get("Date"), r.Header.Get("Date"))
			}
		}
	})
}

func TestKeygenHoldsDeliveriesWhileKeysFails(t *testing.T) {
	for name, keys := range map[string]func(context.Context, *webhook.Endpoint) ([]webhook.Secret, error){
		"not given": nil,
		"failing":   func(context.Context, *webhook.Endpoint) ([]webhook.Secret, error) { return nil, errors.New("no vault") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSender(t, Keygen(KeygenOptions{Keys: keys}))
			e := s.register(t, webhook.Endpoint{})
			_, err := s.Tenant(tenant).Test(t.Context(), e.ID)
			require.Error(t, err)
			assert.Empty(t, s.send(t, webhook.Event{Type: "license.created", ID: "evt"}))
			page, err := s.Tenant(tenant).Deliveries(t.Context(), webhook.Query{EventID: "evt"})
			require.NoError(t, err)
			assert.Equal(t, webhook.DeliveryPending, page.Items[0].State)
			assert.Zero(t, page.Items[0].Attempts)
		})
	}
}
