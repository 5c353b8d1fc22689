package webhooktest

import (
	"context"
	"net/http"
	"slices"
	"sync"

	"github.com/gowebhook/webhook"
)

var _ webhook.Transport = (*Transport)(nil)

// A Transport takes the network's place: it records requests and answers them in memory. The
// zero Transport answers 204. It is safe for concurrent use. With testing/synctest, a test can
// let days of retries pass in no time.
type Transport struct {
	// Answer answers a request. It is called concurrently. It should return when ctx ends, as a
	// real transport does. Defaults to 204.
	Answer func(ctx context.Context, req *webhook.Request) (*webhook.Response, error)

	mu   sync.Mutex
	sent []*webhook.Request
}

// Send implements [webhook.Transport].
func (t *Transport) Send(ctx context.Context, req *webhook.Request) (*webhook.Response, error) {
	t.mu.Lock()
	t.sent = append(t.sent, req)
	t.mu.Unlock()
	if t.Answer == nil {
		return &webhook.Response{StatusCode: http.StatusNoContent}, nil
	}
	return t.Answer(ctx, req)
}

// Sent returns the requests so far, in the order of their beginnings.
func (t *Transport) Sent() []*webhook.Request {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.sent)
}
