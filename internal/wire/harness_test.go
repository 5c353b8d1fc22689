package wire

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/internal/netguard"
)

const patience = 20 * time.Second

// open is a guard that lets tests connect to loopback.
var open = netguard.Guard{AllowHTTP: true, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}

func newClient(t *testing.T) *Client {
	t.Helper()
	return clientOf(t, Config{})
}

func clientOf(t *testing.T, config Config) *Client {
	t.Helper()
	config.Guard, config.MaxIdle, config.MaxIdlePerOwner = open, 64, 32
	c := New(config)
	t.Cleanup(func() {
		c.CloseIdle()
		require.Zero(t, c.Open(), "connections are left")
	})
	return c
}

// one is the owner in tests that need only one.
var one = Owner{"acme", "one", 1}

func request(t *testing.T, target string, owner Owner, body string) *Request {
	t.Helper()
	u, err := url.Parse(target)
	require.NoError(t, err)
	return &Request{Owner: owner, Method: http.MethodPost, URL: u, Body: []byte(body)}
}

// An answer is a response, read to its end.
type answer struct {
	status int
	body   string
	tls    *tls.ConnectionState
}

// send sends a request and reads the response.
func send(t *testing.T, c *Client, r *Request) (answer, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return sendIn(t, ctx, c, r)
}

func sendIn(t *testing.T, ctx context.Context, c *Client, r *Request) (answer, error) {
	t.Helper()
	resp, err := c.Do(ctx, r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, string(body), resp.TLS}, err
}

// A peer is the receiver's end of a connection.
type peer struct {
	net.Conn
	tcp    *net.TCPConn // nil without a network
	in     *bufio.Reader
	number int // number of the connection, from 1
}

// request reads a request.
func (p *peer) request() bool {
	r, err := http.ReadRequest(p.in)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, r.Body)
	return err == nil
}

// say sends text.
func (p *peer) say(text string) bool {
	_, err := io.WriteString(p, text)
	return err == nil
}

// wait waits until the sender has closed the connection.
func (p *peer) wait() { _, _ = io.Copy(io.Discard, p.in) }

// always answers every request with the same text.
func always(text string) func(*peer) {
	return func(p *peer) {
		for p.request() && p.say(text) {
			continue
		}
	}
}

// A listener is a receiver on loopback.
type listener struct {
	url   string
	conns atomic.Int32
}

// listen calls handle with each connection and closes it afterwards.
func listen(t *testing.T, config *tls.Config, handle func(*peer)) *listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &listener{url: "http://" + l.Addr().String() + "/"}
	if config != nil {
		r.url = "https" + strings.TrimPrefix(r.url, "http")
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.SetDeadline(time.Now().Add(2 * patience))
			p := &peer{Conn: conn, tcp: conn.(*net.TCPConn), number: int(r.conns.Add(1))}
			if config != nil {
				p.Conn = tls.Server(conn, config)
			}
			p.in = bufio.NewReader(p.Conn)
			running.Go(func() {
				defer p.tcp.Close()
				handle(p)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		running.Wait()
	})
	return r
}

// testTLS returns the configurations of a receiver and of a sender that trusts it.
func testTLS(t *testing.T) (receiver, sender *tls.Config) {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	trusting := server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	return &tls.Config{Certificates: server.TLS.Certificates}, trusting
}

// A memory stands for a network, without using one. It serves every connection with handle.
type memory struct {
	handle  func(*peer)
	conns   atomic.Int32
	running sync.WaitGroup
}

func (m *memory) dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	p := &peer{Conn: far, in: bufio.NewReader(far), number: int(m.conns.Add(1))}
	m.running.Go(func() {
		defer far.Close()
		m.handle(p)
	})
	return near, nil
}

// inMemory returns a client and the memory that serves its connections with handle.
func inMemory(t *testing.T, handle func(*peer)) (*Client, *memory) {
	t.Helper()
	m := &memory{handle: handle}
	t.Cleanup(m.running.Wait)
	c := newClient(t)
	c.Dial = m.dial
	return c, m
}
