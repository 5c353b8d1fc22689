package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const okDone = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"

func TestOnlyAConnectionInOrderIsUsedAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		reply string
		again bool
	}{
		"a length":               {okDone, true},
		"no body":                {"HTTP/1.1 204 No Content\r\n\r\n", true},
		"chunks":                 {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ndone\r\n0\r\n\r\n", true},
		"chunks and a trailer":   {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ndone\r\n0\r\nX: y\r\n\r\n", false},
		"an odd trailer":         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ndone\r\n0\r\nX: y\nZ: w\r\n\r\n", false},
		"chunks where none are":  {"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", false},
		"after a 103":            {"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + okDone, true},
		"an error":               {"HTTP/1.1 500 \r\nContent-Length: 4\r\n\r\ndone", true},
		"keep-alive":             {"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\ndone", true},
		"Connection: close":      {"HTTP/1.1 200 OK\r\nConnection: x, CLOSE\r\nContent-Length: 4\r\n\r\ndone", false},
		"HTTP/1.0":               {"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\ndone", false},
		"HTTP/1.0, keep-alive":   {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\ndone", false},
		"HTTP/1.2":               {"HTTP/1.2 200 OK\r\nContent-Length: 4\r\n\r\ndone", false},
		"a bare line feed":       {"HTTP/1.1 200 OK\nContent-Length: 4\r\n\r\ndone", false},
		"a continued line":       {"HTTP/1.1 200 OK\r\nX: y\r\n z\r\nContent-Length: 4\r\n\r\ndone", false},
		"a length and chunks":    {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ndone\r\n0\r\n\r\n", false},
		"a length twice":         {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\ndone", false},
		"an odd 103":             {"HTTP/1.1 103 Early Hints\n\r\n" + okDone, false},
		"bytes behind":           {okDone + "x", false},
		"bytes behind nothing":   {okHead + "x", false},
		"a response behind":      {okDone + okDone, false},
		"bytes behind a chunk":   {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nx", false},
		"a body where none is":   {"HTTP/1.1 204 No Content\r\nContent-Length: 1\r\n\r\nx", false},
		"Keep-Alive: timeout=1":  {"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 4\r\n\r\ndone", false},
		"Keep-Alive: timeout=2":  {"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=2\r\nContent-Length: 4\r\n\r\ndone", true},
		"an asked upgrade of no": {"HTTP/1.1 426 \r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n", true},
	} {
		receiver, sender := testTLS(t)
		for _, config := range []*tls.Config{nil, receiver} {
			server := listen(t, config, always(tt.reply))
			client := clientOf(t, Config{TLS: sender})
			for range 3 {
				_, err := send(t, client, request(t, server.url, one, "{}"))
				require.NoError(t, err, name)
			}
			want := 3
			if tt.again {
				want = 1
			}
			assert.EqualValues(t, want, server.conns.Load(), "%s: connections, TLS: %v", name, config != nil)
		}
	}
}

func TestTheEndOfAConnectionEndsABodyWithoutLength(t *testing.T) {
	server := listen(t, nil, func(p *peer) { p.request(); p.say("HTTP/1.1 200 OK\r\n\r\ndone") })
	client := newClient(t)
	for range 2 {
		got, err := send(t, client, request(t, server.url, one, "{}"))
		require.NoError(t, err)
		assert.Equal(t, "done", got.body)
	}
	assert.EqualValues(t, 2, server.conns.Load())
}

// Session tickets come with the first response, though nobody asked for them.
func TestSessionTicketsDoNotEndAConnection(t *testing.T) {
	receiver, sender := testTLS(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		receiver.MinVersion, receiver.MaxVersion = version, version
		server := listen(t, receiver.Clone(), always(okDone))
		client := clientOf(t, Config{TLS: sender})
		for range 5 {
			got, err := send(t, client, request(t, server.url, one, "{}"))
			require.NoError(t, err)
			assert.Equal(t, version, got.tls.Version)
		}
		assert.EqualValues(t, 1, server.conns.Load())
	}
}

// Once it is broken, a brokenConn takes only the first bytes of a write, and then fails.
type brokenConn struct {
	net.Conn
	broken *bool
	takes  int
}

func (c *brokenConn) Write(p []byte) (int, error) {
	if !*c.broken {
		return c.Conn.Write(p)
	}
	n, _ := c.Conn.Write(p[:min(c.takes, len(p))])
	return n, &net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}
}

func TestARequestIsSentAgainOnlyIfNoneOfItsBytesWasTaken(t *testing.T) {
	for _, body := range []string{"{}", strings.Repeat("x", 2*maxDirectBytes)} {
		for takes, again := range map[int]bool{0: true, 1: false, 20: false} {
			synctest.Test(t, func(t *testing.T) { testSentAgain(t, body, takes, again) })
		}
	}
}

func testSentAgain(t *testing.T, body string, takes int, again bool) {
	t.Helper()
	client, memory := inMemory(t, always(okDone))
	dial, broken, laterBroken := client.Dial, false, false
	client.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if memory.conns.Load() > 1 {
			return &brokenConn{c, &laterBroken, 0}, err
		}
		return &brokenConn{c, &broken, takes}, err
	}
	_, err := send(t, client, request(t, "http://a.example/", one, body))
	require.NoError(t, err)
	broken = true
	_, err = send(t, client, request(t, "http://a.example/", one, body))
	if again {
		require.NoError(t, err)
		assert.EqualValues(t, 2, memory.conns.Load())
	} else {
		require.Error(t, err)
		assert.EqualValues(t, 1, memory.conns.Load())
	}
	// A connection that never worked is not replaced.
	laterBroken, before := true, memory.conns.Load()
	_, err = send(t, client, request(t, "http://a.example/", Owner{"acme", "two", 1}, body))
	require.ErrorIs(t, err, syscall.EPIPE)
	assert.Equal(t, before+1, memory.conns.Load())
}

func TestAnAnswerIsTakenThoughTheRequestIsNot(t *testing.T) {
	receiver, sender := testTLS(t)
	// more than the system buffers for a connection that nobody reads
	large := strings.Repeat("x", 6<<20)
	for _, config := range []*tls.Config{nil, receiver} {
		for name, reply := range map[string]string{
			"and it closes": "HTTP/1.1 413 \r\nConnection: close\r\nContent-Length: 4\r\n\r\ndone",
			"and it stays":  "HTTP/1.1 413 \r\nContent-Length: 4\r\n\r\ndone",
			"with nothing":  "HTTP/1.1 413 \r\nContent-Length: 0\r\n\r\n",
		} {
			answered := make(chan bool)
			server := listen(t, config, func(p *peer) {
				_ = p.tcp.SetReadBuffer(32 << 10)
				if _, err := http.ReadRequest(p.in); err == nil {
					p.say(reply)
					<-answered
				}
			})
			client := clientOf(t, Config{TLS: sender})
			got, err := send(t, client, request(t, server.url, one, large))
			answered <- true
			require.NoError(t, err, name)
			assert.Equal(t, 413, got.status)
			assert.Zero(t, client.Open(), "%s: the connection is closed", name)
		}
	}
}

func TestAnAnswerToALargeHeaderIsTakenThoughTheHeaderIsNot(t *testing.T) {
	answered := make(chan bool)
	server := listen(t, nil, func(p *peer) {
		_ = p.tcp.SetReadBuffer(32 << 10)
		p.say("HTTP/1.1 431 \r\nContent-Length: 0\r\n\r\n")
		<-answered
	})
	client := newClient(t)
	r := request(t, server.url, one, "")
	r.Header = http.Header{"Large": {strings.Repeat("x", 6<<20)}}
	got, err := send(t, client, r)
	answered <- true
	require.NoError(t, err)
	assert.Equal(t, 431, got.status)
}

// A lateContext ends just after the first call of Err.
type lateContext struct {
	context.Context
	cancel context.CancelFunc
}

func (l lateContext) Err() error {
	defer l.cancel()
	return l.Context.Err()
}

func TestARequestWhoseContextHasEndedTakesNoConnection(t *testing.T) {
	server := listen(t, nil, always(okDone))
	client := newClient(t)
	_, err := send(t, client, request(t, server.url, one, "{}"))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	_, err = client.Do(lateContext{ctx, cancel}, request(t, server.url, one, "{}")) //nolint:bodyclose // there is no body
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, 1, client.Idle())
}

func TestARequestEndsWithItsContextWhereverItIs(t *testing.T) {
	receiver, sender := testTLS(t)
	large := strings.Repeat("x", 6<<20)
	reply := func(text string) func(*peer) {
		return func(p *peer) { p.request(); p.say(text); p.wait() }
	}
	for name, tt := range map[string]struct {
		handle func(*peer)
		body   string
		tls    bool
	}{
		"in the handshake":   {handle: func(p *peer) { _, _ = io.Copy(io.Discard, p.tcp) }, tls: true},
		"in a large request": {handle: func(p *peer) { _, _ = http.ReadRequest(p.in); <-t.Context().Done() }, body: large},
		"in one over TLS":    {handle: func(p *peer) { _, _ = http.ReadRequest(p.in); <-t.Context().Done() }, body: large, tls: true},
		"before the header":  {handle: reply("")},
		"in the header":      {handle: reply("HTTP/1.1 200 OK\r\nX: ")},
		"after a 103":        {handle: reply("HTTP/1.1 103 \r\n\r\n")},
		"in the body":        {handle: reply("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nd")},
		"in the TLS body":    {handle: reply("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nd"), tls: true},
	} {
		for _, want := range []error{context.Canceled, context.DeadlineExceeded} {
			config := receiver
			if !tt.tls {
				config = nil
			}
			server := listen(t, config, tt.handle)
			client := clientOf(t, Config{TLS: sender})
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			if errors.Is(want, context.Canceled) {
				ctx, cancel = context.WithCancel(t.Context())
				time.AfterFunc(50*time.Millisecond, cancel)
			}
			_, err := sendIn(t, ctx, client, request(t, server.url, one, tt.body))
			require.ErrorIs(t, err, want, name)
			cancel()
			assert.Zero(t, client.Open(), name)
		}
	}
	client := newClient(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := sendIn(t, ctx, client, request(t, "http://127.0.0.1:1/", one, ""))
	require.ErrorIs(t, err, context.Canceled)
}

func TestAHandshakeHasALimitOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := inMemory(t, func(p *peer) { p.wait() })
		began := time.Now()
		_, err := send(t, client, request(t, "https://a.example/", one, "{}"))
		require.ErrorIs(t, err, ErrHandshakeTime)
		assert.Equal(t, handshakeTimeout, time.Since(began))
	})
}

func TestSwitchingProtocolsAndStrangeNumbersAreNoResponse(t *testing.T) {
	for reply, want := range map[string]Error{
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n": ErrSwitched,
		"HTTP/1.1 000 \r\nContent-Length: 0\r\n\r\n":                                    ErrNotHTTP,
		"HTTP/1.1 099 \r\nContent-Length: 0\r\n\r\n":                                    ErrNotHTTP,
		"HTTP/1.1 +20 \r\nContent-Length: 0\r\n\r\n":                                    ErrNotHTTP,
	} {
		client, _ := inMemory(t, always(reply))
		_, err := send(t, client, request(t, "http://a.example/", one, "{}"))
		require.ErrorIs(t, err, want, reply)
		assert.Zero(t, client.Open())
	}
}
