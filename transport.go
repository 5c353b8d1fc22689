package webhook

import (
	"context"
	"net/http"
	"time"

	"github.com/gowebhook/webhook/internal/wire"
)

// A Transport sends one request. Config.Network configures the one that comes with the library; one of your own serves for
// tests, queues, or other protocols. It must be safe for concurrent use.
type Transport interface {
	// Send posts req.Body to req.URL with req.Header and returns what came back, with a Body of bounded size; ctx has
	// the deadline. An error means that no complete response came. It should wrap a [Class] and must not contain header
	// values, the body or userinfo; without one, its class is found from the errors of net, crypto/tls and syscall that
	// it wraps, else it is ClassProtocol. Send must not keep or change req, and must not repeat the request by itself.
	Send(ctx context.Context, req *Request) (*Response, error)
}

// A Request is one attempt, on its way from the profile to the transport.
type Request struct {
	*Message // what the body was made from

	URL     string      // the endpoint's present URL
	Header  http.Header // canonical names
	Body    []byte      // the bytes that are signed and sent
	Time    time.Time   // of this attempt
	Attempt int         // its number, from 1

	// OwnConn asks for a connection of its own, closed afterwards. Test sends have it.
	OwnConn bool

	owner wire.Owner // whose connections it may use
}

// A Response is what a receiver answered.
type Response struct {
	StatusCode int
	Header     http.Header
	Body       []byte // at most Network.MaxResponseBytes
	Truncated  bool   // there was more
}
