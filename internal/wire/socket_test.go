package wire

import (
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestADeadlineDoesNotReviveASocketThatExpired(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	s := newSocket(near)
	defer s.Close()
	s.expire()
	require.NoError(t, s.SetDeadline(time.Now().Add(patience)))
	require.NoError(t, s.SetDeadline(time.Time{}))
	_, err := s.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	_, err = s.Write([]byte("x"))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}
