package webhook

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"github.com/gowebhook/webhook/internal/wire"
)

// httpTransport is the Transport that comes with the library: package wire, with every dial
// judged by the Network's guard.
type httpTransport struct {
	network Network
	limit   int // of the body bytes kept
	client  *wire.Client
	wrapped http.RoundTripper // made by Network.Wrap; nil if there is none
}

var _ Transport = (*httpTransport)(nil)

// newHTTPTransport returns a transport for a valid Network. It starts nothing.
func newHTTPTransport(n Network, maxInFlight int) *httpTransport {
	return newHTTPTransportResolver(n, maxInFlight, nil)
}

func newHTTPTransportResolver(n Network, maxInFlight int, resolver *net.Resolver) *httpTransport {
	n.Allow, n.Deny, n.Ports = slices.Clone(n.Allow), slices.Clone(n.Deny), slices.Clone(n.Ports)
	if n.Proxy != nil {
		proxy := *n.Proxy
		n.Proxy = &proxy
	}
	config := wire.Config{Guard: n.guard(), Proxy: n.Proxy, TLS: n.TLS, Resolver: resolver}
	config.MaxIdle, config.MaxIdlePerOwner = idleLimits(maxInFlight)
	t := &httpTransport{network: n, limit: n.responseLimit(), client: wire.New(config)}
	if n.Wrap != nil {
		guarded := newGuardedRoundTripper(n, t.client)
		if t.wrapped = n.Wrap(guarded); t.wrapped == nil {
			t.wrapped = guarded
		}
	}
	return t
}

// idleLimits returns the number of idle connections that are kept, in total and for one
// endpoint.
func idleLimits(maxInFlight int) (total, perEndpoint int) {
	total = min(max(maxInFlight, 32), 1024)
	return total, max(total/2, 32)
}

// closeIdle closes the connections that have no request.
func (t *httpTransport) closeIdle() { t.client.CloseIdle() }

// Send implements [Transport]. Its errors are *sendError.
func (t *httpTransport) Send(ctx context.Context, req *Request) (*Response, error) {
	u, err := t.network.checkURL("URL", req.URL)
	if err != nil { // an accepted address may be blocked since
		return nil, &sendError{class: ClassBlocked, text: describe(err)}
	}
	var resp *http.Response
	if t.wrapped == nil {
		resp, err = t.client.Do(ctx, &wire.Request{
			Owner: req.owner, Method: http.MethodPost, URL: u, Header: req.Header, Body: req.Body, Close: req.OwnConn,
		})
	} else {
		resp, err = t.sendWrapped(ctx, u, req)
	}
	if err != nil {
		return nil, newSendError(ctx, err, "no response came in time")
	}
	body, truncated, err := readBody(resp.Body, t.limit)
	_ = resp.Body.Close()
	if err != nil {
		return nil, newSendError(ctx, err, "the response body did not end in time")
	}
	return &Response{StatusCode: resp.StatusCode, Header: resp.Header, Body: body, Truncated: truncated}, nil
}

// sendWrapped sends through the RoundTripper of Network.Wrap, which may return invalid
// responses.
func (t *httpTransport) sendWrapped(ctx context.Context, u *url.URL, req *Request) (*http.Response, error) {
	if !req.OwnConn {
		ctx = context.WithValue(ctx, ownerKey{}, req.owner)
	}
	resp, err := t.wrapped.RoundTrip(newHTTPRequest(ctx, u, req))
	switch {
	case err != nil:
		return nil, err
	case resp == nil:
		return nil, &sendError{class: ClassProtocol, text: "Network.Wrap returned neither a response nor an error"}
	case resp.Body == nil:
		resp.Body = http.NoBody
	}
	problem := wire.ErrNotHTTP
	switch {
	case resp.StatusCode == http.StatusSwitchingProtocols: // its body heeds no deadline
		problem = wire.ErrSwitched
	case resp.StatusCode >= 100:
		return resp, nil
	}
	_ = resp.Body.Close()
	return nil, problem
}

// newHTTPRequest returns the request that Network.Wrap sees.
func newHTTPRequest(ctx context.Context, u *url.URL, req *Request) *http.Request {
	header := req.Header
	if _, ok := header["User-Agent"]; !ok {
		// Without the header net/http would send its own; with an empty value it sends none.
		header = maps.Clone(header)
		if header == nil {
			header = make(http.Header, 1)
		}
		header["User-Agent"] = []string{""}
	}
	r := &http.Request{
		Method: http.MethodPost, URL: u, Header: header, Close: req.OwnConn,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: http.NoBody, ContentLength: int64(len(req.Body)),
	}
	if len(req.Body) > 0 {
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(req.Body)), nil }
		r.Body, _ = r.GetBody()
	}
	return r.WithContext(ctx)
}

// Response bodies are read into pooled buffers and then copied at their own size. The buffers
// grow with the body, and large ones are not kept.
const (
	firstBufferBytes = 2 << 10
	maxPooledBytes   = 64 << 10
)

var bodyBuffers = sync.Pool{New: func() any {
	b := make([]byte, 0, firstBufferBytes)
	return &b
}}

// readBody reads at most limit bytes and reports whether there is more. It ignores an error
// that comes after them.
func readBody(r io.Reader, limit int) (body []byte, truncated bool, err error) {
	if r == http.NoBody {
		return nil, false, nil
	}
	pooled := bodyBuffers.Get().(*[]byte)
	buf := (*pooled)[:0]
	for err == nil && len(buf) <= limit {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, len(buf)) // twice the size
		}
		var n int
		n, err = r.Read(buf[len(buf):min(cap(buf), limit+1)])
		buf = buf[:len(buf)+n]
	}
	if cap(buf) <= maxPooledBytes {
		*pooled = buf
		defer bodyBuffers.Put(pooled)
	}
	if len(buf) > limit {
		buf, truncated, err = buf[:limit], true, nil
	}
	if err != nil && err != io.EOF {
		return nil, false, err
	}
	if len(buf) == 0 {
		return nil, truncated, nil
	}
	return bytes.Clone(buf), truncated, nil
}
