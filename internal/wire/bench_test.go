//go:build unix

package wire

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/internal/netguard"
)

func startReceiver(b *testing.B) string {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), benchReceiver+"=1")
	stdin, err := cmd.StdinPipe()
	require.NoError(b, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	b.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	addr := make([]byte, 64)
	n, err := stdout.Read(addr)
	require.NoError(b, err)
	return "http://" + string(bytes.TrimSpace(addr[:n])) + "/hooks/1"
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkPost sends 1 KiB over kept connections, with 64 senders. This client and the
// client of net/http take turns.
func BenchmarkPost(b *testing.B) {
	target := startReceiver(b)
	body := make([]byte, 1024)
	header := http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {"bench"}, "Webhook-Id": {"evt_1"},
		"Webhook-Timestamp": {"1700000000"}, "Webhook-Signature": {"v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="},
	}
	u, err := url.Parse(target)
	require.NoError(b, err)
	wire := New(Config{Guard: netguard.Guard{AllowHTTP: true, AllowLoopback: true}, MaxIdle: 1024, MaxIdlePerOwner: 512})
	defer wire.CloseIdle()
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 512}
	defer transport.CloseIdleConnections()
	buffers := sync.Pool{New: func() any { return new(bytes.Buffer) }}
	read := func(b *testing.B, resp *http.Response, err error) {
		b.Helper()
		if err != nil {
			b.Error(err)
			return
		}
		buffer := buffers.Get().(*bytes.Buffer)
		buffer.Reset()
		_, _ = buffer.ReadFrom(io.LimitReader(resp.Body, 16<<10))
		_ = resp.Body.Close()
		buffers.Put(buffer)
	}
	type client struct {
		name string
		post func(*testing.B, context.Context)
	}
	clients := []client{
		{"wire", func(b *testing.B, ctx context.Context) { //nolint:thelper // it is the body of a loop
			resp, err := wire.Do(ctx, &Request{ //nolint:bodyclose // read does
				Owner: Owner{"acme", "one", 1}, Method: http.MethodPost, URL: u, Header: header, Body: body,
			})
			read(b, resp, err)
		}},
		{"nethttp", func(b *testing.B, ctx context.Context) { //nolint:thelper // it is the body of a loop
			r := &http.Request{Method: http.MethodPost, URL: u, Header: header, ContentLength: int64(len(body))}
			r.Body = io.NopCloser(bytes.NewReader(body))
			resp, err := transport.RoundTrip(r.WithContext(ctx)) //nolint:bodyclose // read does
			read(b, resp, err)
		}},
	}
	for turn := range 3 * len(clients) {
		client := clients[turn%len(clients)]
		b.Run(fmt.Sprintf("%s/turn=%d", client.name, turn/len(clients)), func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(32)
			began := cpuTime()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					ctx, cancel := context.WithTimeout(b.Context(), 20*time.Second)
					client.post(b, ctx)
					cancel()
				}
			})
			b.ReportMetric(float64(cpuTime()-began)/float64(b.N)/1000, "cpu-µs/op")
		})
	}
}
