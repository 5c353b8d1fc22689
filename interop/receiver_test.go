package interop

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The receivers of these tests answer with the number of the connection. The path /keep
// asks for a response with a Content-Length, /chunked for one in chunks, and /close for one
// after which the receiver closes the connection. /early is answered before the request is
// read, with 413.

// startNode returns the address of a receiver in Node. Zero stands for Node's default of
// keepAliveTimeout.
func startNode(t *testing.T, keepAlive time.Duration) (addr string) {
	t.Helper()
	args := []string{script(t, "node.mjs")}
	if keepAlive > 0 {
		args = append(args, strconv.FormatInt(keepAlive.Milliseconds(), 10))
	}
	return startProgram(t, needNode(t), args...)
}

// startPython returns the address of a receiver that is made of http.server. It never
// closes a connection if idle is zero.
func startPython(t *testing.T, version string, idle time.Duration) (addr string) {
	t.Helper()
	args := []string{script(t, "python.py"), version}
	if idle > 0 {
		args = append(args, fmt.Sprint(idle.Seconds()))
	}
	return startProgram(t, needProgram(t, "python3"), args...)
}

// script returns the path of a receiver's source.
func script(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", "receivers", name))
	require.NoError(t, err)
	require.FileExists(t, path) // go test then knows that its result depends on the file
	return path
}

// startProgram starts a program that prints its address, and ends with its standard input.
// So it ends even if the test is killed.
func startProgram(t *testing.T, path string, args ...string) (addr string) {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), path, args...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	run(t, cmd)
	out := bufio.NewScanner(stdout)
	require.True(t, out.Scan(), "%s printed no address", path)
	return out.Text()
}

// run starts a program, and ends its standard input when the test has ended.
func run(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
}

// A goReceiver is a server of net/http.
type goReceiver struct {
	// idle is the time after which it closes a connection without a request. Zero means
	// never.
	idle time.Duration

	// announces says that each response has the header that Apache sends: the idle time,
	// and how many requests the connection may still have.
	announces bool
	most      int // requests on a connection; 0 for no limit

	tls *tls.Config // nil for plain HTTP

	connections atomic.Int64
	requests    atomic.Int64
}

// A goConnection counts the requests of a connection.
type goConnection struct {
	number   int64
	requests atomic.Int64
}

type goConnectionKey struct{}

// start returns the address of the receiver.
func (g *goReceiver) start(t *testing.T) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr = listener.Addr().String()
	if g.tls != nil {
		listener = tls.NewListener(listener, g.tls)
	}
	server := &http.Server{
		Handler: g, IdleTimeout: g.idle, ErrorLog: log.New(io.Discard, "", 0),
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, goConnectionKey{}, &goConnection{number: g.connections.Add(1)})
		},
	}
	served := make(chan error)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		assert.ErrorIs(t, <-served, http.ErrServerClosed)
	})
	return addr
}

// ServeHTTP implements [http.Handler].
func (g *goReceiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.requests.Add(1)
	if r.URL.Path == "/early" {
		w.Header().Set("Connection", "close")
		http.Error(w, "413", http.StatusRequestEntityTooLarge)
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	c := r.Context().Value(goConnectionKey{}).(*goConnection)
	left := g.most - int(c.requests.Add(1))
	if r.URL.Path == "/close" || g.most > 0 && left == 0 {
		w.Header().Set("Connection", "close")
	} else if g.announces {
		w.Header().Set("Keep-Alive", fmt.Sprintf("timeout=%d, max=%d", int(g.idle.Seconds()), left))
	}
	body := strconv.FormatInt(c.number, 10)
	if r.TLS != nil {
		body += " " + map[bool]string{false: ".", true: "r"}[r.TLS.DidResume]
	}
	if r.URL.Path == "/chunked" {
		_, _ = io.WriteString(w, body[:1])
		_ = http.NewResponseController(w).Flush()
		body = body[1:]
	}
	_, _ = io.WriteString(w, body)
}

// needProgram returns the path of a program. Without it the test is skipped, and fails if
// WEBHOOK_TEST_REQUIRED is 1.
func needProgram(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		lacking(t, "there is no "+name+" on PATH; install it")
	}
	return path
}

// lacking ends a test that cannot run here.
func lacking(t *testing.T, problem string) {
	t.Helper()
	if os.Getenv("WEBHOOK_TEST_REQUIRED") == "1" {
		t.Fatal(problem + " (WEBHOOK_TEST_REQUIRED is 1)")
	}
	t.Skip(problem)
}

// long reports whether tests may take tens of seconds.
func long() bool { return os.Getenv("WEBHOOK_TEST_LONG") == "1" }

// pathOf returns the path for the endpoint with a number. Most keep their connections.
func pathOf(number int) string {
	switch {
	case number%8 == 7:
		return "/close"
	case number%2 == 1:
		return "/chunked"
	default:
		return "/keep"
	}
}

// connectionOf reads a response: the number of the connection, and whether it began by
// resuming a TLS session.
func connectionOf(body []byte) (number string, resumed bool) {
	number, session, _ := strings.Cut(string(body), " ")
	return number, session == "r"
}
