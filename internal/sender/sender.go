// Package sender makes the requests of webhooks with package wire. A guard judges every dial, and
// errors say nothing that the receiver sent.
package sender

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/gowebhook/webhook/internal/hookurl"
	"github.com/gowebhook/webhook/internal/netguard"
	"github.com/gowebhook/webhook/internal/wire"
)

// A Config configures a Sender.
type Config struct {
	Guard       netguard.Guard
	Proxy       *url.URL // an egress proxy, or nil
	TLS         *tls.Config
	MaxBody     int           // bytes of a response body that are kept
	MaxInFlight int           // requests at a time, which idle connections are kept for
	Resolver    *net.Resolver // nil for the system's

	// Wrap wraps the RoundTripper of all requests, or is nil.
	Wrap func(http.RoundTripper) http.RoundTripper
}

// A Request is a POST to an endpoint.
type Request struct {
	Owner    wire.Owner // the owner of the connections that it may use
	URL      string
	Target   *Target // an accepted URL, perhaps that of the request; or nil
	Header   http.Header
	Body     []byte
	OwnConn  bool      // it has a connection of its own
	Deadline time.Time // beside that of the context; zero for none
}

// A Response is the response to a Request.
type Response struct {
	StatusCode int
	Header     http.Header
	Body       []byte // at most Config.MaxBody
	Truncated  bool   // there was more
}

// A Sender sends requests. Its errors are *Error[C]. It is safe for concurrent use.
type Sender[C ClassError] struct {
	config  Config
	client  *wire.Client
	wrapped http.RoundTripper // made by Config.Wrap; nil if there is none
}

// New returns a Sender. It starts nothing.
func New[C ClassError](c Config) *Sender[C] {
	c.Guard.Allow, c.Guard.Deny, c.Guard.Ports = slices.Clone(c.Guard.Allow), slices.Clone(c.Guard.Deny), slices.Clone(c.Guard.Ports)
	if c.Proxy != nil {
		proxy := *c.Proxy
		c.Proxy = &proxy
	}
	config := wire.Config{Guard: c.Guard, Proxy: c.Proxy, TLS: c.TLS, Resolver: c.Resolver}
	config.MaxIdle, config.MaxIdlePerOwner = idleLimits(c.MaxInFlight)
	s := &Sender[C]{config: c, client: wire.New(config)}
	if c.Wrap != nil {
		guarded := newGuardedRoundTripper[C](&s.config, s.client)
		if s.wrapped = c.Wrap(guarded); s.wrapped == nil {
			s.wrapped = guarded
		}
	}
	return s
}

// idleLimits returns the number of idle connections that are kept, in total and for one
// endpoint.
func idleLimits(maxInFlight int) (total, perEndpoint int) {
	total = min(max(maxInFlight, 32), 1024)
	return total, max(total/2, 32)
}

// CloseIdle closes the connections that have no request.
func (s *Sender[C]) CloseIdle() { s.client.CloseIdle() }

// Send sends a request. Without Config.Wrap it makes no context for a request, so many requests
// should share ctx and have deadlines of their own.
func (s *Sender[C]) Send(ctx context.Context, r Request) (Response, error) {
	if s.wrapped != nil {
		return s.sendWrapped(ctx, r)
	}
	u, err := s.acceptedURL(&r)
	if err != nil {
		return Response{}, err
	}
	reply, err := s.client.Fetch(ctx, &wire.Request{
		Owner: r.Owner, Method: http.MethodPost, URL: u, Header: r.Header, Body: r.Body, Close: r.OwnConn, Deadline: r.Deadline,
	}, s.config.MaxBody)
	if err != nil {
		late := noResponse
		if reply.Status != 0 {
			late = noEnd
		}
		return Response{}, newError[C](endOf(ctx, r.Deadline), err, late)
	}
	return Response{StatusCode: reply.Status, Header: reply.Header, Body: reply.Body, Truncated: reply.Truncated}, nil
}

// acceptedURL returns the URL of a request, unless it is blocked. A URL that was accepted may
// be blocked since.
func (s *Sender[C]) acceptedURL(r *Request) (*url.URL, error) {
	if u := r.Target.urlOf(r.URL); u != nil {
		return u, nil
	}
	u, err := hookurl.Check(&s.config.Guard, r.URL)
	if err != nil {
		return nil, &Error[C]{class: Blocked, text: OneLine("URL " + err.Error()), excused: true}
	}
	return u, nil
}

// sendWrapped sends through the RoundTripper of Config.Wrap.
func (s *Sender[C]) sendWrapped(ctx context.Context, r Request) (Response, error) {
	if !r.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, r.Deadline)
		defer cancel()
	}
	u, err := s.acceptedURL(&r)
	if err != nil {
		return Response{}, err
	}
	resp, err := s.roundTrip(ctx, u, &r)
	if err != nil {
		return Response{}, newError[C](endOf(ctx, time.Time{}), err, noResponse)
	}
	body, truncated, err := wire.ReadBody(resp.Body, s.config.MaxBody)
	_ = resp.Body.Close()
	if err != nil {
		return Response{}, newError[C](endOf(ctx, time.Time{}), err, noEnd)
	}
	return Response{StatusCode: resp.StatusCode, Header: resp.Header, Body: body, Truncated: truncated}, nil
}

// roundTrip calls the RoundTripper of Config.Wrap, which may return invalid responses.
func (s *Sender[C]) roundTrip(ctx context.Context, u *url.URL, r *Request) (*http.Response, error) {
	if !r.OwnConn {
		ctx = context.WithValue(ctx, ownerKey{}, r.Owner)
	}
	resp, err := s.wrapped.RoundTrip(newHTTPRequest(ctx, u, r))
	switch {
	case err != nil:
		return nil, err
	case resp == nil:
		return nil, &Error[C]{class: Protocol, text: "Network.Wrap returned neither a response nor an error"}
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

// newHTTPRequest returns the request that Config.Wrap sees.
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
