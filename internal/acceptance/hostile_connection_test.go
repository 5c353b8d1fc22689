package acceptance

import (
	"fmt"
	"log"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
)

// header reads only the header of a request, and counts the request.
func (c *hostileConn) header() bool {
	if _, err := http.ReadRequest(c.in); err != nil {
		return false
	}
	c.to.requests.Add(1)
	return true
}

func TestALargeBodyThatIsNotReadHoldsNothingUp(t *testing.T) {
	// More than the system buffers for a connection that nobody reads.
	large := strings.Repeat("x", 6<<20)
	unread := func(text string, then func(*hostileConn)) func(*hostileConn) {
		return func(c *hostileConn) {
			_ = c.tcp.SetReadBuffer(32 << 10)
			if c.header() && c.send(text) {
				then(c)
			}
		}
	}
	stay := func(*hostileConn) { <-t.Context().Done() }
	trickle := func(c *hostileConn) {
		tick := time.NewTicker(hostileTimeout / 30)
		defer tick.Stop()
		for t.Context().Err() == nil {
			_, _ = c.in.ReadByte()
			<-tick.C
		}
	}
	const (
		noResponse = "no response came in time"
		noEnd      = "the response body did not end in time"
		lost       = "the connection was closed before a complete response"
		ok         = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
	)
	refused := hostile{class: webhook.ClassStatus, status: 413, text: "HTTP 413"}
	refused.handle = unread("HTTP/1.1 413 \r\nConnection: close\r\n\r\n", func(c *hostileConn) { _ = c.tcp.CloseWrite(); stay(c) })
	forEver := hostile{status: 200, endless: true, succeeded: true}
	forEver.handle = unread("HTTP/1.1 200 OK\r\n\r\n", func(c *hostileConn) { c.flood("canary", hostileGiB) })
	meet(t, large, webhook.Config{MaxEventBytes: 16 << 20}, map[string]hostile{
		"never read":         {handle: unread("", stay), class: webhook.ClassTimeout, text: noResponse},
		"read by the byte":   {handle: unread("", trickle), class: webhook.ClassTimeout, text: noResponse},
		"reset":              {handle: unread("", (*hostileConn).reset), class: webhook.ClassReset, text: lost},
		"answered at once":   {handle: unread(ok+"done", stay), status: 200, body: "done", succeeded: true},
		"refused at once":    refused,
		"answered in part":   {handle: unread(ok+"do", stay), class: webhook.ClassTimeout, text: noEnd},
		"answered with 100":  {handle: unread("HTTP/1.1 100 Continue\r\n\r\n", stay), class: webhook.ClassTimeout, text: noResponse},
		"answered for ever":  forEver,
		"read and then lost": {handle: reply(""), class: webhook.ClassReset, text: lost},
	})
}

func TestAConnectionThatBreaksFailsTheAttemptOnIt(t *testing.T) {
	const (
		lost = "the connection was closed before a complete response"
		head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n"
	)
	reset := (*hostileConn).reset
	receivers := make(map[string]hostile)
	for name, handle := range map[string]func(*hostileConn){
		"closed at once":             func(*hostileConn) {},
		"closed within the request":  func(c *hostileConn) { _, _ = c.Read(make([]byte, 1)) },
		"closed before the header":   reply(""),
		"closed within the header":   reply(head),
		"closed within the body":     reply(head + "\r\ncanary"),
		"closed before the trailer":  reply("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"),
		"closed after a 103":         reply("HTTP/1.1 103 Early Hints\r\n\r\n"),
		"half closed":                reply(head, func(c *hostileConn) { _ = c.tcp.CloseWrite(); c.wait() }),
		"reset before the header":    reply("", reset),
		"reset within the body":      reply(head+"\r\ncanary", reset),
		"reset within the last line": reply("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", reset),
	} {
		h := hostile{handle: handle, class: webhook.ClassReset, text: lost}
		h.unread = name == "closed at once" || name == "closed within the request"
		receivers[name] = h
	}
	meet(t, "small", webhook.Config{}, receivers)
}

// oneAfterAnother sends events to one receiver and returns their only attempts. Each event
// waits for the attempt of the event before it, and for the function of that event in after.
func oneAfterAnother(t *testing.T, receiver *hostileReceiver, events int, after ...func()) []webhook.Attempt {
	t.Helper()
	attempted := make(chan webhook.Attempt, events)
	d, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{
		Network:  webhook.Network{AllowHTTP: true, AllowLoopback: true},
		Logger:   quiet,
		Observer: webhook.Observer{Attempt: func(a webhook.Attempt, _ webhook.Verdict) { attempted <- a }},
		Profile:  "once", Profiles: map[string]webhook.Profile{"once": {Retry: webhook.Schedule()}},
	})
	require.NoError(t, err)
	var attempts []webhook.Attempt
	labelled(t, func() {
		r := &rig{Dispatcher: d, t: t}
		r.endpoint("one", func(e *webhook.Endpoint) { e.URL = receiver.url })
		r.run()
		for i := range events {
			r.emit(fmt.Sprintf("evt%d", i))
			select {
			case a := <-attempted:
				attempts = append(attempts, a)
			case <-time.After(2 * hostilePatience):
				require.FailNow(t, "no attempt")
			}
			if i < len(after) {
				after[i]()
			}
		}
		require.NoError(t, r.stop())
	})
	return attempts
}

const keptAlive = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

func TestARequestIsNotRepeatedWhenItsConnectionIsClosedAtTheWorstMoment(t *testing.T) {
	for name, second := range map[string]func(*hostileConn){
		"when it was read": func(c *hostileConn) { c.request() },
		"when it was read, with a reset": func(c *hostileConn) {
			c.request()
			c.reset()
		},
		"when it was read, with half an answer": func(c *hostileConn) {
			c.request()
			c.send("HTTP/1.1 200 O")
		},
		"when its first byte was read": func(c *hostileConn) {
			_, _ = c.in.ReadByte()
			c.to.requests.Add(1)
		},
		"when its first byte was read, with a reset": func(c *hostileConn) {
			_, _ = c.in.ReadByte()
			c.to.requests.Add(1)
			c.reset()
		},
	} {
		t.Run(name, func(t *testing.T) {
			var conns atomic.Int32
			receiver := newHostileReceiver(t, nil, func(c *hostileConn) {
				if conns.Add(1) == 1 {
					if reply(keptAlive)(c); c.to.requests.Load() == 1 {
						second(c)
					}
					return
				}
				reply(keptAlive)(c)
			})
			attempts := oneAfterAnother(t, receiver, 3)
			assert.Equal(t, 200, attempts[0].Status)
			assert.Equal(t, webhook.ClassReset, attempts[1].Class)
			assert.Equal(t, 200, attempts[2].Status)
			assert.EqualValues(t, 3, receiver.requests.Load(), "requests that arrived")
			assert.EqualValues(t, 2, receiver.conns.Load(), "connections")
		})
	}
}

func TestConnectionCloseIsHeeded(t *testing.T) {
	for _, head := range []string{"HTTP/1.1 200 OK\r\nConnection: close", "HTTP/1.1 200 OK\r\nConnection: x, CLOSE", "HTTP/1.0 200 OK"} {
		// The receiver would answer again, but no request may come.
		answer := head + "\r\n" + "Content-Length: 0\r\n\r\n"
		receiver := newHostileReceiver(t, nil, reply(answer, reply(answer)))
		for _, a := range oneAfterAnother(t, receiver, 3) {
			assert.Equal(t, 200, a.Status)
		}
		assert.EqualValues(t, 3, receiver.requests.Load())
		assert.EqualValues(t, 3, receiver.conns.Load())
	}
}

func TestWhatComesUnaskedIsNoAnswer(t *testing.T) {
	var said lockedBuffer
	defer log.SetOutput(log.Writer())
	log.SetOutput(&said)
	const nasty = "HTTP/1.1 500 canary\x00\x1b[31m\r\nforged line\r\n"
	kept := strings.Replace(keptAlive, "\r\n", "\r\nKeep-Alive: timeout=2\r\n", 1) // the connection closes after a second
	unasked, gone := make(chan bool), make(chan bool, 1)
	receiver := newHostileReceiver(t, nil, func(c *hostileConn) {
		if reply(kept)(c); c.to.conns.Load() > 1 {
			return
		}
		<-unasked
		c.send(nasty + strings.Repeat("x", 100<<10))
		c.wait()
		gone <- true
	})
	attempts := oneAfterAnother(t, receiver, 2, func() { unasked <- true; <-gone })
	assert.Equal(t, 200, attempts[0].Status)
	assert.Equal(t, 200, attempts[1].Status)
	assert.EqualValues(t, 2, receiver.requests.Load())
	assert.EqualValues(t, 2, receiver.conns.Load())

	assert.Empty(t, said.String(), "package log was told")
}

func TestATestSendLeavesNothingBehindWhateverComes(t *testing.T) {
	for name, handle := range map[string]func(*hostileConn){
		"hangs":          reply("", (*hostileConn).wait),
		"hangs midway":   reply("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncanary", (*hostileConn).wait),
		"keeps alive":    reply(keptAlive, (*hostileConn).wait),
		"never ends":     reply("HTTP/1.1 200 OK\r\n\r\n", func(c *hostileConn) { c.flood("canary", hostileGiB) }),
		"is no receiver": func(c *hostileConn) { c.flood("\x00", hostileGiB) },
	} {
		t.Run(name, func(t *testing.T) {
			receiver := newHostileReceiver(t, nil, handle)
			labelled(t, func() { // Run would close connections, so there is none
				d, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{
					Network: webhook.Network{AllowHTTP: true, AllowLoopback: true}, Logger: quiet, RequestTimeout: hostileTimeout,
				})
				require.NoError(t, err)
				r := &rig{Dispatcher: d, t: t}
				r.endpoint("one", func(e *webhook.Endpoint) { e.URL = receiver.url })
				a, err := d.Tenant(acme).Test(t.Context(), "one")
				require.NoError(t, err)
				assert.Less(t, a.Duration, hostileTimeout+hostilePatience/4)
				logged := r.attempts(a.EventID, "one")
				require.Len(t, logged, 1)
				assert.Equal(t, a.Class, logged[0].Class)
			})
			assert.EqualValues(t, 1, receiver.conns.Load())
		})
	}
}
