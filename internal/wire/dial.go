package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/gowebhook/webhook/internal/netguard"
)

// guardedDial returns a function that judges every address, except for the
// proxy's.
func guardedDial(c Config) DialFunc {
	guarded := &net.Dialer{Timeout: dialTimeout, ControlContext: c.Guard.Control, Resolver: c.Resolver}
	named := &net.Dialer{Timeout: dialTimeout, Resolver: c.Resolver}
	proxy := ""
	if c.Proxy != nil {
		proxy = addrOf(c.Proxy)
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		dialer := guarded
		if addr == proxy {
			dialer = named
		}
		return dialer.DialContext(ctx, network, addr)
	}
}

// clientTLS returns a copy of config for receivers that speak HTTP/1.1.
func clientTLS(config *tls.Config) *tls.Config {
	config = config.Clone()
	if config == nil {
		config = new(tls.Config)
	}
	if config.MinVersion == 0 {
		config.MinVersion = tls.VersionTLS12
	}
	config.NextProtos = []string{"http/1.1"}
	config.DynamicRecordSizingDisabled = true // a small request is one record and one write
	return config
}

// dial returns a new connection to a place. The request has begun on it.
func (c *Client) dial(ctx context.Context, r *Request, h *home, to place, hooks trace) (*conn, error) {
	c.pool.dialing()
	conn, err := c.connect(ctx, r, h, to, hooks)
	if err != nil {
		c.pool.gone()
		_, blocked := errors.AsType[*netguard.BlockedError](err)
		if over := r.over(ctx); over != nil && !blocked && !IsProxyDown(err) {
			err = over
		}
		return nil, err
	}
	return conn, nil
}

func (c *Client) connect(ctx context.Context, r *Request, h *home, to place, hooks trace) (*conn, error) {
	addr, host := to.addr()
	via := addr
	if c.proxy != nil {
		via = addrOf(c.proxy)
	}
	raw, err := c.dialBy(ctx, r.Deadline, via)
	if err != nil {
		return nil, c.proxyError(err)
	}
	conn := newConn(raw, to, h)
	conn.begin(ctx, r.Deadline)
	conn.trace = hooks
	if c.proxy != nil {
		err = c.proxyError(c.throughProxy(conn, addr))
	}
	if err == nil && to.scheme == "https" {
		config := c.tls.Clone()
		config.ServerName = host
		config.ClientSessionCache = c.sessions.of(h, to, config)
		err = conn.handshake(config)
	}
	if err != nil {
		conn.finish()
		conn.abort()
		return nil, err
	}
	return conn, nil
}

// dialBy connects to an address before a deadline, if it is not zero.
func (c *Client) dialBy(ctx context.Context, deadline time.Time, addr string) (net.Conn, error) {
	if !deadline.IsZero() {
		bounded, cancel := context.WithDeadline(ctx, deadline)
		defer cancel()
		ctx = bounded
	}
	return c.Dial(ctx, "tcp", addr)
}

// handshake puts TLS on the stream of the connection.
func (c *conn) handshake(config *tls.Config) error {
	c.records = &records{Conn: c.stream}
	client := tls.Client(c.records, config)
	c.trace.handshakeStart()
	err := c.within(handshakeTimeout, client.Handshake)
	state := client.ConnectionState()
	c.trace.handshakeDone(state, err)
	if err != nil {
		return err
	}
	c.tls, c.stream = &state, client
	return nil
}

// within calls f, and makes its reads and writes fail after a time.
func (c *conn) within(limit time.Duration, f func() error) error {
	_ = c.socket.SetDeadline(time.Now().Add(limit))
	err := f()
	_ = c.socket.SetDeadline(time.Time{})
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return ErrHandshakeTime
	}
	return err
}
