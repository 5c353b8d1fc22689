package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gowebhook/webhook/internal/netguard"
)

// Limits of the transport that nobody needs to configure.
const (
	// A dial goes on when its request has ended, for the next request's sake, so it has limits of its own. They are below
	// the usual request timeout, which leaves it to the error to say what took so long.
	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second

	maxHeaderBytes = 64 << 10

	// Bytes that arrive with a response, after its end, are printed by net/http through package log, up to a buffer full. It
	// has no option against that, so the buffer is small. It holds an ordinary header; bodies are mostly read past it.
	readBufferBytes = 512

	// What follows a truncated body is worth reading if it is little and comes at once: it saves the next request a
	// handshake.
	maxDrainBytes = 64 << 10
	maxDrainTime  = 250 * time.Millisecond
)

// httpTransport is the Transport that comes with the library: net/http, with every dial judged by the Network's guard.
type httpTransport struct {
	network Network
	limit   int // of the body bytes kept
	guarded *guardedRoundTripper
	rt      http.RoundTripper // what Network.Wrap made of guarded
	sending atomic.Int64      // calls of Send
}

var _ Transport = (*httpTransport)(nil)

// newHTTPTransport returns a transport for a valid Network. It has no goroutine before the first Send.
func newHTTPTransport(n Network, maxInFlight int) *httpTransport {
	return newHTTPTransportResolver(n, maxInFlight, nil)
}

func newHTTPTransportResolver(n Network, maxInFlight int, resolver *net.Resolver) *httpTransport {
	n.Allow, n.Deny, n.Ports = slices.Clone(n.Allow), slices.Clone(n.Deny), slices.Clone(n.Ports)
	if n.Proxy != nil {
		proxy := *n.Proxy
		n.Proxy = &proxy
	}
	g := &guardedRoundTripper{guard: n.guard(), proxied: n.Proxy != nil}
	dial := dialer(g.guard, n.Proxy, resolver)
	config := tlsConfig(n)
	total, perEndpoint := idleLimits(maxInFlight)
	g.pools = connPools{maxIdle: total, dial: dial, transport: func(dial dialFunc, keep time.Duration) *http.Transport {
		t := baseTransport(n, config, dial)
		t.MaxIdleConnsPerHost, t.IdleConnTimeout = perEndpoint, keep
		return t
	}}
	g.own = baseTransport(n, config, g.counted(dial))
	g.own.DisableKeepAlives = true

	t := &httpTransport{network: n, limit: n.responseLimit(), guarded: g, rt: g}
	if n.Wrap != nil {
		if wrapped := n.Wrap(g); wrapped != nil {
			t.rt = wrapped
		}
	}
	return t
}

// idleLimits returns how many connections are kept without a request, in total and for one endpoint.
func idleLimits(maxInFlight int) (total, perEndpoint int) {
	total = min(max(maxInFlight, 32), 1024)
	return total, max(total/2, 32)
}

type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// baseTransport speaks HTTP/1.1 only. Over HTTP/2 a receiver could do what no limit here prevents, at least up to Go 1.26.8: a
// WINDOW_UPDATE that overflows a stream's window leaves net/http waiting for a lock that it holds, and soon every other request
// over HTTP/2, to whomever, for the same lock; one that answers while it takes no more of the request's body holds the request up
// beyond its deadline; and floods of frames cost memory and lines of package log. A few connections more are little against that.
func baseTransport(n Network, config *tls.Config, dial dialFunc) *http.Transport {
	t := &http.Transport{
		Proxy:                  nil, // not the environment's
		DialContext:            dial,
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    handshakeTimeout,
		DisableCompression:     true, // what is kept is what came, and nothing grows in memory
		MaxResponseHeaderBytes: maxHeaderBytes,
		ReadBufferSize:         readBufferBytes,
		Protocols:              new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	if n.Proxy != nil {
		t.Proxy = http.ProxyURL(n.Proxy)
		t.OnProxyConnectResponse = checkConnect
	}
	return t
}

// tlsConfig returns what all transports of a Network share. Those that speak HTTP/1.1 only do not change it.
func tlsConfig(n Network) *tls.Config {
	config := n.TLS.Clone()
	if config == nil {
		config = new(tls.Config)
	}
	if config.MinVersion == 0 {
		config.MinVersion = tls.VersionTLS12
	}
	config.NextProtos = []string{"http/1.1"} // net/http would offer what an application lists
	return config
}

// checkConnect keeps the proxy's own words out of the error.
func checkConnect(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode != http.StatusOK {
		return &sendError{class: ClassRefused, text: fmt.Sprintf("the proxy answered CONNECT with %d", resp.StatusCode)}
	}
	return nil
}

// A guardedRoundTripper is what Network.Wrap gets.
type guardedRoundTripper struct {
	pools   connPools
	own     *http.Transport // closes each connection after its request
	ownOpen atomic.Int64    // connections and dials of own
	guard   netguard.Guard
	proxied bool
}

// poolKey is the context key of the *connPool that a request may use.
type poolKey struct{}

// errPlain refuses what Network.AllowHTTP does not allow.
var errPlain = &sendError{class: ClassBlocked, text: "the request is not encrypted; use https, or allow http with Network.AllowHTTP"}

// RoundTrip judges the host again where no dial will, because Wrap may have changed it.
func (g *guardedRoundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := g.check(r); err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, err
	}
	pool, _ := r.Context().Value(poolKey{}).(*connPool)
	if r.Close || pool == nil {
		return g.own.RoundTrip(r)
	}
	resp, err := pool.transport.RoundTrip(r)
	if err == nil {
		if keep, ok := keepAlive(resp.Header); ok {
			g.pools.shorten(pool, keep)
		}
	}
	return resp, err
}

func (g *guardedRoundTripper) check(r *http.Request) error {
	if r.URL != nil && r.URL.Scheme == "http" && !g.guard.AllowHTTP {
		return errPlain
	}
	if !g.proxied {
		return nil // the dial is judged
	}
	return g.checkProxied(r)
}

// checkProxied judges every word from which a proxy may learn where to go: the URL, and Host, which net/http prefers to it in
// a plain request. An opaque URL is sent as it is, so it is refused.
func (g *guardedRoundTripper) checkProxied(r *http.Request) error {
	switch {
	case r.URL == nil:
		return nil // net/http has an error for it
	case r.URL.Opaque != "":
		return &netguard.HostError{Problem: "is in an opaque URL", Cure: "set URL.Host and URL.Path"}
	case r.Host != "":
		if err := g.checkPlace(&url.URL{Scheme: r.URL.Scheme, Host: r.Host}); err != nil {
			return err
		}
	}
	return g.checkPlace(r.URL)
}

func (g *guardedRoundTripper) checkPlace(u *url.URL) error {
	if err := g.guard.CheckHost(u.Hostname()); err != nil {
		return err
	}
	return g.guard.CheckPort(portOf(u))
}

// dialer returns a dial function that judges every address, except for the proxy's.
func dialer(guard netguard.Guard, proxy *url.URL, resolver *net.Resolver) dialFunc {
	guarded := &net.Dialer{Timeout: dialTimeout, ControlContext: guard.Control, Resolver: resolver}
	named := &net.Dialer{Timeout: dialTimeout, Resolver: resolver}
	proxyAddr := ""
	if proxy != nil {
		port := proxy.Port()
		if port == "" {
			port = map[string]string{"http": "80", "https": "443", "socks5": "1080"}[proxy.Scheme]
		}
		proxyAddr = net.JoinHostPort(proxy.Hostname(), port)
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		dialer := guarded
		if addr == proxyAddr {
			dialer = named
		}
		return dialer.DialContext(ctx, network, addr)
	}
}

// counted counts the connections that dial opens for own.
func (g *guardedRoundTripper) counted(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		g.ownOpen.Add(1)
		closed := func() { g.ownOpen.Add(-1) }
		conn, err := dial(ctx, network, addr)
		if err != nil {
			closed()
			return nil, err
		}
		return &countedConn{Conn: conn, closed: closed}, nil
	}
}

// open returns the number of connections and dials.
func (g *guardedRoundTripper) open() int { return g.pools.count() + int(g.ownOpen.Load()) }

// closeIdle closes the connections that have no request, and ends dials that no request waits for any more. If no Send runs,
// it returns when all are closed, after at most a second.
func (t *httpTransport) closeIdle() {
	for wait := time.Millisecond; ; wait *= 2 {
		t.guarded.pools.closeIdle()
		t.guarded.own.CloseIdleConnections()
		// A request that was cut holds its connection for a moment longer.
		if wait > time.Second/2 || t.guarded.open() == 0 || t.sending.Load() > 0 {
			return
		}
		time.Sleep(wait)
	}
}

// Send implements [Transport]. Its errors are *sendError.
func (t *httpTransport) Send(ctx context.Context, req *Request) (*Response, error) {
	t.sending.Add(1)
	defer t.sending.Add(-1)
	u, err := t.network.checkURL("URL", req.URL)
	if err != nil { // what was accepted once may be blocked now
		return nil, &sendError{class: ClassBlocked, text: describe(err)}
	}
	requestCtx := ctx
	if !req.OwnConn {
		if pool := t.guarded.pools.acquire(req.owner); pool != nil {
			defer t.guarded.pools.release(pool)
			requestCtx = context.WithValue(ctx, poolKey{}, pool)
		}
	}
	resp, err := t.rt.RoundTrip(newHTTPRequest(requestCtx, u, req))
	switch {
	case err != nil:
		return nil, newSendError(ctx, err, "no response came in time")
	case resp == nil: // only Wrap could do that
		return nil, &sendError{class: ClassProtocol, text: "Network.Wrap returned neither a response nor an error"}
	case resp.Body == nil:
		resp.Body = http.NoBody
	}
	if resp.StatusCode < 100 { // "000" and "+20" are numbers to net/http
		_ = resp.Body.Close()
		return nil, &sendError{class: ClassProtocol, text: notHTTP}
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		// Nobody asked, and its body is the bare connection, which heeds no deadline.
		_ = resp.Body.Close()
		return nil, &sendError{class: ClassProtocol, text: "the receiver switched protocols, unasked"}
	}
	body, truncated, err := readBody(resp.Body, t.limit)
	if err != nil {
		_ = resp.Body.Close()
		return nil, newSendError(ctx, err, "the response body did not end in time")
	}
	if truncated && !req.OwnConn {
		drain(resp, len(body))
	}
	_ = resp.Body.Close()
	return &Response{StatusCode: resp.StatusCode, Header: resp.Header, Body: body, Truncated: truncated}, nil
}

func newHTTPRequest(ctx context.Context, u *url.URL, req *Request) *http.Request {
	header := req.Header
	if _, ok := header["User-Agent"]; !ok {
		// An absent one would be net/http's own; an empty one is none.
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
		// net/http knows these two types, and sends header and body in one piece.
		r.Body = io.NopCloser(bytes.NewReader(req.Body))
		if mayRewind(header) {
			// It is asked for when a kept connection turns out to be closed before anything was written.
			r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(req.Body)), nil }
		}
	}
	return r.WithContext(ctx)
}

// mayRewind is false for requests that net/http would repeat even though the receiver may have processed them.
func mayRewind(h http.Header) bool {
	_, a := h["Idempotency-Key"]
	_, b := h["X-Idempotency-Key"]
	return !a && !b
}

// Buffers that response bodies are read into, before what came is copied at its size. They grow with what comes, and large
// ones are not kept.
const (
	firstBufferBytes = 2 << 10
	maxPooledBytes   = 64 << 10
)

var bodyBuffers = sync.Pool{New: func() any {
	b := make([]byte, 0, firstBufferBytes)
	return &b
}}

// readBody reads at most limit bytes and reports whether there is more. An error past them is no error.
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

// drain reads the rest of a body of which more than kept bytes were read, if that may keep the connection.
func drain(resp *http.Response, kept int) {
	if resp.Close || resp.ContentLength-int64(kept) > maxDrainBytes {
		return
	}
	late := time.AfterFunc(maxDrainTime, func() { _ = resp.Body.Close() })
	defer late.Stop()
	_, _ = io.CopyN(io.Discard, resp.Body, maxDrainBytes)
}
