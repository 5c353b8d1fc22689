package profile_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/profile"
	"github.com/gowebhook/webhook/receive"
)

func TestSlackSignsTheExampleOfItsDocumentation(t *testing.T) {
	const body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar" +
		"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands" +
		"%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	got := sign(t, profile.Slack(), time.Unix(1531420618, 999e6), body, "8f742231b10e8888abcd99yyyzzz85a5", "an older one")
	assert.Equal(t, http.Header{
		"X-Slack-Request-Timestamp": {"1531420618"},
		"X-Slack-Signature":         {"v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"},
	}, got)
}

func TestSlackPutsTheDataIntoItsEnvelope(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, profile.Slack(), webhook.Endpoint{Secret: "signing-secret", Metadata: map[string]string{
			"team_id": "T061EG9R6", "api_app_id": "A0PNCHHK2",
		}})
		r := w.emit(webhook.Event{
			Type: "app.mentioned", ID: "Ev0PV52K25", Time: time.Unix(1525215129, 999e6),
			Data: []byte(`{"type":"app_mention","text":"<@U1> é &","ts":1e400}`),
		})
		assertBody(t, `{"team_id":"T061EG9R6","api_app_id":"A0PNCHHK2","event":{"type":"app_mention","text":"<@U1> é &","ts":1e400},`+
			`"type":"event_callback","event_id":"Ev0PV52K25","event_time":1525215129}`, r)
		verify, err := receive.Slack(receive.Window{}, receive.AllowShort("signing-secret"))
		event := verified(t, verify, err, r)
		assert.Equal(t, "Ev0PV52K25", event.ID)
		assert.Equal(t, r.Time.Truncate(time.Second), event.Time)
		assert.Equal(t, map[string]string{"Content-Type": "application/json"},
			headers(r, "Content-Type", "X-Slack-Retry-Num", "X-Slack-Retry-Reason", "Webhook-Id"))
	})
}

func TestSlackRefusesDataWhoseTypeIsNoText(t *testing.T) {
	for _, data := range []string{`{"type":""}`, `{"type":7}`, `{"type":null}`} {
		_, err := profile.Slack().Encode(&webhook.Message{
			Event: &webhook.Event{ID: "Ev1", Type: "a.b", Data: json.RawMessage(data)}, Endpoint: &webhook.Endpoint{},
		})
		assert.ErrorContains(t, err, `data is not a JSON object with a member "type"`, data)
	}
}

func TestSlackRetriesAtOnceAfterOneAndAfterFiveMinutesAndCounts(t *testing.T) {
	for failures, want := range []time.Duration{0, time.Minute, 5 * time.Minute} {
		wait, again := profile.Slack().Retry(webhook.Outcome{Failures: failures}, 0)
		assert.True(t, again)
		assert.Equal(t, want, wait)
	}
	inBubble(t, func(t *testing.T) {
		w := newWire(t, profile.Slack(), webhook.Endpoint{Secret: "signing-secret"})
		w.answer(500, "X-Slack-No-Retry", "0")
		w.emit(webhook.Event{Type: "app.mentioned", ID: "Ev1", Data: []byte(`{"type":"app_mention"}`)})
		w.pass(24 * time.Hour)
		requireWithin(t, []time.Duration{0, time.Minute, 5 * time.Minute}, w.waits())
		assert.Equal(t, webhook.DeliveryFailed, w.delivery("Ev1").State)
		assert.Equal(t, webhook.EndpointActive, w.state())
		verify, err := receive.Slack(receive.Window{Tolerance: -1}, receive.AllowShort("signing-secret"))
		for i, r := range w.net.Sent() {
			want := map[string]string{}
			if i > 0 {
				want = map[string]string{"X-Slack-Retry-Num": strconv.Itoa(i), "X-Slack-Retry-Reason": "unknown_error"}
			}
			assert.Equal(t, want, headers(r, "X-Slack-Retry-Num", "X-Slack-Retry-Reason"))
			assert.Equal(t, r.Time.Truncate(time.Second), verified(t, verify, err, r).Time)
		}
	})
}

func TestSlackDoesNotRetryWhatIsAnsweredWithNoRetry(t *testing.T) {
	for status, want := range map[int]webhook.DeliveryState{
		200: webhook.DeliverySucceeded, 400: webhook.DeliveryFailed, 410: webhook.DeliveryFailed, 503: webhook.DeliveryFailed,
	} {
		inBubble(t, func(t *testing.T) {
			w := newWire(t, profile.Slack(), webhook.Endpoint{})
			w.answer(status, "X-Slack-No-Retry", "1")
			w.emit(webhook.Event{Type: "app.mentioned", ID: "Ev1", Data: []byte(`{"type":"app_mention"}`)})
			w.pass(24 * time.Hour)
			assert.Len(t, w.net.Sent(), 1)
			assert.Equal(t, want, w.delivery("Ev1").State)
			assert.Equal(t, webhook.EndpointActive, w.state())
		})
	}
}

func TestSlackTestsWithTheHandshakeOfANewURL(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(challenge string) string
		status int
		want   bool
	}{
		"as text":                {func(c string) string { return c }, 200, true},
		"as text with a newline": {func(c string) string { return c + "\n" }, 200, true},
		"as a form":              {func(c string) string { return "challenge=" + c }, 200, true},
		"as JSON":                {func(c string) string { return `{"challenge":"` + c + `"}` }, 200, true},
		"with an error":          {func(c string) string { return c }, 500, false},
		"with nothing":           {func(string) string { return "" }, 200, false},
		"with another":           {func(string) string { return `{"challenge":"x"}` }, 200, false},
		"with another form":      {func(string) string { return "challenge=x" }, 200, false},
		"within something":       {func(c string) string { return "<p>" + c }, 200, false},
		"under another name":     {func(c string) string { return `{"Challenge":"` + c + `"}` }, 200, false},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWire(t, profile.Slack(), webhook.Endpoint{Secret: "signing-secret"})
				w.net.Answer = func(_ context.Context, r *webhook.Request) (*webhook.Response, error) {
					var body struct{ Type, Challenge string }
					require.NoError(t, json.Unmarshal(r.Body, &body))
					assert.Equal(t, "url_verification", body.Type)
					require.NotEmpty(t, body.Challenge)
					return &webhook.Response{StatusCode: c.status, Body: []byte(c.answer(body.Challenge))}, nil
				}
				a, err := w.scope.Test(t.Context(), w.endpoint.ID)
				require.NoError(t, err)
				assert.Equal(t, c.want, profile.SlackVerified(a))
				verify, err := receive.Slack(receive.Window{}, receive.AllowShort("signing-secret"))
				verified(t, verify, err, w.net.Sent()[0])
			})
		})
	}
	assert.False(t, profile.SlackVerified(webhook.Attempt{Status: 200}))
}
