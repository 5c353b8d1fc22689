package sender

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func get(t *testing.T, rt http.RoundTripper, url string) (string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	resp, err := (&http.Client{Transport: rt}).Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

func TestOtherCallsOfTheApplicationAreJudgedAtEveryDial(t *testing.T) {
	port, reached := netTrap(t)
	start := netRawServer(t, netReplies("HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\nLocation: http://127.0.0.2:"+port+"/\r\n\r\n"))
	for name, c := range map[string]struct {
		network Network
		url     string
	}{
		"loopback":   {Network{AllowHTTP: true}, "http://127.0.0.1:" + port},
		"a name":     {Network{AllowHTTP: true}, "http://localhost:" + port},
		"denied":     {Network{AllowHTTP: true, AllowLoopback: true, Deny: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, "http://127.0.0.1:" + port},
		"a port":     {Network{AllowHTTP: true, AllowLoopback: true, Ports: []uint16{443}}, "http://127.0.0.1:" + port},
		"plain http": {Network{AllowLoopback: true}, "http://127.0.0.1:" + port},
		"a redirect": {Network{AllowHTTP: true, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}, start},
	} {
		rt := NewRoundTripper[Class](c.network.config(1, nil))
		_, err := get(t, rt, c.url)
		require.ErrorIs(t, err, ClassBlocked, name)
	}
	assert.Zero(t, reached.Load())
}

func TestOtherCallsOfTheApplicationAreBounded(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		size := 0
		_, _ = fmt.Sscan(r.URL.Path[1:], &size)
		_, _ = io.CopyN(w, strings.NewReader(strings.Repeat("b", size)), int64(size))
	}))
	defer server.Close()
	rt := NewRoundTripper[Class](netOpen().config(1, nil))
	for size, whole := range map[int]bool{0: true, 1000: true, maxBytes: true, maxBytes + 1: false, 2 * maxBytes: false} {
		body, err := get(t, rt, fmt.Sprintf("%s/%d", server.URL, size))
		assert.Equal(t, whole, err == nil, size)
		assert.LessOrEqual(t, len(body), maxBytes)
		if whole {
			assert.Len(t, body, size)
		} else {
			require.ErrorIs(t, err, ClassProtocol)
		}
	}
	client := rt.(boundedTransport[Class]).guarded.client
	require.Eventually(t, func() bool { return client.Open() == 0 }, netPatience, 1, "nothing is kept")
}

func TestOtherCallsOfTheApplicationEndInTime(t *testing.T) {
	for name, answer := range map[string]string{
		"no response":   "",
		"half a header": "HTTP/1.1 200 OK\r\n",
		"half a body":   "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncanary",
	} {
		synctest.Test(t, func(t *testing.T) {
			rt := NewRoundTripper[Class](netOpen().config(1, nil))
			rt.(boundedTransport[Class]).guarded.client.Dial = func(context.Context, string, string) (net.Conn, error) {
				near, far := net.Pipe()
				go func() {
					defer far.Close()
					_, _ = far.Read(make([]byte, 4096))
					_, _ = io.WriteString(far, answer)
					_, _ = io.Copy(io.Discard, far)
				}()
				return near, nil
			}
			_, err := get(t, rt, "http://hooks.example/")
			require.ErrorIs(t, err, ClassTimeout, name)
			assert.NotContains(t, err.Error(), "canary")
		})
	}
}

func TestWrapSendsNothingInClearUnlessItIsAllowed(t *testing.T) {
	port, reached := netTrap(t)
	for _, n := range []Network{{AllowLoopback: true}, {AllowLoopback: true, Proxy: &url.URL{Scheme: "http", Host: "127.0.0.1:" + port}}} {
		n.Wrap = netRewrite(func(r *http.Request) { r.URL.Scheme, r.URL.Host = "http", "127.0.0.1:"+port })
		for _, own := range []bool{false, true} {
			_, err := netSend(t, netTransport(t, n), &Request{URL: "https://127.0.0.1:" + port, OwnConn: own})
			require.ErrorIs(t, err, ClassBlocked)
			assert.Contains(t, Describe[Class](err), "Network.AllowHTTP")
		}
	}
	assert.Zero(t, reached.Load())
}
