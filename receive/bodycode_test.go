package receive

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// reference is HMAC-SHA256 by the standard library.
func reference(key, message string) []byte {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(message))
	return mac.Sum(nil)
}

func referenceHex(key, message string) string { return hex.EncodeToString(reference(key, message)) }

func TestACodeHasOneSpelling(t *testing.T) {
	for _, name := range []string{"github", "github-sha1", "slack", "key", "tryno", "keywordsai", "shopify"} {
		v := one(t, name)
		header := schemeNamed(t, name).signed
		r := v.request(t)
		value := r.Header.Get(header[len(header)-1])
		for _, changed := range []string{
			strings.ToUpper(value), strings.TrimPrefix(value, "sha256="), "sha256=" + value, value + " ", " " + value, value + "\n",
			value + value, value + "==", strings.TrimRight(value, "="), value + "," + value, strings.ReplaceAll(value, "=", ":"),
			strings.NewReplacer("+", "-", "/", "_").Replace(value), value[:len(value)-8],
		} {
			if changed == value {
				continue
			}
			r.Header.Set(header[len(header)-1], changed)
			_, err := v.verifier(t, 0)(r, []byte(v.Body))
			want := ErrMalformed
			if name == "shopify" && changed == strings.ToUpper(value) {
				want = ErrNoMatch // it is base64 of other bytes
			}
			assert.ErrorIs(t, err, want, "%s: %q", name, changed)
		}
	}
}

// Base64 leaves bits at the end, which a lenient decoder does not look at.
func TestShopifyRefusesBase64WithOtherBitsAtTheEnd(t *testing.T) {
	verify, err := Shopify(AllowShort("hush"))
	require.NoError(t, err)
	code := base64.StdEncoding.EncodeToString(reference("hush", "body"))
	last := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", code[42])
	code = code[:42] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[last+1]) + "="
	_, err = verify(&http.Request{Header: http.Header{"X-Shopify-Hmac-Sha256": {code}}}, []byte("body"))
	assert.ErrorIs(t, err, ErrMalformed)
}

func TestGitHubDoesNotFallBackToSHA1(t *testing.T) {
	v := one(t, "github")
	r := v.request(t)
	r.Header.Del("X-Hub-Signature-256")
	_, err := v.verifier(t, 0)(r, []byte(v.Body))
	assert.ErrorIs(t, err, ErrMissingHeader)
	assert.ErrorContains(t, err, "X-Hub-Signature-256")
}

func TestTheIDIsFoundInWhatIsSigned(t *testing.T) {
	for name, tt := range map[string]struct {
		make   constructor
		header string
		prefix string
		bodies map[string]string
	}{
		"key": {timeless(Key), "X-Webhook-Signature", "sha256=", map[string]string{
			`{"eventId":"evt_1"}`: "evt_1", `{"eventId":1}`: "", `{}`: "", `[]`: "", `not JSON`: "", "": "",
		}},
		"tryno": {timeless(Tryno), "X-Tryno-Signature", "", map[string]string{`{"id":"1"}`: ""}},
	} {
		for body, want := range tt.bodies {
			verify, err := tt.make(Window{}, "secret")
			require.NoError(t, err)
			r := http.Request{Header: http.Header{"X-Event-Id": {"unsigned"}, tt.header: {tt.prefix + referenceHex("secret", body)}}}
			event, err := verify(&r, []byte(body))
			assert.NoError(t, err)
			assert.Equal(t, want, event.ID, "%s: %s", name, body)
		}
	}
}

func TestSlackFindsTheIDInEventsAndVerifiesForms(t *testing.T) {
	verify, err := Slack(Window{Now: clock(1700000000, 0)}, AllowShort("secret"))
	require.NoError(t, err)
	for body, want := range map[string]string{
		`{"event_id":"Ev1","type":"event_callback"}`:  "Ev1",
		`{"type":"url_verification","challenge":"x"}`: "",
		`token=x&command=%2Fgo&text=event_id`:         "",
		"":                                            "",
	} {
		r := http.Request{Header: http.Header{
			"X-Slack-Request-Timestamp": {"1700000000"}, "X-Slack-Signature": {"v0=" + referenceHex("secret", "v0:1700000000:"+body)},
		}}
		event, err := verify(&r, []byte(body))
		assert.NoError(t, err)
		assert.Equal(t, want, event.ID, body)
	}
}
