package interop

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// ownIdle is the time after which the sender closes a connection without a request, if the
// receiver does not tell a shorter time.
const ownIdle = 4 * time.Second

// A closing is a receiver and the way in which it closes connections that have no request.
type closing struct {
	name  string
	start func(*testing.T) (addr string)

	// gaps has the time after which the receiver closes, and that after which the sender
	// should.
	gaps gaps

	most int // requests that a connection may have: 0 for no limit, 1 if none is used again

	byDefault bool // it has the times of its makers
}

// size returns the number of endpoints and of the requests of each.
func (c closing) size() (endpoints, requests int) {
	if c.byDefault {
		return 400, 5
	}
	return 48, 4
}

// closings are receivers with the times that they have by default, and with times that they
// announce. The sender always closes first.
func closings() []closing {
	apache := func(idle time.Duration, most int) func(*testing.T) string {
		return (&goReceiver{idle: idle, announces: true, most: most}).start
	}
	nginxWith := func(directives string) func(*testing.T) string {
		return nginx{server: directives + nginxPaths}.start
	}
	node := func(keepAlive time.Duration) func(*testing.T) string {
		return func(t *testing.T) string { t.Helper(); return startNode(t, keepAlive) }
	}
	python := func(version string) func(*testing.T) string {
		return func(t *testing.T) string { t.Helper(); return startPython(t, version, 0) }
	}
	const second = time.Second
	closings := []closing{
		// Node says whole seconds, rounded down. Some of its versions wait for a second more.
		{name: "Node, 300 ms", start: node(300 * time.Millisecond), gaps: gaps{300 * time.Millisecond, 1300 * time.Millisecond}, most: 1},
		{name: "Node, 1.5 s", start: node(1500 * time.Millisecond), gaps: gaps{1500 * time.Millisecond, 2500 * time.Millisecond}, most: 1},
		{name: "Node, 2 s", start: node(2 * second), gaps: gaps{second, 2 * second, 3 * second}},
		{name: "nginx, 1 s in its header", start: nginxWith("keepalive_timeout 1s 1s;"), gaps: gaps{second}, most: 1},
		{name: "nginx, 2 s in its header", start: nginxWith("keepalive_timeout 2s 2s;"), gaps: gaps{second, 2 * second}},
		{name: "nginx, 3 requests", start: nginxWith("keepalive_requests 3;"), gaps: gaps{0}, most: 3},
		{name: "nginx, 1 s for a connection", start: nginxWith("keepalive_time 1s;"), gaps: gaps{0, second}},
		{name: "like Apache, 2 s and 3 requests", start: apache(2*second, 3), gaps: gaps{second, 2 * second}, most: 3},
		{name: "Python, HTTP/1.0", start: python("HTTP/1.0"), gaps: gaps{0}, most: 1},
	}
	if !long() {
		return closings
	}
	return append(closings,
		closing{name: "Node", start: node(0), gaps: gaps{ownIdle, 5 * second, 6 * second}, byDefault: true},
		closing{name: "nginx", start: nginxWith(""), gaps: gaps{ownIdle}, byDefault: true},
		closing{name: "nginx, 5 s", start: nginxWith("keepalive_timeout 5s;"), gaps: gaps{ownIdle, 5 * second}},
		closing{name: "like Apache", start: apache(5*second, 100), gaps: gaps{ownIdle, 5 * second}, byDefault: true},
		closing{name: "net/http", start: (&goReceiver{}).start, gaps: gaps{ownIdle}, byDefault: true},
		closing{name: "net/http, 5 s", start: (&goReceiver{idle: 5 * second}).start, gaps: gaps{ownIdle, 5 * second}},
		closing{name: "Python, HTTP/1.1", start: python("HTTP/1.1"), gaps: gaps{ownIdle}, byDefault: true},
	)
}

// A server closes a connection that had no request for a while. However close to that
// moment the next request is, it does not meet the end of the connection.
func TestRequestsAtRandomTimesMeetNoConnectionThatCloses(t *testing.T) {
	needNode(t)
	needNginx(t)
	needProgram(t, "python3")
	seed := rand.Uint64()
	t.Log("seed", seed)
	all := closings()
	outcomes := make([]outcome, len(all))
	var running sync.WaitGroup
	for i, c := range all {
		addr := c.start(t)
		endpoints, requests := c.size()
		running.Go(func() {
			outcomes[i] = traffic{url: "http://" + addr, endpoints: endpoints, requests: requests, gaps: c.gaps, seed: seed}.send(t)
		})
	}
	running.Wait()
	for i, c := range all {
		t.Run(c.name, func(t *testing.T) {
			got := outcomes[i]
			endpoints, requests := c.size()
			late := 0
			for what, n := range got.late {
				t.Logf("%d times while something stood still: %s", n, what)
				late += n
			}
			assert.Equal(t, map[string]int{"200  ": endpoints*requests - late}, got.attempts)
			assert.Empty(t, got.shared, "connections of two endpoints")
			for path, requests := range got.requests {
				connections := got.connectionsOf(path)
				t.Logf("%s: %d requests on %d connections", path, requests, connections)
				switch {
				case path == "/close", c.most == 1:
					assert.Equal(t, requests, connections)
				case c.most > 0:
					assert.GreaterOrEqual(t, connections, requests/c.most)
					fallthrough
				default:
					assert.Less(t, connections, requests, "connections are used again")
				}
			}
		})
	}
}

// A receiver that closes after less time than the sender's, and does not say so, can close
// while a request is on its way. Arithmetic allows nothing else: only the receiver knows
// whether it has read the request, so the sender may not send it again by itself. Such an
// attempt is a reset, and a retry delivers the event.
func TestAnUnannouncedEndCostsAnAttemptAndNoDelivery(t *testing.T) {
	needNginx(t)
	needProgram(t, "python3")
	const idle, endpoints, requests = time.Second, 48, 4
	seed := rand.Uint64()
	t.Log("seed", seed)
	inGo := &goReceiver{idle: idle}
	addrs := map[string]string{
		"net/http": inGo.start(t),
		"nginx":    nginx{server: "keepalive_timeout 1s;" + nginxPaths}.start(t),
		"Python":   startPython(t, "HTTP/1.1", idle),
	}
	outcomes := make(map[string]*outcome)
	var running sync.WaitGroup
	for name, addr := range addrs {
		got := new(outcome)
		outcomes[name] = got
		running.Go(func() {
			*got = traffic{
				url: "http://" + addr, endpoints: endpoints, requests: requests,
				gaps: gaps{idle, idle}, seed: seed, retries: true,
			}.send(t)
		})
	}
	running.Wait()
	for name, got := range outcomes {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, endpoints*requests, got.deliveries, "%v", got.attempts)
			failed := 0
			for what, n := range got.attempts {
				if what != "200  " {
					failed += n
				}
			}
			t.Logf("%d requests, %d resets", endpoints*requests, got.resets)
			assert.LessOrEqual(t, failed, got.resets, "%v", got.attempts)
			assert.Empty(t, got.shared, "connections of two endpoints")
		})
	}
	assert.EqualValues(t, endpoints*requests, inGo.requests.Load(), "no request comes twice")
}
