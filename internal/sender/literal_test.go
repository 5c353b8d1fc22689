package sender

import (
	"net/http"
	"net/netip"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/internal/hookurl"
	"github.com/gowebhook/webhook/internal/netguard"
)

// netLoopbackForms are hosts that some parser, resolver or operating system takes for
// loopback, or may.
var netLoopbackForms = []string{
	"127.0.0.1", "127.255.255.254", "0.0.0.0",
	// inet_aton: octal, hexadecimal, whole numbers, fewer parts.
	"0177.0.0.1", "0177.00.00.01", "017700000001", "0x7f.0.0.1", "0X7F.1", "0x7f000001", "2130706433", "127.1", "127.0.1", "127.0.0.01",
	"0", "00", "0x0", "0x", "127.0.0.0x1", "127.000.000.001", "4294967295", "127.0.0.1.1",
	// The dot of an absolute name, and more of them.
	"127.0.0.1.", "127.1.", "0.", "127.0.0.1..", "localhost..",
	// IPv6, mapped and otherwise embedded, and with a zone.
	"[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:FFFF:7F00:0001]", "[::127.0.0.1]",
	"[::ffff:0:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[::1%25lo]", "[::1%lo]", "[::ffff:127.0.0.1%25lo]", "[fe80::1%25lo]",
	"[::1%25%31]", "[127.0.0.1]", "[::ffff:0x7f.1]", "[::1].", "[::1", "::1", "[[::1]]", "[v1.127.0.0.1]",
	// Percent-encoded.
	"%31%32%37.0.0.1", "127%2e0%2e0%2e1", "%2531", "127.0.0.1%00", "127.0.0.1%00.good.example", "127.0.0.1%0d%0a", "127.0.0.1%2fgood.example",
	"good.example%40127.0.0.1", "%EF%BC%91%EF%BC%92%EF%BC%97.0.0.1", "%5b::1%5d",
	// Digits, letters and dots that Unicode normalization makes ASCII of.
	"１２７.0.0.1", "127。0。0。1", "127．0．0．1", "127｡0｡0｡1", "①②⑦.⓪.⓪.①", "𝟭𝟮𝟳.0.0.1", "ⓛocalhost", "127.0.0.1\u00ad",
	// Userinfo, which some parsers end at another @, or at a backslash.
	"good.example@127.0.0.1", "good.example:443@127.0.0.1", "127.0.0.1@good.example", "@127.0.0.1", "good.example@@127.0.0.1",
	`good.example\@127.0.0.1`, `127.0.0.1\@good.example`, `127.0.0.1\good.example`, `good.example\127.0.0.1`, "127.0.0.1#@good.example",
	// Characters that some parsers strip, and that others take for the end.
	"127.0.0.1\t", "127.0.\n0.1", " 127.0.0.1", "127.0.0.1 good.example", "127.0.0.1\x00", "\x01127.0.0.1", "127.0.0.1\u00a0", "\ufeff127.0.0.1",
	"127.0.0.1;good.example", "127.0.0.1,good.example", "127.0.0.1:80:443", "127.0.0.1:", "127.0.0.1:0x50", "127.0.0.1&good.example",
}

func TestNoFormOfLoopbackIsSentTo(t *testing.T) {
	var asked atomic.Int32
	resolver := dnsResolver(t, func(name string) []dnsRecord {
		asked.Add(1)
		return dnsAddrs(name, "127.0.0.1")
	})
	tr := newSender(Network{AllowHTTP: true}, 1, resolver)
	for _, host := range netLoopbackForms {
		for _, scheme := range []string{"http://", "https://"} {
			_, err := netSend(t, tr, &Request{URL: scheme + host + "/"})
			require.ErrorIs(t, err, ClassBlocked, "%q", host)
			assert.Contains(t, Describe[Class](err), "; ", "%q has no cure", host)
		}
	}
	assert.Zero(t, asked.Load(), "the resolver sees none of them")
}

// AllowPrivate makes no difference to unusual forms of addresses, and to other addresses than
// loopback.
func TestAllowPrivateOpensNoUnusualForm(t *testing.T) {
	usual := map[string]bool{
		"127.0.0.1": true, "127.255.255.254": true,
		"[::1]": true, "[0:0:0:0:0:0:0:1]": true, "[::ffff:127.0.0.1]": true, "[::ffff:7f00:1]": true, "[0:0:0:0:0:FFFF:7F00:0001]": true,
	}
	for _, host := range netLoopbackForms {
		_, err := hookurl.Check(&netguard.Guard{AllowPrivate: true, AllowLoopback: true}, "https://"+host+"/")
		assert.Equal(t, usual[host], err == nil, "%q: %v", host, err)
	}
}

func TestNoFormOfLoopbackIsReachedByAWrap(t *testing.T) {
	port, reached := netTrap(t)
	resolver := netAllLoopback(t)
	proxy, asked := netProxy(t, "http", "")
	var host string
	direct := Network{AllowHTTP: true, Wrap: netRewrite(func(r *http.Request) { r.URL.Host = host })}
	proxied := direct
	proxied.Proxy = &url.URL{Scheme: "http", Host: proxy.Listener.Addr().String()}
	for _, n := range []Network{direct, proxied} {
		tr := newSender(n, 1, resolver)
		t.Cleanup(tr.CloseIdle)
		for _, form := range netLoopbackForms {
			for _, host = range []string{form, form + ":" + port} {
				_, err := netSend(t, tr, &Request{URL: "http://hooks.example/"})
				require.Error(t, err, "%q", host)
			}
		}
	}
	assert.Zero(t, reached.Load())
	assert.Empty(t, asked)
}

func TestNameOfLoopbackIsBlockedWhenItIsDialed(t *testing.T) {
	port, reached := netTrap(t)
	tr := newSender(Network{AllowHTTP: true}, 1, netAllLoopback(t))
	for _, host := range []string{
		"localhost", "localhost.", "LOCALHOST", "localhost.localdomain", "db.localhost", "127.0.0.1.hooks.example", "127-0-0-1.hooks.example",
		"7f000001.hooks.example", "ip6-localhost", "metadata.google.internal", "kubernetes.default.svc",
	} {
		_, err := netSend(t, tr, &Request{URL: "http://" + host + ":" + port})
		require.ErrorIs(t, err, ClassBlocked, host)
		assert.Contains(t, Describe[Class](err), "loopback", host)
	}
	assert.Zero(t, reached.Load())
}

// The address that was judged is the address that is dialed: nothing parses it a second time
// in another way.
func TestAllowedFormsReachTheAddressTheyName(t *testing.T) {
	server := netRawServer(t, netReplies(dnsAnswer))
	n := Network{AllowHTTP: true, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
	tr := netTransport(t, n)
	u, err := url.Parse(server)
	require.NoError(t, err)
	for _, host := range []string{"127.0.0.1", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"} {
		_, err := netSend(t, tr, &Request{URL: "http://" + host + ":" + u.Port()})
		require.NoError(t, err, host)
	}
}
