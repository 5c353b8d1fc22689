package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A standardVector is a message, a secret, and the headers that a receiver got with it.
type standardVector struct {
	Name      string            `json:"name"`
	Secret    Secret            `json:"secret"`
	ID        string            `json:"id"`
	Timestamp int64             `json:"timestamp"`
	Body      string            `json:"body"`
	Headers   map[string]string `json:"headers"`
	Expect    string            `json:"expect"`
}

func standardVectors(t *testing.T) []standardVector {
	t.Helper()
	text, err := os.ReadFile("testdata/standard-webhooks.json")
	require.NoError(t, err)
	var vectors []standardVector
	require.NoError(t, json.Unmarshal(text, &vectors))
	require.NotEmpty(t, vectors)
	return vectors
}

func requestToSign(id, body string, at time.Time) *Request {
	return &Request{Message: &Message{Event: &Event{ID: id}}, Header: make(http.Header, 8), Body: []byte(body), Time: at}
}

// naive is Standard Webhooks 1.0.0 in the plainest way.
func naive(secret, id string, timestamp int64, body []byte) string {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		panic("a bad secret")
	}
	h := hmac.New(sha256.New, key)
	h.Write([]byte(id + "." + strconv.FormatInt(timestamp, 10) + "."))
	h.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil))
}

func TestSignStandardMakesTheHeadersOfTheVectors(t *testing.T) {
	for _, v := range standardVectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			want := http.Header{}
			for name, value := range v.Headers {
				want.Set(name, value)
			}
			req := requestToSign(v.ID, v.Body, time.Unix(v.Timestamp, 0))
			if v.Name == "svix-docs-ping" { // made with a key of 18 bytes; the standard says 24 to 64
				require.ErrorContains(t, SignStandard(req, []Secret{v.Secret}), "18 bytes")
				assert.Equal(t, naive(string(v.Secret), v.ID, v.Timestamp, []byte(v.Body)), want.Get("webhook-signature"))
				return
			}
			require.NoError(t, SignStandard(req, []Secret{v.Secret}))
			switch several := strings.Contains(want.Get("webhook-signature"), " "); {
			case v.Expect == "invalid":
				assert.NotEqual(t, want, req.Header)
			case several:
				assert.Contains(t, strings.Split(want.Get("webhook-signature"), " "), req.Header.Get("webhook-signature"))
				want.Set("webhook-signature", req.Header.Get("webhook-signature"))
				assert.Equal(t, want, req.Header)
			default:
				require.Equal(t, "valid", v.Expect)
				assert.Equal(t, want, req.Header)
			}
		})
	}
}

func TestSignStandardSignsWithEverySecretInOrder(t *testing.T) {
	at := time.Unix(1614265330, 0)
	secrets := []Secret{newSecret(), newSecret(), Secret(base64.StdEncoding.EncodeToString(make([]byte, 64))), newSecret()}
	for n := 1; n <= len(secrets); n++ {
		var want []string
		for _, s := range secrets[:n] {
			want = append(want, naive(string(s), "evt_1", at.Unix(), []byte("body")))
		}
		req := requestToSign("evt_1", "body", at)
		require.NoError(t, SignStandard(req, secrets[:n]))
		assert.Equal(t, []string{strings.Join(want, " ")}, req.Header["Webhook-Signature"], "one header, one space between")
	}
}

func TestSignStandardUsesTheTimeOfTheAttempt(t *testing.T) {
	secret := newSecret()
	event := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	for at, want := range map[time.Time]string{
		time.Unix(1700000000, 0):              "1700000000",
		time.Unix(1700000000, 999_999_999):    "1700000000", // whole seconds, not rounded
		time.Unix(1700000061, 0).Local():      "1700000061",
		time.Unix(0, 0):                       "0",
		event.In(time.FixedZone("", 5*60*60)): "1577836800",
	} {
		req := requestToSign("evt_1", "{}", at)
		req.Event.Time, req.CreatedAt = event, event
		require.NoError(t, SignStandard(req, []Secret{secret}))
		assert.Equal(t, []string{want}, req.Header["Webhook-Timestamp"])
		assert.Equal(t, naive(string(secret), "evt_1", at.Unix(), []byte("{}")), req.Header.Get("webhook-signature"))
	}
}

func TestSignStandardSetsItsHeadersAndNothingElse(t *testing.T) {
	req := requestToSign("evt_1", "body", time.Unix(1, 0))
	req.Header["Webhook-Id"] = []string{"somebody", "else"}
	req.Header["Webhook-Signature"] = []string{"v1,forged"}
	req.Header["X-Other"] = []string{"kept"}
	secret := newSecret()
	require.NoError(t, SignStandard(req, []Secret{secret}))
	assert.Equal(t, http.Header{
		"Webhook-Id":        {"evt_1"},
		"Webhook-Timestamp": {"1"},
		"Webhook-Signature": {naive(string(secret), "evt_1", 1, []byte("body"))},
		"X-Other":           {"kept"},
	}, req.Header)
	assert.Equal(t, "body", string(req.Body))

	same := req.Header.Clone()
	for _, name := range []string{"Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"} {
		_ = append(req.Header[name], "another") // as Header.Add does
	}
	assert.Equal(t, same, req.Header, "the values share an array")
}

func TestSignStandardRefusesWhatItCannotSignWith(t *testing.T) {
	good := newSecret()
	for name, secrets := range map[string][]Secret{
		"no secrets":    nil,
		"empty list":    {},
		"empty secret":  {""},
		"prefix alone":  {"whsec_"},
		"not base64":    {"whsec_canary!!!!!!!!!!!!!!!!!!!!!!!!!!"},
		"short key":     {"whsec_Y2FuYXJ5"},
		"second is bad": {good, "canary"},
		"first is bad":  {"canary", good},
		"line behind":   {good + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			req := requestToSign("evt_1", "body", time.Unix(1, 0))
			err := SignStandard(req, secrets)
			require.Error(t, err)
			assert.NotContains(t, err.Error(), "canary")
			assert.NotContains(t, err.Error(), "Y2FuYXJ5")
			assert.Empty(t, req.Header, "half a signature")
		})
	}
}

func TestSignStandardIsSafeForConcurrentUse(t *testing.T) {
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			secret, id := newSecret(), "evt_"+strconv.Itoa(g)
			body := strings.Repeat(id, 50*g)
			for at := range int64(200) {
				req := requestToSign(id, body, time.Unix(at, 0))
				if !assert.NoError(t, SignStandard(req, []Secret{secret})) ||
					!assert.Equal(t, naive(string(secret), id, at, []byte(body)), req.Header.Get("webhook-signature")) {
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestSigningAKilobyteNeedsOneAllocation(t *testing.T) {
	info, _ := debug.ReadBuildInfo()
	if slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("with the race detector, sync.Pool forgets at random")
	}
	req := requestToSign("evt_01J0000000000000000000000", strings.Repeat("x", 1024), time.Unix(1700000000, 0))
	for n := 1; n <= 3; n++ {
		secrets := []Secret{newSecret(), newSecret(), newSecret()}[:n]
		allocs := testing.AllocsPerRun(1000, func() {
			clear(req.Header)
			req.used = 0
			if err := SignStandard(req, secrets); err != nil {
				t.Fatal(err)
			}
		})
		assert.LessOrEqual(t, allocs, 1.0, "with %d secrets", n)
	}
}

func BenchmarkSignStandard(b *testing.B) {
	secret := newSecret()
	for _, size := range []int{1 << 10, 64 << 10} {
		req := requestToSign("evt_01J0000000000000000000000", strings.Repeat("x", size), time.Unix(1700000000, 0))
		b.Run(fmt.Sprintf("SignStandard-%dKiB", size>>10), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(size))
			secrets := []Secret{secret}
			for b.Loop() {
				clear(req.Header)
				if err := SignStandard(req, secrets); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("crypto-hmac-%dKiB", size>>10), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				clear(req.Header)
				timestamp := req.Time.Unix()
				req.Header["Webhook-Id"] = []string{req.Event.ID}
				req.Header["Webhook-Timestamp"] = []string{strconv.FormatInt(timestamp, 10)}
				req.Header["Webhook-Signature"] = []string{naive(string(secret), req.Event.ID, timestamp, req.Body)}
			}
		})
	}
}
