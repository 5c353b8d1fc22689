package profile

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/receive"
)

const (
	oldName, newName = "X-Keywordsai-Signature", "X-Respan-Signature"
	apiKey           = "kwai_c4n4ry"
)

// keywordsAIInputs are the values that make the bodies of the vectors.
var keywordsAIInputs = map[string][]any{
	"kw-doc-body": {map[string]string{"some": "data"}, json.RawMessage(`{"some":"data"}`), []byte("\n{ \"some\" :\t\"data\"}")},
	"kw-unicode": {
		json.RawMessage(`{"prompt":"Zoë said “hi” 🦊","n":1,"ok":true,"none":null}`),
		json.RawMessage(`{"prompt": "Zo\u00eb said \u201chi\u201d \ud83e\udd8a", "n": 1, "ok": true, "none": null}`),
		struct {
			Prompt string `json:"prompt"`
			N      int    `json:"n"`
			OK     bool   `json:"ok"`
			None   any    `json:"none"`
		}{"Zoë said “hi” 🦊", 1, true, nil},
	},
}

// hexCode computes the expected signature, by other code than the profile's.
func hexCode(key string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// text returns the bytes of the data of an event that is signed.
func text(data any) string { return string(data.(json.RawMessage)) }

// signatures returns the values of the signature's headers.
func signatures(h http.Header) map[string][]string {
	got := make(map[string][]string)
	for _, name := range []string{oldName, newName, "X-Acme-Signature"} {
		if values := h.Values(name); values != nil {
			got[name] = values
		}
	}
	return got
}

func assertKeywordsAIVerifies(t *testing.T, key string, r *webhook.Request) {
	t.Helper()
	verify, err := receive.KeywordsAI(receive.AllowShort(key))
	require.NoError(t, err)
	assertVerifies(t, verify, r)
}

func TestKeywordsAIWritesTheBodyAsPythonAndSignsItUnderBothNames(t *testing.T) {
	for name, inputs := range keywordsAIInputs {
		v := seed(t, name)
		s := newSender(t, KeywordsAI(KeywordsAIOptions{}))
		s.register(t, webhook.Endpoint{Secret: v.Secret})
		for _, data := range inputs {
			r := s.sendOne(t, webhook.Event{Type: "request_log", Data: data})
			assert.Equal(t, v.Body, string(r.Body))
			code := v.Header[oldName]
			assert.Equal(t, map[string][]string{oldName: {code}, newName: {code}}, signatures(r.Header))
			assertKeywordsAIVerifies(t, string(v.Secret), r)
		}
	}
}

func TestKeywordsAIEventIsSignedWithTheKeyThatTriggeredIt(t *testing.T) {
	for name, inputs := range keywordsAIInputs {
		v := seed(t, name)
		s := newSender(t, KeywordsAI(KeywordsAIOptions{}))
		s.register(t, webhook.Endpoint{Channel: "key-1", Header: map[string]webhook.Secret{oldName: "forged", newName: "forged"}})
		for _, data := range inputs {
			event, err := KeywordsAIEvent(webhook.Event{Type: "request_log", Channel: "key-1", Data: data}, v.Secret)
			require.NoError(t, err)
			assert.Equal(t, v.Body, text(event.Data))
			r := s.sendOne(t, event)
			assert.Equal(t, v.Body, string(r.Body))
			code := v.Header[oldName]
			assert.Equal(t, map[string][]string{oldName: {code}, newName: {code}}, signatures(r.Header))
			assertKeywordsAIVerifies(t, string(v.Secret), r)
		}
	}
}

func TestKeywordsAIEventsReachOnlyTheEndpointsOfTheirKey(t *testing.T) {
	s := newSender(t, KeywordsAI(KeywordsAIOptions{}))
	s.register(t, webhook.Endpoint{ID: "one", Channel: "key-1"})
	s.register(t, webhook.Endpoint{ID: "two", Channel: "key-2"})
	event, err := KeywordsAIEvent(webhook.Event{Type: "request_log", Channel: "key-2"}, apiKey)
	require.NoError(t, err)
	r := s.sendOne(t, event)
	assert.Equal(t, "two", r.Endpoint.ID)
	assert.Equal(t, "null", string(r.Body))
	assertKeywordsAIVerifies(t, apiKey, r)
}

func TestKeywordsAISignsWithTheEndpointsOwnSecretWhereTheCustomerChoseIt(t *testing.T) {
	s := newSender(t, KeywordsAI(KeywordsAIOptions{}), KeywordsAI(KeywordsAIOptions{OwnSecret: true}))
	s.register(t, webhook.Endpoint{ID: "by-key", Channel: "key-1", Secret: "own-1"})
	s.register(t, webhook.Endpoint{ID: "by-secret", Channel: "key-1", Secret: "own-2", Profile: "second"})
	keys := map[string]string{"by-key": apiKey, "by-secret": "own-2"}

	event, err := KeywordsAIEvent(webhook.Event{Type: "request_log", Channel: "key-1", Data: 1.0}, apiKey)
	require.NoError(t, err)
	sent := s.send(t, event)
	require.Len(t, sent, 2)
	for _, r := range sent {
		code := hexCode(keys[r.Endpoint.ID], r.Body)
		assert.Equal(t, map[string][]string{oldName: {code}, newName: {code}}, signatures(r.Header), r.Endpoint.ID)
	}
	plain := s.send(t, webhook.Event{Type: "request_log", Channel: "key-1"})
	require.Len(t, plain, 2)
	keys["by-key"] = "own-1"
	for _, r := range plain {
		assertKeywordsAIVerifies(t, keys[r.Endpoint.ID], r)
	}
}

func TestKeywordsAISendsTheNamesThatItIsToldAndNoOther(t *testing.T) {
	event, err := KeywordsAIEvent(webhook.Event{Type: "request_log", Channel: "key-1"}, apiKey)
	require.NoError(t, err)
	for _, names := range [][]string{{newName}, {oldName}, {"x-acme-signature"}, {"X-Acme-Signature", newName}} {
		s := newSender(t, KeywordsAI(KeywordsAIOptions{Headers: names}))
		s.register(t, webhook.Endpoint{Channel: "key-1", Secret: "own"})
		for key, e := range map[string]webhook.Event{apiKey: event, "own": {Type: "request_log", Channel: "key-1"}} {
			r := s.sendOne(t, e)
			want := make(map[string][]string)
			for _, name := range names {
				want[http.CanonicalHeaderKey(name)] = []string{hexCode(key, r.Body)}
			}
			assert.Equal(t, want, signatures(r.Header))
		}
	}
}

func TestKeywordsAIRotationSignsWithTheNewSecret(t *testing.T) {
	s := newSender(t, KeywordsAI(KeywordsAIOptions{}))
	e := s.register(t, webhook.Endpoint{})
	e, err := s.Tenant(tenant).RotateSecret(t.Context(), e.ID, 0)
	require.NoError(t, err)
	assertKeywordsAIVerifies(t, string(e.Secret), s.test(t, e.ID))
}

func TestKeywordsAIEventLeavesTheCallersEventAsItWas(t *testing.T) {
	header := map[string]string{"traceparent": "00-1", "x-keywordsai-signature": "old", "X-RESPAN-Signature": "old"}
	data := []byte(`{"a":1}`)
	event, err := KeywordsAIEvent(webhook.Event{
		Tenant: tenant, ID: "evt", Type: "request_log", Channel: "key-1", Data: data, Header: header,
	}, apiKey)
	require.NoError(t, err)
	code := hexCode(apiKey, []byte(`{"a": 1}`))
	assert.Equal(t, webhook.Event{
		Tenant: tenant, ID: "evt", Type: "request_log", Channel: "key-1", Data: json.RawMessage(`{"a": 1}`),
		Header: map[string]string{"traceparent": "00-1", oldName: code, newName: code},
	}, event)
	assert.Len(t, header, 3)
	assert.Equal(t, "old", header["x-keywordsai-signature"])
	assert.Equal(t, `{"a":1}`, string(data))
	assert.NotContains(t, fmt.Sprintf("%+v", event), apiKey)
}

type unwritable struct{}

func (unwritable) MarshalJSON() ([]byte, error) { return nil, errors.New("no") }

func TestKeywordsAIEventRefusesWhatItCannotSign(t *testing.T) {
	good := webhook.Event{Type: "request_log", Channel: "key-1"}
	refused := func(event webhook.Event, key webhook.Secret, field string) {
		t.Helper()
		got, err := KeywordsAIEvent(event, key)
		refusal, ok := errors.AsType[*webhook.FieldError](err)
		require.True(t, ok, "%v", err)
		assert.Equal(t, field, refusal.Field)
		assert.NotContains(t, err.Error(), "c4n4ry")
		assert.Equal(t, webhook.Event{}, got)
	}
	refused(webhook.Event{Type: "request_log"}, apiKey, "Event.Channel")
	refused(good, "", "apiKey")
	refused(good, "whsk_c4n4ry", "apiKey")
	for _, data := range []any{
		json.RawMessage(`{"c4n4ry":1,"c4n4ry":2}`), json.RawMessage(`{"c4n4ry":1}}`), json.RawMessage(`"` + "\xff" + `c4n4ry"`),
		[]byte{},
		json.RawMessage("1e400"), json.RawMessage("[-1e309]"),
		math.NaN(), make(chan int),
		unwritable{},
	} {
		event := good
		event.Data = data
		refused(event, apiKey, "Event.Data")
	}
	for _, nothing := range []any{nil, json.RawMessage(nil), []byte(nil)} {
		event := good
		event.Data = nothing
		event, err := KeywordsAIEvent(event, apiKey)
		require.NoError(t, err)
		assert.Equal(t, "null", text(event.Data))
	}
}

func TestKeywordsAIDoesNotSendWhatOthersThanPythonReadOtherwise(t *testing.T) {
	encode := KeywordsAI(KeywordsAIOptions{}).Encode
	for _, data := range []any{json.RawMessage(`{"a":1,"a":2}`), json.RawMessage("1e400"), "a Go value"} {
		_, err := encode(message(webhook.Event{Type: "request_log", Data: data}))
		assert.Error(t, err)
	}
}

// The text that is signed when an event is made is sent. Receivers that read it and write it
// again get the same text.
func FuzzKeywordsAIEventIsSentAsItWasSigned(f *testing.F) {
	for _, data := range []string{
		"null", `{"a":[1,-0,0.1e-7,1e400,1E5,123456789012345678901234567890]}`,
		`"\ud83e\udd8a\ud83e é \u007f \/ <>&"`, ` [ ] `, `{"a":{},"b":[{}]}`,
		"1.0", "1e16", `{"a":1,"\u0061":2}`, "\"\u2028\"", "[[[[", "-", "",
	} {
		f.Add([]byte(data))
	}
	encode := KeywordsAI(KeywordsAIOptions{}).Encode
	f.Fuzz(func(t *testing.T, data []byte) {
		event, err := KeywordsAIEvent(webhook.Event{Type: "request_log", Channel: "key-1", Data: data}, apiKey)
		if err != nil {
			return
		}
		body, err := encode(message(event))
		require.NoError(t, err)
		require.Equal(t, text(event.Data), string(body), "of %q", data)
		require.Equal(t, hexCode(apiKey, body), event.Header[oldName])
	})
}
