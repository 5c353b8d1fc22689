package sender

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/internal/wire"
)

// sendAs sends a request of an endpoint and returns the body of the response.
func sendAs(t *testing.T, tr *Sender[Class], url, tenant, id string, version int64) string {
	t.Helper()
	req := &Request{URL: url, Body: []byte("{}"), Owner: wire.Owner{Tenant: tenant, Endpoint: id, Version: version}}
	resp, err := netSend(t, tr, req)
	require.NoError(t, err)
	return string(resp.Body)
}

// netAddrServer answers with the address that a request came from.
func netAddrServer(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RemoteAddr) }))
	t.Cleanup(server.Close)
	return server.URL
}

func TestTwoEndpointsNeverShareAConnection(t *testing.T) {
	url := netAddrServer(t)
	tr := netTransport(t, netOpen())
	conns := make(map[string][2]string)
	for range 3 {
		for _, key := range [][2]string{{"a", "1"}, {"a", "2"}, {"b", "1"}, {"b", "2"}} {
			conn := sendAs(t, tr, url, key[0], key[1], 7)
			if owner, known := conns[conn]; known {
				assert.Equal(t, owner, key)
			}
			conns[conn] = key
		}
	}
	assert.Len(t, conns, 4, "each endpoint keeps its own")
}

func TestAnEditedEndpointStartsWithAFreshConnection(t *testing.T) {
	url := netAddrServer(t)
	tr := netTransport(t, netOpen())
	first := sendAs(t, tr, url, "a", "1", 7)
	assert.Equal(t, first, sendAs(t, tr, url, "a", "1", 7))
	second := sendAs(t, tr, url, "a", "1", 8)
	assert.NotEqual(t, first, second)
	require.Eventually(t, func() bool { return tr.client.Open() == 1 }, netPatience, time.Millisecond, "the old one is closed")
	late := sendAs(t, tr, url, "a", "1", 7)
	assert.NotContains(t, []string{first, second}, late, "a late request of the old settings has its own")
	assert.Equal(t, second, sendAs(t, tr, url, "a", "1", 8))
}

func TestARequestWithoutAnEndpointKeepsNoConnection(t *testing.T) {
	url := netAddrServer(t)
	var kept http.RoundTripper
	n := netOpen()
	n.Wrap = func(next http.RoundTripper) http.RoundTripper { kept = next; return nil }
	tr := netTransport(t, n)
	seen := make(map[string]bool)
	for range 3 { // as a Wrap does that forgets the context of the request it was given
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, http.NoBody)
		require.NoError(t, err)
		resp, err := kept.RoundTrip(r)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		seen[string(body)] = true
	}
	assert.Len(t, seen, 3)
	require.Eventually(t, func() bool { return tr.client.Open() == 0 }, netPatience, time.Millisecond)
}

// A pipeNet is a network in memory. Every connection is served with answer.
type pipeNet struct {
	answer  string
	dials   atomic.Int32
	running sync.WaitGroup
}

func (p *pipeNet) dial(context.Context, string, string) (net.Conn, error) {
	p.dials.Add(1)
	near, far := net.Pipe()
	p.running.Go(func() {
		defer far.Close()
		in := bufio.NewReader(far)
		for netReadRequest(in) {
			if _, err := io.WriteString(far, p.answer); err != nil {
				return
			}
		}
	})
	return near, nil
}

// pipeTransport returns a transport that dials p.
func pipeTransport(p *pipeNet, maxInFlight int) *Sender[Class] {
	tr := newSender(netOpen(), maxInFlight, nil)
	tr.client.Dial = p.dial
	return tr
}

const pipeAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n%s\r\nok"

func TestConnectionsOfManyEndpointsAreBoundedAndNoneIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipeNet{answer: fmt.Sprintf(pipeAnswer, "")}
		tr := pipeTransport(p, 64)
		const endpoints = 16 << 10
		for i := range endpoints {
			sendAs(t, tr, "http://hooks.example/", "a", fmt.Sprint(i), 1)
			require.LessOrEqual(t, tr.client.Open(), 64+1)
		}
		assert.EqualValues(t, endpoints, p.dials.Load())
		sendAs(t, tr, "http://hooks.example/", "a", fmt.Sprint(endpoints-1), 1)
		assert.EqualValues(t, endpoints, p.dials.Load(), "the latest are kept")

		time.Sleep(4*time.Second - time.Millisecond) //nolint:forbidigo // in fake time
		synctest.Wait()
		assert.NotZero(t, tr.client.Open())
		time.Sleep(time.Second) //nolint:forbidigo // in fake time
		synctest.Wait()
		assert.Zero(t, tr.client.Open(), "without requests none is kept")
		p.running.Wait()
	})
}

func TestKeepAliveOfAReceiverIsHeeded(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"Keep-Alive: timeout=5\r\n":           4 * time.Second,
		"Keep-Alive: timeout=60, max=100\r\n": 4 * time.Second,
		"Keep-Alive: max=100, Timeout=3\r\n":  2 * time.Second,
		"Keep-Alive: timeout=2\r\n":           time.Second,
		"Keep-Alive: timeout=1\r\n":           0,
		"Keep-Alive: timeout=0\r\n":           0,
		"Keep-Alive: timeout=x\r\n":           4 * time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			p := &pipeNet{answer: fmt.Sprintf(pipeAnswer, header)}
			tr := pipeTransport(p, 64)
			send := func() { sendAs(t, tr, "http://hooks.example/", "a", "1", 1); synctest.Wait() }
			send()
			dials := p.dials.Load()
			if want == 0 {
				assert.Zero(t, tr.client.Open(), "%q", header)
			} else {
				time.Sleep(want - time.Millisecond) //nolint:forbidigo // in fake time
				assert.Equal(t, 1, tr.client.Open(), "%q", header)
				send()
				assert.Equal(t, dials, p.dials.Load(), "%q", header)
				time.Sleep(want + time.Millisecond) //nolint:forbidigo // in fake time
				synctest.Wait()
				assert.Zero(t, tr.client.Open(), "%q", header)
			}
			tr.CloseIdle()
			p.running.Wait()
		})
	}
}
