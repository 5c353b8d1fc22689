package receive

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A constructor makes a verifier. Schemes without a timestamp ignore the window.
type constructor func(Window, ...string) (Verifier, error)

func timeless(construct func(...string) (Verifier, error)) constructor {
	return shortly(func(_ Window, secrets ...string) (Verifier, error) { return construct(secrets...) })
}

// shortly allows the short secrets of tests.
func shortly(construct constructor) constructor {
	return func(w Window, secrets ...string) (Verifier, error) {
		allowed := make([]string, len(secrets))
		for i, secret := range secrets {
			allowed[i] = AllowShort(secret)
		}
		return construct(w, allowed...)
	}
}

// A scheme has the facts that the tests of all verifiers need.
type scheme struct {
	name   string
	make   constructor
	signed []string // the headers without which a request is refused
	timed  bool     // a timestamp is signed
	secret string   // a good one that is no vector's
}

const otherKey = "d3ba6c1f5e0e4f5c9a3d2b8e7f60718293a4b5c6d7e8f9010203040506070809" // hex, as long as an Ed25519 key

var schemes = []scheme{
	{
		"standard", Standard,
		[]string{"Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"},
		true, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	},
	{"svix", Svix, []string{"Svix-Id", "Svix-Timestamp", "Svix-Signature"}, true, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
	{"github", timeless(GitHub), []string{"X-Hub-Signature-256"}, false, "another"},
	{"github-sha1", timeless(GitHubLegacySHA1), []string{"X-Hub-Signature"}, false, "another"},
	{"stripe", shortly(Stripe), []string{"Stripe-Signature"}, true, "whsec_another"},
	{"shopify", timeless(Shopify), []string{"X-Shopify-Hmac-Sha256"}, false, "another"},
	{"slack", shortly(Slack), []string{"X-Slack-Request-Timestamp", "X-Slack-Signature"}, true, "another"},
	{"key", timeless(Key), []string{"X-Webhook-Signature"}, false, "sk_another"},
	{"tryno", timeless(Tryno), []string{"X-Tryno-Signature"}, false, "another"},
	{"keywordsai", timeless(KeywordsAI), []string{"X-Keywordsai-Signature"}, false, "another"},
	{"keygen", Keygen, []string{"Date", "Digest", "Keygen-Signature"}, true, otherKey},
	{
		"keygen-proxy", KeygenBehindProxy,
		[]string{"Keygen-Date", "Keygen-Digest", "Keygen-Signature"},
		true, otherKey,
	},
}

func schemeNamed(t *testing.T, name string) scheme {
	t.Helper()
	for _, s := range schemes {
		if s.name == name {
			return s
		}
	}
	t.Fatal("no scheme " + name)
	return scheme{}
}

// A vector is a request with a verdict, as in testdata/vectors.json.
type vector struct {
	Name   string
	Scheme string
	Secret string
	URL    string
	Now    int64
	Header map[string]string
	Body   string
	ID     string
	Error  string
}

var verdicts = map[string]error{
	"":          nil,
	"missing":   ErrMissingHeader,
	"malformed": ErrMalformed,
	"no match":  ErrNoMatch,
}

func vectors(tb testing.TB) []vector {
	tb.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	require.NoError(tb, err)
	var all []vector
	require.NoError(tb, json.Unmarshal(text, &all))
	require.NotEmpty(tb, all)
	for _, v := range all { // both headers of GitHub cover the same
		if v.Scheme == "github" {
			v.Name, v.Scheme = v.Name+"-sha1", "github-sha1"
			all = append(all, v)
		}
		if v.Header["Keygen-Date"] != "" {
			v.Name, v.Scheme, v.Error = v.Name+"-proxy", "keygen-proxy", ""
			v.Now = 1700000000 // Keygen-Date, with any Date
			v.ID = "99b89d681aecdff9a0435c9f507d00c5345a7c2d6e773f1756e4a9d42e4b14v3"
			all = append(all, v)
		}
	}
	return all
}

func (v vector) request(t *testing.T) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, v.URL, http.NoBody)
	require.NoError(t, err)
	for name, value := range v.Header {
		r.Header.Set(name, value)
	}
	return r
}

// verifier returns the vector's verifier, with a clock that shows the vector's time after it.
func (v vector) verifier(t *testing.T, after time.Duration, secrets ...string) Verifier {
	t.Helper()
	if secrets == nil {
		secrets = []string{v.Secret}
	}
	verify, err := schemeNamed(t, v.Scheme).make(Window{Now: clock(v.Now, after)}, secrets...)
	require.NoError(t, err)
	return verify
}

func clock(seconds int64, after time.Duration) func() time.Time {
	return func() time.Time { return time.Unix(seconds, 0).Add(after) }
}

// one returns the first good vector of a scheme.
func one(t *testing.T, name string) vector {
	t.Helper()
	for _, v := range vectors(t) {
		if v.Scheme == name && v.Error == "" {
			return v
		}
	}
	t.Fatal("no vector for " + name)
	return vector{}
}

// eachGood runs a test with every good vector.
func eachGood(t *testing.T, test func(*testing.T, vector)) {
	t.Helper()
	seen := make(map[string]bool)
	for _, v := range vectors(t) {
		if v.Error == "" {
			seen[v.Scheme] = true
			t.Run(v.Name, func(t *testing.T) { test(t, v) })
		}
	}
	for _, s := range schemes {
		require.True(t, seen[s.name], "no vector of "+s.name)
	}
}

// swap returns s with the byte at i replaced by another of the alphabets in use.
func swap(s string, i int) string {
	c := "a"
	if strings.HasPrefix(s[i:], "a") {
		c = "b"
	}
	return s[:i] + c + s[i+1:]
}
