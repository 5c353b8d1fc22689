package sender

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/internal/netguard"
	"github.com/gowebhook/webhook/internal/wire"
)

// A Class stands for webhook.Class.
type Class string

func (c Class) Error() string { return string(c) }

// The classes, with their type.
const (
	ClassDNS      Class = DNS
	ClassRefused  Class = Refused
	ClassReset    Class = Reset
	ClassTLS      Class = TLS
	ClassTimeout  Class = Timeout
	ClassBlocked  Class = Blocked
	ClassProtocol Class = Protocol
)

// A Network stands for webhook.Network, whose fields it has.
type Network struct {
	AllowHTTP, AllowPrivate, AllowLoopback bool

	Allow, Deny      []netip.Prefix
	Ports            []uint16
	Proxy            *url.URL
	MaxResponseBytes int
	Wrap             func(http.RoundTripper) http.RoundTripper
	TLS              *tls.Config
}

func (n Network) config(maxInFlight int, resolver *net.Resolver) Config {
	body := n.MaxResponseBytes
	if body == 0 {
		body = 16 << 10
	}
	return Config{
		Guard: netguard.Guard{
			AllowHTTP: n.AllowHTTP, AllowPrivate: n.AllowPrivate, AllowLoopback: n.AllowLoopback, Allow: n.Allow, Deny: n.Deny, Ports: n.Ports,
		},
		Proxy: n.Proxy, TLS: n.TLS, Wrap: n.Wrap, MaxBody: max(body, 0), MaxInFlight: maxInFlight, Resolver: resolver,
	}
}

func newSender(n Network, maxInFlight int, resolver *net.Resolver) *Sender[Class] {
	return New[Class](n.config(maxInFlight, resolver))
}

// send is Send with pointers, as a Transport has them.
func send(ctx context.Context, s *Sender[Class], r *Request) (*Response, error) {
	resp, err := s.Send(ctx, *r)
	if err != nil {
		return nil, err
	}
	return &resp, nil
}

const netPatience = 10 * time.Second

var netNoLog = log.New(io.Discard, "", 0)

// netOpen allows http and loopback addresses.
func netOpen() Network {
	return Network{AllowHTTP: true, AllowPrivate: true, AllowLoopback: true}
}

func netTransport(tb testing.TB, n Network) *Sender[Class] {
	tb.Helper()
	tr := newSender(n, 64, nil)
	tb.Cleanup(tr.CloseIdle)
	return tr
}

func netSend(tb testing.TB, tr *Sender[Class], req *Request) (*Response, error) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), netPatience)
	defer cancel()
	own := *req
	if own.Owner == (wire.Owner{}) {
		own.Owner.Tenant, own.Owner.Endpoint = "acme", "one"
	}
	return send(ctx, tr, &own)
}

// netRawServer calls handle with every connection, closes it afterwards, and waits for all of
// them when the test ends.
func netRawServer(tb testing.TB, handle func(net.Conn)) string {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.SetDeadline(time.Now().Add(netPatience))
			running.Go(func() {
				defer conn.Close()
				handle(conn)
			})
		}
	})
	tb.Cleanup(func() {
		_ = listener.Close()
		running.Wait()
	})
	return "http://" + listener.Addr().String()
}
