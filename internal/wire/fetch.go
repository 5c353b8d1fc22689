package wire

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"sync"
)

// A Reply is a response whose body has been read.
type Reply struct {
	Status    int // 0 if no response came
	Header    http.Header
	Body      []byte // the caller's own
	Truncated bool   // there was more
}

// exchanges are recycled by Fetch, which hands none of them out.
var exchanges = sync.Pool{New: func() any { return new(exchange) }}

// Fetch is Do for a caller that wants the body at once. It reads at most limit
// bytes of it. If an error comes with a status, the body did not end.
func (c *Client) Fetch(ctx context.Context, r *Request, limit int) (reply Reply, err error) {
	x := exchanges.Get().(*exchange)
	x.pool = &c.pool
	resp, err := c.do(ctx, r, x)
	if err == nil {
		reply.Status, reply.Header = resp.StatusCode, resp.Header
		reply.Body, reply.Truncated, err = ReadBody(resp.Body, limit)
		_ = resp.Body.Close()
	}
	x.reset()
	exchanges.Put(x)
	return reply, err
}

// Response bodies are read into pooled buffers and then copied at their own size.
// The buffers grow with the body, and large ones are not kept.
const (
	firstBufferBytes = 2 << 10
	maxPooledBytes   = 64 << 10
)

var bodyBuffers = sync.Pool{New: func() any {
	b := make([]byte, 0, firstBufferBytes)
	return &b
}}

// ReadBody reads at most limit bytes and reports whether there is more. It ignores
// an error that comes after them.
func ReadBody(r io.Reader, limit int) (body []byte, truncated bool, err error) {
	if r == http.NoBody {
		return nil, false, nil
	}
	pooled := bodyBuffers.Get().(*[]byte)
	buf := (*pooled)[:0]
	for err == nil && len(buf) <= limit {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, len(buf)) // twice the size
		}
		var n int
		n, err = r.Read(buf[len(buf):min(cap(buf), limit+1)])
		buf = buf[:len(buf)+n]
	}
	if cap(buf) <= maxPooledBytes {
		*pooled = buf
		defer bodyBuffers.Put(pooled)
	}
	if len(buf) > limit {
		buf, truncated, err = buf[:limit], true, nil
	}
	if err != nil && err != io.EOF {
		return nil, false, err
	}
	if len(buf) == 0 {
		return nil, truncated, nil
	}
	return bytes.Clone(buf), truncated, nil
}
