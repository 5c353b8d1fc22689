// Package loopback has the common parts of the examples of providers: a customer's server on a
// loopback address, a record of the verified requests, and a function that runs a Dispatcher
// until all requests have come.
package loopback

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gowebhook/webhook"
)

// Serve serves handler on a free port. It returns the URL, and a function that ends the
// server.
func Serve(ctx context.Context, handler http.Handler) (url string, stop func(), err error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }() // until it is closed
	return "http://" + listener.Addr().String(), func() { _ = server.Close() }, nil
}

// An Inbox prints and counts the requests that customers verified or refused. Set Out before
// the first use. After that, an Inbox is safe for concurrent use.
type Inbox struct {
	Out io.Writer

	mu       sync.Mutex
	verified int
	refused  error         // the first
	changed  chan struct{} // closed when there is something new
}

// Verified records a request with a valid signature.
func (i *Inbox) Verified(format string, args ...any) {
	i.record("verified", format, args, func() { i.verified++ })
}

// Refused records a request with an invalid signature.
func (i *Inbox) Refused(format string, args ...any) {
	i.record("REFUSED ", format, args, func() {
		if i.refused == nil {
			i.refused = fmt.Errorf("refused: "+format, args...)
		}
	})
}

func (i *Inbox) record(verdict, format string, args []any, count func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	fmt.Fprintf(i.Out, "  %s  %s\n", verdict, fmt.Sprintf(format, args...))
	count()
	if i.changed != nil {
		close(i.changed)
		i.changed = nil
	}
}

// now returns the number of verified requests, a channel that is closed at the next change,
// and the first refusal.
func (i *Inbox) now() (verified int, changed <-chan struct{}, refused error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.changed == nil {
		i.changed = make(chan struct{})
	}
	return i.verified, i.changed, i.refused
}

// Run runs d until n requests in all have been verified and each of the channels is closed. It
// returns an error if a request is refused, or if ctx ends first.
func (i *Inbox) Run(ctx context.Context, d *webhook.Dispatcher, n int, also ...<-chan struct{}) error {
	running, stop := context.WithCancel(ctx)
	stopped := make(chan error, 1)
	go func() { stopped <- d.Run(running) }()
	err := i.wait(ctx, n)
	for _, c := range also {
		select {
		case <-c:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	stop()
	if stopErr := <-stopped; err == nil {
		err = stopErr
	}
	if verified, _, _ := i.now(); err == nil && verified != n {
		err = fmt.Errorf("%d requests were verified, not %d", verified, n)
	}
	return err
}

func (i *Inbox) wait(ctx context.Context, n int) error {
	for {
		verified, changed, refused := i.now()
		switch {
		case refused != nil:
			return refused
		case verified >= n:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d requests were verified: %w", verified, n, ctx.Err())
		}
	}
}
