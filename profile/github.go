package profile

import (
	"crypto"
	"net/url"
	"strconv"

	"github.com/gowebhook/webhook"
)

// GitHub speaks as GitHub's webhooks do.
//
//	body       the event's data, unchanged
//	header     X-Hub-Signature-256: sha256={hex}, and X-Hub-Signature: sha1={hex}
//	covers     the body, with HMAC-SHA256 and HMAC-SHA1 under the whole secret
//	retries    none
//	success    2xx; every other outcome fails for good, and disables nothing
//	test       "ping"
//	timeout    10 s at GitHub: set Endpoint.Timeout or Config.RequestTimeout
//
// If an endpoint's Metadata has "content_type": "form", as in GitHub's setting of that name,
// the body is a form whose field "payload" is the data.
//
// The SHA-1 header is for old receivers. Each header has room for one signature, so a rotation
// has no overlap on the wire: the new secret signs from the next request on. The scheme signs
// no time, so anybody who has seen a request can send it again.
//
// The other headers:
//
//	X-GitHub-Event      Event.Type, in GitHub's form: "issues" with the action in the data,
//	                    not "issues.opened"
//	X-GitHub-Delivery   Event.ID if that is a UUID, or a GUID made of tenant and id; the same
//	                    for all endpoints and in every repeat of an event
//	X-GitHub-Hook-ID    Endpoint.ID, which is a number at GitHub
//	X-GitHub-Hook-Installation-Target-ID, -Type
//	                    "installation_target_id" and "installation_target_type" of
//	                    Endpoint.Metadata, if present
//	User-Agent          begins with "GitHub-Hookshot/", which GitHub promises to receivers
//
// GitHub does not repeat a request by itself. By hand it does, for up to three days, as
// Scope.Retry does here.
//
// The test event has the data {"zen":…,"hook":{"active":…,"events":[…]}}. If Endpoint.ID is a
// number, the data has hook_id too. GitHub's bodies have up to 25 MB; Config.MaxEventBytes
// allows up to 16 MiB.
//
// Source: https://docs.github.com/en/webhooks/webhook-events-and-payloads and the pages beside
// it.
func GitHub() webhook.Profile {
	return webhook.Profile{
		Encode: encodeGitHub,
		Header: headGitHub,
		Signers: []webhook.Signer{
			webhook.HMAC{Header: "X-Hub-Signature-256", Prefix: "sha256="}.Sign,
			webhook.HMAC{Header: "X-Hub-Signature", Prefix: "sha1=", Hash: crypto.SHA1}.Sign,
		},
		Retry: webhook.Schedule(),
		Judge: judgeGitHub,
		Test:  testGitHub,
	}
}

func isGitHubForm(e *webhook.Endpoint) bool { return e.Metadata["content_type"] == "form" }

func encodeGitHub(m *webhook.Message) ([]byte, error) {
	data, err := rawData(m)
	if err != nil || !isGitHubForm(m.Endpoint) {
		return data, err
	}
	return []byte("payload=" + url.QueryEscape(string(data))), nil
}

func headGitHub(r *webhook.Request) error {
	if isGitHubForm(r.Endpoint) {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Accept", "*/*")
	r.Header.Set("User-Agent", "GitHub-Hookshot/gowebhook")
	r.Header.Set("X-GitHub-Event", r.Event.Type)
	r.Header.Set("X-GitHub-Delivery", eventGUID(r.Event))
	r.Header.Set("X-GitHub-Hook-ID", r.Endpoint.ID)
	setFromMetadata(r, "X-GitHub-Hook-Installation-Target-ID", "installation_target_id")
	setFromMetadata(r, "X-GitHub-Hook-Installation-Target-Type", "installation_target_type")
	return withoutID(r)
}

// setFromMetadata sets a header to the value of key in the endpoint's metadata, if there is
// one.
func setFromMetadata(r *webhook.Request, name, key string) {
	if value := r.Endpoint.Metadata[key]; value != "" {
		r.Header.Set(name, value)
	}
}

func judgeGitHub(o webhook.Outcome) webhook.Verdict {
	if isOK(o.Response) {
		return webhook.VerdictSuccess
	}
	return webhook.VerdictFail
}

// isOK reports whether r is a 2xx response.
func isOK(r *webhook.Response) bool { return r != nil && r.StatusCode >= 200 && r.StatusCode <= 299 }

type (
	gitHubPing struct {
		Zen    string     `json:"zen"`
		HookID int64      `json:"hook_id,omitempty"`
		Hook   gitHubHook `json:"hook"`
	}
	gitHubHook struct {
		ID     int64    `json:"id,omitempty"`
		Active bool     `json:"active"`
		Events []string `json:"events"`
	}
)

// testGitHub leaves out an id that is not a number, because GitHub's clients would refuse to
// read it.
func testGitHub(e *webhook.Endpoint) webhook.Event {
	id, err := strconv.ParseInt(e.ID, 10, 64)
	if err != nil {
		id = 0
	}
	return webhook.Event{Type: "ping", Data: gitHubPing{
		Zen:    "A hook that answers a ping is a hook that works.",
		HookID: id,
		Hook:   gitHubHook{ID: id, Active: e.State == webhook.EndpointActive, Events: e.Events},
	}}
}
