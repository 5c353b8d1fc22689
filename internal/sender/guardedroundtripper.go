package sender

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/gowebhook/webhook/internal/hookurl"
	"github.com/gowebhook/webhook/internal/netguard"
	"github.com/gowebhook/webhook/internal/wire"
)

// A guardedRoundTripper judges the requests of Config.Wrap and NewRoundTripper.
type guardedRoundTripper[C ClassError] struct {
	client  *wire.Client
	guard   netguard.Guard
	proxied bool
}

func newGuardedRoundTripper[C ClassError](c *Config, client *wire.Client) *guardedRoundTripper[C] {
	return &guardedRoundTripper[C]{client: client, guard: c.Guard, proxied: c.Proxy != nil}
}

// ownerKey is the context key of the wire.Owner of a request.
type ownerKey struct{}

// RoundTrip judges the host again where no dial will, because Wrap may have changed it.
func (g *guardedRoundTripper[C]) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	if err := g.check(r); err != nil {
		return nil, err
	}
	if r.URL == nil {
		return nil, wire.ErrRequest
	}
	body, err := requestBody(r)
	if err != nil {
		return nil, err
	}
	request := &wire.Request{Method: r.Method, URL: r.URL, Host: r.Host, Header: r.Header, Body: body}
	request.Trace = httptrace.ContextClientTrace(r.Context())
	request.Close = r.Close || strings.EqualFold(r.Header.Get("Connection"), "close")
	request.Owner, _ = r.Context().Value(ownerKey{}).(wire.Owner)
	if request.Method == "" {
		request.Method = http.MethodGet
	}
	resp, err := g.client.Do(r.Context(), request)
	if err != nil {
		return nil, err
	}
	resp.Request = r
	return resp, nil
}

// requestBody reads a body to its end. When the context ends, it closes the body, which ends a
// read from a pipe.
func requestBody(r *http.Request) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	stop := context.AfterFunc(r.Context(), func() { _ = r.Body.Close() })
	defer stop()
	if r.ContentLength <= 0 {
		return io.ReadAll(r.Body)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, r.ContentLength+1))
	if err == nil && int64(len(body)) != r.ContentLength {
		err = fmt.Errorf("http: ContentLength=%d with a body of another length", r.ContentLength)
	}
	return body, err
}

func (g *guardedRoundTripper[C]) check(r *http.Request) error {
	if r.URL != nil && r.URL.Scheme == "http" && !g.guard.AllowHTTP {
		return &Error[C]{class: Blocked, text: "the request is not encrypted; use https, or allow http with Network.AllowHTTP"}
	}
	if g.proxied {
		return g.checkProxied(r)
	}
	if r.URL != nil && strings.ContainsFunc(r.URL.Host, func(c rune) bool { return c >= utf8.RuneSelf }) {
		return g.guard.CheckHost(r.URL.Hostname()) // the error has the cure
	}
	return nil // the dial is judged
}

// checkProxied judges the two hosts that a proxy sees: the host of the URL, and Host, which
// stands in the first line of a plain request. It refuses an opaque URL, because it would be
// sent unchanged.
func (g *guardedRoundTripper[C]) checkProxied(r *http.Request) error {
	switch {
	case r.URL == nil:
		return nil // RoundTrip returns the error
	case r.URL.Opaque != "":
		return &netguard.HostError{Problem: "is in an opaque URL", Cure: "set URL.Host and URL.Path"}
	case r.Host != "":
		if err := g.checkPlace(&url.URL{Scheme: r.URL.Scheme, Host: r.Host}); err != nil {
			return err
		}
	}
	return g.checkPlace(r.URL)
}

func (g *guardedRoundTripper[C]) checkPlace(u *url.URL) error {
	if err := g.guard.CheckHost(u.Hostname()); err != nil {
		return err
	}
	return g.guard.CheckPort(hookurl.PortOf(u))
}
