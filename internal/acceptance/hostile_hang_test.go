package acceptance

import (
	"crypto/tls"
	"io"
	"strings"
	"testing"

	"github.com/gowebhook/webhook"
)

func TestAReceiverThatHangsOrTricklesTakesNoMoreThanItsTimeout(t *testing.T) {
	const (
		noResponse = "no response came in time"
		noEnd      = "the response body did not end in time"
		head       = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\nX: canary\r\n"
		chunked    = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	)
	hang := (*hostileConn).wait
	trickle := func(text string) func(*hostileConn) {
		return func(c *hostileConn) { c.trickle(text) }
	}
	timeout := func(text string, handle func(*hostileConn)) hostile {
		return hostile{handle: handle, class: webhook.ClassTimeout, text: text}
	}
	receivers := map[string]hostile{
		"hangs before the header":           timeout(noResponse, reply("", hang)),
		"hangs within the status":           timeout(noResponse, reply("HTTP/1.1 2", hang)),
		"hangs within the header":           timeout(noResponse, reply(head, hang)),
		"hangs after the header":            timeout(noEnd, reply(head+"\r\n", hang)),
		"hangs within the body":             timeout(noEnd, reply(head+"\r\ncanary", hang)),
		"hangs within a chunk":              timeout(noEnd, reply(chunked+"9\r\ncanary", hang)),
		"hangs before the last chunk":       timeout(noEnd, reply(chunked+"6\r\ncanary\r\n", hang)),
		"hangs within the trailer":          timeout(noEnd, reply(chunked+"6\r\ncanary\r\n0\r\nX: ", hang)),
		"hangs after 103":                   timeout(noResponse, reply("HTTP/1.1 103 Early Hints\r\n\r\n", hang)),
		"hangs without length":              timeout(noEnd, reply("HTTP/1.1 200 OK\r\n\r\ncanary", hang)),
		"trickles a status":                 timeout(noResponse, reply("", trickle("HTTP/1.1 200 "+strings.Repeat("canary", 100)))),
		"trickles a header":                 timeout(noResponse, reply("", trickle(head+strings.Repeat("canary", 100)))),
		"trickles a body":                   timeout(noEnd, reply(head+"\r\n", trickle("canary"))),
		"trickles chunks":                   timeout(noEnd, reply(chunked, trickle("1\r\na\r\n"))),
		"trickles the extension of a chunk": timeout(noEnd, reply(chunked+"1;", trickle("canary"))),
		"trickles 103":                      timeout(noResponse, reply("", trickle("HTTP/1.1 103 \r\n\r\n"))),
	}
	// Before the end of the handshake, nothing of the request is sent.
	raw := func(c *hostileConn) { _, _ = io.Copy(io.Discard, c.tcp) }
	unread := timeout(noResponse, raw)
	unread.unread, unread.tls = true, new(tls.Config)
	receivers["hangs before the handshake"] = unread
	unread.handle = func(c *hostileConn) {
		c.Conn = c.tcp
		c.trickle("\x16\x03\x03\x3f\xff" + strings.Repeat("\x02\x00\x3f\xfb\x03\x03canary", 100)) // a long ServerHello
	}
	receivers["trickles the handshake"] = unread

	meet(t, "small", webhook.Config{}, receivers)
}
