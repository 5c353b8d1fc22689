package sender

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/internal/wire"
)

func TestSendPostsWhatItIsGivenAndKeepsTheConnection(t *testing.T) {
	var conns atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		assert.Equal(t, http.MethodPost, r.Method)
		assert.Equal(t, "/a%2Fb?c=%20", r.RequestURI)
		assert.Equal(t, int64(len(body)), r.ContentLength)
		r.Header.Del("Content-Length")
		assert.Equal(t, http.Header{"X": {"1", "2"}}, r.Header)
		w.Header()["Y"] = []string{"3", "4"}
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write(body)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	server.Start()
	defer server.Close()

	tr := netTransport(t, netOpen())
	for i := range 100 {
		body := strings.Repeat("x", i)
		header := http.Header{"X": {"1", "2"}}
		resp, err := netSend(t, tr, &Request{URL: server.URL + "/a%2Fb?c=%20", Header: header, Body: []byte(body)})
		require.NoError(t, err)
		assert.Equal(t, http.StatusAccepted, resp.StatusCode)
		assert.Equal(t, body, string(resp.Body))
		assert.False(t, resp.Truncated)
		assert.Equal(t, []string{"3", "4"}, resp.Header["Y"])
		assert.Equal(t, http.Header{"X": {"1", "2"}}, header, "the request was changed")
	}
	assert.EqualValues(t, 1, conns.Load())
}

func TestSendSpeaksHTTP1ToReceiversThatSpeakMore(t *testing.T) {
	var addrs sync.Map
	server, n := netTLSServer(t, func(w http.ResponseWriter, r *http.Request) {
		addrs.Store(r.RemoteAddr, true)
		assert.Empty(t, r.UserAgent())
		_, _ = io.WriteString(w, r.Proto)
	})
	offered := make(chan []string, 1)
	server.TLS.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		offered <- hello.SupportedProtos
		return nil, nil //nolint:nilnil // it means the server's own
	}
	n.TLS.NextProtos = []string{"h2", "http/1.1"}
	tr := netTransport(t, n)
	for range 10 {
		resp, err := netSend(t, tr, &Request{URL: server.URL, Body: []byte("{}")})
		require.NoError(t, err)
		assert.Equal(t, "HTTP/1.1", string(resp.Body))
	}
	assert.Equal(t, []string{"http/1.1"}, <-offered)
	count := 0
	addrs.Range(func(_, _ any) bool { count++; return true })
	assert.Equal(t, 1, count, "connections")
}

func TestCompressionIsNotAskedFor(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		assert.NotContains(t, r.Header, "Accept-Encoding")
	}))
	defer server.Close()
	_, err := netSend(t, netTransport(t, netOpen()), &Request{URL: server.URL})
	require.NoError(t, err)
}

func TestBodyIsKeptUpToTheLimit(t *testing.T) {
	chunked := func(n int) string {
		return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", n, strings.Repeat("b", n))
	}
	counted := func(n int) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", n, strings.Repeat("b", n))
	}
	toTheEnd := func(n int) string { return "HTTP/1.0 200 OK\r\n\r\n" + strings.Repeat("b", n) }
	for _, tt := range []struct{ option, sent, kept int }{
		{0, 0, 0},
		{0, 1, 1},
		{0, 16 << 10, 16 << 10},
		{0, 16<<10 + 1, 16 << 10},
		{5, 4, 4},
		{5, 5, 5},
		{5, 6, 5},
		{1 << 20, 1 << 20, 1 << 20},
		{1 << 20, 1<<20 + 1, 1 << 20},
		{-1, 0, 0},
		{-1, 1, 0},
		{-1, 100_000, 0},
	} {
		for form, reply := range map[string]func(int) string{"chunked": chunked, "counted": counted, "to the end": toTheEnd} {
			if form == "chunked" && tt.sent == 0 {
				continue // it would be the end already
			}
			n := netOpen()
			n.MaxResponseBytes = tt.option
			resp, err := netSend(t, netTransport(t, n), &Request{URL: netRawServer(t, netReplies(reply(tt.sent)))})
			require.NoError(t, err)
			assert.Len(t, resp.Body, tt.kept, "%+v %s", tt, form)
			assert.Empty(t, bytes.Trim(resp.Body, "b"))
			assert.Equal(t, tt.sent > tt.kept, resp.Truncated, "%+v %s", tt, form)
			assert.LessOrEqual(t, cap(resp.Body), tt.kept+tt.kept/4+64, "%+v %s: memory for more than the body", tt, form)
		}
	}
}

func TestTruncatedBodyKeepsTheConnectionIfLittleIsLeft(t *testing.T) {
	const drainBytes = 64 << 10
	reply := func(size int, from string) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nFrom: %s\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", from, size, strings.Repeat("b", size))
	}
	for size, kept := range map[int]bool{
		16<<10 + 1:               true,
		16<<10 + drainBytes - 10: true,
		16<<10 + drainBytes + 10: false,
		1 << 20:                  false,
	} {
		server := netRawServer(t, func(conn net.Conn) {
			in := bufio.NewReader(conn)
			for netReadRequest(in) {
				_, _ = io.WriteString(conn, reply(size, conn.RemoteAddr().String()))
			}
		})
		tr := netTransport(t, netOpen())
		last, again := "", 0
		for range 10 { // on a busy machine it may take too long, but not always
			resp, err := netSend(t, tr, &Request{URL: server})
			require.NoError(t, err)
			require.True(t, resp.Truncated)
			if from := resp.Header.Get("From"); from == last {
				again++
			} else {
				last = from
			}
		}
		assert.Equal(t, kept, again > 0, "body of %d bytes", size)
	}
}

func TestTruncatedBodyIsAnAnswerWhateverComesAfter(t *testing.T) {
	chunk := fmt.Sprintf("%x\r\n%s\r\n", 1<<14, strings.Repeat("b", 1<<14))
	head := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + chunk
	for name, after := range map[string]func(net.Conn){
		"it ends":   func(net.Conn) {},
		"it resets": func(conn net.Conn) { _ = conn.(*net.TCPConn).SetLinger(0) },
		"it hangs":  func(conn net.Conn) { _, _ = conn.Read(make([]byte, 1)) },
		"it never ends": func(conn net.Conn) {
			for err := error(nil); err == nil; {
				_, err = io.WriteString(conn, chunk)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := netRawServer(t, func(conn net.Conn) {
				netReplies(head)(conn)
				after(conn)
			})
			start := time.Now()
			resp, err := netSend(t, netTransport(t, netOpen()), &Request{URL: server})
			require.NoError(t, err)
			assert.True(t, resp.Truncated)
			assert.Len(t, resp.Body, 16<<10)
			assert.Less(t, time.Since(start), netPatience/2, "waited for bytes that are not kept")
		})
	}
}

func TestAnswerBeforeTheBodyWasRead(t *testing.T) {
	answered := make(chan struct{})
	server := netRawServer(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 100))
		_, _ = io.WriteString(conn, "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")
		<-answered // and reads no more of it
	})
	resp, err := netSend(t, netTransport(t, netOpen()), &Request{URL: server, Body: make([]byte, 8<<20)})
	close(answered)
	require.NoError(t, err)
	assert.Equal(t, http.StatusRequestEntityTooLarge, resp.StatusCode)
	assert.Equal(t, "no", string(resp.Body))
}

func TestOwnConnSharesNoConnection(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			closed := make(chan string, 16)
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, r.RemoteAddr)
			}))
			server.Config.ConnState = func(conn net.Conn, state http.ConnState) {
				if state == http.StateClosed {
					closed <- conn.RemoteAddr().String()
				}
			}
			n := netOpen()
			if scheme == "https" {
				server.StartTLS()
				n.TLS = server.Client().Transport.(*http.Transport).TLSClientConfig
			} else {
				server.Start()
			}
			defer server.Close()
			tr := netTransport(t, n)
			send := func(own bool) string {
				resp, err := netSend(t, tr, &Request{URL: server.URL, OwnConn: own, Body: []byte("{}")})
				require.NoError(t, err)
				return string(resp.Body)
			}
			pooled := send(false)
			seen := map[string]bool{pooled: true}
			for range 3 {
				own := send(true)
				assert.False(t, seen[own], "a connection was used twice")
				seen[own] = true
				select {
				case addr := <-closed:
					assert.Equal(t, own, addr)
				case <-time.After(netPatience):
					t.Fatal("the connection was not closed")
				}
			}
			assert.Equal(t, pooled, send(false), "the kept connection was touched")
		})
	}
}

func TestGoneConnectionIsReplacedUnlessSomethingWasSent(t *testing.T) {
	// The server closes each connection after one answer that promised to keep it. Whether the
	// transport sees that before or after it takes the connection, no request may get lost and
	// none may arrive twice.
	var arrived atomic.Int32
	server := netRawServer(t, func(conn net.Conn) {
		if netReadRequest(bufio.NewReader(conn)) {
			arrived.Add(1)
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	tr := netTransport(t, netOpen())
	answered := 0
	for range 200 {
		_, err := netSend(t, tr, &Request{URL: server, Body: []byte("{}")})
		if err == nil {
			answered++
		} else {
			require.ErrorIs(t, err, ClassReset)
		}
	}
	assert.EqualValues(t, answered, arrived.Load())
}

func TestRequestsAreNotRepeatedForAnIdempotencyKey(t *testing.T) {
	for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		var arrived atomic.Int32
		server := netRawServer(t, func(conn net.Conn) {
			in := bufio.NewReader(conn)
			for netReadRequest(in) {
				if arrived.Add(1) > 1 {
					return // without an answer, on a connection that has given one
				}
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
		})
		tr := netTransport(t, netOpen())
		req := &Request{URL: server, Header: http.Header{name: {"a"}}, Body: []byte("{}")}
		_, err := netSend(t, tr, req)
		require.NoError(t, err)
		_, err = netSend(t, tr, req)
		require.ErrorIs(t, err, ClassReset)
		assert.EqualValues(t, 2, arrived.Load())
	}
}

func TestSendEndsWithItsContext(t *testing.T) {
	server := netRawServer(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	ctx, cancel := context.WithCancel(t.Context())
	sent := make(chan error, 1)
	tr := netTransport(t, netOpen())
	go func() {
		_, err := send(ctx, tr, &Request{URL: server, Body: []byte("{}")})
		sent <- err
	}()
	cancel()
	select {
	case err := <-sent:
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, ClassReset)
	case <-time.After(netPatience):
		t.Fatal("Send did not return")
	}
}

func TestCloseIdleLeavesNoGoroutine(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	defer plain.Close()
	secure, n := netTLSServer(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	mute := netRawServer(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	n.AllowHTTP = true

	// Goroutines inherit the label, so goroutines of other tests do not count.
	label := fmt.Sprintf(`"transport":"%p"`, t)
	pprof.Do(t.Context(), pprof.Labels("transport", fmt.Sprintf("%p", t)), func(context.Context) {
		tr := newSender(n, 64, nil)
		for _, url := range []string{plain.URL, secure.URL} {
			for _, own := range []bool{false, true} {
				_, err := netSend(t, tr, &Request{URL: url, OwnConn: own, Body: []byte("{}")})
				require.NoError(t, err)
			}
		}
		for _, url := range []string{mute, strings.Replace(mute, "http", "https", 1)} { // the latter never ends its handshake
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			_, err := send(ctx, tr, &Request{URL: url})
			cancel()
			require.ErrorIs(t, err, ClassTimeout)
		}
		require.Contains(t, netGoroutines(), label, "the label does not work")
		tr.CloseIdle()
	})
	require.Eventually(t, func() bool { return strings.Count(netGoroutines(), label) == 0 }, netPatience, time.Millisecond,
		"goroutines are left")
}

func TestCloseIdleWaitsForConnectionsToBecomeIdle(t *testing.T) {
	server, n := netTLSServer(t, func(http.ResponseWriter, *http.Request) {})
	for range 100 {
		tr := netTransport(t, n)
		_, err := netSend(t, tr, &Request{URL: server.URL, Body: []byte("{}")})
		require.NoError(t, err)
		tr.CloseIdle()
		require.Zero(t, tr.client.Open())
	}
}

func TestCloseIdleLeavesRequestsAlone(t *testing.T) {
	began, answer := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		began <- struct{}{}
		<-answer
	}))
	defer server.Close()
	tr := netTransport(t, netOpen())
	sent := make(chan error, 1)
	go func() {
		_, err := netSend(t, tr, &Request{URL: server.URL})
		sent <- err
	}()
	<-began
	tr.CloseIdle()
	close(answer)
	require.NoError(t, <-sent)
	require.Eventually(t, func() bool { return tr.client.Open() == 0 }, netPatience, time.Millisecond, "it was kept afterwards")
}

func netGoroutines() string {
	var b bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&b, 1)
	return b.String()
}

func TestIdleConnectionsAreBounded(t *testing.T) {
	for inFlight, want := range map[int][2]int{-1: {32, 32}, 0: {32, 32}, 1: {32, 32}, 64: {64, 32}, 1024: {1024, 512}, 1 << 20: {1024, 512}} {
		total, perHost := idleLimits(inFlight)
		assert.Equal(t, want, [2]int{total, perHost}, strconv.Itoa(inFlight))
	}
}

// BenchmarkSend compares with BenchmarkBareTransport, which does only the necessary work of
// net/http.
func BenchmarkSend(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(netEcho))
	defer server.Close()
	tr := netTransport(b, netOpen())
	req := &Request{URL: server.URL + "/hooks/1", Body: make([]byte, 1024), Header: http.Header{"User-Agent": {"bench"}}}
	req.Owner = wire.Owner{Tenant: "acme", Endpoint: "one"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := send(b.Context(), tr, req); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBareTransport(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(netEcho))
	defer server.Close()
	tr := &http.Transport{DisableCompression: true}
	defer tr.CloseIdleConnections()
	body := make([]byte, 1024)
	b.ReportAllocs()
	for b.Loop() {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, server.URL+"/hooks/1", bytes.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		req.Header["User-Agent"] = []string{"bench"}
		resp, err := tr.RoundTrip(req)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
}

func netEcho(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	_, _ = io.WriteString(w, "ok")
}
