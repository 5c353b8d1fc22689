package sender

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/gowebhook/webhook/internal/netguard"
	"github.com/gowebhook/webhook/internal/wire"
)

// ClassError is the type of the classes of failures. Their values have the names below, and an
// application may return others.
type ClassError interface {
	~string
	error
}

// The classes that this package tells apart.
const (
	DNS      = "dns"
	Refused  = "refused"
	Reset    = "reset"
	TLS      = "tls"
	Timeout  = "timeout"
	Blocked  = "blocked"
	Protocol = "protocol"
)

// An Error is the error of a request. It does not keep the error that led to it: an error of
// net/http's parser may quote the receiver, and some loggers print whole chains.
type Error[C ClassError] struct {
	class C
	text  string // for people
	cause error  // the context's error, if it had ended

	// excused says that the endpoint has no part in the failure. It must not depend on the
	// addresses of a name, because tenants see the health of an endpoint.
	excused bool
}

// Error returns the class and the text.
func (e *Error[C]) Error() string { return string(e.class) + ": " + e.text }

// Unwrap returns the class, and the context's error if the context had ended.
func (e *Error[C]) Unwrap() []error {
	if e.cause == nil {
		return []error{e.class}
	}
	return []error{e.class, e.cause}
}

// IsExcused reports whether the endpoint has no part in the error of a Transport: its URL is
// refused before a name is resolved, or the proxy is down.
func IsExcused[C ClassError](err error) bool {
	e, ok := errors.AsType[*Error[C]](err)
	return ok && e.excused
}

// Texts of a timeout, by the part of the request that it ended.
const (
	noResponse = "no response came in time"
	noEnd      = "the response body did not end in time"
)

// newError makes an *Error of err. cause is the result of endOf. Once the deadline has passed,
// every error is a timeout, except a blocked address. That includes errors from a moment earlier.
// late is the text of a timeout.
func newError[C ClassError](cause, err error, late string) error {
	e := &Error[C]{class: Classify[C](err), text: OneLine(describeKnown[C](err, true)), cause: cause, excused: wire.IsProxyDown(err)}
	if e.class != Blocked && errors.Is(e.cause, context.DeadlineExceeded) {
		e.class, e.text = Timeout, late
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

// Classify returns the class of a Transport's error, or Protocol if the error has no sign of
// another:
//
//   - DNS for a name that was not resolved in the resolver's time.
//   - Reset for a canceled request: it was closed before a complete response.
//   - Refused for a proxy that cannot be reached or does not connect. The errors between the proxy
//     and the receiver are not known.
func Classify[C ClassError](err error) C {
	if err == nil {
		return ""
	}
	if class, ok := errors.AsType[C](err); ok {
		return class
	}
	op, _ := errors.AsType[*net.OpError](err)
	proxy := op != nil && (op.Op == "proxyconnect" || strings.HasPrefix(op.Op, "socks"))
	switch {
	case isA[*netguard.BlockedError](err), isA[*netguard.HostError](err):
		return Blocked
	case isA[*net.DNSError](err) && !proxy:
		return DNS
	case isTimeout(err):
		return Timeout
	case proxy, isA[*wire.ProxyError](err):
		return Refused
	case isTLS(err):
		return TLS
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case isAny(err, syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN, syscall.EHOSTDOWN):
		return Refused
	case isReset(err):
		return Reset
	case op != nil && op.Op == "dial":
		return Refused
	case op != nil: // "read" or "write"
		return Reset
	default:
		return Protocol
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
