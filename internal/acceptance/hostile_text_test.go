package acceptance

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

func TestWhateverBytesComeAreStoredAsTheyCameOrNotAtAll(t *testing.T) {
	const (
		invalid = "the response is not valid HTTP"
		end     = "Content-Length: 0\r\n\r\n"
		nasty   = "canary\x00\x1b[31m\x7f\xff\xfe\xed\xa0\x80\xe2\x80\xae"
	)
	answer := func(status int, text string) hostile {
		h := hostile{handle: reply(text), status: status, succeeded: status == 200}
		if !h.succeeded {
			h.class, h.text = webhook.ClassStatus, "HTTP "+text[len("HTTP/1.1 "):len("HTTP/1.1 200")]
		}
		return h
	}
	protocol := func(text string) hostile {
		return hostile{handle: reply(text), class: webhook.ClassProtocol, text: invalid}
	}
	body := answer(200, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(nasty), nasty))
	body.body = nasty
	refused := answer(500, "HTTP/1.1 500 "+nasty+"\r\nContent-Type: \xff\r\nContent-Length: 5\r\n\r\n\x00\xff\x00\xff\x00")
	refused.body = "\x00\xff\x00\xff\x00"

	meet(t, "small", webhook.Config{}, map[string]hostile{
		"in the body":            body,
		"in an error":            refused,
		"in the reason":          answer(200, "HTTP/1.1 200 "+nasty+"\r\n"+end),
		"in a header":            protocol("HTTP/1.1 200 OK\r\nX: " + nasty + "\r\n" + end),
		"not UTF-8 in a header":  answer(200, "HTTP/1.1 200 OK\r\nX: canary\xff\xfe\xed\xa0\x80\r\n"+end),
		"not UTF-8 to wait for":  answer(503, "HTTP/1.1 503 \r\nRetry-After: 1\xff\r\n"+end),
		"in a name":              protocol("HTTP/1.1 200 OK\r\nX\x00\xff: canary\r\n" + end),
		"in the version":         protocol("HTTP/1.\xff 200 OK\r\n" + end),
		"in the status":          protocol("HTTP/1.1 2\x0000 OK\r\n" + end),
		"in the length":          protocol("HTTP/1.1 200 OK\r\nContent-Length: 5\x00\r\n\r\ncanary"),
		"in the coding":          protocol("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\x00\r\n\r\n"),
		"two lengths":            protocol("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\ncanary"),
		"a length and chunks":    answer(200, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
		"a negative length":      protocol("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\ncanary"),
		"a length of 10 EiB":     protocol("HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999\r\n\r\ncanary"),
		"two codings":            protocol("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
		"no reason":              answer(200, "HTTP/1.1 200\r\n"+end),
		"bare line feeds":        answer(200, "HTTP/1.1 200 OK\nContent-Length: 0\n\n"),
		"no space after HTTP":    protocol("HTTP/1.1200 OK\r\n" + end),
		"a status of 000":        protocol("HTTP/1.1 000 \r\n" + end),
		"a status of 999":        answer(999, "HTTP/1.1 999 \r\n"+end),
		"a status of 2000":       protocol("HTTP/1.1 2000 OK\r\n" + end),
		"a status of +20":        protocol("HTTP/1.1 +20 OK\r\n" + end),
		"a status of -20":        protocol("HTTP/1.1 -20 OK\r\n" + end),
		"HTTP/9.9":               answer(200, "HTTP/9.9 200 OK\r\n"+end),
		"HTTP/0.9":               protocol("<html>canary</html>"),
		"a header without name":  protocol("HTTP/1.1 200 OK\r\n: canary\r\n" + end),
		"a space before a colon": answer(200, "HTTP/1.1 200 OK\r\nX : canary\r\n"+end),
		"a folded first line":    protocol("HTTP/1.1 200 OK\r\n X: canary\r\n" + end),
	})
}

func TestAnswersMakeTheSenderDoNothingElse(t *testing.T) {
	listener := newHostileReceiver(t, nil, func(c *hostileConn) { c.request() })
	status := func(code, rest string) hostile {
		number, err := strconv.Atoi(code)
		require.NoError(t, err)
		return hostile{
			handle: reply("HTTP/1.1 " + code + rest + "\r\nContent-Length: 0\r\n\r\n"),
			class:  webhook.ClassStatus, status: number, text: "HTTP " + code,
		}
	}
	redirect := func(code, to string) hostile {
		h := status(code, " Moved\r\nLocation: "+to)
		h.text += ": redirects are not followed"
		return h
	}
	receivers := map[string]hostile{
		"301 to elsewhere": redirect("301", listener.url),
		"302 to itself":    redirect("302", "/hook"),
		"303 to itself":    redirect("303", ""),
		"307 to elsewhere": redirect("307", listener.url),
		"308 to metadata":  redirect("308", "http://169.254.169.254/"),
		"300 to a file":    redirect("300", "file:///etc/passwd"),
		"302 to nonsense":  redirect("302", "http://canary:canary@%zz/"),
	}
	for name, text := range map[string]string{
		"401 with a challenge": "401 \r\nWWW-Authenticate: Basic realm=canary",
		"407 with a challenge": "407 \r\nProxy-Authenticate: Basic realm=canary",
		"408 to repeat":        "408 Request Timeout\r\nConnection: close",
		"417 of nothing":       "417 Expectation Failed",
		"421 for another":      "421 Misdirected Request",
		"425 too early":        "425 Too Early",
		"426 to upgrade":       "426 Upgrade Required\r\nUpgrade: h2c\r\nConnection: Upgrade",
		"503 with a refresh":   "503 \r\nRefresh: 0; url=" + listener.url,
		"503 and another way":  "503 \r\nAlt-Svc: h2=\"" + strings.TrimPrefix(listener.url, "http://") + "\"",
	} {
		receivers[name] = status(text[:3], text[3:])
	}
	switched := hostile{class: webhook.ClassProtocol, text: "the receiver switched protocols, unasked"}
	switched.handle = reply("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: canary\r\n\r\n", (*hostileConn).wait)
	receivers["101 unasked"] = switched

	meet(t, "small", webhook.Config{}, receivers)
	assert.Zero(t, listener.conns.Load(), "connections to where the receivers pointed")
}
