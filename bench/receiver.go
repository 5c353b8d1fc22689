package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/gowebhook/webhook/internal/signature"
)

// secret is what both peers sign with.
const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// A tally is what a receiver has seen since it was reset.
type tally struct {
	Requests int
	Distinct int
	Invalid  int
	CPU      time.Duration
}

// receive is the receiver's process. It ends with its standard input.
func receive(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("http://" + listener.Addr().String())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	s := &counter{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /hook", s.hook)
	mux.HandleFunc("POST /reset", s.reset)
	mux.HandleFunc("GET /tally", s.tally)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	return server.Serve(listener)
}

type counter struct {
	mu      sync.Mutex
	n       tally
	ids     map[string]struct{}
	buffers sync.Pool
}

func (c *counter) hook(w http.ResponseWriter, r *http.Request) {
	buf, _ := c.buffers.Get().(*[]byte)
	if buf == nil {
		b := make([]byte, 0, 2*bodySize)
		buf = &b
	}
	defer c.buffers.Put(buf)
	body, err := readInto((*buf)[:0], r.Body)
	*buf = body
	id := r.Header.Get(signature.HeaderID)
	if err == nil {
		err = signature.VerifyStandard(secret, id, r.Header.Get(signature.HeaderTimestamp), r.Header.Get(signature.HeaderSignature), body, time.Now())
	}
	c.mu.Lock()
	c.n.Requests++
	c.ids[id] = struct{}{}
	if err != nil {
		c.n.Invalid++
	}
	c.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

func readInto(buf []byte, r io.Reader) ([]byte, error) {
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
	}
}

func (c *counter) reset(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.n, c.ids = tally{}, make(map[string]struct{})
	c.mu.Unlock()
	c.tally(w, r)
}

func (c *counter) tally(w http.ResponseWriter, _ *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.n
	n.Distinct, n.CPU = len(c.ids), ownCPU()
	_ = json.NewEncoder(w).Encode(n)
}

// A receiver is the process, as its parent sees it.
type receiver struct {
	url  string
	stop func()
}

func startReceiver(ctx context.Context) (*receiver, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-receiver")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("starting the receiver: %w", err)
	}
	return &receiver{url: strings.TrimSpace(url), stop: func() {
		_ = in.Close()
		_ = cmd.Wait()
	}}, nil
}

func (r *receiver) reset(ctx context.Context) (tally, error) {
	return r.ask(ctx, http.MethodPost, "/reset")
}

func (r *receiver) tally(ctx context.Context) (tally, error) {
	return r.ask(ctx, http.MethodGet, "/tally")
}

func (r *receiver) ask(ctx context.Context, method, path string) (n tally, err error) {
	req, err := http.NewRequestWithContext(ctx, method, r.url+path, http.NoBody)
	if err != nil {
		return n, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return n, err
	}
	defer resp.Body.Close()
	return n, json.NewDecoder(resp.Body).Decode(&n)
}
