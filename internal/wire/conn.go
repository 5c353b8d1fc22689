package wire

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gowebhook/webhook/internal/linked"
)

// A conn is a connection and the exchange that is on it. One goroutine uses it
// at a time.
type conn struct {
	socket  *socket
	stream  net.Conn             // the socket, or TLS on it
	records *records             // of the stream; nil for plain HTTP
	tls     *tls.ConnectionState // nil for plain HTTP
	to      place
	home    *home // nil if it is closed after its request

	keep time.Duration // without a request, as far as the receiver told
	kept bool          // it has had a request before

	// While it is idle, of the pool:
	until time.Time
	linked.Links[conn]

	// The socket expires with a context. The connection stays bound to that context
	// after a request with a deadline, because the next one usually has the same.
	done <-chan struct{} // of the context; nil if the connection is not bound
	stop func() bool     // unbinds it

	// While it has a request:
	ctx        context.Context //nolint:containedctx // of the request
	trace      trace
	in         *bufio.Reader
	scanner    scanner
	inHead     bool
	reusable   bool       // as far as the response's header tells
	written    chan error // of the goroutine that writes; nil if there is none
	writeError error
	onExpire   func()
	one        [1]byte
}

func newConn(c net.Conn, to place, home *home) *conn {
	s := newSocket(c)
	return &conn{socket: s, stream: s, to: to, home: home, keep: idleTimeout, onExpire: s.expire}
}

// begin starts a request. Until finish is called, the connection ends with ctx or
// at the deadline, if it is not zero. begin returns false if the connection is
// already ending with the context of an earlier request.
func (c *conn) begin(ctx context.Context, deadline time.Time) bool {
	c.ctx = ctx
	if done := ctx.Done(); done != c.done {
		if !c.unbind() {
			return false
		}
		c.done, c.stop = done, context.AfterFunc(ctx, c.onExpire)
	}
	c.socket.begin(deadline)
	return true
}

// unbind lets the connection outlive the context that it is bound to. It returns
// false if the context has ended.
func (c *conn) unbind() bool {
	if c.done == nil {
		return true
	}
	stopped := c.stop()
	c.done, c.stop = nil, nil
	return stopped
}

// finish ends a request, and reports whether the connection can have another one.
// Without a deadline, the context is assumed to be of this request alone.
func (c *conn) finish() bool {
	usable := !c.socket.isExpired()
	if c.socket.deadline.IsZero() {
		usable = c.unbind() && usable
	}
	c.ctx, c.trace = nil, trace{}
	return usable
}

// ended returns the reason if the connection ended with the request's context or
// at its deadline.
func (c *conn) ended() error {
	switch {
	case c.socket.isExpired():
		return c.ctx.Err()
	case c.socket.isLate():
		return context.DeadlineExceeded
	}
	return nil
}

// quiet reports whether a kept connection is open and has nothing to be read.
func (c *conn) quiet() bool {
	c.socket.instant, c.socket.came = true, false
	n, err := c.stream.Read(c.one[:])
	c.socket.instant = false
	if c.records != nil && c.records.partial() {
		return false
	}
	return n == 0 && err == errNothing && !c.socket.came //nolint:errorlint // it is never wrapped
}

// write sends a request. For a large one it starts a goroutine, and the caller
// goes on to read.
func (c *conn) write(h *head) {
	c.socket.sent, c.written, c.writeError = 0, nil, nil
	if len(h.bytes)+len(h.tail) <= maxDirectBytes {
		c.writeError = c.writeAll(h, c.trace)
		return
	}
	written, hooks := make(chan error, 1), c.trace
	c.written = written
	h.users.Add(1)
	go func() {
		defer h.free()
		written <- c.writeAll(h, hooks)
	}()
}

// answerTime limits the reading after a failed write. The receiver may have
// answered before it closed the connection.
const answerTime = 250 * time.Millisecond

func (c *conn) writeAll(h *head, hooks trace) error {
	_, err := c.stream.Write(h.bytes)
	if err == nil {
		hooks.wroteHeaders()
	}
	if err == nil && len(h.tail) > 0 {
		_, err = c.stream.Write(h.tail)
	}
	hooks.wroteRequest(err)
	if err != nil {
		_ = c.socket.SetDeadline(time.Now().Add(answerTime))
	}
	return err
}

// writeTime is how long wrote waits for the goroutine that writes. The receiver
// may have read everything and answered before that goroutine has told so.
const writeTime = 50 * time.Millisecond

// wrote reports whether all of the request was sent.
func (c *conn) wrote() bool {
	if c.written == nil {
		return c.writeError == nil
	}
	select {
	case c.writeError = <-c.written:
	default:
		late := time.NewTimer(writeTime)
		defer late.Stop()
		select {
		case c.writeError = <-c.written:
		case <-late.C:
			return false
		}
	}
	c.written = nil
	return c.writeError == nil
}

// abort closes the connection at once, and waits for the goroutine that writes.
func (c *conn) abort() {
	c.unbind()
	_ = c.socket.Conn.Close()
	if c.written != nil {
		c.writeError = <-c.written
		c.written = nil
	}
}

// close closes a connection that has no request, with a goodbye if it has TLS.
func (c *conn) close() {
	c.unbind()
	c.socket.mu.Lock()
	c.socket.closing = true
	c.socket.mu.Unlock()
	_ = c.stream.Close()
}

var readers = sync.Pool{New: func() any { return bufio.NewReader(nil) }}

// read reads the status line and the header of the response. net/http's parser
// takes the method from request.
func (c *conn) read(request *http.Request) (*http.Response, error) {
	c.in = readers.Get().(*bufio.Reader)
	c.in.Reset((*source)(c))
	c.scanner = scanner{}
	c.inHead = true
	for range maxInformational + 1 {
		c.scanner.next()
		ahead, _ := c.in.Peek(c.in.Buffered())
		if err := c.scanner.scan(ahead); err != nil {
			return nil, err
		}
		resp, err := http.ReadResponse(c.in, request)
		switch {
		case c.scanner.err != nil:
			return nil, c.scanner.err
		case err != nil:
			return nil, err
		case resp.StatusCode == http.StatusSwitchingProtocols:
			return nil, ErrSwitched
		case resp.StatusCode < 100: // "000" and "+20" are numbers to net/http
			return nil, ErrNotHTTP
		case resp.StatusCode < 200:
			if err := c.trace.gotInformational(resp); err != nil {
				return nil, err
			}
			continue
		}
		c.inHead = false
		c.reusable = !resp.Close && resp.ProtoMajor == 1 && resp.ProtoMinor == 1 && !c.scanner.ambiguous && !isDoubtful(resp, &c.scanner)
		if keep, ok := keepAlive(resp.Header); ok {
			c.keep = keep
		}
		return resp, nil
	}
	return nil, ErrInformational
}

// isDoubtful reports whether a response that has no body by its status (RFC 9112, section 6.3)
// has chunks all the same, which other parsers read.
func isDoubtful(resp *http.Response, s *scanner) bool {
	return s.codings > 0 && (resp.StatusCode == http.StatusNoContent || resp.StatusCode == http.StatusNotModified)
}

// freeReader gives back the buffer of a response, and reports whether there
// was nothing more in it.
func (c *conn) freeReader() bool {
	if c.in == nil {
		return true
	}
	empty := c.in.Buffered() == 0
	c.in.Reset(nil)
	readers.Put(c.in)
	c.in = nil
	return empty
}

// A source feeds the buffer of a response, and shows the head to the scanner.
type source conn

func (s *source) Read(p []byte) (int, error) {
	switch {
	case s.inHead && s.scanner.err != nil: // the parser may forget an error
		return 0, s.scanner.err
	case s.inHead && s.scanner.done: // the parser is of another opinion
		return 0, ErrNotHTTP
	}
	n, err := s.stream.Read(p)
	if s.inHead {
		if n > 0 && s.scanner.total == 0 {
			s.trace.gotFirstByte()
		}
		if problem := s.scanner.scan(p[:n]); problem != nil {
			return 0, problem
		}
	}
	return n, err
}
