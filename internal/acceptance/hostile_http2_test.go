package acceptance

import (
	"crypto/tls"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/gowebhook/webhook"
)

// Frames of HTTP/2 (RFC 9113 §6).
const (
	http2Settings = "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	http2Overflow = "\x00\x00\x04\x08\x00\x00\x00\x00\x01" + "\x7f\xff\xff\xff" // overflows the window of stream 1
	http2Answer   = "\x00\x00\x01\x01\x04\x00\x00\x00\x01" + "\x88"             // 200, without the end of the body
	http2Refusal  = "\x00\x00\x04\x03\x00\x00\x00\x00\x01" + "\x00\x00\x00\x01" // PROTOCOL_ERROR
	http2Unknown  = "\x00\x00\x06\xee\x00\x00\x00\x00\x01" + "canary"
)

// http2Reply is reply for frames, if the sender accepts HTTP/2. If it does not, it sees the
// frames as the beginning of an endless line.
func http2Reply(frames string, then func(*hostileConn)) func(*hostileConn) {
	return func(c *hostileConn) {
		if !c.request() || !c.send(http2Settings) {
			return
		}
		if c.Conn.(*tls.Conn).ConnectionState().NegotiatedProtocol == "h2" && !c.http2Request() {
			return
		}
		if c.send(frames) {
			then(c)
		}
	}
}

// http2Request reads frames up to the header of a request.
func (c *hostileConn) http2Request() bool {
	_, _ = io.CopyN(io.Discard, c.in, int64(len("SM\r\n\r\n"))) // end of the preface after its apparent request
	for head := make([]byte, 9); head[3] != 1; {
		if _, err := io.ReadFull(c.in, head); err != nil {
			return false
		}
		_, _ = io.CopyN(io.Discard, c.in, int64(head[0])<<16|int64(head[1])<<8|int64(head[2]))
	}
	return true
}

// With HTTP/2, the first receiver would stop all deliveries for good. The second would delay
// its request beyond the deadline. The third would get the request four times. The fourth
// would write to package log.
func TestReceiversThatOfferHTTP2DoNotGetIt(t *testing.T) {
	ca := newHostileCA(t)
	wait := (*hostileConn).wait
	flood := func(c *hostileConn) { c.flood(http2Unknown, hostileGiB) }
	receivers := map[string]hostile{
		"window that overflows":   {handle: http2Reply(http2Overflow+http2Overflow, wait)},
		"answer before the body":  {handle: http2Reply(http2Answer, wait)},
		"refusal":                 {handle: http2Reply(http2Refusal, wait)},
		"frames of unknown kinds": {handle: http2Reply("", flood), class: webhook.ClassProtocol, text: "the status line of the response is longer than 4 KiB"},
	}
	for name, h := range receivers {
		if h.class == "" {
			h.class, h.text = webhook.ClassTimeout, "no response came in time"
		}
		h.tls = ca.server(t)
		h.tls.NextProtos = []string{"h2", "http/1.1"}
		receivers[name] = h
	}
	config := webhook.Config{Network: ca.network()}
	config.Network.TLS.NextProtos = []string{"h2"}
	meet(t, strings.Repeat("x", 100<<10), config, receivers)
	assert.Equal(t, []string{"h2"}, config.Network.TLS.NextProtos, "the caller's config was changed")
}
