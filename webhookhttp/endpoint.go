package webhookhttp

import (
	"net/http"
	"time"

	"github.com/gowebhook/webhook"
)

// An endpointJSON is an endpoint as customers see it.
type endpointJSON struct {
	ID             string                `json:"id"`
	URL            string                `json:"url"`
	Events         []string              `json:"events"`
	Description    string                `json:"description"`
	IsActive       bool                  `json:"is_active"`
	State          webhook.EndpointState `json:"state"`
	DisabledReason *webhook.Reason       `json:"disabled_reason"`
	Channel        string                `json:"channel"`
	Profile        string                `json:"profile"`
	Metadata       map[string]string     `json:"metadata"`
	Headers        map[string]string     `json:"headers"` // the values are empty
	TimeoutMS      *int64                `json:"timeout_ms"`
	MaxInFlight    *int                  `json:"max_in_flight"`
	Rate           *float64              `json:"rate"`
	Burst          *int                  `json:"burst"`
	Health         healthJSON            `json:"health"`
	Secret         string                `json:"secret,omitempty"`
	Secrets        []secretJSON          `json:"secrets"`
	Version        int64                 `json:"version"`
	CreatedAt      timestamp             `json:"created_at"`
	UpdatedAt      timestamp             `json:"updated_at"`
}

// A secretJSON tells when a signing secret was made and until when it is valid. It does not
// show the secret, only the public half of a key pair.
type secretJSON struct {
	CreatedAt timestamp  `json:"created_at"`
	ExpiresAt *timestamp `json:"expires_at"`
	PublicKey *string    `json:"public_key"`
}

// viewOf returns an endpoint without its secret.
func viewOf(e *webhook.Endpoint) *endpointJSON {
	v := &endpointJSON{
		ID: e.ID, URL: e.URL, Events: e.Events, Description: e.Description, IsActive: e.State == webhook.EndpointActive,
		State: e.State, DisabledReason: optionalOf(e.Reason), Channel: e.Channel, Profile: e.Profile,
		Metadata: e.Metadata, Headers: make(map[string]string, len(e.Header)),
		TimeoutMS: optionalOf(int64(e.Timeout / time.Millisecond)), MaxInFlight: optionalOf(e.MaxInFlight),
		Rate: optionalOf(e.Rate), Burst: optionalOf(e.Burst),
		Health:  healthOf(&e.Health),
		Secrets: make([]secretJSON, len(e.Secrets)), Version: e.Version,
		CreatedAt: timestamp(e.CreatedAt), UpdatedAt: timestamp(e.UpdatedAt),
	}
	if v.Metadata == nil {
		v.Metadata = map[string]string{}
	}
	for name := range e.Header {
		v.Headers[name] = ""
	}
	for i, s := range e.Secrets {
		v.Secrets[i] = secretJSON{timestamp(s.CreatedAt), optionalTime(s.ExpiresAt), optionalOf(s.PublicKey)}
	}
	return v
}

// views returns endpoints as the caller may see them. Secrets are included only if the
// Dispatcher reveals them and Authorize agrees.
func (x *exchange) views(endpoints ...webhook.Endpoint) ([]*endpointJSON, error) {
	asked, reveal := false, false
	views := make([]*endpointJSON, len(endpoints))
	for i := range endpoints {
		views[i] = viewOf(&endpoints[i])
		if endpoints[i].Secret == "" {
			continue
		}
		if !asked {
			asked = true
			var err error
			if reveal, err = x.mayReveal(); err != nil {
				return nil, err
			}
		}
		if reveal {
			views[i].Secret = string(endpoints[i].Secret)
		}
	}
	return views, nil
}

// answerEndpoint writes one endpoint as the caller may see it.
func (x *exchange) answerEndpoint(e *webhook.Endpoint) error {
	views, err := x.views(*e)
	if err != nil {
		return err
	}
	return x.answerView(http.StatusOK, views[0])
}

// answerNewSecret writes an endpoint with its new secret.
func (x *exchange) answerNewSecret(status int, e *webhook.Endpoint) error {
	v := viewOf(e)
	v.Secret = string(e.Secret)
	return x.answerView(status, v)
}

func (x *exchange) answerView(status int, v *endpointJSON) error {
	tag, err := v.etag()
	if err != nil {
		return x.broken(err)
	}
	header := x.w.Header()
	header.Set("ETag", tag)
	if v.Secret != "" {
		header.Set("Cache-Control", "no-store")
	}
	return x.answer(status, v)
}
