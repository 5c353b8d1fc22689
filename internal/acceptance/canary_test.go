package acceptance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhooktest"
)

// lockedBuffer is a buffer for several writers.
type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func TestSecretsHeadersAndBodiesAppearInNoLogErrorOrRead(t *testing.T) {
	inTime(t, func(t *testing.T) {
		var log lockedBuffer
		var seen lockedBuffer
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			c.Logger = slog.New(slog.NewJSONHandler(&log, nil))
			c.Observer.Error = func(err error) { fmt.Fprintf(&seen, "%v %+v\n", err, err) }
			c.Profiles = map[string]webhook.Profile{
				"panics": {Encode: func(m *webhook.Message) ([]byte, error) { panic(m.Event.Data) }},
				"keys": {Keys: func(context.Context, *webhook.Endpoint) ([]webhook.Secret, error) {
					return nil, errors.New("the vault is sealed")
				}},
			}
			net.Answer = func(_ context.Context, req *webhook.Request) (*webhook.Response, error) {
				return nil, fmt.Errorf("post %s: %w", req.URL, webhook.ClassReset)
			}
		})
		secret := newSecret()
		for _, profile := range []string{"standard", "panics", "keys"} {
			r.endpoint(profile, func(e *webhook.Endpoint) {
				e.Profile, e.Secret, e.URL = profile, secret, "https://a.example/path-c4n4ry?token=query-c4n4ry"
				e.Header = map[string]webhook.Secret{"X-Key": "header-c4n4ry"}
			})
		}
		_, err := r.Emit(t.Context(), webhook.Event{
			Tenant: acme, Type: "a", ID: "evt", Data: "body-c4n4ry", Header: map[string]string{"X-Signature": "event-header-c4n4ry"},
		})
		require.NoError(t, err)
		r.run()
		pass(time.Minute)
		_, err = r.Tenant(acme).CreateEndpoint(t.Context(), webhook.Endpoint{URL: "https://user:password-c4n4ry@a.example", Events: []string{"*"}})
		require.Error(t, err)
		fmt.Fprintf(&seen, "%v %+v\n", err, err)
		_ = r.stop()

		endpoints, err := r.Tenant(acme).Endpoints(t.Context(), webhook.Query{})
		require.NoError(t, err)
		for i := range endpoints.Items {
			endpoints.Items[i].URL = "" // the owner may see the URL
		}
		deliveries, err := r.Tenant(acme).Deliveries(t.Context(), webhook.Query{})
		require.NoError(t, err)
		attempts, err := r.Tenant(acme).Attempts(t.Context(), webhook.Query{EventID: "evt"})
		require.NoError(t, err)
		require.NotEmpty(t, attempts.Items)
		require.NotEmpty(t, log.String())
		everything := log.String() + seen.String() + fmt.Sprintf("%+v %+v %+v", endpoints, deliveries, attempts)
		assert.NotContains(t, everything, "c4n4ry")
		assert.NotContains(t, everything, string(secret))
	})
}
