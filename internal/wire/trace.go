package wire

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
)

// A trace calls the hooks of net/http/httptrace, in the way of net/http's
// client. The zero trace calls none. Package net calls those of the dial, and
// nobody calls those of Expect, which is not sent.
type trace struct{ hooks *httptrace.ClientTrace }

var errNotKept = errors.New("the connection is not kept")

func (t trace) getConn(to place) {
	if t.hooks != nil && t.hooks.GetConn != nil {
		addr, _ := to.addr()
		t.hooks.GetConn(addr)
	}
}

func (t trace) gotConn(c *conn) {
	if t.hooks != nil && t.hooks.GotConn != nil {
		stream := c.stream
		if stream == c.socket {
			stream = c.socket.Conn
		}
		t.hooks.GotConn(httptrace.GotConnInfo{Conn: stream, Reused: c.kept, WasIdle: c.kept})
	}
}

func (t trace) putIdleConn(kept bool) {
	if t.hooks != nil && t.hooks.PutIdleConn != nil {
		var err error
		if !kept {
			err = errNotKept
		}
		t.hooks.PutIdleConn(err)
	}
}

func (t trace) handshakeStart() {
	if t.hooks != nil && t.hooks.TLSHandshakeStart != nil {
		t.hooks.TLSHandshakeStart()
	}
}

func (t trace) handshakeDone(state tls.ConnectionState, err error) {
	if t.hooks != nil && t.hooks.TLSHandshakeDone != nil {
		t.hooks.TLSHandshakeDone(state, err)
	}
}

func (t trace) wroteHeaders() {
	if t.hooks != nil && t.hooks.WroteHeaders != nil {
		t.hooks.WroteHeaders()
	}
}

func (t trace) wroteRequest(err error) {
	if t.hooks != nil && t.hooks.WroteRequest != nil {
		t.hooks.WroteRequest(httptrace.WroteRequestInfo{Err: err})
	}
}

func (t trace) gotFirstByte() {
	if t.hooks != nil && t.hooks.GotFirstResponseByte != nil {
		t.hooks.GotFirstResponseByte()
	}
}

// gotInformational returns an error if the hook does not want the response.
func (t trace) gotInformational(resp *http.Response) error {
	if t.hooks == nil || t.hooks.Got1xxResponse == nil {
		return nil
	}
	return t.hooks.Got1xxResponse(resp.StatusCode, textproto.MIMEHeader(resp.Header))
}
