package acceptance

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

const hostileGiB = 1 << 30

func TestABodyWithoutEndIsAnAnswerAndOnlyItsBeginningIsRead(t *testing.T) {
	flood := func(text string) func(*hostileConn) {
		return func(c *hostileConn) { c.flood(text, hostileGiB) }
	}
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	receivers := make(map[string]hostile)
	for name, handle := range map[string]func(*hostileConn){
		"1 GiB":                      reply(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", hostileGiB), flood("canary")),
		"8 EiB":                      reply("HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n", flood("canary")),
		"to the end of a connection": reply("HTTP/1.0 200 OK\r\n\r\n", flood("canary")),
		"large chunks":               reply(chunked, flood("8000\r\n"+strings.Repeat("x", 0x8000)+"\r\n")),
		"one chunk of 8 EiB":         reply(chunked+"7fffffffffffffff\r\n", flood("canary")),
		"an error":                   reply("HTTP/1.1 500 \r\n\r\n", flood("canary")),
		"a redirect":                 reply("HTTP/1.1 307 \r\nLocation: /\r\n\r\n", flood("canary")),
		"stops without an end":       reply("HTTP/1.1 200 OK\r\n\r\n", func(c *hostileConn) { c.flood("canary", 1<<20); c.wait() }),
	} {
		receivers[name] = hostile{handle: handle, status: 200, endless: true, succeeded: true}
	}
	for name, status := range map[string]int{"an error": 500, "a redirect": 307} {
		h := receivers[name]
		h.status, h.class, h.succeeded, h.text = status, webhook.ClassStatus, false, fmt.Sprintf("HTTP %d", status)
		if status == 307 {
			h.text += ": redirects are not followed"
		}
		receivers[name] = h
	}
	meet(t, "small", webhook.Config{}, receivers)
}

func TestCompressedBodiesAreKeptAsTheyCame(t *testing.T) {
	var zeros bytes.Buffer // 1 MiB
	z := gzip.NewWriter(&zeros)
	_, _ = z.Write(make([]byte, 1<<20))
	require.NoError(t, z.Close())
	bomb := strings.Repeat(zeros.String(), 1024) // 1 GiB, as members may follow one another
	require.Greater(t, len(bomb), hostileKept)

	head := "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nContent-Encoding: gzip\r\n\r\n%s"
	coded := "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
	meet(t, "small", webhook.Config{}, map[string]hostile{
		"a bomb":       {handle: reply(fmt.Sprintf(head, len(bomb), bomb)), status: 200, endless: true, body: bomb[:hostileKept], succeeded: true},
		"a small bomb": {handle: reply(fmt.Sprintf(head, zeros.Len(), &zeros)), status: 200, body: zeros.String(), succeeded: true},
		"no gzip":      {handle: reply(fmt.Sprintf(head, 4, "what")), status: 200, body: "what", succeeded: true},
		"a bomb as transfer coding": {
			handle: reply(fmt.Sprintf(coded, zeros.Len(), &zeros)), class: webhook.ClassProtocol, text: "the response is not valid HTTP",
		},
	})
}

func TestAHeaderThatIsTooLargeIsNoAnswer(t *testing.T) {
	const (
		ok      = "HTTP/1.1 200 OK\r\n"
		chunked = ok + "Transfer-Encoding: chunked\r\n\r\n"
		invalid = "the response is not valid HTTP"
		large   = "the response header is larger than 64 KiB"
		lines   = "the response header has more than 256 lines"
		status  = "the status line of the response is longer than 4 KiB"
		early   = "more than 5 informational responses came before the response"
	)
	flood := func(text string) func(*hostileConn) {
		return func(c *hostileConn) { c.flood(text, hostileGiB) }
	}
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	protocol := func(text string, handle func(*hostileConn)) hostile {
		return hostile{handle: handle, class: webhook.ClassProtocol, text: text}
	}
	const end = "Content-Length: 0\r\n\r\n"
	meet(t, "small", webhook.Config{}, map[string]hostile{
		"10,000 headers":           protocol(lines, reply(ok+many(10_000, "X-%d: \r\n")+end)),
		"10,000 times one header":  protocol(lines, reply(ok+strings.Repeat("Retry-After: 1\r\n", 10_000)+end)),
		"10,000 tiny headers":      protocol(lines, reply(ok+strings.Repeat("a:b\r\n", 10_000)+end)),
		"one header of 10 MiB":     protocol(large, reply(ok+"X: "+strings.Repeat("x", 10<<20)+"\r\n"+end)),
		"a name of 10 MiB":         protocol(large, reply(ok+strings.Repeat("x", 10<<20)+": x\r\n"+end)),
		"a status of 10 MiB":       protocol(status, reply("HTTP/1.1 200 "+strings.Repeat("x", 10<<20)+"\r\n"+end)),
		"headers without end":      protocol(lines, reply(ok, flood("X: canary\r\n"))),
		"a header without end":     protocol(large, reply(ok+"X: ", flood("canary"))),
		"a status without end":     protocol(status, reply("HTTP/1.1 200 ", flood("canary"))),
		"256 headers":              {handle: reply(ok + many(255, "X-%d: \r\n") + end), status: 200, succeeded: true},
		"257 headers":              protocol(lines, reply(ok+many(256, "X-%d: \r\n")+end)),
		"a folded header":          protocol(lines, reply(ok+"X: ", flood("canary\r\n "))),
		"spaces without end":       protocol(large, reply(ok+"X:", flood(" "))),
		"100 without end":          protocol(early, reply("", flood("HTTP/1.1 100 Continue\r\n\r\n"))),
		"103 without end":          protocol(early, reply("", flood("HTTP/1.1 103 Early Hints\r\nLink: <canary>\r\n\r\n"))),
		"line ends without end":    protocol(invalid, reply("", flood("\r\n"))),
		"NULs without end":         protocol(status, reply("", flood("\x00"))),
		"a chunk's size":           protocol(invalid, reply(chunked, flood("0"))),
		"a chunk of 16 EiB":        protocol(invalid, reply(chunked+"ffffffffffffffff1\r\n", flood("canary"))),
		"a chunk's extension":      protocol(invalid, reply(chunked+"1;", flood("canary"))),
		"extensions for each byte": protocol(invalid, reply(chunked, flood("1;"+strings.Repeat("x", 2000)+"\r\na\r\n"))),
		"trailers without end":     protocol(invalid, reply(chunked+"0\r\n", flood("X: canary\r\n"))),
		"a trailer without end":    protocol(invalid, reply(chunked+"0\r\nX: ", flood("canary"))),
		"10,000 trailers":          protocol(invalid, reply(chunked+"0\r\n"+many(10_000, "X-%d: \r\n")+"\r\n")),
	})
}
