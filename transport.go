package webhook

import (
	"context"
	"net/http"
	"time"

	"github.com/gowebhook/webhook/internal/wire"
)

// A Transport sends one request. Config.Network configures the one that comes with the
// library. A Transport of your own serves for tests, queues or other protocols. It must be
// safe for concurrent use.
type Transport interface {
	// Send posts req.Body to req.URL with req.Header and returns the response, with a Body of
	// bounded size. ctx has the deadline. Send must not keep or change req, and must not
	// repeat the request by itself.
	//
	// An error means that there was no complete response. It should wrap a [Class], and must
	// not contain header values, the body or userinfo. An error without a Class gets one from
	// the errors of net, crypto/tls and syscall that it wraps, or else ClassProtocol.
	Send(ctx context.Context, req *Request) (*Response, error)
}

// A Request is one attempt, on its way from the profile to the transport.
type Request struct {
	*Message // the input of the body

	URL     string      // the endpoint's present URL
	Header  http.Header // canonical names
	Body    []byte      // the bytes that are signed and sent
	Time    time.Time   // of this attempt
	Attempt int         // its number, from 1
	Since   time.Time   // when the delivery was first due, or retried by hand

	// OwnConn asks for a connection of its own, which is closed afterwards. Test sends set it.
	OwnConn bool

	owner   wire.Owner // the owner of the connections that it may use
	checked *target    // an accepted URL, perhaps that of the request; or nil

	values [6]string // room for the values of the library's own headers
	used   int       // part of values
}

// set sets a header to one value.
func (r *Request) set(name, value string) {
	if r.used == len(r.values) {
		r.Header[name] = []string{value}
		return
	}
	n := r.used
	r.used++
	r.values[n] = value
	r.Header[name] = r.values[n : n+1 : n+1]
}

// A Response is the answer of a receiver.
type Response struct {
	StatusCode int
	Header     http.Header
	Body       []byte // at most Network.MaxResponseBytes
	Truncated  bool   // there was more
}
