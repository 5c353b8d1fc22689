package sender

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// Limits of a request that goes through NewRoundTripper.
const (
	maxTime  = 30 * time.Second
	maxBytes = 1 << 20
)

// A boundedTransport is the RoundTripper that NewRoundTripper returns.
type boundedTransport[C ClassError] struct{ guarded *guardedRoundTripper[C] }

// NewRoundTripper returns a RoundTripper for requests of other kinds. Each has a connection of
// its own, is bounded in time and size, and goes to no address that the guard refuses. Errors are
// *Error[C]. Config.Wrap and Config.MaxBody do not apply.
func NewRoundTripper[C ClassError](c Config) http.RoundTripper {
	c.Wrap = nil
	s := New[C](c)
	return boundedTransport[C]{newGuardedRoundTripper[C](&s.config, s.client)}
}

// RoundTrip implements [http.RoundTripper].
func (c boundedTransport[C]) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), maxTime)
	own := r.WithContext(context.WithValue(ctx, ownerKey{}, nil)) // of no endpoint
	resp, err := c.guarded.RoundTrip(own)
	if err != nil {
		err = newError[C](endOf(ctx, time.Time{}), err, noResponse)
		cancel()
		return nil, err
	}
	resp.Request = r
	resp.Body = &boundedBody[C]{ReadCloser: resp.Body, ctx: ctx, cancel: cancel, left: maxBytes}
	return resp, nil
}

// A boundedBody is a response body of bounded size and time.
type boundedBody[C ClassError] struct {
	io.ReadCloser

	ctx    context.Context //nolint:containedctx // of the request, which ends with the body
	cancel context.CancelFunc
	left   int
}

func (b *boundedBody[C]) Read(p []byte) (int, error) {
	if len(p) > b.left+1 {
		p = p[:b.left+1] // one more byte shows that the body is too long
	}
	n, err := b.ReadCloser.Read(p)
	if n > b.left {
		n, err = b.left, &Error[C]{class: Protocol, text: "the response body is larger than 1 MiB"}
	}
	b.left -= n
	if err != nil && !errors.Is(err, io.EOF) {
		err = newError[C](endOf(b.ctx, time.Time{}), err, noEnd)
	}
	return n, err
}

func (b *boundedBody[C]) Close() error {
	err := b.ReadCloser.Close()
	b.cancel()
	return err
}
