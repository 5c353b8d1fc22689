package interop

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/profile"
)

// A scheme describes one way to sign.
type scheme struct {
	setup
	signature string // the header that holds it
	time      string // the header that holds the time that is signed, if any
	id        string // the header that holds an id that is signed, if any
	overlaps  bool   // during a rotation there is a signature with the old secret too
	unknown   bool   // the clients do not know the algorithm of the new secret
}

const (
	standard   = "Standard Webhooks"
	ed25519    = "Standard Webhooks, HMAC beside Ed25519"
	github     = "GitHub"
	githubForm = "GitHub, as a form"
	stripeName = "Stripe"
	slackName  = "Slack"
)

// The bodies have letters that are often spoilt on the way: those beyond ASCII, and those that
// encoding/json escapes for HTML.
func schemes() map[string]scheme {
	text := json.RawMessage(`{"action":"opened", "name":"Zoë <&>\u2028","n":1.0}`)
	form := map[string]string{"content_type": "form"}
	return map[string]scheme{
		standard: {
			setup:     setup{event: webhook.Event{ID: "msg_1", Type: "member.joined", Data: text}},
			signature: "Webhook-Signature", time: "Webhook-Timestamp", id: "Webhook-Id", overlaps: true,
		},
		// No client of these tests verifies v1a signatures: the libraries of Standard Webhooks
		// and Svix know v1 only. These tests show that the libraries ignore a v1a signature.
		// The tests of receive verify one, with the vector of Svix's server.
		ed25519: {
			setup: setup{
				profile:  webhook.Profile{Issue: webhook.IssueEd25519},
				endpoint: webhook.Endpoint{Secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
				event:    webhook.Event{ID: "msg_1", Type: "member.joined", Data: text},
			},
			signature: "Webhook-Signature", time: "Webhook-Timestamp", id: "Webhook-Id", overlaps: true, unknown: true,
		},
		github: {
			setup: setup{
				profile: profile.GitHub(), endpoint: webhook.Endpoint{Secret: "It's a Secret to Everybody"},
				event: webhook.Event{ID: "evt_1", Type: "issues", Data: text},
			},
			signature: "X-Hub-Signature-256",
		},
		githubForm: {
			setup: setup{
				profile: profile.GitHub(), endpoint: webhook.Endpoint{Secret: "It's a Secret to Everybody", Metadata: form},
				event: webhook.Event{ID: "evt_1", Type: "issues", Data: text},
			},
			signature: "X-Hub-Signature-256",
		},
		stripeName: {
			setup: setup{
				profile: profile.Stripe(profile.StripeOptions{APIVersion: stripe.APIVersion}),
				endpoint: webhook.Endpoint{
					Secret: "whsec_dGhpcyBpcyBub3QgYmFzZTY0",
				},
				event: webhook.Event{ID: "evt_1", Type: "charge.updated", Data: json.RawMessage(`{"object":{"id":"ch_1","name":"Zoë <&>"}}`)},
			},
			signature: "Stripe-Signature", time: "Stripe-Signature", overlaps: true,
		},
		slackName: {
			setup: setup{
				profile: profile.Slack(), endpoint: webhook.Endpoint{Secret: "8f742231b10e8888abcd99yyyzzz85a5"},
				event: webhook.Event{ID: "Ev1", Type: "app.mentioned", Data: json.RawMessage(`{"type":"app_mention","text":"Zoë <&>"}`)},
			},
			signature: "X-Slack-Signature", time: "X-Slack-Request-Timestamp",
		},
	}
}

// A try is a request that a client gets, and the verdict that it must reach.
type try struct {
	name   string
	secret string
	shot   shot
	good   bool
}

// tries returns the requests of a story, as they were sent and with one bit changed in each
// signed part.
func (s scheme) tries(t *testing.T, told story) []try {
	t.Helper()
	changed := func(change func(*shot)) shot {
		c := told.first.clone()
		change(&c)
		require.NotEqual(t, told.first, c, "nothing was changed")
		return c
	}
	tries := []try{
		{"the first request", told.old, told.first, true},
		{"its retry", told.old, told.again, true},
		{"after a rotation, with the old secret", told.old, told.rotate, s.overlaps},
		{"a space more", told.old, changed(func(c *shot) { c.body = append(c.body, ' ') }), false},
		{"a bit of the body", told.old, changed(func(c *shot) { c.body[len(c.body)/2] ^= 1 }), false},
		{"a bit of the signature", told.old, changed(func(c *shot) {
			c.header.Set(s.signature, flipCode(t, c.header.Get(s.signature)))
		}), false},
	}
	if !s.unknown {
		tries = append(tries,
			try{"the first request, with another secret", told.new, told.first, false},
			try{"after a rotation, with the new secret", told.new, told.rotate, true})
	}
	if s.time != "" {
		tries = append(tries, try{"a bit of the time", told.old, changed(func(c *shot) {
			c.header.Set(s.time, flipTime(t, c.header.Get(s.time)))
		}), false})
	}
	if s.id != "" {
		tries = append(tries, try{"a bit of the id", told.old, changed(func(c *shot) {
			id := []byte(c.header.Get(s.id))
			id[len(id)-1] ^= 1
			c.header.Set(s.id, string(id))
		}), false})
	}
	return tries
}

var (
	code     = regexp.MustCompile(`([0-9a-f]{64}|[0-9a-f]{40}|[A-Za-z0-9+/]{43}=)$`)
	unixTime = regexp.MustCompile(`\b[0-9]{10}\b`)
)

// flipCode changes one bit of the only signature in a header. The signature stays well-formed.
func flipCode(t *testing.T, header string) string {
	t.Helper()
	encoded := code.FindString(header)
	require.NotEmpty(t, encoded, header)
	decode, encode := hex.DecodeString, hex.EncodeToString
	if strings.HasSuffix(encoded, "=") {
		decode, encode = base64.StdEncoding.DecodeString, base64.StdEncoding.EncodeToString
	}
	raw, err := decode(encoded)
	require.NoError(t, err)
	raw[len(raw)/2] ^= 1
	return strings.TrimSuffix(header, encoded) + encode(raw)
}

// flipTime changes one bit of the seconds. The time stays close enough to now.
func flipTime(t *testing.T, header string) string {
	t.Helper()
	at := unixTime.FindStringIndex(header)
	require.NotNil(t, at, header)
	changed := []byte(header)
	changed[at[1]-1] ^= 1
	return string(changed)
}
