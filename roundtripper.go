package webhook

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// Limits of a request that goes through Network.RoundTripper.
const (
	callTimeout  = 30 * time.Second
	maxCallBytes = 1 << 20
)

// RoundTripper returns a transport for the application's other requests to addresses that its
// customers choose. Examples are requests to verify that somebody owns a URL, to get an OAuth
// token, or to fetch a picture. Like a webhook, such a request reaches only addresses that the
// Network allows, and every dial is judged. So is every redirect that an [http.Client]
// follows.
//
// Each request has a connection of its own, and its body is read to the end before it is sent.
// A request takes at most 30 seconds, to the end of the response body. At most 1 MiB of the
// response body can be read; a longer body is an error. Errors wrap a [Class] and quote
// nothing that the receiver sent. Wrap and MaxResponseBytes do not apply. An internationalized
// name must be in its xn-- form.
//
// The RoundTripper is safe for concurrent use and starts no goroutine that outlives a request.
// It need not be closed, but response bodies must be. RoundTripper refuses an inconsistent
// Network with a [*FieldError].
//
//	transport, err := network.RoundTripper()
//	client := &http.Client{Transport: transport}
func (n Network) RoundTripper() (transport http.RoundTripper, err error) {
	defer addOperation("round tripper", &err)
	if err := n.validate(); err != nil {
		return nil, err
	}
	n.Wrap = nil
	t := newHTTPTransport(n, 1)
	return callTransport{newGuardedRoundTripper(t.network, t.client)}, nil
}

// A callTransport is the RoundTripper that Network.RoundTripper returns.
type callTransport struct{ guarded *guardedRoundTripper }

// RoundTrip implements [http.RoundTripper].
func (c callTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), callTimeout)
	own := r.WithContext(context.WithValue(ctx, ownerKey{}, nil)) // of no endpoint
	resp, err := c.guarded.RoundTrip(own)
	if err != nil {
		err = newSendError(endOf(ctx, time.Time{}), err, noResponse)
		cancel()
		return nil, err
	}
	resp.Request = r
	resp.Body = &callBody{ReadCloser: resp.Body, ctx: ctx, cancel: cancel, left: maxCallBytes}
	return resp, nil
}

var errCallBytes = &sendError{class: ClassProtocol, text: "the response body is larger than 1 MiB"}

// A callBody is a response body of bounded size and time.
type callBody struct {
	io.ReadCloser

	ctx    context.Context //nolint:containedctx // of the request, which ends with the body
	cancel context.CancelFunc
	left   int
}

func (b *callBody) Read(p []byte) (int, error) {
	if len(p) > b.left+1 {
		p = p[:b.left+1] // one more byte shows that the body is too long
	}
	n, err := b.ReadCloser.Read(p)
	if n > b.left {
		n, err = b.left, errCallBytes
	}
	b.left -= n
	if err != nil && !errors.Is(err, io.EOF) {
		err = newSendError(endOf(b.ctx, time.Time{}), err, noEnd)
	}
	return n, err
}

func (b *callBody) Close() error {
	err := b.ReadCloser.Close()
	b.cancel()
	return err
}
