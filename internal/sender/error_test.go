package sender

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/internal/netguard"
	"github.com/gowebhook/webhook/internal/wire"
)

func TestClassesOfRealFailures(t *testing.T) {
	reset := func(conn net.Conn) { _ = conn.(*net.TCPConn).SetLinger(0) }
	replyThen := func(reply string, then func(net.Conn)) func(net.Conn) {
		return func(conn net.Conn) {
			netReplies(reply)(conn)
			then(conn)
		}
	}
	hang := func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }
	end := func(net.Conn) {}
	const head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n"

	for name, tt := range map[string]struct {
		handle func(net.Conn)
		class  Class
		text   string
	}{
		"closed before the request is read": {end, ClassReset, "closed before a complete response"},
		"reset before the header":           {replyThen("", reset), ClassReset, "connection reset by peer"},
		"closed before the header":          {replyThen("", end), ClassReset, "closed before a complete response"},
		"closed within the header":          {replyThen(head, end), ClassReset, "closed before a complete response"},
		"reset within the header":           {replyThen(head, reset), ClassReset, "closed before a complete response"},
		"closed within the body":            {replyThen(head+"\r\nabc", end), ClassReset, "closed before a complete response"},
		"reset within the body":             {replyThen(head+"\r\nabc", reset), ClassReset, "connection reset by peer"},
		"closed within a chunk":             {replyThen("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", end), ClassReset, "closed before"},
		"silence before the header":         {replyThen("", hang), ClassTimeout, "no response came in time"},
		"silence within the header":         {replyThen(head, hang), ClassTimeout, "no response came in time"},
		"another protocol":                  {replyThen("SSH-2.0-canary\r\n", end), ClassProtocol, "not valid HTTP"},
		"a bad status":                      {replyThen("HTTP/1.1 canary\r\n\r\n", end), ClassProtocol, "not valid HTTP"},
		"a bad header":                      {replyThen("HTTP/1.1 200 OK\r\ncanary\r\n\r\n", end), ClassProtocol, "not valid HTTP"},
		"a bad length":                      {replyThen("HTTP/1.1 200 OK\r\nContent-Length: canary\r\n\r\n", end), ClassProtocol, "not valid HTTP"},
		"a bad coding":                      {replyThen("HTTP/1.1 200 OK\r\nTransfer-Encoding: canary\r\n\r\n", end), ClassProtocol, "not valid HTTP"},
		"a bad chunk":                       {replyThen("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\ncanary\r\n", end), ClassProtocol, "not valid HTTP"},
	} {
		t.Run(name, func(t *testing.T) {
			patience := netPatience
			if tt.class == ClassTimeout {
				patience = 100 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			_, err := send(ctx, netTransport(t, netOpen()), &Request{URL: netRawServer(t, tt.handle), Body: []byte("{}")})
			require.ErrorIs(t, err, tt.class)
			assert.Equal(t, tt.class, Classify[Class](err))
			assert.Contains(t, Describe[Class](err), tt.text)
			assert.NotContains(t, err.Error(), "canary")
			assert.Equal(t, string(tt.class)+": "+Describe[Class](err), err.Error())
			assert.Equal(t, tt.class == ClassTimeout, errors.Is(err, context.DeadlineExceeded))
		})
	}
}

func TestTimeoutWithinTheBody(t *testing.T) {
	ctx := &netDeadline{t.Context(), make(chan struct{})}
	n := netOpen()
	n.Wrap = func(next http.RoundTripper) http.RoundTripper {
		return netRoundTripper(func(r *http.Request) (*http.Response, error) {
			defer close(ctx.passed)
			return next.RoundTrip(r)
		})
	}
	server := netRawServer(t, func(conn net.Conn) {
		netReplies("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")(conn)
		_, _ = io.Copy(io.Discard, conn)
	})
	_, err := send(ctx, netTransport(t, n), &Request{URL: server, Body: []byte("{}")})
	require.ErrorIs(t, err, ClassTimeout)
	assert.Equal(t, "timeout: the response body did not end in time", err.Error())
}

// A netDeadline is a context whose deadline passes when the test says so.
type netDeadline struct {
	context.Context
	passed chan struct{}
}

func (c *netDeadline) Done() <-chan struct{} { return c.passed }

func (c *netDeadline) Err() error {
	select {
	case <-c.passed:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func TestClassesOfFailuresToConnect(t *testing.T) {
	addr := netClosedAddr(t)
	_, err := netSend(t, netTransport(t, netOpen()), &Request{URL: "http://" + addr})
	require.ErrorIs(t, err, ClassRefused)
	assert.Equal(t, "refused: no connection to "+addr+": connection refused", err.Error())

	nobody := netResolver(t, func(string) []netip.Addr { return nil })
	_, err = netSend(t, newSender(Network{}, 1, nobody), &Request{URL: "https://hooks.example/"})
	require.ErrorIs(t, err, ClassDNS)
	assert.Equal(t, "dns: no address for host hooks.example", err.Error())

	// When a resolver does not answer, the shorter of the two limits decides the class.
	mute := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	tr := newSender(Network{}, 1, mute)
	_, err = send(ctx, tr, &Request{URL: "https://hooks.example/"})
	require.ErrorIs(t, err, ClassTimeout)
	tr.CloseIdle()
	dialer := net.Dialer{Timeout: time.Millisecond, Resolver: mute}
	_, err = dialer.DialContext(t.Context(), "tcp", "hooks.example:443")
	assert.Equal(t, ClassDNS, Classify[Class](err))
	assert.Equal(t, "no answer in time about host hooks.example", Describe[Class](err))
}

func TestClassesOfTLSFailures(t *testing.T) {
	server, trusting := netTLSServer(t, netEcho)
	plain := httptest.NewServer(http.HandlerFunc(netEcho))
	defer plain.Close()
	strict := httptest.NewUnstartedServer(http.HandlerFunc(netEcho))
	strict.Config.ErrorLog = netNoLog
	strict.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	strict.StartTLS()
	defer strict.Close()
	mute := netRawServer(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	loopback := netResolver(t, func(string) []netip.Addr { return []netip.Addr{netip.MustParseAddr("127.0.0.1")} })
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)
	expired := trusting
	expired.TLS = trusting.TLS.Clone()
	expired.TLS.Time = func() time.Time { return time.Date(2400, 1, 1, 0, 0, 0, 0, time.UTC) }
	noCert := trusting
	noCert.TLS = trusting.TLS.Clone()
	noCert.TLS.RootCAs.AddCert(strict.Certificate())

	for name, tt := range map[string]struct {
		network Network
		url     string
		class   Class
		text    string
	}{
		"unknown authority":  {Network{AllowLoopback: true}, server.URL, ClassTLS, "the certificate is signed by an unknown authority"},
		"wrong name":         {trusting, "https://hooks.invalid:" + port, ClassTLS, "the certificate is not valid for hooks.invalid"},
		"expired":            {expired, server.URL, ClassTLS, "the certificate has expired or is not valid yet"},
		"plain HTTP":         {trusting, strings.Replace(plain.URL, "http:", "https:", 1), ClassTLS, "the receiver does not speak TLS"},
		"client certificate": {noCert, strict.URL, ClassTLS, "the receiver refused the handshake: tls: certificate required"},
		"no handshake":       {trusting, strings.Replace(mute, "http:", "https:", 1), ClassTimeout, "no response came in time"},
	} {
		t.Run(name, func(t *testing.T) {
			patience := netPatience
			if tt.class == ClassTimeout {
				patience = 100 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			tr := newSender(tt.network, 1, loopback)
			defer tr.CloseIdle()
			_, err := send(ctx, tr, &Request{URL: tt.url})
			require.ErrorIs(t, err, tt.class)
			assert.Equal(t, tt.text, Describe[Class](err))
		})
	}
}

// A Transport of the application's own may speak HTTP/2.
func TestClassesOfHTTP2Failures(t *testing.T) {
	server, n := netTLSServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "abc")
			_ = http.NewResponseController(w).Flush()
		}
		if r.URL.Path == "/hang" {
			<-r.Context().Done()
			return
		}
		panic(http.ErrAbortHandler)
	})
	// A GOAWAY frame has room for words of the receiver.
	goAway := "\x00\x00\x0e\x07\x00\x00\x00\x00\x00" + "\x00\x00\x00\x01" + "\x00\x00\x00\x02" + "canary" // INTERNAL_ERROR
	tr := &http.Transport{TLSClientConfig: n.TLS, ForceAttemptHTTP2: true}
	defer tr.CloseIdleConnections()
	send := func(url string, patience time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("{}"))
		require.NoError(t, err)
		resp, err := tr.RoundTrip(r)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		assert.Equal(t, 2, resp.ProtoMajor)
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	for _, url := range []string{server.URL + "/header", server.URL + "/body"} {
		err := send(url, netPatience)
		assert.Equal(t, ClassReset, Classify[Class](err), url)
		assert.Equal(t, "the receiver reset the stream before a complete response", Describe[Class](err))
	}
	err := send(netHTTP2Server(t, server, goAway), netPatience)
	assert.Equal(t, ClassReset, Classify[Class](err))
	assert.Equal(t, "the connection was closed before a complete response", Describe[Class](err))
	assert.Equal(t, ClassTimeout, Classify[Class](send(server.URL+"/hang", 100*time.Millisecond)))
}

// netHTTP2Server answers the first request of each connection with reply, frames of HTTP/2
// (RFC 9113).
func netHTTP2Server(t *testing.T, server *httptest.Server, reply string) string {
	t.Helper()
	config := &tls.Config{Certificates: server.TLS.Certificates, NextProtos: []string{"h2"}}
	addr := netRawServer(t, func(raw net.Conn) {
		conn := tls.Server(raw, config)
		defer conn.Close()
		in := bufio.NewReader(conn)
		_, _ = io.ReadFull(in, make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")))
		_, _ = conn.Write([]byte{0, 0, 0, 4, 0, 0, 0, 0, 0}) // SETTINGS
		for head := make([]byte, 9); head[3] != 1; {         // HEADERS
			if _, err := io.ReadFull(in, head); err != nil {
				return
			}
			_, _ = io.CopyN(io.Discard, in, int64(head[0])<<16|int64(head[1])<<8|int64(head[2]))
		}
		_, _ = io.WriteString(conn, reply)
		_ = conn.CloseWrite()
		_, _ = io.Copy(io.Discard, in)
	})
	return strings.Replace(addr, "http:", "https:", 1)
}

func TestAHeaderOfNearly64KiBIsAnAnswer(t *testing.T) {
	big := strings.Repeat("h", wire.MaxHeadBytes-100)
	reply := "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: " + big + "\r\n\r\n"
	resp, err := netSend(t, netTransport(t, netOpen()), &Request{URL: netRawServer(t, netReplies(reply))})
	require.NoError(t, err)
	assert.Equal(t, big, resp.Header.Get("A"))
}

func TestAFewInformationalResponsesAreSkipped(t *testing.T) {
	reply := "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"
	resp, err := netSend(t, netTransport(t, netOpen()), &Request{URL: netRawServer(t, netReplies(reply))})
	require.NoError(t, err)
	assert.Equal(t, http.StatusNoContent, resp.StatusCode)
}

func TestClassify(t *testing.T) {
	dial := func(err error) error {
		addr := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443}
		return &net.OpError{Op: "dial", Net: "tcp", Addr: addr, Err: err}
	}
	read := func(err error) error { return &net.OpError{Op: "read", Net: "tcp", Err: err} }
	for _, tt := range []struct {
		err   error
		class Class
		text  string
	}{
		{nil, "", ""},
		{fmt.Errorf("sending: %w", fmt.Errorf("%w: detail", ClassDNS)), ClassDNS, "sending: dns: detail"},
		{fmt.Errorf("%w: %w", Class("http_status"), io.EOF), "http_status", "http_status: EOF"}, // a class counts first
		{&netguard.BlockedError{Addr: "10.0.0.1", Block: "b", Option: "o"}, ClassBlocked, "address 10.0.0.1 is blocked (b); the application can allow it with o"},
		{dial(&netguard.BlockedError{Addr: "10.0.0.1", Block: "b"}), ClassBlocked, "address 10.0.0.1 is blocked (b); no option allows it"},
		{&netguard.HostError{Problem: "is empty", Cure: "write one"}, ClassBlocked, "host is empty: write one"},
		{dial(&net.DNSError{Name: "a.example", IsNotFound: true}), ClassDNS, "no address for host a.example"},
		{dial(&net.DNSError{Name: "a.example", Err: "server misbehaving", Server: "10.0.0.2:53"}), ClassDNS, "no usable answer about host a.example"},
		{dial(syscall.ECONNREFUSED), ClassRefused, "no connection to 192.0.2.1:443: connection refused"},
		{dial(os.NewSyscallError("connect", syscall.EHOSTUNREACH)), ClassRefused, "no connection to 192.0.2.1:443: no route to host"},
		{dial(syscall.ENETUNREACH), ClassRefused, "no connection to 192.0.2.1:443: network is unreachable"},
		{dial(syscall.EMFILE), ClassRefused, "no connection to 192.0.2.1:443: too many open files"},
		{dial(os.ErrDeadlineExceeded), ClassTimeout, "no connection to 192.0.2.1:443 in time"},
		{dial(syscall.ETIMEDOUT), ClassTimeout, "no connection to 192.0.2.1:443: connection timed out"},
		{dial(syscall.ECONNRESET), ClassReset, "no connection to 192.0.2.1:443: connection reset by peer"},
		{read(syscall.EHOSTUNREACH), ClassRefused, "the address cannot be reached: no route to host"},
		{read(syscall.EIO), ClassReset, "the connection was closed before a complete response: input/output error"},
		{&net.OpError{Op: "write", Err: syscall.EPIPE}, ClassReset, "the connection was closed before a complete response: broken pipe"},
		{context.DeadlineExceeded, ClassTimeout, "no complete response in time"},
		{context.Canceled, ClassReset, "the request was canceled"},
		{io.ErrUnexpectedEOF, ClassReset, "the connection was closed before a complete response"},
		{errors.New("http: server closed idle connection"), ClassReset, "the connection was closed before a complete response"},
		{errors.New("http2: client connection lost"), ClassReset, "the connection was closed before a complete response"},
		{errors.New("stream error: stream ID 1; INTERNAL_ERROR; received from peer"), ClassReset, "the receiver reset the stream before a complete response"},
		{errors.New("stream error: stream ID 1; PROTOCOL_ERROR; invalid header"), ClassProtocol, "stream error: stream ID 1; PROTOCOL_ERROR; invalid header"},
		{&net.OpError{Op: "proxyconnect", Err: dial(syscall.ECONNREFUSED)}, ClassRefused, "the proxy does not connect: connection refused"},
		{&net.OpError{Op: "proxyconnect", Err: dial(&net.DNSError{})}, ClassRefused, "the proxy does not connect"},
		{&net.OpError{Op: "proxyconnect", Err: dial(context.DeadlineExceeded)}, ClassTimeout, "the proxy does not connect in time"},
		{&net.OpError{Op: "remote error", Err: errors.New("tls: handshake failure")}, ClassTLS, "the receiver refused the handshake: tls: handshake failure"},
		{&net.OpError{Op: "local error", Err: errors.New("tls: bad record MAC")}, ClassTLS, "the handshake failed"},
		{&tls.ECHRejectionError{}, ClassTLS, "the handshake failed"},
		{tls.AlertError(40), ClassTLS, "the handshake failed"},
		{http.ErrSchemeMismatch, ClassTLS, "the receiver does not speak TLS"},
		{errors.New("tls: server selected unsupported protocol version 301"), ClassTLS, "the handshake failed"},
		{x509.HostnameError{Host: "a.example", Certificate: &x509.Certificate{DNSNames: []string{"canary"}}}, ClassTLS, "the certificate is not valid for a.example"},
		{x509.CertificateInvalidError{Reason: x509.NameMismatch, Detail: "canary"}, ClassTLS, "the certificate is not valid"},
		{errors.New("net/http: invalid header field value for \"X\""), ClassProtocol, "a header of the request is not valid"},
		{errors.New("malformed HTTP response \"canary\""), ClassProtocol, "the response is not valid HTTP"},
		{errors.New("queue is full"), ClassProtocol, "queue is full"}, // of a Transport of the application's own
	} {
		assert.Equal(t, tt.class, Classify[Class](tt.err), "%v", tt.err)
		assert.Equal(t, tt.text, Describe[Class](tt.err), "%v", tt.err)
		if tt.err != nil {
			wrapped := fmt.Errorf("a: %w", errors.Join(io.ErrNoProgress, tt.err))
			assert.Equal(t, tt.class, Classify[Class](wrapped), "%v", wrapped)
		}
	}
}

func TestDescribeNeverShowsURLsOrWhatCame(t *testing.T) {
	const secret = "https://user:canary@hooks.example/canary?canary#canary"
	for _, err := range []error{
		&url.Error{Op: "Post", URL: secret, Err: errors.New("malformed HTTP response \"canary\"")},
		&url.Error{Op: "Post", URL: secret, Err: errors.New("something new about \"canary\"")},
		&url.Error{Op: "Post", URL: secret, Err: io.EOF},
		&url.Error{Op: "parse", URL: secret, Err: url.EscapeError("canary")},
		fmt.Errorf("%w: %w", ClassReset, &url.Error{Op: "Post", URL: secret, Err: io.EOF}),
		fmt.Errorf("%w: %w", ClassReset, &url.Error{Op: "Post", URL: secret, Err: errors.New("malformed HTTP response \"canary\"")}),
		fmt.Errorf("%w: %w", ClassBlocked, &url.Error{Op: "Post", URL: secret, Err: io.EOF}),
		fmt.Errorf("%w: %s", ClassReset, (&url.Error{Op: "Post", URL: secret, Err: io.EOF}).Error()),
		fmt.Errorf("sending to %s: it failed", secret),
		fmt.Errorf("sending to <%s>", secret),
		errors.New("Post \"https://user:can/canary@hooks.example/\": EOF"),
	} {
		assert.NotContains(t, Describe[Class](err), "canary", "%v", err)
		assert.NotEmpty(t, Describe[Class](err))
	}
	assert.Equal(t, "sending to https://hooks.example failed", Describe[Class](errors.New("sending to https://hooks.example/a?b failed")))
}

func TestDescribeIsOneShortLineOfText(t *testing.T) {
	for _, text := range []string{
		"a\x00b\r\nc\x1b[31m", "\xff\xfe", "a\u2028b\u202ec\u0085", strings.Repeat("x", 1000), strings.Repeat("\xff", 1000),
		strings.Repeat("ü", 200), "x" + strings.Repeat("ü", 200), strings.Repeat("漢", 200), "xx" + strings.Repeat("漢", 200), strings.Repeat("😀", 90),
	} {
		got := Describe[Class](errors.New(text))
		assert.True(t, utf8.ValidString(got), "%q", got)
		assert.LessOrEqual(t, len(got), maxErrorBytes)
		assert.GreaterOrEqual(t, len(got), min(utf8.RuneCountInString(text), maxErrorBytes-len("…")-utf8.UTFMax))
		assert.Equal(t, -1, strings.IndexFunc(got, unicode.IsControl), "%q", got)
	}
	assert.Equal(t, strings.Repeat("x", maxErrorBytes), Describe[Class](errors.New(strings.Repeat("x", maxErrorBytes))))
}

// netReplies answers each request on a connection with the next of replies, and then closes it.
func netReplies(replies ...string) func(net.Conn) {
	return func(conn net.Conn) {
		in := bufio.NewReader(conn)
		for _, reply := range replies {
			if !netReadRequest(in) {
				return
			}
			_, _ = io.WriteString(conn, reply)
		}
	}
}

func netReadRequest(in *bufio.Reader) bool {
	req, err := http.ReadRequest(in)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, req.Body)
	return err == nil
}

func netClosedAddr(tb testing.TB) string {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	defer listener.Close()
	return listener.Addr().String()
}

func netTLSServer(tb testing.TB, handler http.HandlerFunc) (*httptest.Server, Network) {
	tb.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = netNoLog
	server.EnableHTTP2 = true
	server.StartTLS()
	tb.Cleanup(server.Close)
	return server, Network{AllowLoopback: true, TLS: server.Client().Transport.(*http.Transport).TLSClientConfig}
}

// netResolver asks a name server of the test, which knows A records only and answers NXDOMAIN
// for none.
func netResolver(t *testing.T, lookup func(name string) []netip.Addr) *net.Resolver {
	t.Helper()
	return netServer(t, func(query []byte) []byte { return netAnswer(query, lookup) })
}

// netServer is a resolver with a name server of the test.
func netServer(t *testing.T, answer func(query []byte) []byte) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	go func() {
		msg := make([]byte, 1500)
		for {
			n, from, err := server.ReadFrom(msg)
			if err != nil {
				return
			}
			_, _ = server.WriteTo(answer(msg[:n]), from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

// netAnswer answers a DNS query (RFC 1035 §4.1).
func netAnswer(query []byte, lookup func(string) []netip.Addr) []byte {
	var labels []string
	end := 12
	for query[end] != 0 {
		next := end + 1 + int(query[end])
		labels = append(labels, string(query[end+1:next]))
		end = next
	}
	end += 5 // the root, type and class
	isA := query[end-3] == 1

	answer := append([]byte(nil), query[:end]...)
	copy(answer[2:], []byte{0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0})
	if !isA {
		return answer
	}
	addrs := lookup(strings.Join(labels, "."))
	if len(addrs) == 0 {
		answer[3] |= 3 // no such name
	}
	answer[7] = byte(len(addrs))
	for _, addr := range addrs {
		answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		answer = append(answer, addr.AsSlice()...)
	}
	return answer
}
