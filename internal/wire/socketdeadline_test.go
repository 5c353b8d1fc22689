package wire

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// A deadlineConn records its deadline.
type deadlineConn struct {
	net.Conn
	at time.Time
}

func (c *deadlineConn) SetDeadline(t time.Time) error {
	c.at = t
	return nil
}

func TestASocketNeverOutlivesTheDeadlineOfItsRequest(t *testing.T) {
	c := new(deadlineConn)
	s := newSocket(c)
	end := time.Unix(1700000000, 0)
	s.begin(end)
	assert.Equal(t, end, c.at)
	for given, want := range map[time.Time]time.Time{
		end.Add(-time.Second): end.Add(-time.Second),
		end.Add(time.Second):  end,
		{}:                    end,
	} {
		assert.NoError(t, s.SetDeadline(given))
		assert.Equal(t, want, c.at)
	}
	s.begin(time.Time{})
	assert.Zero(t, c.at)
	s.expire()
	s.begin(end)
	assert.NoError(t, s.SetDeadline(end))
	assert.Equal(t, past, c.at)
}
