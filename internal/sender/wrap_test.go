package sender

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/internal/netguard"
)

// netTrap is a receiver on loopback that no request may reach, and how many did.
func netTrap(t *testing.T) (port string, reached *atomic.Int32) {
	t.Helper()
	reached = new(atomic.Int32)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(netRawServer(t, func(net.Conn) { reached.Add(1) }), "http://"))
	require.NoError(t, err)
	return port, reached
}

// netRewrite wraps the transport in something that changes a copy of each request.
func netRewrite(change func(*http.Request)) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		return netRoundTripper(func(r *http.Request) (*http.Response, error) {
			r = r.Clone(r.Context())
			change(r)
			return next.RoundTrip(r)
		})
	}
}

// netAllLoopback resolves every name to loopback, the worst that a resolver can make of the
// unusual forms of an address.
func netAllLoopback(t *testing.T) *net.Resolver {
	t.Helper()
	return dnsResolver(t, func(name string) []dnsRecord { return dnsAddrs(name, "127.0.0.1", "::1") })
}

// netRewrites are changes that a Wrap may make to a request on purpose or by mistake.
var netRewrites = map[string]func(r *http.Request, port string){
	"the host of the URL":  func(r *http.Request, port string) { r.URL.Host = "127.0.0.1:" + port },
	"another URL":          func(r *http.Request, port string) { r.URL = &url.URL{Scheme: "http", Host: "[::1]:" + port, Path: "/"} },
	"a name":               func(r *http.Request, port string) { r.URL.Host = "localhost.:" + port },
	"no host, only a port": func(r *http.Request, port string) { r.URL.Host = ":" + port },
	"an opaque URL": func(r *http.Request, port string) {
		r.URL.Host, r.URL.Opaque = "127.0.0.1:"+port, "//127.0.0.1:"+port+"/"
	},
	"the host alone": func(r *http.Request, port string) { r.URL.Host, r.Host = "127.0.0.1:"+port, "hooks.example" },
	"a user": func(r *http.Request, port string) {
		r.URL.Host, r.URL.User = "127.0.0.1:"+port, url.User("hooks.example")
	},
	"a connection of its own": func(r *http.Request, port string) { r.URL.Host, r.Close = "127.0.0.1:"+port, true },
	"another method":          func(r *http.Request, port string) { r.URL.Host, r.Method = "127.0.0.1:"+port, http.MethodConnect },
	"a request of its own": func(r *http.Request, port string) {
		own, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://127.0.0.1:"+port+"/", http.NoBody)
		if err != nil {
			panic(err)
		}
		*r = *own
	},
	"an upgrade": func(r *http.Request, port string) {
		r.URL.Host = "127.0.0.1:" + port
		r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}}
	},
}

func TestWhateverWrapMakesOfARequestItsDialIsJudged(t *testing.T) {
	for name, rewrite := range netRewrites {
		t.Run(name, func(t *testing.T) {
			port, reached := netTrap(t)
			n := Network{AllowHTTP: true, Wrap: netRewrite(func(r *http.Request) { rewrite(r, port) })}
			for _, own := range []bool{false, true} {
				_, err := netSend(t, newSender(n, 1, netAllLoopback(t)), &Request{URL: "http://hooks.example/", OwnConn: own})
				require.ErrorIs(t, err, ClassBlocked)
			}
			assert.Zero(t, reached.Load())
		})
	}
}

func TestWrapBehindAProxyReachesNoAddressTheGuardRefuses(t *testing.T) {
	for name, rewrite := range netRewrites {
		if name == "a name" {
			continue // for the proxy to judge
		}
		for _, scheme := range []string{"http", "https", "socks5"} {
			t.Run(scheme+" "+name, func(t *testing.T) {
				port, reached := netTrap(t)
				n := Network{AllowHTTP: true, Proxy: &url.URL{Scheme: scheme, Host: "127.0.0.1:" + port}}
				n.Wrap = netRewrite(func(r *http.Request) { rewrite(r, "80") })
				for _, target := range []string{"http://hooks.example/", "https://hooks.example/"} {
					_, err := netSend(t, netTransport(t, n), &Request{URL: target})
					require.ErrorIs(t, err, ClassBlocked)
				}
				assert.Zero(t, reached.Load(), "the proxy was dialed")
			})
		}
	}
}

func TestWrapThatChangesTheSchemeReachesNothing(t *testing.T) {
	port, reached := netTrap(t)
	for _, scheme := range []string{"", "file", "ftp", "unix", "socks5", "h2c", "HTTP"} {
		n := Network{AllowHTTP: true, Wrap: netRewrite(func(r *http.Request) { r.URL.Scheme, r.URL.Host = scheme, "127.0.0.1:"+port })}
		_, err := netSend(t, netTransport(t, n), &Request{URL: "http://hooks.example/"})
		require.Error(t, err, scheme)
	}
	assert.Zero(t, reached.Load())
}

func TestWrapThatFollowsRedirectsIsJudgedAtEveryHop(t *testing.T) {
	port, reached := netTrap(t)
	for _, location := range []string{
		"http://127.0.0.2:" + port + "/canary", "http://hooks.example:" + port + "/canary", "http://[::1]:" + port + "/canary",
		"http://user:canary@127.0.0.2:" + port, "//127.0.0.2:" + port + "/canary", "https://169.254.169.254/canary", "http://0.0.0.0:" + port,
	} {
		start := netRawServer(t, netReplies("HTTP/1.1 307 Elsewhere\r\nConnection: close\r\nContent-Length: 0\r\nLocation: "+location+"\r\n\r\n"))
		n := Network{AllowHTTP: true, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
		n.Wrap = func(next http.RoundTripper) http.RoundTripper {
			client := &http.Client{Transport: next}
			return netRoundTripper(client.Do)
		}
		resolver := dnsResolver(t, func(name string) []dnsRecord { return dnsAddrs(name, "127.0.0.2") })
		tr := newSender(n, 1, resolver)
		t.Cleanup(tr.CloseIdle)
		_, err := netSend(t, tr, &Request{URL: start, Body: []byte("{}")})
		require.ErrorIs(t, err, ClassBlocked, location)
		assert.NotContains(t, Describe[Class](err), "canary")
		assert.Zero(t, reached.Load(), location)
	}
}

func TestRoundTripperThatWrapKeepsIsJudgedForEver(t *testing.T) {
	port, reached := netTrap(t)
	var kept http.RoundTripper
	n := Network{AllowHTTP: true, Wrap: func(next http.RoundTripper) http.RoundTripper {
		kept = next
		return nil
	}}
	tr := netTransport(t, n)
	for range 2 {
		for _, target := range []string{"http://127.0.0.1:" + port, "https://127.0.0.1:" + port, "http://localhost:" + port, "http://0.0.0.0:" + port} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, http.NoBody)
			require.NoError(t, err)
			resp, err := (&http.Client{Transport: kept}).Do(r)
			if err == nil {
				_ = resp.Body.Close()
			}
			_, blocked := errors.AsType[*netguard.BlockedError](err)
			assert.True(t, blocked, "%s: %v", target, err)
		}
		tr.CloseIdle() // as at the end of Run
	}
	assert.Zero(t, reached.Load())
}

// One exported field or method more, and Wrap could replace the dialer.
func TestWrapGetsNothingButARoundTripper(t *testing.T) {
	n := Network{Wrap: func(next http.RoundTripper) http.RoundTripper {
		typ := reflect.TypeOf(next)
		assert.Equal(t, 1, typ.NumMethod(), "methods")
		for field := range typ.Elem().Fields() {
			assert.False(t, field.IsExported(), field.Name)
		}
		return next
	}}
	netTransport(t, n)
}

// A hook of httptrace gets the very bytes of the addresses that are dialed next.
func TestHooksOfATraceChangeNoAddressThatIsDialed(t *testing.T) {
	s := newDNSStage(t)
	changed := false
	n := Network{AllowHTTP: true, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
	n.Wrap = func(next http.RoundTripper) http.RoundTripper {
		return netRoundTripper(func(r *http.Request) (*http.Response, error) {
			trace := &httptrace.ClientTrace{DNSDone: func(info httptrace.DNSDoneInfo) {
				for _, addr := range info.Addrs {
					addr.IP[len(addr.IP)-1] = 2
					changed = true
				}
			}}
			return next.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
		})
	}
	tr := newSender(n, 1, dnsResolver(t, func(name string) []dnsRecord { return dnsAddrs(name, "127.0.0.1") }))
	t.Cleanup(tr.CloseIdle)
	if err := s.send(t, tr); err != nil { // none if a later version of Go hands out copies
		require.ErrorIs(t, err, ClassBlocked)
	}
	require.True(t, changed)
}

func TestAWrapCanTraceARequest(t *testing.T) {
	var calls []string
	note := func(what string) { calls = append(calls, what) }
	n := netOpen()
	n.Wrap = func(next http.RoundTripper) http.RoundTripper {
		return netRoundTripper(func(r *http.Request) (*http.Response, error) {
			trace := &httptrace.ClientTrace{
				GetConn:              func(string) { note("get") },
				GotConn:              func(info httptrace.GotConnInfo) { note("got " + info.Conn.RemoteAddr().Network()) },
				WroteRequest:         func(httptrace.WroteRequestInfo) { note("wrote") },
				GotFirstResponseByte: func() { note("answered") },
			}
			return next.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
		})
	}
	_, err := netSend(t, netTransport(t, n), &Request{URL: netRawServer(t, netReplies(dnsAnswer))})
	require.NoError(t, err)
	assert.Equal(t, []string{"get", "got tcp", "wrote", "answered"}, calls)
}

// netHooks is a TLS configuration with every callback of a client, and counts their calls.
func netHooks(calls *atomic.Int32) *tls.Config {
	return &tls.Config{
		InsecureSkipVerify: true,
		NextProtos:         []string{"http/1.1", "canary"},
		ClientSessionCache: tls.NewLRUClientSessionCache(1),
		VerifyPeerCertificate: func([][]byte, [][]*x509.Certificate) error {
			calls.Add(1)
			return nil
		},
		VerifyConnection: func(tls.ConnectionState) error {
			calls.Add(1)
			return nil
		},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			calls.Add(1)
			return new(tls.Certificate), nil
		},
	}
}

func TestNoHookOfTLSIsAskedAboutABlockedAddress(t *testing.T) {
	var calls atomic.Int32
	server, open := netTLSServer(t, netEcho)
	port := server.URL[strings.LastIndexByte(server.URL, ':')+1:]
	open.TLS = netHooks(&calls)
	_, err := netSend(t, netTransport(t, open), &Request{URL: server.URL})
	require.NoError(t, err)
	require.Positive(t, calls.Load(), "the hooks work")

	calls.Store(0)
	tr := newSender(Network{TLS: netHooks(&calls)}, 1, netAllLoopback(t))
	for _, host := range []string{"127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "hooks.example"} {
		_, err = netSend(t, tr, &Request{URL: "https://" + host + ":" + port})
		require.ErrorIs(t, err, ClassBlocked, host)
	}
	assert.Zero(t, calls.Load())
}

// The certificate is valid for both names, so that HTTP/2 would allow one connection for both
// (RFC 9113 §9.1.1).
func TestConnectionIsNotSharedWithAnotherName(t *testing.T) {
	server, n := netTLSServer(t, netEcho)
	port := server.URL[strings.LastIndexByte(server.URL, ':')+1:]
	require.NoError(t, server.Certificate().VerifyHostname("hooks.example.com"))
	n.AllowLoopback, n.Allow = false, []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	tr := newSender(n, 1, dnsResolver(t, func(name string) []dnsRecord {
		if name == "example.com" {
			return dnsAddrs(name, "127.0.0.1")
		}
		return dnsAddrs(name, "127.0.0.2")
	}))
	t.Cleanup(tr.CloseIdle)
	_, err := netSend(t, tr, &Request{URL: "https://example.com:" + port})
	require.NoError(t, err)
	_, err = netSend(t, tr, &Request{URL: "https://hooks.example.com:" + port})
	require.ErrorIs(t, err, ClassBlocked)
}
