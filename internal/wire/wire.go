// Package wire sends requests over HTTP/1.1.
//
// The calling goroutine does all the work of an exchange: it dials, writes the
// request, and reads the response with the parser of net/http. Only a request
// that is too large to be written at once has a second goroutine, because its
// receiver may answer before it has read the request.
//
// A connection belongs to one [Owner]. Owners share neither connections nor TLS
// sessions, so no response reaches another owner. A kept connection is checked
// before each use: if it has ended, or has bytes that nobody asked for, it is
// closed and another one is dialed. A request is sent once. It is sent again
// only if a kept connection took none of its bytes.
//
// Redirects, cookies, compression, HTTP/2, the proxies of the environment and
// package log have no part in this.
package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/gowebhook/webhook/internal/netguard"
)

// Limits of an exchange.
const (
	// MaxHeadBytes limits the status line and the header of a response. The
	// informational responses before it count, too.
	MaxHeadBytes = 64 << 10

	maxStatusLineBytes = 4 << 10
	maxHeaderLines     = 256 // also those that continue another line
	maxInformational   = 5   // responses of status 1xx before the response

	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second

	// The caller may leave a rest of the body. If it is little and comes at
	// once, reading it saves the next request a handshake.
	maxDrainBytes = 64 << 10
	maxDrainTime  = 250 * time.Millisecond
)

// A DialFunc connects to an address.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// A Config says how a [Client] sends.
type Config struct {
	Guard    netguard.Guard // judges every address that is dialed, except for the proxy's
	Proxy    *url.URL       // of scheme http, https or socks5; nil for none
	TLS      *tls.Config    // nil for the system's authorities and TLS 1.2 or later
	Resolver *net.Resolver  // nil for the default one

	// MaxIdle and MaxIdlePerOwner limit the connections without a request.
	MaxIdle, MaxIdlePerOwner int
}

// A Client sends requests. It is safe for concurrent use, has no goroutine
// while it sends nothing, and a timer only while connections are kept.
type Client struct {
	// Dial makes every connection. New sets it to a function that asks the
	// guard.
	Dial DialFunc

	proxy    *url.URL
	tls      *tls.Config
	pool     pool
	sessions sessions
}

// New returns a Client. The Config must not be changed afterwards.
func New(c Config) *Client {
	return &Client{
		Dial:     guardedDial(c),
		proxy:    c.Proxy,
		tls:      clientTLS(c.TLS),
		pool:     pool{max: c.MaxIdle, maxPerOwner: c.MaxIdlePerOwner},
		sessions: sessions{max: c.MaxIdle},
	}
}

// Do sends a request and returns the response as soon as its header has come.
// The caller must close the body. When ctx ends, so does the exchange, with the
// error of ctx.
//
// Packages net and crypto/tls describe failures of the network. Errors of this
// package have the types [Error] and [*ProxyError]. Only errors of net/http's
// parser quote the receiver.
func (c *Client) Do(ctx context.Context, r *Request) (*http.Response, error) {
	return c.do(ctx, r, &exchange{pool: &c.pool})
}

// do is Do with a new exchange.
func (c *Client) do(ctx context.Context, r *Request, x *exchange) (*http.Response, error) {
	if err := r.over(ctx); err != nil {
		return nil, err
	}
	owner := r.Owner
	if r.Close {
		owner = Owner{}
	}
	home := c.pool.enter(owner)
	head, err := r.head(c.proxy, home == nil)
	if err != nil {
		c.pool.leave(home)
		return nil, err
	}
	defer head.free()
	to, hooks := place{scheme: r.URL.Scheme, host: r.URL.Host}, trace{r.Trace}
	hooks.getConn(to)
	for {
		if err := r.over(ctx); err != nil { // or each kept connection would end with it
			c.pool.leave(home)
			return nil, err
		}
		conn := c.pool.take(home, to)
		if conn != nil {
			if !conn.begin(ctx, r.Deadline) || !conn.quiet() {
				c.pool.drop(conn)
				continue
			}
		} else if conn, err = c.dial(ctx, r, home, to, hooks); err != nil {
			c.pool.leave(home)
			return nil, err
		}
		conn.trace = hooks
		hooks.gotConn(conn)
		x.conn = conn
		resp, err := x.run(r, head)
		if err == nil {
			return resp, nil
		}
		if errors.Is(err, errUnsent) {
			c.pool.drop(conn)
			continue
		}
		if ended := conn.ended(); ended != nil {
			err = ended
		}
		c.pool.drop(conn)
		c.pool.leave(home)
		return nil, err
	}
}

// CloseIdle closes the connections that have no request. Those that have one
// are closed after it.
func (c *Client) CloseIdle() { c.pool.closeIdle() }

// Open returns the number of connections, with those that are being dialed.
func (c *Client) Open() int { return c.pool.count() }

// Idle returns the number of connections that have no request.
func (c *Client) Idle() int { return c.pool.countIdle() }
