package webhook

import (
	"context"
	"net/http"
	"time"

	"github.com/gowebhook/webhook/internal/sender"
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

	owner   wire.Owner     // the owner of the connections that it may use
	checked *sender.Target // an accepted URL, perhaps that of the request; or nil

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

// An httpTransport is the Transport that comes with the library. Network configures it.
type httpTransport struct{ *sender.Sender[Class] }

// Send implements [Transport].
func (t httpTransport) Send(ctx context.Context, req *Request) (*Response, error) {
	resp := new(Response)
	if err := t.sendBy(ctx, time.Time{}, req, resp); err != nil {
		return nil, err
	}
	return resp, nil
}

// sendBy is Send with a deadline beside that of ctx, unless it is zero. It needs no allocation
// for each response.
func (t httpTransport) sendBy(ctx context.Context, deadline time.Time, req *Request, resp *Response) error {
	reply, err := t.Sender.Send(ctx, sender.Request{
		Owner: req.owner, URL: req.URL, Target: req.checked, Header: req.Header, Body: req.Body, OwnConn: req.OwnConn, Deadline: deadline,
	})
	*resp = Response(reply)
	return err
}
