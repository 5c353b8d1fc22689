package wire

import (
	"bytes"
	"strings"
)

// A scanner looks at the bytes of a response's status line and header before
// net/http's parser does. It counts them, and notes framing that parsers read
// differently. After such a response, they disagree where the next one begins.
type scanner struct {
	total     int  // bytes of all heads of this exchange
	lines     int  // of this head, with the status line
	done      bool // the empty line has come
	ambiguous bool // parsers differ on where the response ends, so the connection is not used again
	err       error

	length  int // of this line
	last    byte
	start   [18]byte // of this line; enough for the longest name that matters
	lengths int      // lines of Content-Length
	codings int      // lines of Transfer-Encoding
}

// next begins another head of the same exchange.
func (s *scanner) next() {
	*s = scanner{total: s.total, ambiguous: s.ambiguous}
}

// scan reads on, up to the end of the head or the first error.
func (s *scanner) scan(p []byte) error {
	for s.err == nil && !s.done && len(p) > 0 {
		part := p
		end := bytes.IndexByte(p, '\n')
		if end >= 0 {
			part = p[:end]
		}
		s.add(part)
		if end < 0 {
			break
		}
		s.total++
		s.endLine()
		p = p[end+1:]
	}
	if s.err == nil && s.total > MaxHeadBytes {
		s.err = ErrHeaderBytes
	}
	return s.err
}

// add adds bytes to the line.
func (s *scanner) add(part []byte) {
	if len(part) == 0 {
		return
	}
	if s.length < len(s.start) {
		copy(s.start[s.length:], part)
	}
	s.length += len(part)
	s.total += len(part)
	s.last = part[len(part)-1]
	if s.lines == 0 && s.length > maxStatusLineBytes+len("\r") {
		s.err = ErrStatusLine
	}
}

// endLine is called at a line feed.
func (s *scanner) endLine() {
	length := s.length
	if length > 0 && s.last == '\r' {
		length--
	} else {
		s.ambiguous = true
	}
	switch {
	case length == 0:
		s.done = true
		if s.lengths > 1 || s.codings > 1 || s.lengths > 0 && s.codings > 0 {
			s.ambiguous = true
		}
	case s.lines == 0 && length > maxStatusLineBytes:
		s.err = ErrStatusLine
	case s.lines > maxHeaderLines:
		s.err = ErrHeaderLines
	case s.lines > 0:
		s.endField(length)
	}
	s.lines++
	s.length, s.last = 0, 0
}

// endField notes a line of the header that is about framing.
func (s *scanner) endField(length int) {
	start := s.start[:min(length, len(s.start))]
	switch c := start[0]; {
	case c == ' ', c == '\t': // continues the line before
		s.ambiguous = true
	case hasName(start, "Content-Length:"):
		s.lengths++
	case hasName(start, "Transfer-Encoding:"):
		s.codings++
	case hasName(start, "Content-Length "), hasName(start, "Transfer-Encoding "),
		hasName(start, "Content-Length\t"), hasName(start, "Transfer-Encoding\t"):
		s.ambiguous = true // the names of other headers to net/http, but not to all parsers
	}
}

func hasName(line []byte, name string) bool {
	return len(line) >= len(name) && strings.EqualFold(string(line[:len(name)]), name)
}
