//go:build unix

package wire

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// awaitArrival waits until bytes, or the end, arrive on the only idle connection.
func awaitArrival(t *testing.T, c *Client) {
	t.Helper()
	c.pool.mu.Lock()
	raw := c.pool.idle.First().socket.raw
	c.pool.mu.Unlock()
	require.Eventually(t, func() bool {
		var err error
		failed := raw.Read(func(fd uintptr) bool {
			_, _, err = syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK)
			return true
		})
		return failed != nil || !errors.Is(err, syscall.EAGAIN)
	}, patience, time.Millisecond)
}

func TestAKeptConnectionIsLookedAtBeforeItIsUsed(t *testing.T) {
	for name, unasked := range map[string]func(*peer){
		"it was closed": func(p *peer) { _ = p.Close() },
		"half of it was closed": func(p *peer) {
			_ = p.tcp.CloseWrite()
			p.wait()
		},
		"it was reset": func(p *peer) {
			_ = p.tcp.SetLinger(0)
			_ = p.tcp.Close()
		},
		"a byte came":     func(p *peer) { p.say("x"); p.wait() },
		"a response came": func(p *peer) { p.say(okDone); p.wait() },
		"a byte came without TLS": func(p *peer) {
			_, _ = p.tcp.Write([]byte("x"))
			p.wait()
		},
		"an empty record came": func(p *peer) {
			_, _ = p.tcp.Write([]byte("\x17\x03\x03\x00\x00"))
			p.wait()
		},
	} {
		receiver, sender := testTLS(t)
		for _, config := range []*tls.Config{nil, receiver} {
			t.Run(fmt.Sprintf("%s, TLS: %v", name, config != nil), func(t *testing.T) {
				done := make(chan bool)
				server := listen(t, config, func(p *peer) {
					if p.number == 1 {
						p.request()
						p.say(okDone)
						<-done
						unasked(p)
						return
					}
					always(strings.Replace(okDone, "done", "next", 1))(p)
				})
				client := clientOf(t, Config{TLS: sender})
				got, err := send(t, client, request(t, server.url, one, "{}"))
				require.NoError(t, err)
				require.Equal(t, "done", got.body)
				done <- true
				awaitArrival(t, client)
				for range 2 {
					got, err = send(t, client, request(t, server.url, one, "{}"))
					require.NoError(t, err)
					assert.Equal(t, "next", got.body)
				}
				assert.EqualValues(t, 2, server.conns.Load())
			})
		}
	}
}
