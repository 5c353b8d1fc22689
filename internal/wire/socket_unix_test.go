//go:build unix

package wire

import (
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Suppose that each goodbye waited for a millisecond. A request that finds the settings of
// its endpoint changed would then wait for half a second, if the endpoint had 512
// connections.
func TestAGoodbyeToAReceiverThatReadsNothingDoesNotWait(t *testing.T) {
	done := make(chan bool)
	server := listen(t, nil, func(*peer) { <-done })
	defer close(done)
	conn, err := net.Dial("tcp", server.url[len("http://"):len(server.url)-1])
	require.NoError(t, err)
	s := newSocket(conn)
	defer s.Close()
	require.NoError(t, s.Conn.SetDeadline(time.Now().Add(patience)))
	s.closing = true
	for err == nil {
		_, err = s.Write(make([]byte, 64<<10))
	}
	require.ErrorIs(t, err, syscall.EAGAIN)
}
