package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gowebhook/webhook/internal/netguard"
	"github.com/gowebhook/webhook/internal/wire"
)

// A sendError is the error of httpTransport.Send. It does not keep the error that led to it:
// an error of net/http's parser may quote the receiver, and some loggers print whole chains.
type sendError struct {
	class Class
	text  string // for people
	cause error  // the context's error, if it had ended
}

func (e *sendError) Error() string { return string(e.class) + ": " + e.text }

func (e *sendError) Unwrap() []error {
	if e.cause == nil {
		return []error{e.class}
	}
	return []error{e.class, e.cause}
}

// Texts of a timeout, by the part of the request that it ended.
const (
	noResponse = "no response came in time"
	noEnd      = "the response body did not end in time"
)

// newSendError makes a sendError of err. cause is the result of endOf. Once the deadline has
// passed, every error is a timeout, except a blocked address. That includes errors from a
// moment earlier. late is the text of a timeout.
func newSendError(cause, err error, late string) error {
	e := &sendError{class: classify(err), text: oneLine(describeKnown(err, true)), cause: cause}
	if e.class != ClassBlocked && errors.Is(e.cause, context.DeadlineExceeded) {
		e.class, e.text = ClassTimeout, late
	}
	return e
}

// endOf returns the reason if a request is over: the error of ctx, or DeadlineExceeded after
// one of the deadlines. A dial may end a moment before its context, so the clock decides. A
// zero deadline is none.
func endOf(ctx context.Context, deadline time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	now := time.Now()
	if own, ok := ctx.Deadline(); ok && !now.Before(own) || !deadline.IsZero() && !now.Before(deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

// classify returns the class of a Transport's error, or ClassProtocol if the error has no sign
// of another:
//
//   - ClassDNS for a name that was not resolved in the resolver's time.
//   - ClassReset for a canceled request: it was closed before a complete response.
//   - ClassRefused for a proxy that cannot be reached or does not connect. The errors between
//     the proxy and the receiver are not known.
func classify(err error) Class {
	if err == nil {
		return ""
	}
	if class, ok := errors.AsType[Class](err); ok {
		return class
	}
	op, _ := errors.AsType[*net.OpError](err)
	proxy := op != nil && (op.Op == "proxyconnect" || strings.HasPrefix(op.Op, "socks"))
	switch {
	case isA[*netguard.BlockedError](err), isA[*netguard.HostError](err):
		return ClassBlocked
	case isA[*net.DNSError](err) && !proxy:
		return ClassDNS
	case isTimeout(err):
		return ClassTimeout
	case proxy, isA[*wire.ProxyError](err):
		return ClassRefused
	case isTLS(err):
		return ClassTLS
	case errors.Is(err, syscall.ECONNREFUSED):
		return ClassRefused
	case isAny(err, syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN, syscall.EHOSTDOWN):
		return ClassRefused
	case isReset(err):
		return ClassReset
	case op != nil && op.Op == "dial":
		return ClassRefused
	case op != nil: // "read" or "write"
		return ClassReset
	default:
		return ClassProtocol
	}
}

func isTimeout(err error) bool {
	if isAny(err, context.DeadlineExceeded, os.ErrDeadlineExceeded) {
		return true
	}
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

func isTLS(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok && (op.Op == "remote error" || op.Op == "local error") {
		return true // an alert, whose type crypto/tls does not export
	}
	return isA[*tls.CertificateVerificationError](err) ||
		isA[tls.RecordHeaderError](err) ||
		isA[tls.AlertError](err) ||
		isA[*tls.ECHRejectionError](err) ||
		isA[x509.UnknownAuthorityError](err) ||
		isA[x509.HostnameError](err) ||
		isA[x509.CertificateInvalidError](err) ||
		isA[x509.SystemRootsError](err) ||
		errors.Is(err, http.ErrSchemeMismatch) ||
		begins(err, "tls: ", "x509: ")
}

func isReset(err error) bool {
	if isAny(err, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, context.Canceled) {
		return true
	}
	return isHTTP2Reset(err) || begins(err,
		"http: server closed idle connection",
		"http: unexpected EOF reading trailer", // also after a reset
		"http2: server sent GOAWAY",
		"http2: Transport received GOAWAY",
		"http2: Transport received Server's graceful shutdown GOAWAY",
		"http2: client conn", // lost, closed, not usable, could not be established
		"http2: Transport: cannot retry err",
	)
}

// isHTTP2Reset recognizes a stream that the receiver reset, in contrast to one that net/http
// gave up.
func isHTTP2Reset(err error) bool {
	return anyOf(err, func(err error) bool {
		text := err.Error()
		return strings.HasPrefix(text, "stream error: ") && strings.HasSuffix(text, "; received from peer")
	})
}

const maxErrorBytes = 256

const notHTTP = "the response is not valid HTTP"

// describe returns a text for people about an error, in one line: at most 256 bytes of UTF-8
// without control characters. Of a URL it has only the host, and it has nothing that the
// receiver sent. The text of the application's own Transport is taken unchanged, except for
// URLs, unless it comes from net/http.
func describe(err error) string {
	if err == nil {
		return ""
	}
	return oneLine(describeKnown(err, isA[*url.Error](err)))
}

// describeKnown is describe before oneLine. With strict it uses only texts that are known to
// be harmless, and the text of a Class.
func describeKnown(err error, strict bool) string {
	if e, ok := errors.AsType[*sendError](err); ok {
		return e.text
	}
	if e, ok := errors.AsType[*FieldError](err); ok {
		return e.Field + " " + e.Problem + "; " + e.Cure
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
	if isA[Class](err) && !isA[*url.Error](err) {
		return withoutURLs(err.Error())
	}
	switch classify(err) {
	case ClassDNS:
		return describeDNS(err)
	case ClassTLS:
		return describeTLS(err)
	case ClassTimeout:
		otherwise := "no complete response in time"
		if errors.Is(err, wire.ErrHandshakeTime) {
			otherwise = string(wire.ErrHandshakeTime)
		}
		return describeOp(err, otherwise)
	case ClassRefused:
		return describeOp(err, "the address cannot be reached")
	case ClassReset:
		return describeReset(err)
	case ClassProtocol:
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

// withoutURLs cuts every URL in text down to scheme and host.
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

// oneLine makes text valid UTF-8 without control characters, of at most maxErrorBytes.
func oneLine(text string) string {
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

func isA[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}

func isAny(err error, targets ...error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// begins reports whether the text of err, or of an error that it wraps, begins with one of
// prefixes. Most errors of net/http and crypto/tls can be recognized in no other way. Text
// from a receiver never comes first in them.
func begins(err error, prefixes ...string) bool {
	return anyOf(err, func(err error) bool {
		text := err.Error()
		for _, prefix := range prefixes {
			if strings.HasPrefix(text, prefix) {
				return true
			}
		}
		return false
	})
}

func anyOf(err error, f func(error) bool) bool {
	if err == nil {
		return false
	}
	if f(err) {
		return true
	}
	switch err := err.(type) { //nolint:errorlint // this walks the chain itself
	case interface{ Unwrap() error }:
		return anyOf(err.Unwrap(), f)
	case interface{ Unwrap() []error }:
		for _, err := range err.Unwrap() {
			if anyOf(err, f) {
				return true
			}
		}
	}
	return false
}
