//go:build !unix

package wire

// An instantRead has nothing to keep here.
type instantRead struct{}

// readNow reads without waiting.
func (s *socket) readNow(p []byte) (int, error) { return s.waitNow(p) }

// writeNow writes until the deadline that SetWriteDeadline chooses.
func (s *socket) writeNow(p []byte) (int, error) { return s.Conn.Write(p) }
