package acceptance

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
)

const (
	hostilePatience = 20 * time.Second // limit for requests that should not time out
	hostileTimeout  = time.Second      // timeout of requests that should time out; a busy machine has sent them by then
	hostileKept     = 16 << 10         // kept bytes of a response body

	// The total memory that one receiver may make the process, with the test, allocate. Every
	// receiver tries to send far more.
	hostileBytes = 1 << 20
)

// A hostile is a receiver that misbehaves, with the one attempt that must be stored for it.
type hostile struct {
	handle func(*hostileConn) // called with each connection; the receiver then closes it
	tls    *tls.Config        // nil for plain HTTP

	class     webhook.Class // with ClassTimeout the endpoint's timeout is short
	status    int
	text      string // Attempt.Error
	body      string // Attempt.ResponseBody, or the beginning of an endless body
	endless   bool   // the body has more than hostileKept bytes
	unread    bool   // the receiver never gets to see the request
	repeats   int    // number of further times that the receiver may see the request
	succeeded bool
}

// A hostileReceiver counts the arriving requests.
type hostileReceiver struct {
	url      string
	conns    atomic.Int32
	requests atomic.Int32
	written  atomic.Int64 // bytes that the connection took from the receiver
}

type hostileConn struct {
	net.Conn
	tcp *net.TCPConn
	in  *bufio.Reader
	to  *hostileReceiver
}

// newHostileReceiver listens until the end of the test. It then waits until handle has
// returned.
func newHostileReceiver(t *testing.T, config *tls.Config, handle func(*hostileConn)) *hostileReceiver {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &hostileReceiver{url: "http://" + listener.Addr().String()}
	if config != nil {
		r.url = "https://" + listener.Addr().String()
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			r.conns.Add(1)
			_ = conn.SetDeadline(time.Now().Add(2 * hostilePatience))
			c := &hostileConn{Conn: conn, tcp: conn.(*net.TCPConn), to: r}
			if config != nil {
				c.Conn = tls.Server(conn, config)
			}
			c.in = bufio.NewReader(c.Conn)
			running.Go(func() {
				defer c.tcp.Close()
				handle(c)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		running.Wait()
	})
	return r
}

// request reads a whole HTTP/1 request, and counts it.
func (c *hostileConn) request() bool {
	r, err := http.ReadRequest(c.in)
	if err != nil {
		return false
	}
	c.to.requests.Add(1)
	_, err = io.Copy(io.Discard, r.Body)
	return err == nil
}

func (c *hostileConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.to.written.Add(int64(n))
	return n, err
}

// send sends text in pieces, so that a large text is never copied as a whole.
func (c *hostileConn) send(text string) bool {
	piece := make([]byte, min(len(text), 32<<10))
	for len(text) > 0 {
		n := copy(piece, text)
		if _, err := c.Write(piece[:n]); err != nil {
			return false
		}
		text = text[n:]
	}
	return true
}

// wait waits until the sender has closed the connection.
func (c *hostileConn) wait() { _, _ = io.Copy(io.Discard, c.in) }

// flood sends text again and again, as fast as the connection takes it. It stops when the
// connection is closed or limit bytes are out.
func (c *hostileConn) flood(text string, limit int64) {
	many := bytes.Repeat([]byte(text), max(1, 32<<10/len(text)))
	for sent := int64(0); sent < limit; sent += int64(len(many)) {
		if _, err := c.Write(many); err != nil {
			return
		}
	}
}

// trickle sends text again and again, a byte at a time. About thirty bytes fit into
// hostileTimeout.
func (c *hostileConn) trickle(text string) {
	tick := time.NewTicker(hostileTimeout / 30)
	defer tick.Stop()
	for i := 0; ; i = (i + 1) % len(text) {
		<-tick.C
		if _, err := c.Write([]byte{text[i]}); err != nil {
			return
		}
	}
}

// reset makes a later Close send a reset.
func (c *hostileConn) reset() { _ = c.tcp.SetLinger(0) }

// reply returns a handler that reads a request, sends text, and then calls the function in
// then.
func reply(text string, then ...func(*hostileConn)) func(*hostileConn) {
	return func(c *hostileConn) {
		if !c.request() || !c.send(text) {
			return
		}
		for _, do := range then {
			do(c)
		}
	}
}

// meet sends one event to all receivers at once. It checks the stored rows and the memory.
func meet(t *testing.T, data string, config webhook.Config, receivers map[string]hostile) {
	t.Helper()
	var said lockedBuffer
	defer log.SetOutput(log.Writer())
	log.SetOutput(&said)

	names := slices.Sorted(maps.Keys(receivers))
	running := make(map[string]*hostileReceiver, len(names))
	for _, name := range names {
		running[name] = newHostileReceiver(t, receivers[name].tls, receivers[name].handle)
	}
	id := func(name string) string { return strings.NewReplacer(" ", "-", ".", "").Replace(name) }

	timeout := hostileTimeout
	if len(data) > 1<<20 {
		timeout *= 5 // the first byte is sent only after a while
	}

	attempted := make(chan string, 1000)
	config.Network.AllowHTTP, config.Network.AllowLoopback = true, true
	var told lockedBuffer
	config.Logger, config.MaxEndpoints, config.Profile = slog.New(slog.NewJSONHandler(&told, nil)), -1, "later"
	config.Observer.Error = func(err error) { fmt.Fprintf(&told, "%v %+v\n", err, err) }
	withCipher(key("k1", 1))(&config, nil)
	config.Profiles = map[string]webhook.Profile{"later": {Retry: webhook.Schedule(time.Hour)}}
	config.Observer.Attempt = func(a webhook.Attempt, _ webhook.Verdict) { attempted <- a.EndpointID }

	var r *rig
	secret := newSecret()
	allocated := totalAlloc()
	labelled(t, func() {
		store := &faultyStore{Store: memstore.New(memstore.Options{})}
		d, err := webhook.New(store, config)
		require.NoError(t, err)
		r = &rig{Dispatcher: d, t: t, store: store}
		for _, name := range names {
			r.endpoint(id(name), func(e *webhook.Endpoint) {
				e.URL, e.Timeout = running[name].url+"/hook?token=c4n4ry", hostilePatience
				e.Secret, e.Header = secret, map[string]webhook.Secret{"X-Key": "c4n4ry"}
				if receivers[name].class == webhook.ClassTimeout {
					e.Timeout = timeout
				}
			})
		}
		r.run()
		_, err = r.Emit(t.Context(), webhook.Event{
			Tenant: acme, Type: "a.b", ID: "evt", Data: "c4n4ry" + data, Header: map[string]string{"X-Signature": "c4n4ry"},
		})
		require.NoError(t, err)
		open := make(map[string]bool, len(names))
		for _, name := range names {
			open[id(name)] = true
		}
		for late := time.After(2 * hostilePatience); len(open) > 0; {
			select {
			case endpoint := <-attempted:
				delete(open, endpoint)
			case <-late:
				require.FailNow(t, "receivers hold their requests up", "%v", slices.Sorted(maps.Keys(open)))
			}
		}
		require.NoError(t, r.stop())
	})
	grown := totalAlloc() - allocated
	assert.Less(t, grown, int64(len(names)+4)*(hostileBytes+4*int64(len(data))), "bytes allocated")
	t.Logf("%d receivers: %d KiB allocated", len(names), grown>>10)

	for _, name := range names {
		t.Run(name, func(t *testing.T) { receivers[name].check(t, r, id(name), running[name], timeout) })
	}
	assert.NotContains(t, said.String(), "canary", "package log got the text of a receiver")
	t.Log("package log: " + said.String())
	for _, hidden := range []string{"c4n4ry", string(secret)} {
		assert.NotContains(t, said.String()+told.String(), hidden, "in a log or an error")
		assert.NotContains(t, shown(t, r), hidden, "in a read or in a row")
	}
}

// shown returns the readable parts of the endpoints and of the event, without the endpoints'
// URLs. It also has the stored form of secrets.
func shown(t *testing.T, r *rig) string {
	t.Helper()
	q := webhook.Query{Limit: 1000}
	endpoints, err := r.Tenant(acme).Endpoints(t.Context(), q)
	require.NoError(t, err)
	var text strings.Builder
	for _, e := range endpoints.Items {
		e.URL = ""
		fmt.Fprintf(&text, "%+v %q\n", e, stored(r.row(e.ID)))
	}
	events, err := r.Tenant(acme).Events(t.Context(), q)
	require.NoError(t, err)
	for _, e := range events.Items {
		e.Data = nil // the only text that may contain the data
		fmt.Fprintf(&text, "%+v\n", e)
	}
	deliveries, err := r.Tenant(acme).Deliveries(t.Context(), q)
	require.NoError(t, err)
	q.EventID = "evt"
	attempts, err := r.Tenant(acme).Attempts(t.Context(), q)
	require.NoError(t, err)
	require.NotEmpty(t, attempts.Items)
	for _, a := range attempts.Items {
		fmt.Fprintf(&text, "%+v %s\n", a, a.ResponseBody)
	}
	fmt.Fprintf(&text, "%+v\n", deliveries)
	return text.String()
}

func (h hostile) check(t *testing.T, r *rig, endpoint string, receiver *hostileReceiver, timeout time.Duration) {
	t.Helper()
	attempts := r.attempts("evt", endpoint)
	require.Len(t, attempts, 1)
	a := attempts[0]
	assert.Equal(t, h.class, a.Class, a.Error)
	assert.Equal(t, h.status, a.Status)
	if h.class == webhook.ClassReset {
		// the ending depends on the faster side
		assert.Regexp(t, "^"+h.text+"(: (connection reset by peer|broken pipe))?$", a.Error)
	} else {
		assert.Equal(t, h.text, a.Error)
	}
	if h.endless {
		assert.Len(t, a.ResponseBody, hostileKept)
		assert.True(t, strings.HasPrefix(string(a.ResponseBody), h.body), "not the body that was sent")
	} else {
		assert.Equal(t, h.body, string(a.ResponseBody))
	}
	assert.Equal(t, h.endless, a.Truncated)

	limit := hostilePatience
	if h.class == webhook.ClassTimeout {
		assert.GreaterOrEqual(t, a.Duration, timeout/2) // the duration starts a moment later
		limit = timeout + hostilePatience/4             // the machine may be busy
	}
	assert.Less(t, a.Duration, limit)

	assert.True(t, utf8.ValidString(a.Error))
	assert.Equal(t, -1, strings.IndexFunc(a.Error, unicode.IsControl), "%q", a.Error)
	assert.LessOrEqual(t, len(a.Error), 256)
	assert.NotContains(t, a.Error, "canary")

	d := r.delivery("evt", endpoint)
	assert.Equal(t, 1, d.Attempts)
	if h.succeeded {
		assert.Equal(t, webhook.DeliverySucceeded, d.State)
	} else {
		assert.Equal(t, webhook.DeliveryPending, d.State)
		assert.Equal(t, d.DueAt, a.NextAt)
	}

	requests := int(receiver.requests.Load())
	switch {
	case h.unread:
		assert.Zero(t, requests, "requests that arrived")
	default:
		assert.GreaterOrEqual(t, requests, 1, "requests that arrived")
		assert.LessOrEqual(t, requests, 1+h.repeats, "requests that arrived")
	}
	assert.Less(t, receiver.written.Load(), int64(64<<20), "bytes that were read, or are in the system's buffers")
}

// totalAlloc returns the number of bytes allocated so far, freed ones included. Unlike the
// bytes in use, it does not depend on the collector.
func totalAlloc() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.TotalAlloc)
}

// labelled calls f. It then fails the test if a goroutine is left that f began, directly or
// through other goroutines.
func labelled(t *testing.T, f func()) {
	t.Helper()
	value := fmt.Sprintf("%p", t)
	pprof.Do(t.Context(), pprof.Labels("hostile", value), func(context.Context) { f() })
	left := func() string {
		var b bytes.Buffer
		_ = pprof.Lookup("goroutine").WriteTo(&b, 1)
		for stack := range strings.SplitSeq(b.String(), "\n\n") {
			if strings.Contains(stack, `"hostile":"`+value+`"`) {
				return stack
			}
		}
		return ""
	}
	// The connections are closed when Run returns. Their goroutines take a moment to notice.
	if !assert.Eventually(t, func() bool { return left() == "" }, hostilePatience/4, time.Millisecond, "goroutines are left") {
		t.Log(left())
	}
}
