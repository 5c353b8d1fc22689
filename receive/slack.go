package receive

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Slack returns a verifier of Slack's X-Slack-Signature header: "v0=" and the hex HMAC-SHA256
// of "v0:{timestamp}:{body}". A secret is the app's signing secret as text.
//
// Event.ID is event_id of the body, which is signed and the same in retries. It is "" for slash
// commands and other forms. Event.Time is X-Slack-Request-Timestamp, which is signed. Slack
// waits three seconds for the answer.
//
// Slack asks a new URL to repeat a challenge. A [Handler] does not repeat it: see the example
// of [Verifier].
//
// Source: https://docs.slack.dev/authentication/verifying-requests-from-slack
func Slack(window Window, secrets ...string) (Verifier, error) {
	keys, err := plainKeys(secrets)
	if err != nil {
		return nil, err
	}
	const timeName, name = "X-Slack-Request-Timestamp", "X-Slack-Signature"
	return builtIn(func(r *http.Request, body []byte) (Event, error) {
		timestamp, err := header(r.Header, timeName)
		if err != nil {
			return Event{}, err
		}
		value, err := header(r.Header, name)
		if err != nil {
			return Event{}, err
		}
		code, prefixed := strings.CutPrefix(value, "v0=")
		if !prefixed || !isHex(code, 32) {
			return Event{}, fmt.Errorf(`%w: %s is not "v0=" and 64 lowercase hex digits`, ErrMalformed, name)
		}
		at, err := window.judgeUnix(timeName, timestamp)
		if err != nil {
			return Event{}, err
		}
		if isHeaderOnly(r) {
			return Event{}, nil
		}
		if !matches(code, keys, []byte("v0:"+timestamp+":"), body) {
			return Event{}, ErrNoMatch
		}
		return Event{ID: slackID(body), Time: at, Body: body, Header: r.Header}, nil
	}), nil
}

func slackID(body []byte) string {
	var fields struct {
		EventID string `json:"event_id"`
	}
	if json.Unmarshal(body, &fields) != nil {
		return ""
	}
	return fields.EventID
}
