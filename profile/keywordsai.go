package profile

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/signature"
)

// KeywordsAIOptions are the choices of an application in [KeywordsAI].
type KeywordsAIOptions struct {
	// Headers are the names of the signature's headers: "X-Keywordsai-Signature",
	// "X-Respan-Signature", or a name of your own. Defaults to these two. Receivers from before
	// the renaming to Respan look for the first, and later ones for the second.
	Headers []string

	// OwnSecret signs every event with the endpoint's own secret. If [KeywordsAIEvent] has
	// signed the event too, that signature is not sent. It is for customers who chose the
	// webhook's secret over their API key. Register the profile twice, with and without
	// OwnSecret, and let each endpoint use one of them. Defaults to false.
	OwnSecret bool
}

// Names of the signature's header, before and after Keywords AI became Respan.
var keywordsAIHeaders = []string{"X-Keywordsai-Signature", "X-Respan-Signature"}

// KeywordsAI speaks as Keywords AI, now Respan, does.
//
//	body       the event's data in the form of Python's json.dumps(json.loads(data))
//	header     X-Keywordsai-Signature: {hex}, and X-Respan-Signature with the same value
//	covers     the body, with HMAC-SHA256 under an API key or the endpoint's secret
//	retries    the library's default; none are documented
//	success    the library's default; none is documented
//
// The documented receiver reads the JSON and writes it again before it verifies. It gets the
// same bytes as receivers that verify the body as it arrived. Data with a key twice, or a
// number beyond float64, fails when it is encoded; [KeywordsAIEvent] refuses it at once.
//
// An event from [KeywordsAIEvent] carries a signature that was made with an API key, and gets
// no other. Any other event, for example a test send, is signed with the endpoint's own
// secret. So a customer who verifies with an API key sees test sends fail.
//
// The Channel of an endpoint assigns it to one API key. Its value is a name of the key that is
// no secret, for example its database id, and Event.Channel has the same value. An endpoint
// without a channel would get the events of every key of its tenant, signed with keys that its
// receiver does not know.
//
// Keywords AI has one event type, "request_log". It lets customers read a webhook's secret
// again (Config.RevealSecrets).
//
// Source: https://docs.keywordsai.co/features/webhooks
func KeywordsAI(options KeywordsAIOptions) webhook.Profile {
	names := slices.Clone(options.Headers)
	if len(names) == 0 {
		names = keywordsAIHeaders
	}
	return webhook.Profile{
		Encode: func(m *webhook.Message) ([]byte, error) {
			data, err := rawData(m)
			if err != nil {
				return nil, err
			}
			return pythonJSON(data)
		},
		Header: withoutID,
		Signers: []webhook.Signer{func(r *webhook.Request, secrets []webhook.Secret) error {
			code := r.Event.Header[keywordsAIHeaders[0]]
			if code == "" || options.OwnSecret {
				var err error
				if code, err = keywordsAICode(r.Body, secrets); err != nil {
					return err
				}
			}
			for _, name := range keywordsAIHeaders { // signatures that came with the event and are not wanted
				r.Header.Del(name)
			}
			for _, name := range names {
				r.Header.Set(name, code)
			}
			return nil
		}},
	}
}

// KeywordsAIEvent returns a copy of the event for Emit, signed with the API key of the request
// that triggered it. The key is used only here and is not kept. Data becomes the exact bytes
// of the body, and Header gets their signature. Both are stored with the event. The endpoints
// that get it need the profile [KeywordsAI].
//
// Event.Channel is required, because it names the key. Errors are of type
// [*webhook.FieldError] and do not quote the key.
func KeywordsAIEvent(event webhook.Event, apiKey webhook.Secret) (webhook.Event, error) {
	if event.Channel == "" {
		return webhook.Event{}, &webhook.FieldError{
			Field: "Event.Channel", Problem: "is empty", Cure: "name the API key with a text that is not secret, as the key's endpoints do",
		}
	}
	data, err := keywordsAIData(event.Data)
	if err != nil {
		return webhook.Event{}, &webhook.FieldError{
			Field: "Event.Data", Problem: "cannot be written as Python does: " + err.Error(), Cure: "pass valid JSON, or a Go value",
		}
	}
	code, err := keywordsAICode(data, []webhook.Secret{apiKey})
	if err != nil {
		return webhook.Event{}, &webhook.FieldError{
			Field: "apiKey", Problem: "cannot be used: " + err.Error(), Cure: "pass the key of the request",
		}
	}
	header := make(map[string]string, len(event.Header)+len(keywordsAIHeaders))
	maps.Copy(header, event.Header)
	maps.DeleteFunc(header, func(name, _ string) bool { return slices.Contains(keywordsAIHeaders, http.CanonicalHeaderKey(name)) })
	for _, name := range keywordsAIHeaders {
		header[name] = code
	}
	event.Data, event.Header = data, header
	return event, nil
}

// keywordsAICode returns the signature of a body with the newest secret.
func keywordsAICode(body []byte, secrets []webhook.Secret) (string, error) {
	const name = "Code"
	r := webhook.Request{Header: make(http.Header, 1), Body: body}
	err := webhook.HMAC{Header: name}.Sign(&r, secrets)
	return r.Header.Get(name), err
}

// keywordsAIData returns the JSON of v as Python writes it.
func keywordsAIData(v any) (json.RawMessage, error) {
	var text []byte
	switch v := v.(type) {
	case json.RawMessage:
		text = v
	case []byte:
		text = v
	default:
		var err error
		if text, err = marshal(v); err != nil {
			return nil, err
		}
	}
	if text == nil {
		text = []byte("null")
	}
	return pythonJSON(text)
}

// pythonJSON writes JSON as Python does. It refuses a number beyond float64, because Python
// writes it as Infinity, which only Python reads.
func pythonJSON(text []byte) ([]byte, error) {
	body, err := signature.AppendPythonJSON(nil, text)
	if err == nil && !json.Valid(body) {
		err = errors.New("a number is too large")
	}
	return body, err
}
