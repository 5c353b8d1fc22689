package profile

import (
	"crypto"
	"net/url"
	"strconv"

	"github.com/gowebhook/webhook"
)

// GitHub speaks as GitHub's webhooks do. The body is the event's data, unchanged. If an
// endpoint's Metadata has "content_type": "form", as in GitHub's setting of that name, the body
// is a form whose field "payload" is the data.
//
// X-Hub-Signature-256 is "sha256=" and the hex HMAC-SHA256 of the body with the whole secret.
// X-Hub-Signature is the same with SHA-1, for old receivers. Each has room for one signature,
// so a rotation has no overlap on the wire: the new secret signs from the next request on. The
// scheme signs no time, so anybody who has seen a request can send it again.
//
// X-GitHub-Event is Event.Type. Use GitHub's form of name: "issues" with the action in the
// data, not "issues.opened". X-GitHub-Delivery is a GUID, the same for all endpoints and in
// every repeat of an event. It is Event.ID if that is a UUID, and otherwise a GUID made of
// tenant and id. X-GitHub-Hook-ID is Endpoint.ID, which is a number at GitHub.
// X-GitHub-Hook-Installation-Target-ID and -Type are "installation_target_id" and
// "installation_target_type" of Endpoint.Metadata, if present. The user agent begins with
// "GitHub-Hookshot/", which GitHub promises to receivers.
//
// GitHub does not repeat a request by itself, and neither does the profile. 2xx is a success.
// Every other outcome fails for good, and disables nothing. Scope.Retry sends such deliveries
// again, as GitHub does by hand for up to three days.
//
// The test event is "ping", with the data {"zen":…,"hook":{"active":…,"events":[…]}}. If
// Endpoint.ID is a number, the data has hook_id too.
//
// GitHub waits 10 seconds for an answer: set Endpoint.Timeout, or Config.RequestTimeout. Its
// bodies have up to 25 MB; Config.MaxEventBytes allows up to 16 MiB.
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
