package wire

import (
	"errors"
	"strconv"
)

// An Error says in one sentence for people why a request was not sent, or why
// the receiver's bytes are no response. It quotes neither of them.
type Error string

// Errors that the standard library does not have.
const (
	ErrHeaderBytes   Error = "the response header is larger than 64 KiB"
	ErrHeaderLines   Error = "the response header has more than 256 lines"
	ErrStatusLine    Error = "the status line of the response is longer than 4 KiB"
	ErrInformational Error = "more than 5 informational responses came before the response"
	ErrSwitched      Error = "the receiver switched protocols, unasked"
	ErrNotHTTP       Error = "the response is not valid HTTP"
	ErrHeader        Error = "a header of the request is not valid"
	ErrRequest       Error = "the method or the URL of the request is not valid"
	ErrHandshakeTime Error = "the handshake did not end in time"
)

func (e Error) Error() string { return string(e) }

// Timeout reports whether e is ErrHandshakeTime. Package net has such a method.
func (e Error) Timeout() bool { return e == ErrHandshakeTime }

// Temporary completes the interface net.Error.
func (e Error) Temporary() bool { return false }

// A ProxyError says that the proxy did not connect to the receiver.
type ProxyError struct {
	Status int // of its response to CONNECT
}

func (e *ProxyError) Error() string {
	return "the proxy answered CONNECT with " + strconv.Itoa(e.Status)
}

// errUnsent means that a kept connection took nothing of the request.
var errUnsent = errors.New("no byte of the request was sent")
