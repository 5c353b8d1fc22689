package profile_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/profile"
	"github.com/gowebhook/webhook/receive"
)

// The secret and body come from GitHub's documentation and from Octokit's. The form is
// GitHub's other content type.
func TestGitHubSignsThePublishedExamples(t *testing.T) {
	for _, c := range []struct {
		secret         webhook.Secret
		body           string
		sha256, legacy string
	}{
		{
			"It's a Secret to Everybody", "Hello, World!",
			"757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17", "01dc10d0c83e72ed246219cdd91669667fe2ca59",
		},
		{
			"mysecret", `{"foo":"bar"}`,
			"4864d2759938a15468b5df9ade20bf161da9b4f737ea61794142f3484236bda3", "d03207e4b030cf234e3447bac4d93add4c6643d8",
		},
		{
			"mysecret", "payload=%7B%22foo%22%3A%22bar%22%7D",
			"36edc81affd96d71258d7dcf9fac6e1d30c88d5a465415a29dd554a0fee94791", "b4a8e1a150900173091d4ce19748c8fca1eac1ab",
		},
	} {
		got := sign(t, profile.GitHub(), time.Now(), c.body, c.secret, "an older one")
		assert.Equal(t, http.Header{"X-Hub-Signature-256": {"sha256=" + c.sha256}, "X-Hub-Signature": {"sha1=" + c.legacy}}, got)
	}
}

func TestGitHubSendsTheDataAsItIsWithBothSignatures(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, profile.GitHub(), webhook.Endpoint{ID: "7", Secret: "It's a Secret to Everybody", Metadata: map[string]string{
			"installation_target_id": "79929171", "installation_target_type": "repository",
		}})
		const body = `{"action": "opened",  "n":1e400,"html":"<&>"}`
		r := w.emit(webhook.Event{Type: "issues", ID: someUUID, Data: []byte(body)})
		assertBody(t, body, r)
		event := verified2(t, r, "It's a Secret to Everybody")
		assert.Equal(t, someUUID, event.ID)
		assert.Equal(t, map[string]string{
			"Content-Type": "application/json", "User-Agent": "GitHub-Hookshot/gowebhook", "Accept": "*/*",
			"X-GitHub-Event": "issues", "X-GitHub-Delivery": someUUID, "X-GitHub-Hook-ID": "7",
			"X-GitHub-Hook-Installation-Target-ID": "79929171", "X-GitHub-Hook-Installation-Target-Type": "repository",
		}, headers(r, "Content-Type", "User-Agent", "Accept", "X-GitHub-Event", "X-GitHub-Delivery", "X-GitHub-Hook-ID",
			"X-GitHub-Hook-Installation-Target-ID", "X-GitHub-Hook-Installation-Target-Type", "Webhook-Id", "Webhook-Signature"))
	})
}

// verified2 has both of GitHub's signatures verified.
func verified2(t *testing.T, r *webhook.Request, secret string) receive.Event {
	t.Helper()
	old, err := receive.GitHubLegacySHA1(receive.AllowShort(secret))
	verified(t, old, err, r)
	verify, err := receive.GitHub(receive.AllowShort(secret))
	return verified(t, verify, err, r)
}

func TestGitHubSendsAFormToEndpointsThatAskForOne(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, profile.GitHub(), webhook.Endpoint{Secret: "mysecret", Metadata: map[string]string{"content_type": "form"}})
		r := w.emit(webhook.Event{Type: "push", Data: []byte(`{"foo":"a&b=c +%"}`)})
		assert.Equal(t, "application/x-www-form-urlencoded", r.Header.Get("Content-Type"))
		form, err := url.ParseQuery(string(r.Body))
		require.NoError(t, err)
		assert.Equal(t, url.Values{"payload": {`{"foo":"a&b=c +%"}`}}, form)
		verified2(t, r, "mysecret")
	})
}

func TestGitHubRepeatsNothingByItselfAndTheSameGUIDByHand(t *testing.T) {
	_, again := profile.GitHub().Retry(webhook.Outcome{}, 0)
	assert.False(t, again, "with any Judge of the application")
	for name, status := range map[string]int{"an error": 500, "gone": 410, "a redirect": 302, "busy": 429} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWire(t, profile.GitHub(), webhook.Endpoint{Secret: "mysecret"})
				w.answer(status)
				first := w.emit(webhook.Event{Type: "push", ID: "evt_1"})
				w.pass(4 * 24 * time.Hour)
				require.Len(t, w.net.Sent(), 1)
				assert.Equal(t, webhook.DeliveryFailed, w.delivery("evt_1").State)
				assert.Equal(t, webhook.EndpointActive, w.state())

				w.answer(204)
				err := w.scope.RetryDelivery(t.Context(), "evt_1", w.endpoint.ID)
				require.NoError(t, err)
				w.pass(pollInterval)
				require.Len(t, w.net.Sent(), 2)
				again := w.net.Sent()[1]
				assert.Equal(t, first.Header.Get("X-GitHub-Delivery"), again.Header.Get("X-GitHub-Delivery"))
				assert.Equal(t, first.Body, again.Body)
				assert.Equal(t, webhook.DeliverySucceeded, w.delivery("evt_1").State)
			})
		})
	}
}

func TestGitHubTestsWithAPing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for id, want := range map[string]string{
			"109948940": `{"zen":"A hook that answers a ping is a hook that works.","hook_id":109948940,` +
				`"hook":{"id":109948940,"active":true,"events":["*"]}}`,
			"abc": `{"zen":"A hook that answers a ping is a hook that works.","hook":{"active":true,"events":["*"]}}`,
		} {
			w := newWire(t, profile.GitHub(), webhook.Endpoint{ID: id, Secret: "mysecret"})
			a, err := w.scope.Test(t.Context(), id)
			require.NoError(t, err)
			assert.Equal(t, 204, a.Status)
			r := w.net.Sent()[0]
			assert.Equal(t, "ping", r.Header.Get("X-GitHub-Event"))
			assertBody(t, want, r)
			verified2(t, r, "mysecret")
		}
	})
}
