package sender

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A proxy learns the place of a plain request from the request line, which net/http takes from
// Host or an opaque URL.
func TestNoWordFromWhichAProxyLearnsThePlaceIsUnjudged(t *testing.T) {
	for name, rewrite := range map[string]func(*http.Request){
		"Host":                   func(r *http.Request) { r.Host = "169.254.169.254" },
		"Host with a port":       func(r *http.Request) { r.Host = "127.0.0.1:8080" },
		"Host of IPv6":           func(r *http.Request) { r.Host = "[::1]:80" },
		"Host with a zone":       func(r *http.Request) { r.Host = "[fe80::1%25eth0]" },
		"Host in another form":   func(r *http.Request) { r.Host = "0x7f.1" },
		"Host in other digits":   func(r *http.Request) { r.Host = "１２７.0.0.1" },
		"Host with a user":       func(r *http.Request) { r.Host = "hooks.example@127.0.0.1" },
		"opaque URL":             func(r *http.Request) { r.URL.Opaque = "//169.254.169.254/latest" },
		"opaque URL of a scheme": func(r *http.Request) { r.URL.Opaque = "http://169.254.169.254/latest" },
		"opaque CONNECT": func(r *http.Request) {
			r.Method, r.URL.Path, r.URL.Opaque = http.MethodConnect, "", "169.254.169.254:80"
		},
	} {
		t.Run(name, func(t *testing.T) {
			proxy, asked := netProxy(t, "http", "")
			n := Network{AllowHTTP: true, Proxy: &url.URL{Scheme: "http", Host: proxy.Listener.Addr().String()}, Wrap: netRewrite(rewrite)}
			_, err := netSend(t, netTransport(t, n), &Request{URL: "http://hooks.example/"})
			require.ErrorIs(t, err, ClassBlocked)
			assert.Empty(t, asked)
		})
	}
}

func TestHostHeaderOfAWrapGoesThroughAProxyIfItIsAName(t *testing.T) {
	proxy, asked := netProxy(t, "http", "")
	n := Network{AllowHTTP: true, Proxy: &url.URL{Scheme: "http", Host: proxy.Listener.Addr().String()}}
	n.Wrap = netRewrite(func(r *http.Request) { r.Host = "other.example" })
	_, err := netSend(t, netTransport(t, n), &Request{URL: "http://hooks.example/"})
	require.NoError(t, err)
	assert.Equal(t, "POST http://other.example/ ", <-asked)
}

func TestWrapThatLosesTheURLIsAnErrorBehindAProxy(t *testing.T) {
	for _, proxy := range []*url.URL{nil, {Scheme: "http", Host: netClosedAddr(t)}} {
		n := Network{AllowHTTP: true, Proxy: proxy, Wrap: netRewrite(func(r *http.Request) { r.URL = nil })}
		_, err := netSend(t, netTransport(t, n), &Request{URL: "http://hooks.example/"})
		require.Error(t, err)
	}
}

func TestPortsAreJudgedBehindAProxy(t *testing.T) {
	port, reached := netTrap(t)
	for _, change := range []func(*http.Request){
		func(r *http.Request) { r.URL.Host = "hooks.example:25" },
		func(r *http.Request) { r.Host = "hooks.example:25" },
	} {
		n := Network{AllowHTTP: true, Proxy: &url.URL{Scheme: "http", Host: "127.0.0.1:" + port}, Wrap: netRewrite(change)}
		_, err := netSend(t, netTransport(t, n), &Request{URL: "http://hooks.example/"})
		require.ErrorIs(t, err, ClassBlocked)
	}
	assert.Zero(t, reached.Load())
}
