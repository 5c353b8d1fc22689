package wire

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime/pprof"
	"strings"
	"testing"
	"time"
)

// benchReceiver is an environment variable that makes the test binary a receiver. As a
// process of its own, the receiver adds nothing to the CPU time of a benchmark.
const benchReceiver = "WIRE_BENCH_RECEIVER"

func TestMain(m *testing.M) {
	if os.Getenv(benchReceiver) != "" {
		os.Exit(benchReceive())
	}
	code := m.Run()
	if left := goroutinesLeft(); code == 0 && left != "" {
		fmt.Fprintln(os.Stderr, "goroutines of this package are left:\n"+left)
		code = 1
	}
	os.Exit(code)
}

// goroutinesLeft returns the stacks of goroutines that do not end. It looks only at
// goroutines in code of this package, and not at TestMain's.
func goroutinesLeft() string {
	var left string
	for range 500 {
		var text strings.Builder
		_ = pprof.Lookup("goroutine").WriteTo(&text, 2)
		left = ""
		for stack := range strings.SplitSeq(text.String(), "\n\n") {
			if strings.Contains(stack, "internal/wire.") && !strings.Contains(stack, "wire.TestMain") {
				left += stack + "\n\n"
			}
		}
		if left == "" {
			break
		}
		time.Sleep(10 * time.Millisecond) //nolint:forbidigo // until a condition holds
	}
	return left
}

func benchReceive() int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 1
	}
	_, _ = os.Stdout.WriteString(listener.Addr().String() + "\n")
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "ok")
	})}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // stdin ends with the parent
		_ = listener.Close()
	}()
	_ = server.Serve(listener)
	return 0
}
