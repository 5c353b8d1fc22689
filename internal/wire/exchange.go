package wire

import (
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// An exchange is a request and its response. It is the body of the response,
// and gives the connection back at the end of it.
type exchange struct {
	pool *pool
	conn *conn
	resp *http.Response
	left int64 // of the body, -1 if that is not known

	// Read holds reads, because the buffer of a body that has ended is another's.
	reads sync.Mutex

	mu      sync.Mutex
	body    io.Reader // nil after the end
	ended   error     // of Read from then on
	reading bool
	closed  bool
}

// reset makes an exchange ready for another request. Its body must have been closed.
func (x *exchange) reset() {
	x.pool, x.conn, x.resp, x.left = nil, nil, nil, 0
	x.body, x.ended, x.closed = nil, nil, false
}

// post tells net/http's parser the method of most requests.
var post = &http.Request{Method: http.MethodPost}

// run sends the request and reads the header of the response.
func (x *exchange) run(r *Request, h *head) (*http.Response, error) {
	c := x.conn
	c.write(h)
	if c.writeError != nil && c.unsent() {
		return nil, errUnsent
	}
	request := post
	if r.Method != http.MethodPost {
		request = &http.Request{Method: r.Method}
	}
	// A receiver may answer and take no more, so a failure to write is not the end.
	resp, err := c.read(request)
	if err != nil {
		return nil, x.fail(err)
	}
	x.resp, resp.Request, resp.TLS = resp, nil, c.tls
	if resp.Body == http.NoBody {
		x.finish(true)
		return resp, nil
	}
	x.left, x.body = resp.ContentLength, resp.Body
	resp.Body = x
	return resp, nil
}

// unsent reports whether a kept connection took no byte of the request, although
// the caller's time is not over.
func (c *conn) unsent() bool { return c.kept && c.socket.sent == 0 && c.ended() == nil }

// fail ends an exchange without a response. Of the errors of writing and of
// reading, it returns the one that says more.
func (x *exchange) fail(err error) error {
	c := x.conn
	c.freeReader()
	c.abort()
	if c.writeError == nil {
		return err
	}
	if c.unsent() {
		return errUnsent
	}
	late, ok := errors.AsType[net.Error](err)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || ok && late.Timeout() {
		return c.writeError
	}
	return err
}

// Read implements [io.Reader].
func (x *exchange) Read(p []byte) (int, error) {
	x.reads.Lock()
	defer x.reads.Unlock()
	x.mu.Lock()
	if x.closed || x.body == nil {
		err := x.ended
		if x.closed {
			err = http.ErrBodyReadAfterClose
		}
		x.mu.Unlock()
		return 0, err
	}
	x.reading = true
	x.mu.Unlock()
	n, err := x.body.Read(p)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.reading = false
	if x.left > 0 {
		x.left -= int64(n)
	}
	switch {
	case x.closed: // while it was read
		x.finish(false)
		return 0, http.ErrBodyReadAfterClose
	case err == nil:
		return n, nil
	case err != io.EOF && x.conn.ended() != nil: //nolint:errorlint // it is not wrapped
		err = x.conn.ended()
	}
	x.finish(err == io.EOF) //nolint:errorlint // it is not wrapped
	x.ended = err
	return n, err
}

// Close implements [io.Closer]. It may be called while another goroutine reads.
func (x *exchange) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return nil
	}
	x.closed = true
	switch {
	case x.reading: // and ends now
		x.conn.socket.expire()
	case x.body != nil:
		x.finish(x.drain())
	}
	return nil
}

// drain reads the rest of the body if that may keep the connection, and
// reports whether it did.
func (x *exchange) drain() bool {
	c := x.conn
	if c.home == nil || !c.reusable || x.left > maxDrainBytes {
		return false
	}
	_ = c.socket.SetDeadline(time.Now().Add(maxDrainTime))
	_, err := io.CopyN(io.Discard, x.body, maxDrainBytes+1)
	_ = c.socket.SetDeadline(time.Time{})
	return err == io.EOF //nolint:errorlint // it is not wrapped
}

// finish gives the connection back. complete says that the response was read
// to its end.
func (x *exchange) finish(complete bool) {
	c := x.conn
	x.body = nil
	empty := c.freeReader() && len(x.resp.Trailer) == 0 // the scanner does not see the lines of a trailer
	sent, hooks := complete && c.wrote(), c.trace
	usable := c.finish()
	switch {
	case !sent:
		c.abort()
		x.pool.gone()
	case c.reusable && empty && usable && c.home != nil:
		hooks.putIdleConn(x.pool.put(c))
		return
	default:
		c.close()
		x.pool.gone()
	}
	x.pool.leave(c.home)
	hooks.putIdleConn(false)
}
