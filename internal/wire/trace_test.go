package wire

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A diary records the calls of hooks.
type diary struct {
	mu    sync.Mutex
	lines []string
	put   chan bool // receives true if a connection was kept
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *diary) hooks() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(addr string) { d.note("get %s", addr) },
		GotConn: func(info httptrace.GotConnInfo) {
			_, secure := info.Conn.(*tls.Conn)
			_, plain := info.Conn.(*net.TCPConn)
			d.note("got reused %v, idle %v, TLS %v, TCP %v", info.Reused, info.WasIdle, secure, plain)
		},
		PutIdleConn:          func(err error) { d.put <- err == nil },
		GotFirstResponseByte: func() { d.note("first byte") },
		Got100Continue:       func() { d.note("100") },
		Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
			d.note("%d %v", code, header)
			return nil
		},
		ConnectStart:      func(network, addr string) { d.note("connect %s %s", network, addr) },
		ConnectDone:       func(network, addr string, err error) { d.note("connected %s %s %v", network, addr, err) },
		TLSHandshakeStart: func() { d.note("handshake") },
		TLSHandshakeDone:  func(state tls.ConnectionState, err error) { d.note("handshake done %x %v", state.Version, err) },
		WroteHeaders:      func() { d.note("wrote headers") },
		WroteRequest:      func(info httptrace.WroteRequestInfo) { d.note("wrote request %v", info.Err) },
	}
}

// A trace sees the same calls from this client as from the client of net/http.
func TestHooksOfATraceAreCalledAsByNetHTTP(t *testing.T) {
	receiver, sender := testTLS(t)
	for name, reply := range map[string]string{
		"kept":     okDone,
		"nothing":  okHead,
		"closed":   "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\ndone",
		"with 103": "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + okDone,
	} {
		for _, config := range []*tls.Config{nil, receiver} {
			server := listen(t, config, always(reply))
			transport := &http.Transport{DisableCompression: true, TLSClientConfig: sender.Clone()}
			client := clientOf(t, Config{TLS: sender})
			ours, theirs := &diary{put: make(chan bool, 1)}, &diary{put: make(chan bool, 1)}
			for range 2 {
				r := request(t, server.url, one, "{}")
				r.Trace = ours.hooks()
				ctx := httptrace.WithClientTrace(t.Context(), r.Trace)
				resp, err := client.Do(ctx, r)
				require.NoError(t, err)
				_, err = io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())

				ctx = httptrace.WithClientTrace(t.Context(), theirs.hooks())
				other, err := http.NewRequestWithContext(ctx, http.MethodPost, server.url, strings.NewReader("{}"))
				require.NoError(t, err)
				resp, err = transport.RoundTrip(other)
				require.NoError(t, err)
				_, err = io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				kept := <-ours.put
				assert.Equal(t, name != "closed", kept)
				if kept {
					assert.True(t, <-theirs.put)
				}
			}
			transport.CloseIdleConnections()
			assert.Equal(t, theirs.lines, ours.lines, "%s, TLS: %v", name, config != nil)
		}
	}
}

func TestAHookCanRefuseAnInformationalResponse(t *testing.T) {
	client, _ := inMemory(t, always("HTTP/1.1 103 \r\n\r\n"+okDone))
	no := errors.New("no")
	r := request(t, "http://a.example/", one, "{}")
	r.Trace = &httptrace.ClientTrace{Got1xxResponse: func(int, textproto.MIMEHeader) error { return no }}
	_, err := send(t, client, r)
	require.ErrorIs(t, err, no)
	assert.Zero(t, client.Open())
}
