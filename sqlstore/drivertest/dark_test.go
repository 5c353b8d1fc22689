package drivertest

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A darkProxy stands between clients and a server until it goes dark, as a machine does that
// loses its power or its network: no byte passes in either direction, and no connection is
// closed until the end of the test.
type darkProxy struct {
	address string
	server  string

	mu      sync.Mutex
	trigger []byte // goes dark when the server answers a statement with this; nil for never
	after   int    // bytes of the answer to the trigger that still pass
	dark    chan struct{}
	gone    bool
	open    []net.Conn
}

// newDarkProxy returns a proxy to a server's address.
func newDarkProxy(t *testing.T, server string) *darkProxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &darkProxy{address: listener.Addr().String(), server: server, dark: make(chan struct{})}
	t.Cleanup(func() {
		_ = listener.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.gone = true
		for _, conn := range p.open {
			_ = conn.Close()
		}
	})
	go p.accept(listener)
	return p
}

// darkenAt makes the proxy go dark when the server has run the statement with these words. Of
// its answer so many bytes pass.
func (p *darkProxy) darkenAt(words string, answer int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trigger, p.after = []byte(words), answer
}

func (p *darkProxy) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		if !p.keep(client, server) {
			return
		}
		pair := &darkPair{p: p}
		go pair.copy(server, client, pair.asked)
		go pair.copy(client, server, pair.answered)
	}
}

func (p *darkProxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = append(p.open, conns...)
	if p.gone {
		for _, conn := range conns {
			_ = conn.Close()
		}
	}
	return !p.gone
}

func (p *darkProxy) isDark() bool {
	select {
	case <-p.dark:
		return true
	default:
		return false
	}
}

// A darkPair is a client's connection and the server's.
type darkPair struct {
	p      *darkProxy
	tail   []byte // the last request: the trigger may come in two parts
	passed int    // bytes of the answer to the trigger
	seen   bool
}

// copy copies until the proxy is dark, or a side has closed.
func (c *darkPair) copy(to io.WriteCloser, from io.Reader, pass func([]byte) (int, bool)) {
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		if c.p.isDark() {
			return
		}
		if err != nil {
			_ = to.Close()
			return
		}
		n, dark := pass(buffer[:n])
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
		if dark {
			c.darken()
			return
		}
	}
}

func (c *darkPair) darken() {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	if !c.p.isDark() {
		close(c.p.dark)
	}
}

// asked lets all pass, and looks for the trigger.
func (c *darkPair) asked(b []byte) (int, bool) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	if c.p.trigger == nil || c.seen {
		return len(b), false
	}
	c.tail = append(c.tail, b...)
	c.seen = bytes.Contains(c.tail, c.p.trigger)
	c.tail = c.tail[max(0, len(c.tail)-len(c.p.trigger)):]
	return len(b), false
}

// answered lets so much of the trigger's answer pass as was said. If that is nothing, the first
// byte of it still says that the server has run the statement, and holds its locks.
func (c *darkPair) answered(b []byte) (int, bool) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	if !c.seen {
		return len(b), false
	}
	n := min(len(b), c.p.after-c.passed)
	c.passed += n
	return n, c.passed == c.p.after
}
