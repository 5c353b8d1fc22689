package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReadBodyReturnsWhatCameBeforeTheEnd(t *testing.T) {
	broken := errors.New("broken")
	for _, r := range []io.Reader{strings.NewReader("abc"), iotest.OneByteReader(strings.NewReader("abc"))} {
		body, truncated, err := ReadBody(r, 3)
		require.NoError(t, err)
		assert.False(t, truncated)
		assert.Equal(t, "abc", string(body))
	}
	_, _, err := ReadBody(io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken)), 3)
	require.ErrorIs(t, err, broken)
	for _, r := range []io.Reader{
		io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken)),
		iotest.DataErrReader(io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken))), // the error comes with the last bytes
	} {
		body, truncated, err := ReadBody(r, 2)
		require.NoError(t, err)
		assert.True(t, truncated)
		assert.Equal(t, "ab", string(body))
	}
}

// fetch sends a request with a deadline one second from now.
func fetch(t *testing.T, ctx context.Context, c *Client) (Reply, error) {
	t.Helper()
	r := request(t, "http://a.example/", one, "{}")
	r.Deadline = time.Now().Add(time.Second)
	return c.Fetch(ctx, r, 100)
}

func TestTheDeadlineEndsEveryPartOfAnExchange(t *testing.T) {
	silent := func(p *peer) { p.wait() }
	for name, tt := range map[string]struct {
		handle func(*peer)
		dial   DialFunc
		status int
	}{
		"dial": {handle: silent, dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, &net.OpError{Op: "dial", Err: ctx.Err()}
		}},
		"request": {handle: func(p *peer) { time.Sleep(time.Minute) }}, //nolint:forbidigo // in fake time
		"header":  {handle: silent},
		"body": {status: 200, handle: func(p *peer) {
			p.request()
			p.say("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ndone")
			p.wait()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, _ := inMemory(t, tt.handle)
				if tt.dial != nil {
					client.Dial = tt.dial
				}
				began := time.Now()
				reply, err := fetch(t, t.Context(), client)
				require.Equal(t, context.DeadlineExceeded, err)
				assert.Equal(t, tt.status, reply.Status)
				assert.Equal(t, time.Second, time.Since(began))
				assert.Zero(t, client.Open())
			})
		})
	}
}

func TestARequestWhoseDeadlineHasPassedIsNotSent(t *testing.T) {
	client, memory := inMemory(t, always(okDone))
	r := request(t, "http://a.example/", one, "{}")
	r.Deadline = time.Now()
	_, err := client.Fetch(t.Context(), r, 100)
	require.Equal(t, context.DeadlineExceeded, err)
	assert.Zero(t, memory.conns.Load())
}

func TestAKeptConnectionOutlivesTheDeadlineOfItsLastRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, memory := inMemory(t, always(okDone))
		for range 3 {
			reply, err := fetch(t, t.Context(), client)
			require.NoError(t, err)
			assert.Equal(t, "done", string(reply.Body))
			time.Sleep(2 * time.Second) //nolint:forbidigo // in fake time
		}
		_, err := send(t, client, request(t, "http://a.example/", one, "{}")) // without a deadline
		require.NoError(t, err)
		assert.EqualValues(t, 1, memory.conns.Load())
	})
}

func TestTheContextEndsARequestWithADeadline(t *testing.T) {
	client, _ := inMemory(t, func(p *peer) {
		for p.number == 1 && p.request() && p.say(okDone) {
			continue
		}
		p.wait()
	})
	ctx, cancel := context.WithCancel(t.Context())
	r := request(t, "http://a.example/", one, "{}")
	r.Deadline = time.Now().Add(patience)
	_, err := client.Fetch(ctx, r, 100)
	require.NoError(t, err)
	client.CloseIdle()
	time.AfterFunc(time.Millisecond, cancel)
	_, err = client.Fetch(ctx, r, 100)
	require.Equal(t, context.Canceled, err)
}

func TestAConnectionIsNotUsedAfterItsContextHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, memory := inMemory(t, always(okDone))
		ctx, cancel := context.WithCancel(t.Context())
		_, err := fetch(t, ctx, client)
		require.NoError(t, err)
		require.Equal(t, 1, client.Idle())
		cancel()
		_, err = fetch(t, ctx, client)
		require.Equal(t, context.Canceled, err)
		_, err = fetch(t, t.Context(), client)
		require.NoError(t, err)
		assert.EqualValues(t, 2, memory.conns.Load())
	})
}

// Otherwise a long-lived context would keep the memory of every connection.
func TestAClosedConnectionIsNotBoundToAContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := inMemory(t, always(okDone))
		_, err := fetch(t, t.Context(), client)
		require.NoError(t, err)
		kept := client.pool.idle.First()
		require.NotNil(t, kept.done)
		client.CloseIdle()
		assert.Nil(t, kept.done)
	})
}

func TestFetchKeepsNothingOfAnEarlierResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := inMemory(t, func(p *peer) {
			for _, text := range []string{okDone, "HTTP/1.1 500 Odd\r\nContent-Length: 300\r\n\r\n" + strings.Repeat("b", 300), "HTTP/1.1 204 None\r\n\r\n"} {
				p.request()
				p.say(text)
			}
			p.wait()
		})
		first, err := fetch(t, t.Context(), client)
		require.NoError(t, err)
		second, err := fetch(t, t.Context(), client)
		require.NoError(t, err)
		third, err := fetch(t, t.Context(), client)
		require.NoError(t, err)
		assert.Equal(t, "done", string(first.Body), "the body is the caller's own")
		assert.Equal(t, strings.Repeat("b", 100), string(second.Body))
		assert.True(t, second.Truncated)
		assert.Equal(t, Reply{Status: 204, Header: third.Header}, third)
	})
}

// The function that expires the socket may be about to run. It would then end the next
// request.
func TestAConnectionThatIsEndingTakesNoRequest(t *testing.T) {
	c := newConn(new(stubConn), place{"http", "h"}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	deadline := time.Now().Add(patience)
	require.True(t, c.begin(ctx, deadline))
	require.True(t, c.finish())
	require.True(t, c.begin(ctx, deadline))
	require.True(t, c.finish())
	cancel()
	assert.False(t, c.begin(t.Context(), deadline))
}
