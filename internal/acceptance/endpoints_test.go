package acceptance

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhooktest"
)

// A process has an endpoint in memory. Another process deletes the endpoint and creates one
// with the same id. The first process sees that, even after many changes of the old endpoint.
func TestAnEndpointThatWasMadeAnewElsewhereIsNotTakenForTheOldOne(t *testing.T) {
	for name, change := range map[string]func(*rig) error{
		"deleted": func(r *rig) error { return r.Tenant(acme).DeleteEndpoint(r.t.Context(), "ep1") },
		"erased":  func(r *rig) error { return r.Tenant(acme).Erase(r.t.Context()) },
	} {
		for _, updates := range []int{0, 3} {
			inTime(t, func(t *testing.T) {
				r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) {
					c.Retention = webhook.Retention{Events: time.Hour, Attempts: time.Hour, ResponseBodies: time.Hour}
				})
				r.endpoint("ep1", func(e *webhook.Endpoint) { e.URL = "https://old.example" })
				for range updates {
					e, err := r.Tenant(acme).Endpoint(t.Context(), "ep1")
					require.NoError(t, err)
					_, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
					require.NoError(t, err)
				}
				r.run()
				r.emit("evt1")
				pass(time.Second)
				require.Len(t, r.net.Sent(), 1)
				other := r.restarted(func(*webhook.Config, *webhooktest.Transport) {})
				require.NoError(t, change(other))
				pass(3 * time.Hour) // until the store has nothing of the old endpoint
				_, err := other.Tenant(acme).CreateEndpoint(t.Context(), webhook.Endpoint{ID: "ep1", URL: "https://new.example", Events: []string{"*"}})
				require.NoError(t, err)
				pass(time.Minute)
				_, err = other.Emit(t.Context(), webhook.Event{Tenant: acme, Type: "a.b", ID: "evt2"})
				require.NoError(t, err)
				pass(time.Minute)
				require.Len(t, r.net.Sent(), 2)
				assert.Equal(t, "https://new.example", r.net.Sent()[1].URL, "%s after %d updates", name, updates)
			})
		}
	}
}

func TestAProfileIsChangedOnlyIfAllLiveSecretsCanSignWithTheNewOne(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) {
			c.Profiles = map[string]webhook.Profile{"raw": {Signers: []webhook.Signer{webhook.HMAC{Header: "X-S"}.Sign}}}
		})
		r.endpoint("ep1", func(e *webhook.Endpoint) { e.Profile, e.Secret = "raw", "not base64, but long!" })
		e, err := r.Tenant(acme).RotateSecret(t.Context(), "ep1", time.Hour)
		require.NoError(t, err)
		e.Profile = "standard"
		_, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.ErrorIs(t, err, webhook.ErrInvalid)
		pass(time.Hour)
		_, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
	})
}

// The rules may now refuse an endpoint that they accepted before. Its owner can still stop it.
func TestAnEndpointThatIsRefusedNowMayBePausedAndDisabled(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) { c.Network.AllowHTTP = true })
		r.endpoint("ep1", func(e *webhook.Endpoint) { e.URL = "http://a.example" })
		strict := r.restarted(func(*webhook.Config, *webhooktest.Transport) {}).Tenant(acme)
		e, err := strict.Endpoint(t.Context(), "ep1")
		require.NoError(t, err)
		e.Description = "changed"
		_, err = strict.UpdateEndpoint(t.Context(), e)
		require.ErrorIs(t, err, webhook.ErrInvalid)
		for _, state := range []webhook.EndpointState{webhook.EndpointPaused, webhook.EndpointDisabled} {
			e.State = state
			e, err = strict.UpdateEndpoint(t.Context(), e)
			require.NoError(t, err)
		}
		e.URL = "http://b.example"
		_, err = strict.UpdateEndpoint(t.Context(), e)
		require.ErrorIs(t, err, webhook.ErrInvalid)
	})
}
