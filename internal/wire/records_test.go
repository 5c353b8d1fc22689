package wire

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRecordsAreFollowedHoweverTheyCome(t *testing.T) {
	stream := []byte("\x17\x03\x03\x00\x02ab" + "\x17\x03\x03\x00\x00" + "\x17\x03\x03\x01\x01")
	stream = append(stream, bytes.Repeat([]byte{3}, 257)...)
	ends := map[int]bool{0: true, 7: true, 12: true, len(stream): true}
	for first := range stream {
		var r records
		r.follow(stream[:first])
		require.Equal(t, !ends[first], r.partial(), first)
		r.follow(stream[first:])
		require.False(t, r.partial(), first)
	}
}

// A heldConn keeps the written bytes back while holds is true.
type heldConn struct {
	net.Conn
	holds bool
	held  []byte
}

func (c *heldConn) Write(p []byte) (int, error) {
	if !c.holds {
		return c.Conn.Write(p)
	}
	c.held = append(c.held, p...)
	return len(p), nil
}

func TestAPartOfARecordBehindAResponseEndsTheConnection(t *testing.T) {
	receiver, sender := testTLS(t)
	server := listen(t, nil, func(p *peer) {
		held := &heldConn{Conn: p.tcp}
		p.Conn = tls.Server(held, receiver)
		p.in = bufio.NewReader(p.Conn)
		if !p.request() {
			return
		}
		held.holds = true
		p.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		part := len(held.held) + recordHeader + 3
		p.say("HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n")
		_, _ = p.tcp.Write(held.held[:part])
		_, _ = p.tcp.Read(make([]byte, 1)) // a byte of the next request, or the end
		_, _ = p.tcp.Write(held.held[part:])
	})
	client := clientOf(t, Config{TLS: sender})
	for range 2 {
		got, err := send(t, client, request(t, "https"+server.url[len("http"):], one, "{}"))
		require.NoError(t, err)
		assert.Equal(t, 200, got.status)
	}
	assert.EqualValues(t, 2, server.conns.Load())
}
