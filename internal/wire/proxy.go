package wire

import (
	"errors"
	"net"
	"net/http"
	"net/url"
)

// throughProxy makes a connection to the proxy one to addr. An HTTP proxy gets
// plain requests as they are.
func (c *Client) throughProxy(conn *conn, addr string) error {
	if c.proxy.Scheme == "socks5" {
		return conn.within(handshakeTimeout, func() error { return socksConnect(conn.stream, c.proxy.User, addr) })
	}
	if c.proxy.Scheme == "https" {
		config := c.tls.Clone()
		config.ServerName = c.proxy.Hostname()
		config.ClientSessionCache = nil
		if err := conn.handshake(config); err != nil {
			return err
		}
		conn.tls = nil // of the receiver
	}
	if conn.to.scheme == "http" {
		return nil
	}
	return conn.within(handshakeTimeout, func() error { return conn.httpConnect(c.proxy, addr) })
}

// Operations of a net.OpError about a proxy.
const (
	opHTTPProxy  = "proxyconnect"
	opSOCKSProxy = "socks connect"
)

// proxyError marks the failure of a proxy, in the way of net/http.
func (c *Client) proxyError(err error) error {
	if _, refused := errors.AsType[*ProxyError](err); err == nil || c.proxy == nil || refused {
		return err
	}
	op := opHTTPProxy
	if c.proxy.Scheme == "socks5" {
		op = opSOCKSProxy
	}
	return &net.OpError{Op: op, Net: "tcp", Err: err}
}

// IsProxyDown reports whether err says that the proxy itself is of no use: it takes no
// connection, or refuses our user and password. A proxy that cannot reach the receiver is not
// down.
func IsProxyDown(err error) bool {
	if refused, ok := errors.AsType[*ProxyError](err); ok {
		return refused.Status == http.StatusProxyAuthRequired
	}
	if errors.Is(err, errSOCKS) || errors.Is(err, errSOCKSAuth) {
		return true
	}
	outer, ok := errors.AsType[*net.OpError](err)
	if !ok || outer.Op != opHTTPProxy && outer.Op != opSOCKSProxy {
		return false
	}
	inner, ok := errors.AsType[*net.OpError](outer.Err)
	return ok && inner.Op == "dial"
}

var connect = &http.Request{Method: http.MethodConnect}

// httpConnect asks an HTTP proxy for a connection to addr.
func (c *conn) httpConnect(proxy *url.URL, addr string) error {
	b := []byte("CONNECT " + addr + " HTTP/1.1\r\nHost: " + addr + "\r\n")
	b = append(appendProxyAuth(b, proxy), "\r\n"...)
	if _, err := c.stream.Write(b); err != nil {
		return err
	}
	resp, err := c.read(connect) //nolint:bodyclose // the connection goes on
	nothingMore := c.freeReader()
	switch {
	case err != nil:
		return err
	case resp.StatusCode != http.StatusOK:
		return &ProxyError{Status: resp.StatusCode}
	case !nothingMore: // the receiver has not been spoken to
		return ErrNotHTTP
	}
	c.keep = idleTimeout
	return nil
}
