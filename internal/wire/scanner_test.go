package wire

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const okHead = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

func TestAHeadIsReadUpToEachLimit(t *testing.T) {
	status := func(n int) string { // n is the length of the line without its end
		line := "HTTP/1.1 200 "
		return line + strings.Repeat("s", n-len(line)) + "\r\nContent-Length: 0\r\n\r\n"
	}
	lines := func(n int) string {
		return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + strings.Repeat("A: b\r\n", n-1) + "\r\n"
	}
	folded := func(n int) string {
		return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: b\r\n" + strings.Repeat(" c\r\n", n-2) + "\r\n"
	}
	size := func(n int) string {
		head := "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: \r\n\r\n"
		return strings.Replace(head, "A: ", "A: "+strings.Repeat("a", n-len(head)), 1)
	}
	early := func(n int) string { return strings.Repeat("HTTP/1.1 103 \r\nA: b\r\n\r\n", n) + okHead }
	earlySize := func(n int) string { // n is the size of all heads together
		first := "HTTP/1.1 103 \r\nA: \r\n\r\n"
		return strings.Replace(first, "A: ", "A: "+strings.Repeat("a", n-len(first)-len(okHead)), 1) + okHead
	}
	for _, tt := range []struct {
		name  string
		limit int
		reply func(int) string
		err   Error
	}{
		{"status line", 4096, status, ErrStatusLine},
		{"lines", 256, lines, ErrHeaderLines},
		{"lines that continue another", 256, folded, ErrHeaderLines},
		{"bytes", 65536, size, ErrHeaderBytes},
		{"bytes of several heads", 65536, earlySize, ErrHeaderBytes},
		{"informational responses", 5, early, ErrInformational},
	} {
		for _, n := range []int{tt.limit - 1, tt.limit, tt.limit + 1, tt.limit * 2} {
			client, _ := inMemory(t, always(tt.reply(n)))
			got, err := send(t, client, request(t, "http://a.example/", one, "{}"))
			if n > tt.limit {
				require.ErrorIs(t, err, tt.err, "%s: %d", tt.name, n)
				continue
			}
			require.NoError(t, err, "%s: %d", tt.name, n)
			assert.Equal(t, 200, got.status)
		}
	}
}

// If the bytes of one read end with a line, net/http's parser asks for one more byte and
// forgets the error.
func TestALimitHoldsWhereverTheBytesAreDivided(t *testing.T) {
	text := "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: bcd\r\n", maxHeaderLines+1)
	for at := range len(text) {
		client, _ := inMemory(t, func(p *peer) {
			p.request()
			p.say(text[:at])
			p.say(text[at:])
			p.wait()
		})
		_, err := send(t, client, request(t, "http://a.example/", one, "{}"))
		require.ErrorIs(t, err, ErrHeaderLines, at)
	}
}

// scanAll returns a scanner that has seen text in pieces of n bytes.
func scanAll(text string, n int) *scanner {
	s := new(scanner)
	for len(text) > 0 {
		n = min(n, len(text))
		_ = s.scan([]byte(text[:n]))
		text = text[n:]
	}
	return s
}

func TestUnusualFramingIsNoticedHoweverItComes(t *testing.T) {
	for head, odd := range map[string]bool{
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: y\r\n\r\n":                        false,
		"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n":                       false,
		"HTTP/1.1 200 OK\r\nX-Content-Length: 0\r\nContent-Length: 0\r\n\r\n":         false,
		"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n":                                  true,
		"HTTP/1.1 200 OK\r\nContent-Length: 0\n\r\n":                                  true,
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n":                                  true,
		"HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n":                                       true,
		"HTTP/1.1 200 OK\r\nX: y\r\n\tz\r\n\r\n":                                      true,
		"HTTP/1.1 200 OK\r\nX: y\r\n \r\n\r\n":                                        true,
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n":           true,
		"HTTP/1.1 200 OK\r\nCONTENT-LENGTH: 0\r\nTransfer-Encoding: x\r\n\r\n":        true,
		"HTTP/1.1 200 OK\r\ntransfer-ENCODING:x\r\nTransfer-Encoding: y\r\n\r\n":      true,
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding : chunked\r\n\r\n": true,
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\ncontent-length\t: 5\r\n\r\n":         true,
		"HTTP/1.1 200 OK\r\nTransfer-Encodings: x\r\nContent-Length: 0\r\n\r\n":       false,
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length-X: 0\r\n\r\nX\nY":     false,
	} {
		for _, n := range []int{1, 2, 3, 7, 16, 17, 18, 19, len(head)} {
			s := scanAll(head, n)
			require.NoError(t, s.err)
			assert.True(t, s.done, "%q", head)
			assert.Equal(t, odd, s.ambiguous, "%q in pieces of %d", head, n)
		}
	}
}

func TestWhatAnEarlierHeadDidIsRemembered(t *testing.T) {
	s := scanAll("HTTP/1.1 103 \n\r\n", 100)
	total := s.total
	s.next()
	_ = s.scan([]byte(okHead))
	assert.True(t, s.ambiguous)
	assert.Equal(t, total+len(okHead), s.total)
}

// The fuzz test finds no head that makes scanner and parser disagree. If there is such a
// head, the parser gets no bytes that bypass the limits.
func TestAParserThatReadsPastTheHeadGetsNothing(t *testing.T) {
	c := newConn(nil, place{}, nil)
	c.inHead = true
	require.NoError(t, c.scanner.scan([]byte(okHead)))
	for range 2 {
		_, err := (*source)(c).Read(make([]byte, 1))
		require.ErrorIs(t, err, ErrNotHTTP)
	}
}

// FuzzScannerAndParserAgree looks for a head that makes scanner and parser disagree about
// the beginning of the body. It also looks for results that depend on the size of pieces.
func FuzzScannerAndParserAgree(f *testing.F) {
	f.Add(okHead)
	f.Add("HTTP/1.1 200 OK\r\nX: y\r\n \r\n\r\nbody")
	f.Add("HTTP/1.1 200 OK\n\nbody")
	f.Add("HTTP/1.1 200 OK\r\n\r\r\n\r\n")
	f.Add("HTTP/1.1 200\r\nA : b\r\nC:\r\n\td\r\n\r\nx\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		whole, bytewise := scanAll(text, len(text)+1), scanAll(text, 1)
		require.Equal(t, fmt.Sprint(whole.done, whole.ambiguous, whole.err), fmt.Sprint(bytewise.done, bytewise.ambiguous, bytewise.err))
		if whole.err != nil {
			return
		}
		require.Equal(t, whole.total, bytewise.total)
		in := bufio.NewReaderSize(strings.NewReader(text), len(text)+16)
		resp, err := http.ReadResponse(in, post)
		if err != nil {
			return
		}
		rest, err := io.ReadAll(in)
		require.NoError(t, err)
		_ = resp.Body.Close()
		require.True(t, whole.done, "the parser needs less")
		require.Equal(t, whole.total, len(text)-len(rest), "bytes of the head")
	})
}
