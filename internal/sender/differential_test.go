package sender

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/internal/wire"
)

// A verdict is a client's judgement of a response.
type verdict struct {
	class     Class
	status    int
	header    string
	body      string
	truncated bool
	kept      bool // the connection
}

// saying returns a dial function for a receiver that answers one request with text, and
// then closes the connection or waits.
func saying(text string, closes bool) wire.DialFunc {
	return func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			if !netReadRequest(bufio.NewReader(far)) {
				return
			}
			_, _ = io.WriteString(far, text)
			if !closes {
				_, _ = io.Copy(io.Discard, far)
			}
		}()
		return near, nil
	}
}

const differentialTimeout = time.Second // of a fake clock

func verdictOf(resp *Response, err error, kept bool) verdict {
	if err != nil {
		return verdict{class: Classify[Class](err)}
	}
	return verdict{"", resp.StatusCode, fmt.Sprint(resp.Header), string(resp.Body), resp.Truncated, kept}
}

func ourVerdict(t *testing.T, dial wire.DialFunc) (verdict, error) {
	t.Helper()
	tr := newSender(netOpen(), 64, nil)
	tr.client.Dial = dial
	defer tr.CloseIdle()
	ctx, cancel := context.WithTimeout(t.Context(), differentialTimeout)
	defer cancel()
	req := &Request{URL: "http://hooks.example/", Body: []byte("{}"), Owner: wire.Owner{Tenant: "acme", Endpoint: "one"}}
	resp, err := send(ctx, tr, req)
	return verdictOf(resp, err, tr.client.Idle() == 1), err
}

// verdictOfNetHTTP sends with the client of net/http, under the same limits.
func verdictOfNetHTTP(t *testing.T, dial wire.DialFunc) verdict {
	t.Helper()
	tr := &http.Transport{DialContext: dial, DisableCompression: true, MaxResponseHeaderBytes: wire.MaxHeadBytes}
	defer tr.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), differentialTimeout)
	defer cancel()
	kept := false
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{PutIdleConn: func(err error) { kept = err == nil }})
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://hooks.example/", strings.NewReader("{}"))
	require.NoError(t, err)
	resp, err := tr.RoundTrip(r)
	if err != nil {
		return verdictOf(nil, newError[Class](endOf(ctx, time.Time{}), err, "late"), false)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols || resp.StatusCode < 100 {
		return verdict{class: ClassProtocol}
	}
	body, truncated, err := wire.ReadBody(resp.Body, 16<<10)
	if err != nil {
		return verdictOf(nil, newError[Class](endOf(ctx, time.Time{}), err, "late"), false)
	}
	if !truncated {
		synctest.Wait() // it is put back by another goroutine
	}
	return verdictOf(&Response{StatusCode: resp.StatusCode, Header: resp.Header, Body: body, Truncated: truncated}, nil, kept)
}

// A responder makes responses: valid, odd and broken ones.
type responder struct{ *rand.Rand }

func (r responder) pick(values ...string) string { return values[r.IntN(len(values))] }

func (r responder) often(usual string, others ...string) string {
	if r.IntN(8) > 0 {
		return usual
	}
	return r.pick(others...)
}

func (r responder) response() string {
	var b strings.Builder
	for range r.IntN(8) / 7 * r.IntN(8) {
		b.WriteString("HTTP/1.1 " + r.pick("100 Continue", "103 Early Hints", "102 ", "199 x", "101 ") + "\r\n" + r.header() + "\r\n")
	}
	b.WriteString(r.often("HTTP/1.1 ", "HTTP/1.0 ", "HTTP/1.2 ", "HTTP/2.0 ", "HTTP/9.9 ", "http/1.1 ", "HTTP/1.1", "HTTP/1.10 ", " HTTP/1.1 ", "ICY "))
	b.WriteString(r.often("200", "204", "304", "410", "500", "302", "999", "000", "+20", "20", "2000", "101", "600", "007"))
	b.WriteString(r.often(" OK", "", " ", "  x", " \x80\xff", " "+strings.Repeat("r", 4000), " "+strings.Repeat("r", 5000)) + "\r\n")
	for range r.IntN(5) {
		b.WriteString(r.header())
	}
	if r.IntN(50) == 0 {
		b.WriteString(strings.Repeat(r.header(), 1+r.IntN(300)))
	}
	head, body := r.framing()
	b.WriteString(head + "\r\n" + body)
	return r.damage(b.String())
}

func (r responder) header() string {
	name := r.often("X-A", "Keep-Alive", "Connection", "Retry-After", "Content-Type", "Set-Cookie", "Trailer", "Upgrade", "Pragma", "X A", "", "X:", "ü", "X-A ")
	value := r.often(" a", " close", " keep-alive", " timeout=2", "", " a\x00", " \xff", " a\r\n b", "\ta", " 7", " "+strings.Repeat("v", 9000), " no-cache")
	return name + ":" + value + "\r\n"
}

// framing returns the header lines that say where a body ends, and the body.
func (r responder) framing() (head, body string) {
	text := r.often("done", "", "d", strings.Repeat("b", 16<<10), strings.Repeat("b", 16<<10+1), strings.Repeat("b", 100_000))
	length := fmt.Sprintf("Content-Length: %d\r\n", len(text))
	const chunked = "Transfer-Encoding: chunked\r\n"
	switch r.IntN(8) {
	case 0, 1:
		return length, text
	case 2:
		return r.pick(length+length, length+"content-length: 3\r\n", "Content-Length: "+r.pick("-1", "+4", "4, 4", "", "4x", "99999999999999999999", "0x4", " 4 ")+"\r\n", "Content-Length : 4\r\n"), text
	case 3:
		return length, text + r.pick("x", "HTTP/1.1 200 OK\r\n\r\n", "\r\n")
	case 4:
		return r.pick("", "Connection: close\r\n"), text
	case 5:
		return chunked, r.chunks(text)
	case 6:
		return r.pick(length+chunked, chunked+chunked, "Transfer-Encoding: "+r.pick("gzip, chunked", "identity", "Chunked", "chunked, identity", " chunked ", "")+"\r\n"), r.chunks(text)
	default:
		return length, text[:len(text)/2]
	}
}

func (r responder) chunks(text string) string {
	var b strings.Builder
	for len(text) > 0 {
		n := 1 + r.IntN(len(text))
		fmt.Fprintf(&b, r.often("%x", "%X", "0%x", " %x", "%x ", "%x;a=b", "%x;", "+%x", "0x%x"), n)
		b.WriteString(r.often("\r\n", "\n", "\r", "\r\n\r\n") + text[:n] + r.often("\r\n", "\n", ""))
		text = text[n:]
	}
	return b.String() + r.often("0\r\n\r\n", "0\r\nX: y\r\n\r\n", "0\r\n", "0\n\n", "", "0\r\nX y\r\n\r\n", "0\r\n\r\nx", "00\r\n\r\n")
}

// damage changes a few bytes of some responses.
func (r responder) damage(text string) string {
	if r.IntN(3) > 0 || text == "" {
		return text
	}
	b := []byte(text)
	near := func() int { return r.IntN(min(len(b), 400)) }
	for range 1 + r.IntN(3) {
		if len(b) == 0 {
			break
		}
		switch i := near(); r.IntN(5) {
		case 0:
			b[i] = byte(r.IntN(256))
		case 1:
			b = append(b[:i], b[i+1:]...)
		case 2:
			b = append(b[:i], append([]byte(r.pick("\r", "\n", "\r\n", " ", "\t", "\x00", ":", "0")), b[i:]...)...)
		case 3:
			b = b[:i]
		case 4:
			b = []byte(strings.Replace(string(b), "\r\n", "\n", 1+r.IntN(3)))
		}
	}
	return string(b)
}

// stricter returns why a response that net/http takes is refused, or "".
func stricter(err error) string {
	for _, limit := range []struct {
		err    error
		reason string
	}{
		{wire.ErrHeaderLines, "a header of more than 256 lines costs memory and tells nothing"},
		{wire.ErrStatusLine, "a status line of more than 4 KiB tells nothing"},
		{wire.ErrInformational, "nobody asked for informational responses, and some are enough"},
		{wire.ErrHeaderBytes, "informational responses count towards the 64 KiB of the header"},
	} {
		if err != nil && strings.HasSuffix(err.Error(), limit.err.Error()) {
			return limit.reason
		}
	}
	return ""
}

// compare sends the same response to both clients, and returns the name of the count.
func compare(t *testing.T, text string, closes bool) string {
	t.Helper()
	theirs := verdictOfNetHTTP(t, saying(text, closes))
	ours, err := ourVerdict(t, saying(text, closes))
	if reason := stricter(err); reason != "" {
		return reason
	}
	if ours.kept && !theirs.kept {
		// A rest that comes at once is read by us alone.
		assert.True(t, ours.truncated, "%.400q: the connection is kept", text)
	}
	what := fmt.Sprintf("class %q, kept %v", ours.class, ours.kept)
	ours.kept, theirs.kept = false, false
	assert.Equal(t, theirs, ours, "%.400q … %.100q, closes: %v: %v", text, text[max(len(text)-100, 0):], closes, err)
	return what
}

// Responses are judged as net/http's client judges them, or more strictly for a reason. A
// connection is kept only where that client keeps it.
func TestResponsesAreJudgedAsByNetHTTP(t *testing.T) {
	cases := 4000
	// The detector makes the long run ten times slower. The short one shows races as well.
	if os.Getenv("WEBHOOK_TEST_LONG") != "" && !raceDetector {
		cases = 20_000
	}
	defer log.SetOutput(log.Writer())
	log.SetOutput(io.Discard) // net/http writes to it
	count := make(map[string]int)
	const batch = 100
	for seed := range cases / batch {
		r := responder{rand.New(rand.NewPCG(uint64(seed), 1))}
		synctest.Test(t, func(t *testing.T) {
			for range batch {
				count[compare(t, r.response(), r.IntN(2) == 0)]++
			}
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	for what, n := range count {
		t.Logf("%6d %s", n, what)
	}
}

func FuzzResponse(f *testing.F) {
	log.SetOutput(io.Discard)
	r := responder{rand.New(rand.NewPCG(1, 2))}
	for range 50 {
		f.Add(r.response(), r.IntN(2) == 0)
	}
	f.Fuzz(func(t *testing.T, text string, closes bool) {
		synctest.Test(t, func(t *testing.T) { compare(t, text, closes) })
	})
}
