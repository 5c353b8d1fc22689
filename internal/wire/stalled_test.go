package wire

import (
	"bufio"
	"context"
	"crypto/tls"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A receiver that stops reading makes the calling goroutine wait in a write.
func TestAWriteThatWaitsEndsInTime(t *testing.T) {
	const limit = 5 * time.Second
	for name, tt := range map[string]struct {
		limits func(context.Context, *Request) (context.Context, context.CancelFunc)
		want   error
	}{
		"at the request's deadline": {func(ctx context.Context, r *Request) (context.Context, context.CancelFunc) {
			r.Deadline = time.Now().Add(limit)
			return context.WithCancel(ctx)
		}, context.DeadlineExceeded},
		"at the context's deadline": {func(ctx context.Context, _ *Request) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, limit)
		}, context.DeadlineExceeded},
		"when it is canceled": {func(ctx context.Context, _ *Request) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(limit, cancel)
			return ctx, cancel
		}, context.Canceled},
	} {
		for _, scheme := range []string{"http", "https"} {
			t.Run(name+", "+scheme, func(t *testing.T) {
				receiver, sender := testTLS(t)
				synctest.Test(t, func(t *testing.T) {
					// In memory, a write waits until the peer reads the bytes.
					done := make(chan bool)
					client, memory := inMemory(t, func(p *peer) {
						if scheme == "https" {
							p.Conn = tls.Server(p.Conn, receiver)
							p.in = bufio.NewReader(p.Conn)
						}
						p.request()
						p.say(okDone)
						<-done
					})
					defer close(done)
					client.tls = clientTLS(sender)
					client.tls.InsecureSkipVerify = true // the certificate is not valid in fake time
					r := request(t, scheme+"://a.example/", one, "{}")
					_, err := send(t, client, r)
					require.NoError(t, err)

					began := time.Now()
					ctx, cancel := tt.limits(t.Context(), r)
					defer cancel()
					_, err = sendIn(t, ctx, client, r)
					require.ErrorIs(t, err, tt.want)
					// In memory, a Read that must not wait takes a millisecond.
					assert.WithinRange(t, time.Now(), began.Add(limit), began.Add(limit+time.Millisecond))
					assert.Zero(t, client.Open())
					assert.EqualValues(t, 1, memory.conns.Load(), "it is not sent again")
				})
			})
		}
	}
}
