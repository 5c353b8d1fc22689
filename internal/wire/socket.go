package wire

import (
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// A socket is a connection of the system, below TLS. It can be expired from
// another goroutine, and from then on everything fails at once.
type socket struct {
	net.Conn

	raw     syscall.RawConn // nil if there is none
	sent    int64           // bytes of this request, with those of TLS
	instant bool            // Read does not wait
	came    bool            // an instant Read found something: bytes, an end or an error
	now     instantRead

	mu       sync.Mutex
	deadline time.Time // of the request; zero for none
	expired  bool
	closing  bool
}

func newSocket(c net.Conn) *socket {
	s := &socket{Conn: c}
	if sc, ok := c.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			s.raw = raw
		}
	}
	return s
}

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// expire ends the present reads and writes, and all later ones.
func (s *socket) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expired = true
	_ = s.Conn.SetDeadline(past)
}

func (s *socket) isExpired() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.expired
}

// begin sets the deadline of a request; zero means none. It changes nothing once
// the socket has expired.
func (s *socket) begin(deadline time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.expired || deadline.Equal(s.deadline) {
		return
	}
	s.deadline = deadline
	_ = s.Conn.SetDeadline(deadline)
}

// isLate reports whether the deadline of the request has passed.
func (s *socket) isLate() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.deadline.IsZero() && !time.Now().Before(s.deadline)
}

// SetDeadline sets an earlier deadline than that of the request. The next call
// replaces it; the zero time restores the deadline of the request. SetDeadline
// changes nothing once the socket has expired.
func (s *socket) SetDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.expired {
		return nil
	}
	if t.IsZero() || !s.deadline.IsZero() && s.deadline.Before(t) {
		t = s.deadline
	}
	return s.Conn.SetDeadline(t)
}

// goodbyeTime limits the last message of TLS where a write cannot but wait. A
// receiver that reads nothing may leave no room for it.
const goodbyeTime = time.Millisecond

// SetWriteDeadline is called by crypto/tls, before and after its last message.
func (s *socket) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing && t.After(time.Now()) {
		t = time.Now().Add(goodbyeTime)
	}
	return s.Conn.SetWriteDeadline(t)
}

func (s *socket) Write(p []byte) (int, error) {
	if s.closing {
		return s.writeNow(p)
	}
	n, err := s.Conn.Write(p)
	s.sent += int64(n)
	return n, err
}

func (s *socket) Read(p []byte) (int, error) {
	if !s.instant {
		return s.Conn.Read(p)
	}
	n, err := s.readNow(p)
	if err == nil && n == 0 {
		err = io.EOF
	}
	s.came = s.came || err != errNothing //nolint:errorlint // it is never wrapped
	return n, err
}

// errNothing is the error of an instant Read when there is nothing to be read.
var errNothing = &nothingError{}

// A nothingError is temporary, so that crypto/tls reads on after it.
type nothingError struct{}

func (*nothingError) Error() string   { return "nothing has come" }
func (*nothingError) Timeout() bool   { return true }
func (*nothingError) Temporary() bool { return true }

// waitNow reads with a deadline that is so near that it hardly waits, where
// there is no other way.
func (s *socket) waitNow(p []byte) (int, error) {
	_ = s.SetDeadline(time.Now().Add(time.Millisecond))
	defer func() { _ = s.SetDeadline(time.Time{}) }()
	n, err := s.Conn.Read(p)
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() && n == 0 { //nolint:errorlint // it is never wrapped
		return 0, errNothing
	}
	return n, err
}
