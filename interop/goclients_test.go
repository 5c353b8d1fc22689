package interop

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	gogithub "github.com/google/go-github/v72/github"
	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	stripewebhook "github.com/stripe/stripe-go/v82/webhook"
	svix "github.com/svix/svix-webhooks/go"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/profile"
)

// goClients are the Go libraries with which customers verify requests, by the scheme. Each
// judges a request and reads it.
var goClients = map[string]map[string]func(t *testing.T, secret string, s shot) error{
	standard: {"standardwebhooks": byStandardWebhooks, "svix": bySvix},
	ed25519:  {"standardwebhooks": byStandardWebhooks, "svix": bySvix},
	github: {
		"go-github": byGoGitHub,
		"go-github, with the old header": func(t *testing.T, secret string, s shot) error {
			t.Helper()
			return byGoGitHub(t, secret, s.without("X-Hub-Signature-256"))
		},
	},
	githubForm: {"go-github": byGoGitHub},
	stripeName: {"stripe-go": byStripeGo},
	slackName:  {"slack-go": bySlackGo},
}

func (s shot) without(header string) shot {
	s = s.clone()
	s.header.Del(header)
	return s
}

func byStandardWebhooks(_ *testing.T, secret string, s shot) error {
	client, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return err
	}
	return client.Verify(s.body, s.header)
}

func bySvix(_ *testing.T, secret string, s shot) error {
	client, err := svix.NewWebhook(secret)
	if err != nil {
		return err
	}
	return client.Verify(s.body, s.header)
}

func byGoGitHub(t *testing.T, secret string, s shot) error {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(s.body))
	r.Header = s.header
	payload, err := gogithub.ValidatePayload(r, []byte(secret))
	if err != nil {
		return err
	}
	event, err := gogithub.ParseWebHook(gogithub.WebHookType(r), payload)
	require.NoError(t, err)
	if issues, ok := event.(*gogithub.IssuesEvent); ok {
		assert.Equal(t, "opened", issues.GetAction())
	}
	assert.Len(t, gogithub.DeliveryID(r), 36)
	return nil
}

func byStripeGo(t *testing.T, secret string, s shot) error {
	t.Helper()
	event, err := stripewebhook.ConstructEvent(s.body, s.header.Get("Stripe-Signature"), secret)
	if err != nil {
		return err
	}
	assert.Equal(t, "charge.updated", string(event.Type))
	assert.Contains(t, event.ID, "evt_1")
	assert.Equal(t, "event", event.Object)
	assert.Equal(t, "Zoë <&>", event.Data.Object["name"])
	assert.WithinDuration(t, time.Now(), time.Unix(event.Created, 0), time.Minute)
	return nil
}

func bySlackGo(t *testing.T, secret string, s shot) error {
	t.Helper()
	client, err := slack.NewSecretsVerifier(s.header, secret)
	if err != nil {
		return err
	}
	_, err = client.Write(s.body)
	require.NoError(t, err)
	if err = client.Ensure(); err != nil {
		return err
	}
	event, err := slackevents.ParseEvent(json.RawMessage(s.body), slackevents.OptionNoVerifyToken())
	require.NoError(t, err)
	assert.Equal(t, slackevents.CallbackEvent, event.Type)
	mention, ok := event.InnerEvent.Data.(*slackevents.AppMentionEvent)
	require.True(t, ok, "%T", event.InnerEvent.Data)
	assert.Equal(t, "Zoë <&>", mention.Text)
	return nil
}

func TestGoClientsAcceptWhatIsSentAndRefuseItWithABitChanged(t *testing.T) {
	for name, s := range schemes() {
		told := tell(t, s.setup)
		for client, verify := range goClients[name] {
			s := s
			if client == "go-github, with the old header" {
				s.signature = "X-Hub-Signature"
			}
			for _, try := range s.tries(t, told) {
				t.Run(name+"/"+client+"/"+try.name, func(t *testing.T) {
					if err := verify(t, try.secret, try.shot); try.good {
						assert.NoError(t, err)
					} else {
						assert.Error(t, err)
					}
				})
			}
		}
	}
}

func TestARotationToEd25519PutsBothKindsOfSignaturesOnARequest(t *testing.T) {
	told := tell(t, schemes()[ed25519].setup)
	assert.Regexp(t, `^v1a,\S{88} v1,\S{44}$`, told.rotate.header.Get("Webhook-Signature"))
}

func TestRepeatsCarryWhatTheProvidersClientsTellThemBy(t *testing.T) {
	all := schemes()
	for name, header := range map[string]string{standard: "Webhook-Id", github: "X-GitHub-Delivery"} {
		told := tell(t, all[name].setup)
		assert.Equal(t, told.first.header.Get(header), told.again.header.Get(header), name)
		assert.NotEqual(t, told.first.header.Get(header), told.rotate.header.Get(header), name)
		assert.Equal(t, told.first.body, told.again.body, name)
	}
	told := tell(t, all[slackName].setup)
	assert.Empty(t, told.first.header.Get("X-Slack-Retry-Num"))
	assert.Equal(t, "1", told.again.header.Get("X-Slack-Retry-Num"))
}

func TestGoGitHubReadsThePingOfATestSend(t *testing.T) {
	data := profile.GitHub().Test(&webhook.Endpoint{ID: "109948940", State: webhook.EndpointActive, Events: []string{"*"}})
	payload, err := json.Marshal(data.Data)
	require.NoError(t, err)
	event, err := gogithub.ParseWebHook(data.Type, payload)
	require.NoError(t, err)
	ping, ok := event.(*gogithub.PingEvent)
	require.True(t, ok)
	assert.Equal(t, int64(109948940), ping.GetHookID())
	assert.True(t, ping.GetHook().GetActive())
	assert.Equal(t, []string{"*"}, ping.GetHook().Events)
}
