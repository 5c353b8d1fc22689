package sender

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEveryDialIsJudged(t *testing.T) {
	var reached atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)

	refuse := func(t *testing.T, tr *Sender[Class], url string) {
		t.Helper()
		_, err := netSend(t, tr, &Request{URL: url})
		require.ErrorIs(t, err, ClassBlocked)
		assert.Contains(t, Describe[Class](err), "127.0.0.1 ")
		assert.Contains(t, Describe[Class](err), "Network.AllowLoopback")
		assert.Zero(t, reached.Load())
	}
	t.Run("a literal address", func(t *testing.T) {
		refuse(t, netTransport(t, Network{AllowHTTP: true}), server.URL)
	})
	t.Run("a name that resolves to a blocked address", func(t *testing.T) {
		resolver := netResolver(t, func(string) []netip.Addr { return []netip.Addr{netip.MustParseAddr("127.0.0.1")} })
		tr := newSender(Network{AllowHTTP: true}, 1, resolver)
		refuse(t, tr, "http://hooks.example:"+port)
	})
	t.Run("a name that resolves to another address the second time", func(t *testing.T) {
		var lookups atomic.Int32
		resolver := netResolver(t, func(string) []netip.Addr {
			if lookups.Add(1) == 1 {
				return []netip.Addr{netip.MustParseAddr("127.0.0.2")}
			}
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}
		})
		n := Network{AllowHTTP: true, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}}
		tr := newSender(n, 1, resolver)
		_, err := netSend(t, tr, &Request{URL: "http://hooks.example:" + port})
		require.ErrorIs(t, err, ClassRefused) // allowed, but nobody listens there
		refuse(t, tr, "http://hooks.example:"+port)
	})
	t.Run("the real resolver", func(t *testing.T) {
		_, err := netSend(t, netTransport(t, Network{AllowHTTP: true}), &Request{URL: "http://localhost:" + port})
		require.ErrorIs(t, err, ClassBlocked)
		assert.Zero(t, reached.Load())
	})
	t.Run("a connection of its own", func(t *testing.T) {
		_, err := netSend(t, netTransport(t, Network{AllowHTTP: true}), &Request{URL: "http://localhost:" + port, OwnConn: true})
		require.ErrorIs(t, err, ClassBlocked)
		assert.Zero(t, reached.Load())
	})
	t.Run("with any request that Wrap makes", func(t *testing.T) {
		wrap := func(next http.RoundTripper) http.RoundTripper {
			return netRoundTripper(func(r *http.Request) (*http.Response, error) {
				r = r.Clone(r.Context())
				r.URL.Host = server.Listener.Addr().String()
				return next.RoundTrip(r)
			})
		}
		refuse(t, netTransport(t, Network{AllowHTTP: true, Wrap: wrap}), "http://hooks.example/")
		proxied := Network{AllowHTTP: true, Wrap: wrap, Proxy: &url.URL{Scheme: "http", Host: "proxy.invalid"}}
		refuse(t, netTransport(t, proxied), "http://hooks.example/")
	})
	t.Run("plain http where it is no longer allowed", func(t *testing.T) {
		_, err := netSend(t, netTransport(t, Network{AllowLoopback: true}), &Request{URL: server.URL})
		require.ErrorIs(t, err, ClassBlocked)
		assert.Contains(t, Describe[Class](err), "AllowHTTP")
		assert.Zero(t, reached.Load())
	})
}

func TestWrapSeesEveryRequestOnce(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Header.Get("Trace")) }))
	defer server.Close()
	n := netOpen()
	wraps := 0
	n.Wrap = func(next http.RoundTripper) http.RoundTripper {
		wraps++
		return netRoundTripper(func(r *http.Request) (*http.Response, error) {
			r = r.Clone(r.Context())
			r.Header.Set("Trace", fmt.Sprint("own connection: ", r.Close))
			return next.RoundTrip(r)
		})
	}
	tr := netTransport(t, n)
	for _, own := range []bool{false, true} {
		resp, err := netSend(t, tr, &Request{URL: server.URL, OwnConn: own})
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprint("own connection: ", own), string(resp.Body))
	}
	assert.Equal(t, 1, wraps)

	n.Wrap = func(http.RoundTripper) http.RoundTripper { return nil }
	_, err := netSend(t, netTransport(t, n), &Request{URL: server.URL})
	require.NoError(t, err, "nil is nothing")
}

func TestTLSConfigIsClonedAndUsed(t *testing.T) {
	server, _ := netTLSServer(t, func(http.ResponseWriter, *http.Request) {})
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	config := &tls.Config{RootCAs: roots}
	tr := netTransport(t, Network{AllowLoopback: true, TLS: config})
	config.RootCAs = x509.NewCertPool()
	_, err := netSend(t, tr, &Request{URL: server.URL})
	require.NoError(t, err)
	assert.Empty(t, config.NextProtos, "the caller's config was changed")
	assert.Zero(t, config.MinVersion)

	_, err = netSend(t, netTransport(t, Network{AllowLoopback: true, TLS: config}), &Request{URL: server.URL})
	require.ErrorIs(t, err, ClassTLS)
}

func TestNetworkIsCopied(t *testing.T) {
	server := netRawServer(t, netReplies("HTTP/1.1 200 OK\r\n\r\n"))
	n := Network{AllowHTTP: true, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}}
	tr := netTransport(t, n)
	n.Allow[0] = netip.MustParsePrefix("127.0.0.1/32")
	_, err := netSend(t, tr, &Request{URL: server})
	require.ErrorIs(t, err, ClassBlocked)

	n = Network{AllowHTTP: true, Proxy: &url.URL{Scheme: "http", Host: strings.TrimPrefix(server, "http://")}}
	tr = netTransport(t, n)
	n.Proxy.Host = "proxy.invalid"
	_, err = netSend(t, tr, &Request{URL: "http://hooks.example/"})
	require.NoError(t, err)
}

// The environment's proxies are read once in a process, so there must be no other test that
// depends on them.
func TestProxyOfTheEnvironmentIsNotUsed(t *testing.T) {
	var asked atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer proxy.Close()
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		t.Setenv(name, proxy.URL)
	}
	nobody := func(string) []netip.Addr { return nil }
	tr := newSender(netOpen(), 1, netResolver(t, nobody))
	for _, target := range []string{"http://hooks.example/", "https://hooks.example/"} {
		_, err := netSend(t, tr, &Request{URL: target})
		require.ErrorIs(t, err, ClassDNS)
	}
	assert.Zero(t, asked.Load())
}

// netProxy is an HTTP proxy that sends everything to backend, and records the requested
// addresses.
func netProxy(t *testing.T, scheme, backend string) (_ *httptest.Server, asked chan string) {
	asked = make(chan string, 16)
	proxy := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method + " " + r.RequestURI + " " + r.Header.Get("Proxy-Authorization")
		if strings.HasPrefix(r.Host, "forbidden.") {
			http.Error(w, "canary", http.StatusForbidden)
			return
		}
		if r.Method != http.MethodConnect {
			_, _ = io.WriteString(w, "from the proxy")
			return
		}
		up, err := net.Dial("tcp", backend)
		if err != nil {
			panic(err)
		}
		defer up.Close()
		down, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer down.Close()
		_, _ = io.WriteString(down, "HTTP/1.1 200 OK\r\n\r\n")
		go func() {
			_, _ = io.Copy(up, buffered)
			_ = up.(*net.TCPConn).CloseWrite()
		}()
		_, _ = io.Copy(down, up)
	}))
	if scheme == "https" {
		proxy.EnableHTTP2 = true // it could, but CONNECT comes over HTTP/1.1
		proxy.StartTLS()
	} else {
		proxy.Start()
	}
	t.Cleanup(proxy.Close)
	return proxy, asked
}

func TestProxyIsDialedBecauseItIsNamed(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) { testProxy(t, scheme) })
	}
}

func testProxy(t *testing.T, scheme string) {
	backend, n := netTLSServer(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) })
	proxy, asked := netProxy(t, scheme, backend.Listener.Addr().String())
	n.Proxy = &url.URL{Scheme: scheme, Host: proxy.Listener.Addr().String(), User: url.UserPassword("user", "canary")}
	n.AllowHTTP, n.AllowLoopback = true, false
	tr := netTransport(t, n)

	// The certificate is the test server's, for example.com.
	resp, err := netSend(t, tr, &Request{URL: "https://example.com/secret"})
	require.NoError(t, err)
	assert.Equal(t, "HTTP/1.1", string(resp.Body))
	assert.Equal(t, "CONNECT example.com:443 Basic dXNlcjpjYW5hcnk=", <-asked)

	resp, err = netSend(t, tr, &Request{URL: "http://hooks.example/plain"})
	require.NoError(t, err)
	assert.Equal(t, "from the proxy", string(resp.Body))
	assert.Equal(t, "POST http://hooks.example/plain Basic dXNlcjpjYW5hcnk=", <-asked)

	for _, target := range []string{"https://127.0.0.1/", "http://169.254.169.254/", "https://[::1]/", "http://" + n.Proxy.Host} {
		_, err = netSend(t, tr, &Request{URL: target})
		require.ErrorIs(t, err, ClassBlocked, target)
	}
	assert.Empty(t, asked)

	_, err = netSend(t, tr, &Request{URL: "https://forbidden.example/"})
	require.ErrorIs(t, err, ClassRefused)
	assert.Equal(t, "refused: the proxy answered CONNECT with 403", err.Error())
	<-asked
}

func TestOnlyTheProxysOwnAddressIsNotJudged(t *testing.T) {
	proxy, _ := netProxy(t, "http", "")
	proxyURL := &url.URL{Scheme: "http", Host: proxy.Listener.Addr().String()}
	dial := netTransport(t, Network{Proxy: proxyURL}).client.Dial
	conn, err := dial(t.Context(), "tcp", proxyURL.Host)
	require.NoError(t, err)
	_ = conn.Close()

	other := netRawServer(t, func(net.Conn) {})
	for _, addr := range []string{strings.TrimPrefix(other, "http://"), "127.0.0.1:1"} {
		_, err = dial(t.Context(), "tcp", addr)
		require.Equal(t, ClassBlocked, Classify[Class](err), "%s: %v", addr, err)
	}
}

func TestProxyThatCannotBeReached(t *testing.T) {
	for _, scheme := range []string{"http", "https", "socks5"} {
		proxy := &url.URL{Scheme: scheme, Host: netClosedAddr(t), User: url.UserPassword("user", "canary")}
		_, err := netSend(t, netTransport(t, Network{Proxy: proxy}), &Request{URL: "https://hooks.example/"})
		require.ErrorIs(t, err, ClassRefused)
		assert.Equal(t, "refused: the proxy does not connect: connection refused", err.Error(), scheme)
	}
}

func TestSOCKSProxyGetsTheName(t *testing.T) {
	asked := make(chan string, 1)
	proxy := netRawServer(t, func(conn net.Conn) {
		in := bufio.NewReader(conn)
		_, _ = io.ReadFull(in, make([]byte, 3)) // version, one method, none
		_, _ = conn.Write([]byte{5, 0})
		head := make([]byte, 5) // version, connect, reserved, name, length
		_, _ = io.ReadFull(in, head)
		name := make([]byte, int(head[4])+2)
		_, _ = io.ReadFull(in, name)
		asked <- string(name[:head[4]])
		_, _ = conn.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0}) // connection refused
	})
	n := Network{Proxy: &url.URL{Scheme: "socks5", Host: strings.TrimPrefix(proxy, "http://")}}
	_, err := netSend(t, netTransport(t, n), &Request{URL: "https://hooks.example/"})
	require.ErrorIs(t, err, ClassRefused)
	assert.Equal(t, "refused: the proxy does not connect", err.Error())
	assert.Equal(t, "hooks.example", <-asked)
}

type netRoundTripper func(*http.Request) (*http.Response, error)

func (f netRoundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
