package wire

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A Request is sent by [Client.Do].
type Request struct {
	Owner  Owner
	Method string
	URL    *url.URL
	Host   string // for the header; empty for that of the URL
	Header http.Header
	Body   []byte // must not be changed before the response's body is closed
	Close  bool   // asks for a connection of its own

	// Deadline ends the exchange like a deadline of the context, with
	// [context.DeadlineExceeded]. It is cheaper than a context for each request if
	// many requests share one. Zero means no deadline.
	Deadline time.Time

	// Trace has hooks to be called. It is nil for none.
	Trace *httptrace.ClientTrace
}

// over returns the reason if the time of the request is over.
func (r *Request) over(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !r.Deadline.IsZero() && !time.Now().Before(r.Deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

// maxDirectBytes is the size up to which the calling goroutine writes a request
// itself. A system takes that much at once, even if the receiver reads nothing.
const maxDirectBytes = 16 << 10

// A head is the beginning of a request: all of a small one, otherwise the
// header and a part of the body.
type head struct {
	bytes []byte
	tail  []byte       // the part of the body that bytes lacks
	users atomic.Int32 // goroutines that need it
}

var heads = sync.Pool{New: func() any { return &head{bytes: make([]byte, 0, 2<<10)} }}

// free ends the use of a head by one goroutine.
func (h *head) free() {
	if h.users.Add(-1) > 0 {
		return
	}
	h.tail = nil
	if cap(h.bytes) <= 2*maxDirectBytes {
		h.bytes = h.bytes[:0]
		heads.Put(h)
	}
}

// head returns the bytes to be written. A plain request to an HTTP proxy has
// the whole URL in its first line, and the proxy's user and password.
func (r *Request) head(proxy *url.URL, closes bool) (*head, error) {
	if !isToken(r.Method) || r.URL.Host == "" || r.URL.Scheme != "http" && r.URL.Scheme != "https" {
		return nil, ErrRequest
	}
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	proxied := proxy != nil && proxy.Scheme != "socks5" && r.URL.Scheme == "http"
	target := r.URL.RequestURI()
	if proxied && r.URL.Opaque == "" {
		target = "http://" + host + target
	}
	if !isHost(host) || !isTarget(target) {
		return nil, ErrRequest
	}
	h := heads.Get().(*head)
	h.users.Store(1)
	b := h.bytes
	b = append(b, r.Method...)
	b = append(b, ' ')
	b = append(b, target...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, host...)
	b = append(b, "\r\n"...)
	b, ok := appendHeader(b, r.Header, proxied && proxy.User != nil)
	if !ok {
		h.free()
		return nil, ErrHeader
	}
	if len(r.Body) > 0 || r.Method != http.MethodGet && r.Method != http.MethodHead {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, int64(len(r.Body)), 10)
		b = append(b, "\r\n"...)
	}
	if proxied {
		b = appendProxyAuth(b, proxy)
	}
	if closes {
		b = append(b, "Connection: close\r\n"...)
	}
	b = append(b, "\r\n"...)
	fits := min(len(r.Body), max(maxDirectBytes-len(b), 0))
	b = append(b, r.Body[:fits]...)
	h.bytes, h.tail = b, r.Body[fits:]
	return h, nil
}

// appendHeader writes the header in the order of its names, but User-Agent
// first. An empty User-Agent is left out.
func appendHeader(b []byte, h http.Header, withoutProxyAuth bool) (_ []byte, ok bool) {
	const userAgent = "User-Agent"
	if agent := h[userAgent]; len(agent) > 0 && agent[0] != "" {
		if b, ok = appendField(b, userAgent, agent[0]); !ok {
			return b, false
		}
	}
	var array [24]string
	names := array[:0]
	for name := range h {
		if !isToken(name) {
			return b, false
		}
		if name != userAgent && !isOurs(name) && !(withoutProxyAuth && strings.EqualFold(name, "Proxy-Authorization")) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range h[name] {
			if b, ok = appendField(b, name, value); !ok {
				return b, false
			}
		}
	}
	return b, true
}

func appendField(b []byte, name, value string) (_ []byte, ok bool) {
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return b, false
		}
	}
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, strings.Trim(value, " \t")...)
	return append(b, "\r\n"...), true
}

// isOurs reports whether the caller has no say in a header: it is about the
// connection or the framing of the body, or asks for an unusual response.
func isOurs(name string) bool {
	switch len(name) {
	case 2, 4, 6, 7, 10, 14, 16, 17:
	default:
		return false
	}
	for _, ours := range [...]string{
		"TE", "Host", "Expect", "Trailer", "Upgrade", "Connection", "Keep-Alive",
		"Content-Length", "Proxy-Connection", "Transfer-Encoding",
	} {
		if strings.EqualFold(name, ours) {
			return true
		}
	}
	return false
}

func appendProxyAuth(b []byte, proxy *url.URL) []byte {
	if proxy.User == nil {
		return b
	}
	password, _ := proxy.User.Password()
	b = append(b, "Proxy-Authorization: Basic "...)
	b = base64.StdEncoding.AppendEncode(b, []byte(proxy.User.Username()+":"+password))
	return append(b, "\r\n"...)
}

// isToken reports whether s is a token of RFC 9110, section 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isLetterOrDigit(c) && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// isHost reports whether s has only characters that a host and port may have
// (RFC 3986, section 3.2), without a zone.
func isHost(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isLetterOrDigit(c) && strings.IndexByte("-._~!$&'()*+,;=:[]", c) < 0 {
			return false
		}
	}
	return s != ""
}

// isTarget reports whether s can stand in a request line.
func isTarget(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return s != ""
}

func isLetterOrDigit(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
