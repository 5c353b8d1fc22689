package sender

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/gowebhook/webhook/internal/netguard"
	"github.com/gowebhook/webhook/internal/wire"
)

const maxErrorBytes = 256

const notHTTP = "the response is not valid HTTP"

// Describe returns a text for people about an error, in one line: at most 256 bytes of UTF-8
// without control characters. Of a URL it has only the host, and it has nothing that the
// receiver sent. The text of the application's own Transport is taken unchanged, except for
// URLs, unless it comes from net/http.
func Describe[C ClassError](err error) string {
	if err == nil {
		return ""
	}
	return OneLine(describeKnown[C](err, isA[*url.Error](err)))
}

// describeKnown is Describe before OneLine. With strict it uses only texts that are known to
// be harmless, and the text of a Class.
func describeKnown[C ClassError](err error, strict bool) string {
	if e, ok := errors.AsType[*Error[C]](err); ok {
		return e.text
	}
	if e, ok := errors.AsType[*netguard.BlockedError](err); ok {
		return e.Error()
	}
	if e, ok := errors.AsType[*netguard.HostError](err); ok {
		return e.Error()
	}
	if e, ok := errors.AsType[*wire.ProxyError](err); ok {
		return e.Error()
	}
	if isA[C](err) && !isA[*url.Error](err) {
		return withoutURLs(err.Error())
	}
	switch Classify[C](err) {
	case DNS:
		return describeDNS(err)
	case TLS:
		return describeTLS(err)
	case Timeout:
		otherwise := "no complete response in time"
		if errors.Is(err, wire.ErrHandshakeTime) {
			otherwise = string(wire.ErrHandshakeTime)
		}
		return describeOp(err, otherwise)
	case Refused:
		return describeOp(err, "the address cannot be reached")
	case Reset:
		return describeReset(err)
	case Protocol:
		return describeProtocol(err, strict)
	default:
		return "the request failed"
	}
}

func describeDNS(err error) string {
	e, ok := errors.AsType[*net.DNSError](err)
	switch {
	case !ok:
		return "the host name was not resolved"
	case e.IsNotFound:
		return "no address for host " + e.Name
	case e.IsTimeout:
		return "no answer in time about host " + e.Name
	default:
		return "no usable answer about host " + e.Name
	}
}

// describeTLS leaves out the names in the certificate, because the receiver chose them.
func describeTLS(err error) string {
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the certificate is not valid for " + e.Host
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if e.Reason == x509.Expired {
			return "the certificate has expired or is not valid yet"
		}
		return "the certificate is not valid"
	}
	switch {
	case isA[x509.UnknownAuthorityError](err):
		return "the certificate is signed by an unknown authority"
	case isA[x509.SystemRootsError](err):
		return "the system's certificate authorities cannot be loaded"
	case isA[tls.RecordHeaderError](err), errors.Is(err, http.ErrSchemeMismatch):
		return "the receiver does not speak TLS"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return "the receiver refused the handshake: " + op.Err.Error() // the name of an alert
	}
	return "the handshake failed"
}

func describeReset(err error) string {
	switch {
	case errors.Is(err, context.Canceled):
		return "the request was canceled"
	case isHTTP2Reset(err):
		return "the receiver reset the stream before a complete response"
	default:
		return describeOp(err, "the connection was closed before a complete response")
	}
}

func describeProtocol(err error, strict bool) string {
	if e, ok := errors.AsType[wire.Error](err); ok {
		return string(e)
	}
	switch {
	case begins(err, "net/http: server response headers exceeded", "http2: response header list larger"):
		return "the response header is larger than 64 KiB"
	case begins(err, "net/http: invalid header"):
		return "a header of the request is not valid"
	case strict || begins(err, "net/http: ", "http: ", "http2: ", "malformed "):
		return notHTTP
	default:
		return withoutURLs(err.Error())
	}
}

// describeOp names the address of a failed dial, and the system's error. Without an address it
// uses otherwise.
func describeOp(err error, otherwise string) string {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok {
		return otherwise
	}
	errno, _ := errors.AsType[syscall.Errno](op)
	switch {
	case op.Op == "proxyconnect", strings.HasPrefix(op.Op, "socks"):
		otherwise = "the proxy does not connect"
	case op.Op == "dial" && op.Addr != nil:
		otherwise = "no connection to " + op.Addr.String()
	}
	switch {
	case errno != 0:
		return otherwise + ": " + errno.Error()
	case op.Timeout():
		return otherwise + " in time"
	default:
		return otherwise
	}
}

// withoutURLs shortens every URL in text to scheme and host.
func withoutURLs(text string) string {
	if !strings.Contains(text, "://") {
		return text
	}
	words := strings.Fields(text)
	for i, word := range words {
		before, rest, ok := strings.Cut(word, "://")
		if !ok {
			continue
		}
		authority := rest
		if j := strings.IndexAny(rest, `/?#"'<>()`+"`"); j >= 0 {
			authority = rest[:j]
		}
		if strings.Contains(rest, "@") { // a password may have a slash in it
			authority = "…"
		}
		words[i] = before + "://" + authority
	}
	return strings.Join(words, " ")
}

// OneLine makes text valid UTF-8 without control characters, of at most 256 bytes.
func OneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError:
			return '?'
		case unicode.IsControl(r), r == '\u2028', r == '\u2029', unicode.Is(unicode.Bidi_Control, r):
			return ' '
		default:
			return r
		}
	}, text)
	if len(text) <= maxErrorBytes {
		return text
	}
	const mark = "…"
	end := maxErrorBytes - len(mark)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + mark
}
