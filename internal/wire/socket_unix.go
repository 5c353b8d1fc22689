//go:build unix

package wire

import "syscall"

// An instantRead is the state of readNow, kept so that it allocates nothing.
type instantRead struct {
	into []byte
	n    int
	err  error
	try  func(fd uintptr) bool
}

// readNow reads without waiting.
func (s *socket) readNow(p []byte) (int, error) {
	if s.raw == nil {
		return s.waitNow(p)
	}
	r := &s.now
	if r.try == nil {
		r.try = r.read
	}
	r.into = p
	failed := s.raw.Read(r.try)
	r.into = nil
	switch {
	case failed != nil:
		return 0, failed
	case r.err == syscall.EAGAIN: //nolint:errorlint // it is never wrapped
		return 0, errNothing
	case r.err != nil:
		return 0, r.err
	}
	return r.n, nil
}

// read always reports that it is done, so that nobody waits for more.
func (r *instantRead) read(fd uintptr) bool {
	for {
		r.n, r.err = syscall.Read(int(fd), r.into)
		if r.err != syscall.EINTR { //nolint:errorlint // it is never wrapped
			return true
		}
	}
}

// writeNow writes as much as the system takes at once. So the connections of a
// receiver that reads nothing are closed without a wait for each.
func (s *socket) writeNow(p []byte) (n int, err error) {
	if s.raw == nil {
		return s.Conn.Write(p)
	}
	failed := s.raw.Write(func(fd uintptr) bool {
		for {
			n, err = syscall.Write(int(fd), p)
			if err != syscall.EINTR {
				return true
			}
		}
	})
	if failed != nil {
		return 0, failed
	}
	return max(n, 0), err
}
