package acceptance

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhooktest"
)

// The request is under way while its endpoint is edited. Its answer comes afterwards.
func TestAnAnswerOfTheEarlierURLDoesNothingToTheEndpoint(t *testing.T) {
	const moved = "https://new.example/hook"
	edits := map[string][]func(*webhook.Endpoint){
		"the URL changes": {func(e *webhook.Endpoint) { e.URL = moved }},
		"it is disabled, mended and enabled": {
			func(e *webhook.Endpoint) { e.State = webhook.EndpointDisabled },
			func(e *webhook.Endpoint) { e.State = webhook.EndpointActive },
		},
	}
	answers := map[string]*webhook.Response{
		"gone":        response(410),
		"Retry-After": response(503, "Retry-After: 86400"),
		"failure":     response(500),
	}
	for edited, edit := range edits {
		for name, late := range answers {
			t.Run(edited+", "+name, func(t *testing.T) {
				inTime(t, func(t *testing.T) {
					var disabled atomic.Int32
					var first atomic.Bool
					r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
						scheduled(c)
						c.Observer.Disabled = func(webhook.EndpointKey, webhook.Reason) { disabled.Add(1) }
						net.Answer = func(context.Context, *webhook.Request) (*webhook.Response, error) {
							if first.Swap(true) {
								return response(200), nil
							}
							pass(5 * time.Second)
							return late, nil
						}
					})
					r.run()
					e := r.endpoint("one")
					synctest.Wait()
					r.emit("before")
					pass(time.Second)
					for _, change := range edit {
						change(&e)
						var err error
						e, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
						require.NoError(t, err)
					}
					pass(10 * time.Second)
					got, err := r.Tenant(acme).Endpoint(t.Context(), "one")
					require.NoError(t, err)
					assert.Equal(t, webhook.EndpointActive, got.State)
					assert.Zero(t, got.Health)
					assert.Zero(t, disabled.Load())
					r.emit("after")
					pass(10 * time.Second)
					assert.Equal(t, webhook.DeliverySucceeded, r.delivery("after", "one").State)
					if name != "gone" { // after a 410, the delivery itself has failed
						pass(time.Minute)
						assert.Equal(t, webhook.DeliverySucceeded, r.delivery("before", "one").State, "its retry is not put off for a day")
					}
				})
			})
		}
	}
}

func TestHealthOutlastsAPauseAndEndsWithTheURL(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(_ *webhook.Config, net *webhooktest.Transport) { net.Answer = answer(503, "Retry-After: 86400") })
		r.run()
		e := r.endpoint("one")
		r.emit("evt")
		synctest.Wait()
		change := func(edit func()) webhook.Health {
			edit()
			var err error
			e, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
			require.NoError(t, err)
			return e.Health
		}
		e, err := r.Tenant(acme).Endpoint(t.Context(), "one")
		require.NoError(t, err)
		sick := e.Health
		require.Equal(t, 1, sick.Failures)
		require.False(t, sick.BlockedUntil.IsZero())
		assert.Equal(t, sick, change(func() { e.State = webhook.EndpointPaused }))
		assert.Equal(t, sick, change(func() { e.State = webhook.EndpointActive }))
		assert.Equal(t, sick, change(func() { e.Description = "the same" }))
		assert.Zero(t, change(func() { e.URL += "/v2" }))
	})
}

func TestHealthIsKeptWhenASealedURLIsSealedAgain(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			net.Answer = answer(500)
			cipher, err := webhook.NewCipher(webhook.CipherKey{ID: "k1", Key: []byte("0123456789abcdef0123456789abcdef")})
			require.NoError(t, err)
			c.Cipher = cipher
		})
		r.run()
		r.endpoint("one")
		r.emit("evt")
		synctest.Wait()
		for range 2 {
			e, err := r.Tenant(acme).Endpoint(t.Context(), "one")
			require.NoError(t, err)
			require.Equal(t, 1, e.Health.Failures)
			e.Description += "."
			_, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
			require.NoError(t, err)
		}
	})
}
