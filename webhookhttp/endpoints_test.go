package webhookhttp_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/webhooktest"
)

func TestTheTagOfACreationIsThatOfTheEndpointAsItIsReadAfterwards(t *testing.T) {
	h := newHandler(t, newDispatcher(t))
	created := send(h, "POST", "/webhooks", aBody)
	read := send(h, "GET", created.Header().Get("Location"), "")
	assert.NotEmpty(t, created.Header().Get("ETag"))
	assert.Equal(t, created.Header().Get("ETag"), read.Header().Get("ETag"))
}

func TestARequestThatCouldNotBeMadeHasNoTime(t *testing.T) {
	d := newDispatcher(t, func(c *webhook.Config) {
		c.Profile = "broken"
		c.Profiles = map[string]webhook.Profile{"broken": {
			Encode: func(*webhook.Message) ([]byte, error) { return nil, errors.New("template of the application") },
		}}
	})
	h := newHandler(t, d)
	at := send(h, "POST", "/webhooks", aBody).Header().Get("Location")
	answer := send(h, "POST", at+"/test", "").Body.String()
	assert.Contains(t, answer, `"status_code":null,"response_time_ms":null,"class":"local"`)
	assert.NotContains(t, answer, "template")
}

func TestAProfileThatThisProcessDoesNotKnowIsNotTheCustomersMistake(t *testing.T) {
	store := memstore.New(memstore.Options{})
	newer, err := webhook.New(store, webhook.Config{Profiles: map[string]webhook.Profile{"v2": {}}})
	require.NoError(t, err)
	_, err = newer.Tenant("acme").CreateEndpoint(t.Context(), webhook.Endpoint{
		ID: "one", URL: "https://a.example", Events: []string{"*"}, Profile: "v2",
	})
	require.NoError(t, err)
	older, err := webhook.New(store, webhook.Config{Transport: &webhooktest.Transport{}})
	require.NoError(t, err)
	log := &recorder{}
	h := newHandler(t, older, log.into)
	for _, request := range [][3]string{
		{"PATCH", "/webhooks/one", `{"description": "d"}`}, {"POST", "/webhooks/one/test", ""}, {"POST", "/webhooks/one/secret/rotate", ""},
	} {
		log.Reset()
		answer := send(h, request[0], request[1], request[2])
		assert.Equal(t, 503, answer.Code, request)
		assert.Contains(t, log.String(), "v2", request)
		assert.NotContains(t, answer.Body.String(), "v2", request)
	}
	assert.Equal(t, 200, send(h, "GET", "/webhooks/one", "").Code)
}
