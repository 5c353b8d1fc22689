package wire

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestARequestIsWrittenAsNetHTTPDoes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(values ...string) string { return values[random.IntN(len(values))] }
	for range 2000 {
		u, err := url.Parse(pick("http://a.example", "https://A.example:8443", "https://[::1]:443", "http://127.0.0.1:80") +
			pick("", "/", "/a/b", "/a%2Fb?c=%20&d", "/?", "//x", "/ä") + pick("", "?q=1"))
		require.NoError(t, err)
		header := http.Header{"User-Agent": {pick("", "agent/1")}}
		for range random.IntN(6) {
			name := pick("X-A", "Content-Type", "Webhook-Id", "Authorization", "x-lower", "X!#$%&'*+-.^_`|~")
			header[name] = append(header[name], pick("", "a", " a b\t", "ü", "a,b; c=\"d\""))
		}
		r := &Request{Method: pick("POST", "GET", "PUT", "DELETE"), URL: u, Host: pick("", "", "other.example:1"), Header: header}
		if r.Method != http.MethodGet {
			r.Body = []byte(pick("", "{}", "abc"))
		}
		closes := random.IntN(2) == 0

		theirs := &http.Request{Method: r.Method, URL: u, Host: r.Host, Header: header, Close: closes, ContentLength: int64(len(r.Body))}
		if len(r.Body) > 0 {
			theirs.Body = io.NopCloser(bytes.NewReader(r.Body))
		} else {
			theirs.Body = http.NoBody
		}
		var want bytes.Buffer
		require.NoError(t, theirs.Write(&want))
		got, err := r.head(nil, closes)
		require.NoError(t, err)
		assert.Equal(t, lines(want.String()), lines(string(got.bytes)))
		assert.Empty(t, got.tail)
		got.free()
	}
}

// lines returns the lines of a request, for comparison. Two requests have the same lines if
// they differ only in the position of Content-Length and Connection, or in a
// Content-Length of 0.
func lines(text string) []string {
	head, body, _ := strings.Cut(text, "\r\n\r\n")
	all := strings.Split(head, "\r\n")
	var framing, others []string
	for _, line := range all {
		switch {
		case line == "Content-Length: 0", strings.HasPrefix(line, "Connection: "), strings.HasPrefix(line, "Content-Length: "):
			if line != "Content-Length: 0" {
				framing = append(framing, line)
			}
		default:
			others = append(others, line)
		}
	}
	if len(framing) == 2 && framing[0] > framing[1] {
		framing[0], framing[1] = framing[1], framing[0]
	}
	return append(append(others, framing...), body)
}

func TestNothingThatIsNotARequestIsWritten(t *testing.T) {
	u, err := url.Parse("http://a.example/")
	require.NoError(t, err)
	dirty := []string{"a\r\nb", "a\nb", "a\rb", "a\x00b", "a\x01", "\x7f", "a\r\n", "\n"}
	for _, value := range dirty {
		for name, r := range map[string]*Request{
			"value":      {Method: "POST", URL: u, Header: http.Header{"X": {"ok", value}}},
			"user agent": {Method: "POST", URL: u, Header: http.Header{"User-Agent": {value}}},
			"name":       {Method: "POST", URL: u, Header: http.Header{value: {"ok"}}},
		} {
			_, err := r.head(nil, false)
			require.ErrorIs(t, err, ErrHeader, "%s %q", name, value)
		}
		for name, r := range map[string]*Request{
			"method": {Method: value, URL: u},
			"Host":   {Method: "POST", URL: u, Host: value},
			"host":   {Method: "POST", URL: &url.URL{Scheme: "http", Host: value}},
			"query":  {Method: "POST", URL: &url.URL{Scheme: "http", Host: "a", RawQuery: value}},
			"opaque": {Method: "POST", URL: &url.URL{Scheme: "http", Host: "a", Opaque: value}},
			"scheme": {Method: "POST", URL: &url.URL{Scheme: value, Host: "a"}},
		} {
			_, err := r.head(nil, false)
			require.ErrorIs(t, err, ErrRequest, "%s %q", name, value)
		}
	}
	for _, name := range []string{"", "a b", "a:", "a:b", "ü", "(a)", "a/b"} {
		_, err := (&Request{Method: "POST", URL: u, Header: http.Header{name: {"a"}}}).head(nil, false)
		require.ErrorIs(t, err, ErrHeader, "%q", name)
	}
	for _, host := range []string{"a b", "a/b", "a?b", "a#b", "a@b", "ü.example", `a\b`, "[fe80::1%25eth0]"} {
		_, err := (&Request{Method: "POST", URL: u, Host: host}).head(nil, false)
		require.ErrorIs(t, err, ErrRequest, "%q", host)
	}
	r := &Request{Method: "POST", URL: &url.URL{Scheme: "http", Path: "/"}, Host: "a.example"}
	_, err = r.head(nil, false)
	require.ErrorIs(t, err, ErrRequest, "it does not say where to dial")
	for _, scheme := range []string{"", "HTTP", "ftp", "h2c", "unix"} {
		_, err := (&Request{Method: "POST", URL: &url.URL{Scheme: scheme, Host: "a"}}).head(nil, false)
		require.ErrorIs(t, err, ErrRequest, scheme)
	}
}

func TestFramingAndExpectationsAreNotTheCallers(t *testing.T) {
	u, err := url.Parse("http://a.example/")
	require.NoError(t, err)
	header := http.Header{"X": {"kept"}}
	for _, name := range []string{
		"TE", "Host", "Expect", "Trailer", "Upgrade", "Connection", "Keep-Alive", "Content-Length", "Proxy-Connection", "Transfer-Encoding",
	} {
		header[name] = []string{"canary"}
		header[strings.ToLower(name)] = []string{"canary"}
		header[strings.ToUpper(name)] = []string{"canary"}
	}
	h, err := (&Request{Method: "POST", URL: u, Header: header, Body: []byte("{}")}).head(nil, false)
	require.NoError(t, err)
	assert.Equal(t, "POST / HTTP/1.1\r\nHost: a.example\r\nX: kept\r\nContent-Length: 2\r\n\r\n{}", string(h.bytes))
}

func TestAProxyThatSeesTheRequestGetsTheWholeURL(t *testing.T) {
	header := http.Header{"Proxy-Authorization": {"canary"}}
	for proxy, proxied := range map[string]bool{"http://u:p@p": true, "https://u:p@p": true, "socks5://u:p@p": false} {
		p, err := url.Parse(proxy)
		require.NoError(t, err)
		for _, scheme := range []string{"http", "https"} {
			u := &url.URL{Scheme: scheme, Host: "a.example", Path: "/x", RawQuery: "y"}
			h, err := (&Request{Method: "POST", URL: u, Host: "b.example", Header: header}).head(p, false)
			require.NoError(t, err)
			text := string(h.bytes)
			if proxied && scheme == "http" {
				assert.True(t, strings.HasPrefix(text, "POST http://b.example/x?y HTTP/1.1\r\nHost: b.example\r\n"), text)
				assert.Contains(t, text, "\r\nProxy-Authorization: Basic dTpw\r\n")
				assert.NotContains(t, text, "canary")
			} else {
				assert.True(t, strings.HasPrefix(text, "POST /x?y HTTP/1.1\r\nHost: b.example\r\n"), text)
				assert.NotContains(t, text, "dTpw", "the proxy's password")
			}
		}
	}
}

// A request of any size arrives whole, and its memory serves the next request.
func TestARequestOfAnySizeArrivesAsItIs(t *testing.T) {
	server := listen(t, nil, func(p *peer) {
		for {
			r, err := http.ReadRequest(p.in)
			if err != nil {
				return
			}
			body, err := io.ReadAll(r.Body)
			if err != nil || !p.say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)) {
				return
			}
		}
	})
	client := newClient(t)
	r := request(t, server.url, one, "")
	h, err := r.head(nil, false)
	require.NoError(t, err)
	room := maxDirectBytes - len(h.bytes) - len("10000") + 1 // Content-Length has more digits
	for round := range 3 {
		for _, n := range []int{0, 1, 1000, room - 1, room, room + 1, 2 * maxDirectBytes, 1 << 20} {
			body := strings.Repeat(string(rune('a'+round)), n)
			got, err := send(t, client, request(t, server.url, one, body))
			require.NoError(t, err)
			require.Len(t, got.body, n)
			require.Equal(t, body, got.body)
		}
	}
	assert.EqualValues(t, 1, server.conns.Load())
}
