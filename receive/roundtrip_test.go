package receive_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/receive"
	"github.com/gowebhook/webhook/webhooktest"
)

// The requests of a Dispatcher are verified on the first attempt, on a retry, and after a
// rotation of the secret.
func TestWhatADispatcherSendsIsVerified(t *testing.T) {
	ctx := t.Context()
	config := webhooktest.Config()
	config.Profile = "quick"
	config.Profiles = map[string]webhook.Profile{"quick": {Retry: webhook.Schedule(0)}}
	d, err := webhook.New(memstore.New(memstore.Options{}), config)
	require.NoError(t, err)

	verify, err := receive.Standard(receive.Window{}, secret)
	require.NoError(t, err)
	var events []receive.Event
	var statuses []int
	handler, err := receive.NewHandler(receive.Config{
		Verify: verify,
		Dedupe: &receive.Memory{},
		Handle: func(_ context.Context, event receive.Event) error {
			if events = append(events, event); len(events) == 1 {
				return errors.New("not yet")
			}
			return nil
		},
		Observe: func(_ context.Context, result receive.Result) { statuses = append(statuses, result.Status) },
	})
	require.NoError(t, err)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	scope := d.Tenant("acme")
	endpoint, err := scope.CreateEndpoint(ctx, webhook.Endpoint{URL: server.URL, Events: []string{"*"}, Secret: secret})
	require.NoError(t, err)

	first, err := d.Emit(ctx, webhook.Event{Tenant: "acme", Type: "member.joined", Data: map[string]string{"name": "Zoë <&>"}})
	require.NoError(t, err)
	require.NoError(t, webhooktest.Drain(ctx, d))
	require.Equal(t, []int{500, 204}, statuses)
	for _, event := range events {
		assert.Equal(t, first.EventID, event.ID)
		assert.Contains(t, string(event.Body), `"name":"Zoë <&>"`)
	}

	_, err = scope.RotateSecret(ctx, endpoint.ID, time.Hour)
	require.NoError(t, err)
	second, err := d.Emit(ctx, webhook.Event{Tenant: "acme", Type: "member.left"})
	require.NoError(t, err)
	require.NoError(t, webhooktest.Drain(ctx, d))
	require.Equal(t, []int{500, 204, 204}, statuses)
	assert.Equal(t, second.EventID, events[2].ID)
}
