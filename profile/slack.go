package profile

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"time"

	"github.com/gowebhook/webhook"
)

// slackHandshake is the type of the event that asks a receiver to prove that the URL is its
// own.
const slackHandshake = "url_verification"

// Slack speaks as Slack's Events API does.
//
//	body       {"type":"event_callback","event":…,"event_id":…,"event_time":…}
//	header     X-Slack-Signature: v0={hex}, beside X-Slack-Request-Timestamp
//	covers     "v0:{X-Slack-Request-Timestamp}:{body}", with HMAC-SHA256
//	retries    3: at once, after 1 minute and after 5 minutes
//	success    2xx; 410 Gone disables the endpoint
//	test       "url_verification", Slack's handshake
//	timeout    3 s at Slack: set Endpoint.Timeout or Config.RequestTimeout
//
// "event" is the event's data, an object whose "type" names the kind of event. Data without a
// "type" fails when it is encoded. Event.Type is for subscriptions, and is not sent. event_id
// is Event.ID, and event_time is Event.Time. team_id and api_app_id are taken from
// Endpoint.Metadata, if present. Slack's other fields are left out, for example authorizations
// and the deprecated token.
//
// The key is the whole secret, and the timestamp is the attempt's. There is room for one
// signature, so a rotation has no overlap on the wire: the new secret signs from the next
// request on.
//
// The second and third retry are up to 20 % later at random. Retries carry X-Slack-Retry-Num,
// which is 1 in the first retry and goes on after a retry by hand. They also carry
// X-Slack-Retry-Reason. It is always "unknown_error", one of Slack's reasons, because a
// profile does not see the outcome of the attempt before.
//
// A failure answered with X-Slack-No-Retry: 1 is not retried. Slack follows two redirects;
// here redirects are failures. Slack does not mention 410 Gone: here it disables the endpoint,
// unless the answer has X-Slack-No-Retry: 1.
//
// A test send, and any event of the type "url_verification", is Slack's handshake with a new
// URL: {"type":"url_verification","challenge":…}. The challenge is the event's id. Ask
// [SlackVerified] whether the receiver repeated it. The user agent is the library's own.
//
// Source: https://docs.slack.dev/apis/events-api and
// https://docs.slack.dev/authentication/verifying-requests-from-slack
func Slack() webhook.Profile {
	return webhook.Profile{
		Encode: encodeSlack,
		Header: func(r *webhook.Request) error {
			if r.Attempt > 1 {
				r.Header.Set("X-Slack-Retry-Num", strconv.Itoa(r.Attempt-1))
				r.Header.Set("X-Slack-Retry-Reason", "unknown_error")
			}
			return withoutID(r)
		},
		Signers: []webhook.Signer{signSlack},
		Retry:   webhook.Schedule(0, time.Minute, 5*time.Minute),
		Judge:   judgeSlack,
		Test: func(*webhook.Endpoint) webhook.Event {
			return webhook.Event{Type: slackHandshake, Data: struct{}{}}
		},
	}
}

// SlackVerified reports whether a test send of the profile [Slack] was answered with 2xx and
// its challenge. The challenge may be plain text, the field "challenge" of a form, or
// {"challenge":…}. SlackVerified needs the body of the response, which Network.MaxResponseBytes
// of -1 does not keep.
func SlackVerified(a webhook.Attempt) bool {
	if a.Status < 200 || a.Status > 299 || a.EventID == "" {
		return false
	}
	body := bytes.TrimSpace(a.ResponseBody)
	var challenge string
	if json.Unmarshal(member(body, "challenge"), &challenge) == nil {
		return challenge == a.EventID
	}
	form, err := url.ParseQuery(string(body))
	return string(body) == a.EventID || err == nil && form.Get("challenge") == a.EventID
}

// slackEnvelope surrounds an event. The fields are in Slack's order.
type slackEnvelope struct {
	TeamID    string          `json:"team_id,omitempty"`
	APIAppID  string          `json:"api_app_id,omitempty"`
	Event     json.RawMessage `json:"event"`
	Type      string          `json:"type"`
	EventID   string          `json:"event_id"`
	EventTime int64           `json:"event_time"`
}

func encodeSlack(m *webhook.Message) ([]byte, error) {
	if m.Event.Type == slackHandshake {
		return marshal(struct {
			Type      string `json:"type"`
			Challenge string `json:"challenge"`
		}{slackHandshake, m.Event.ID})
	}
	data, err := rawData(m)
	if err != nil {
		return nil, err
	}
	var typ string
	if json.Unmarshal(member(data, "type"), &typ) != nil || typ == "" {
		return nil, errors.New(`data is not a JSON object with a member "type", which says what happened`)
	}
	return marshal(slackEnvelope{
		TeamID: m.Endpoint.Metadata["team_id"], APIAppID: m.Endpoint.Metadata["api_app_id"], Event: data,
		Type: "event_callback", EventID: m.Event.ID, EventTime: m.Event.Time.Unix(),
	})
}

func signSlack(r *webhook.Request, secrets []webhook.Secret) error {
	timestamp := strconv.FormatInt(r.Time.Unix(), 10)
	r.Header.Set("X-Slack-Request-Timestamp", timestamp)
	return webhook.HMAC{
		Header: "X-Slack-Signature",
		Prefix: "v0=",
		Content: func(r *webhook.Request) []byte {
			return append([]byte("v0:"+timestamp+":"), r.Body...)
		},
	}.Sign(r, secrets)
}

func judgeSlack(o webhook.Outcome) webhook.Verdict {
	if o.Response != nil && !isOK(o.Response) && o.Response.Header.Get("X-Slack-No-Retry") == "1" {
		return webhook.VerdictFail
	}
	return ""
}
