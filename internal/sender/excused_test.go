package sender

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A tenant sees whether its endpoint's health changes, so only facts that no name leads to may
// excuse a failure.
func TestAFailureIsExcusedByTheConfigurationOrTheProxyOnly(t *testing.T) {
	closed := netClosedAddr(t)
	answers := func(status string) string {
		return strings.TrimPrefix(netRawServer(t, netReplies("HTTP/1.1 "+status+"\r\nContent-Length: 0\r\n\r\n")), "http://")
	}
	via := func(scheme, addr string) Network {
		n := netOpen()
		n.Proxy = &url.URL{Scheme: scheme, Host: addr}
		return n
	}
	wrapped := via("http", closed)
	wrapped.Wrap = func(next http.RoundTripper) http.RoundTripper { return next }
	for name, c := range map[string]struct {
		network Network
		url     string
		class   Class
		excused bool
	}{
		"http is not allowed now":         {Network{}, "http://a.example/", ClassBlocked, true},
		"the port is not allowed now":     {Network{Ports: []uint16{443}}, "https://a.example:8443/", ClassBlocked, true},
		"the address is not allowed now":  {Network{}, "https://10.0.0.1/", ClassBlocked, true},
		"nobody listens":                  {netOpen(), "http://" + closed + "/", ClassRefused, false},
		"the proxy is down":               {via("http", closed), "http://a.example/", ClassRefused, true},
		"the proxy is down, TLS":          {via("https", closed), "https://a.example/", ClassRefused, true},
		"the proxy is down, SOCKS":        {via("socks5", closed), "https://a.example/", ClassRefused, true},
		"the proxy is down, behind Wrap":  {wrapped, "https://a.example/", ClassRefused, true},
		"the proxy wants another user":    {via("http", answers("407 ")), "https://a.example/", ClassRefused, true},
		"the proxy does not reach a name": {via("http", answers("502 ")), "https://a.example/", ClassRefused, false},
	} {
		_, err := netSend(t, netTransport(t, c.network), &Request{URL: c.url})
		require.ErrorIs(t, err, c.class, name)
		assert.Equal(t, c.excused, IsExcused[Class](err), "%s: %v", name, err)
	}
	stage := newDNSStage(t)
	for _, addr := range []string{"169.254.169.254", "10.0.0.1"} {
		err := stage.send(t, stage.transport(t, func(name string) []dnsRecord { return dnsAddrs(name, addr) }))
		require.ErrorIs(t, err, ClassBlocked)
		assert.False(t, IsExcused[Class](err), "a name that leads to %s", addr)
	}
}
