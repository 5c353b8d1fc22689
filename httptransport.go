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
	"time"

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
	if t.wrapped != nil {
		return t.sendWrapped(ctx, req)
	}
	resp := new(Response)
	if err := t.sendBy(ctx, time.Time{}, req, resp); err != nil {
		return nil, err
	}
	return resp, nil
}

// sendBy is Send with a deadline beside that of ctx, unless it is zero. It does without a
// context for each request, and does not call Network.Wrap. Many requests should share ctx.
func (t *httpTransport) sendBy(ctx context.Context, deadline time.Time, req *Request, resp *Response) error {
	u := req.checked.urlOf(req.URL)
	if u == nil {
		var err error
		if u, err = t.checkedURL(req); err != nil {
			return err
		}
	}
	reply, err := t.client.Fetch(ctx, &wire.Request{
		Owner: req.owner, Method: http.MethodPost, URL: u, Header: req.Header, Body: req.Body, Close: req.OwnConn, Deadline: deadline,
	}, t.limit)
	if err != nil {
		late := noResponse
		if reply.Status != 0 {
			late = noEnd
		}
		return newSendError(endOf(ctx, deadline), err, late)
	}
	*resp = Response{StatusCode: reply.Status, Header: reply.Header, Body: reply.Body, Truncated: reply.Truncated}
	return nil
}

// checkedURL returns the URL of a request, unless it is blocked. A URL that was accepted may
// be blocked since.
func (t *httpTransport) checkedURL(req *Request) (*url.URL, error) {
	u, err := t.network.checkURL("URL", req.URL)
	if err != nil {
		return nil, &sendError{class: ClassBlocked, text: describe(err)}
	}
	return u, nil
}

// sendWrapped sends through the RoundTripper of Network.Wrap.
func (t *httpTransport) sendWrapped(ctx context.Context, req *Request) (*Response, error) {
	u, err := t.checkedURL(req)
	if err != nil {
		return nil, err
	}
	resp, err := t.roundTrip(ctx, u, req)
	if err != nil {
		return nil, newSendError(endOf(ctx, time.Time{}), err, noResponse)
	}
	body, truncated, err := wire.ReadBody(resp.Body, t.limit)
	_ = resp.Body.Close()
	if err != nil {
		return nil, newSendError(endOf(ctx, time.Time{}), err, noEnd)
	}
	return &Response{StatusCode: resp.StatusCode, Header: resp.Header, Body: body, Truncated: truncated}, nil
}

// roundTrip calls the RoundTripper of Network.Wrap, which may return invalid responses.
func (t *httpTransport) roundTrip(ctx context.Context, u *url.URL, req *Request) (*http.Response, error) {
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
