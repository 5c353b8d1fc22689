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

// KeywordsAIOptions are what an application may choose in [KeywordsAI].
type KeywordsAIOptions struct {
	// Headers are the names under which the signature is sent: "X-Keywordsai-Signature", "X-Respan-Signature", or one of one's
	// own. Defaults to these two, because receivers that were written before the renaming to Respan look for the first, and
	// those written since for the second.
	Headers []string

	// OwnSecret signs every event with the endpoint's own secret, also one that [KeywordsAIEvent] has signed, whose signature is then
	// not sent. It is for customers who chose the webhook's secret over their API key: register the profile twice, once with it,
	// and let each endpoint have the one or the other. Defaults to false.
	OwnSecret bool
}

// The names of the header of the signature, before and after Keywords AI became Respan.
var keywordsAIHeaders = []string{"X-Keywordsai-Signature", "X-Respan-Signature"}

// KeywordsAI speaks as Keywords AI, now Respan, does. The body is the data of the event, written as Python's json.dumps writes what its
// json.loads reads: receivers that read the JSON and write it again before they verify, as the documented one does, come to the
// same bytes as those that verify what arrived. Data with a key twice, or a number beyond float64, fails when it is encoded;
// [KeywordsAIEvent] refuses it at once.
//
// The signature is the bare hex HMAC-SHA256 of the body. An event from [KeywordsAIEvent] carries one that was made with an API key,
// and no other is put beside it or in its place. Any other event is signed with the endpoint's own secret, as a test send is, so
// that a customer who verifies with an API key sees test sends fail.
//
// An endpoint belongs to one API key by its Channel: a name of the key that is no secret, such as its database id, which is
// Event.Channel too. An endpoint without a channel would get the events of every key of its tenant, signed with keys that its
// receiver does not know.
//
// Keywords AI has one type, "request_log", lets customers read a webhook's secret again (Config.RevealSecrets), and documents neither
// retries nor what a success is: the library's defaults hold.
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
			for _, name := range keywordsAIHeaders { // what came with the event, and is not wanted
				r.Header.Del(name)
			}
			for _, name := range names {
				r.Header.Set(name, code)
			}
			return nil
		}},
	}
}

// KeywordsAIEvent returns the event as it is to be emitted, signed with the API key of the request that triggered it. The key
// is used here and nowhere kept: Data becomes the exact bytes of the body, and Header gets their signature, both of which are stored
// with the event. The endpoints that get it need the profile [KeywordsAI].
//
// Event.Channel is required, and is what names the key. Errors are of type [webhook.FieldError] and do not quote the key.
func KeywordsAIEvent(event webhook.Event, apiKey webhook.Secret) (webhook.Event, error) {
	if event.Channel == "" {
		return webhook.Event{}, &webhook.FieldError{
			Field: "Event.Channel", Problem: "is empty", Cure: "name the API key, by what is no secret, as the key's endpoints do",
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

// pythonJSON writes JSON as Python does. A number that is no float64 Python writes as Infinity, which only Python reads.
func pythonJSON(text []byte) ([]byte, error) {
	body, err := signature.AppendPythonJSON(nil, text)
	if err == nil && !json.Valid(body) {
		err = errors.New("a number is too large")
	}
	return body, err
}
