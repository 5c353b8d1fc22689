package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// throughTo connects a proxy's connection with addr, and passes bytes both ways.
func throughTo(p *peer, addr string) {
	up, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer up.Close()
	go func() { _, _ = io.Copy(up, p.in); _ = up.(*net.TCPConn).CloseWrite() }()
	_, _ = io.Copy(p, up)
}

func TestRequestsGoThroughProxiesOfEveryKind(t *testing.T) {
	receiver, sender := testTLS(t)
	secure, plain := listen(t, receiver, always(okDone)), listen(t, nil, always(okDone))
	for _, kind := range []string{"http", "https", "socks5"} {
		for _, target := range []*listener{secure, plain} {
			asked := make(chan string, 10)
			config := receiver
			if kind != "https" {
				config = nil
			}
			addr := strings.TrimRight(strings.SplitN(target.url, "//", 2)[1], "/")
			proxy := listen(t, config, func(p *peer) {
				if kind == "socks5" {
					asked <- socksServe(p)
					throughTo(p, addr)
					return
				}
				r, err := http.ReadRequest(p.in)
				if err != nil {
					return
				}
				asked <- r.Method + " " + r.RequestURI + " " + r.Host + " " + r.Header.Get("Proxy-Authorization")
				if r.Method == http.MethodConnect {
					p.say("HTTP/1.1 200 OK\r\n\r\n")
					throughTo(p, addr)
					return
				}
				_, _ = io.Copy(io.Discard, r.Body)
				p.say(okDone)
				always(okDone)(p)
			})
			u, err := url.Parse(proxy.url)
			require.NoError(t, err)
			client := clientOf(t, Config{TLS: sender, Proxy: &url.URL{Scheme: kind, Host: u.Host, User: url.UserPassword("user", "pass")}})
			for range 3 {
				got, err := send(t, client, request(t, target.url, one, "{}"))
				require.NoError(t, err, "%s to %s", kind, target.url)
				assert.Equal(t, "done", got.body)
			}
			assert.EqualValues(t, 1, proxy.conns.Load(), "the connection is kept")
			const auth = " Basic dXNlcjpwYXNz"
			switch {
			case kind == "socks5":
				assert.Equal(t, "user:pass "+addr, <-asked)
			case target == secure:
				assert.Equal(t, "CONNECT "+addr+" "+addr+auth, <-asked)
			default:
				assert.Equal(t, "POST "+target.url+" "+addr+auth, <-asked)
			}
		}
	}
}

// socksServe accepts a request with user and password to an IPv4 address. It returns the
// user, the password and the address, or else the problem.
func socksServe(p *peer) string {
	read := func(n int) []byte {
		b := make([]byte, n)
		_, _ = io.ReadFull(p.in, b)
		return b
	}
	if !bytes.Equal(read(4), []byte{5, 2, 0, 2}) {
		return "no greeting"
	}
	p.say("\x05\x02")
	user := read(int(read(2)[1]))
	password := read(int(read(1)[0]))
	p.say("\x01\x00")
	if !bytes.Equal(read(4), []byte{5, 1, 0, 1}) {
		return "no request"
	}
	ip, port := net.IP(read(4)), read(2)
	p.say("\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
	return fmt.Sprintf("%s:%s %s:%d", user, password, ip, int(port[0])<<8|int(port[1]))
}

func TestAProxyThatDoesNotConnectIsNoReceiver(t *testing.T) {
	_, sender := testTLS(t)
	for name, tt := range map[string]struct {
		scheme, reply string
		status        int   // status of a ProxyError
		err           error // or the error inside a net.OpError
	}{
		"refuses":                {"http", "HTTP/1.1 403 canary\r\nContent-Length: 6\r\n\r\ncanary", 403, nil},
		"wants a password":       {"http", "HTTP/1.1 407 \r\nProxy-Authenticate: Basic realm=canary\r\n\r\n", 407, nil},
		"says 201":               {"http", "HTTP/1.1 201 \r\n\r\n", 201, nil},
		"closes":                 {"http", "", 0, io.ErrUnexpectedEOF},
		"speaks first":           {"http", "HTTP/1.1 200 OK\r\n\r\ncanary", 0, ErrNotHTTP},
		"never ends its header":  {"http", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 100<<10), 0, ErrHeaderBytes},
		"never ends with 100":    {"http", strings.Repeat("HTTP/1.1 100 \r\n\r\n", 20), 0, ErrInformational},
		"switches":               {"http", "HTTP/1.1 101 \r\n\r\n", 0, ErrSwitched},
		"is of another version":  {"socks5", "\x04\x00", 0, errSOCKS},
		"accepts no method":      {"socks5", "\x05\xff", 0, errSOCKSAuth},
		"wants what is not sent": {"socks5", "\x05\x01", 0, errSOCKSAuth},
		"wants a user":           {"socks5", "\x05\x02", 0, errSOCKSAuth},
		"refuses to connect":     {"socks5", "\x05\x00\x05\x05\x00\x01", 0, errSOCKSRefuse},
		"changes its version":    {"socks5", "\x05\x00\x04\x00\x00\x01", 0, errSOCKS},
		"has a strange address":  {"socks5", "\x05\x00\x05\x00\x00\x02", 0, errSOCKS},
		"ends within a name":     {"socks5", "\x05\x00\x05\x00\x00\x03\x20canary", 0, io.ErrUnexpectedEOF},
		"ends within an address": {"socks5", "\x05\x00\x05\x00\x00\x04\x00", 0, io.ErrUnexpectedEOF},
	} {
		proxy := listen(t, nil, func(p *peer) {
			p.say(tt.reply)
			if tt.scheme == "http" && tt.reply == "" {
				_, _ = http.ReadRequest(p.in)
				return
			}
			_ = p.tcp.CloseWrite()
			p.wait()
		})
		u, err := url.Parse(proxy.url)
		require.NoError(t, err)
		client := clientOf(t, Config{TLS: sender, Proxy: &url.URL{Scheme: tt.scheme, Host: u.Host}})
		_, err = send(t, client, request(t, "https://a.example/", one, "{}"))
		require.Error(t, err, name)
		if tt.status != 0 {
			refused, ok := errors.AsType[*ProxyError](err)
			require.True(t, ok, "%s: %v", name, err)
			assert.Equal(t, tt.status, refused.Status)
		} else {
			op, ok := errors.AsType[*net.OpError](err)
			require.True(t, ok, "%s: %v", name, err)
			assert.Contains(t, []string{"proxyconnect", "socks connect"}, op.Op, name)
			require.ErrorIs(t, err, tt.err, name)
		}
		assert.Equal(t, tt.status == 407 || errors.Is(tt.err, errSOCKS) || errors.Is(tt.err, errSOCKSAuth), IsProxyDown(err), name)
		assert.NotContains(t, err.Error(), "canary")
		assert.Zero(t, client.Open())
	}
}

func TestAProxyThatTakesNoConnectionIsDown(t *testing.T) {
	refusing := func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	silent := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: ctx.Err()}
	}
	for _, scheme := range []string{"http", "https", "socks5", ""} {
		for name, tt := range map[string]struct {
			dial DialFunc
			wait time.Duration
		}{"refusing": {refusing, time.Minute}, "silent": {silent, time.Millisecond}} {
			c := Config{}
			if scheme != "" {
				c.Proxy = &url.URL{Scheme: scheme, Host: "proxy.example"}
			}
			client := clientOf(t, c)
			client.Dial = tt.dial
			req := request(t, "https://a.example/", one, "{}")
			req.Deadline = time.Now().Add(tt.wait)
			_, err := send(t, client, req)
			require.Error(t, err)
			assert.Equal(t, scheme != "", IsProxyDown(err), "%s %s: %v", name, scheme, err)
		}
	}
	assert.False(t, IsProxyDown(nil))
}

func TestWhatSOCKSHasNoRoomForIsNotSent(t *testing.T) {
	long := strings.Repeat("a", 255)
	for _, tt := range []struct {
		user, password, host string
		fits                 bool
	}{
		{"u", "p", "a.example", true},
		{long, long, long, true},
		{long + "a", "p", "h", false},
		{"u", long + "a", "h", false},
		{"", "p", "h", false},
		{"u", "", "h", false},
		{"u", "p", long + "a", false},
	} {
		var sent bytes.Buffer
		rw := struct {
			io.Reader
			io.Writer
		}{strings.NewReader("\x05\x02\x01\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"), &sent}
		err := socksConnect(rw, url.UserPassword(tt.user, tt.password), tt.host+":443")
		if !tt.fits {
			require.ErrorIs(t, err, errSOCKSLong)
			continue
		}
		require.NoError(t, err)
		want := "\x05\x02\x00\x02" + "\x01" + string(rune(len(tt.user))) + tt.user
		if len(tt.user) < 128 {
			assert.True(t, strings.HasPrefix(sent.String(), want), "%q", sent.String())
		}
		assert.True(t, strings.HasSuffix(sent.String(), tt.host+"\x01\xbb"))
	}
	for _, addr := range []string{"127.0.0.1:80", "[::ffff:127.0.0.1]:80", "[::1]:80"} {
		b, err := socksRequest(addr)
		require.NoError(t, err)
		if strings.Contains(addr, "127") {
			assert.Equal(t, "\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50", string(b))
		} else {
			assert.Len(t, b, 4+16+2)
		}
	}
}

func TestOnlyTheProxyIsDialed(t *testing.T) {
	for _, scheme := range []string{"http", "https", "socks5"} {
		var dialed []string
		client := clientOf(t, Config{Proxy: &url.URL{Scheme: scheme, Host: "proxy.example"}})
		client.Dial = func(_ context.Context, _, addr string) (net.Conn, error) {
			dialed = append(dialed, addr)
			return nil, errors.New("no")
		}
		for _, target := range []string{"http://a.example/", "https://b.example:8443/"} {
			_, err := send(t, client, request(t, target, one, "{}"))
			require.Error(t, err)
		}
		want := "proxy.example:" + ports[scheme]
		assert.Equal(t, []string{want, want}, dialed)
	}
}
