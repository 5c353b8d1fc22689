package wire

import "net"

// records follows the records of TLS that are read from a connection. crypto/tls
// keeps a part of a record to itself until the rest has come, so nothing else
// tells that a receiver has sent something.
type records struct {
	net.Conn

	header int // bytes of it that have come
	length int // of the record's content, as far as its header has come
	left   int // of the content
}

// Bytes of a record's header: its type, two for the version, two for the length.
const recordHeader = 5

func (r *records) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.follow(p[:n])
	return n, err
}

func (r *records) follow(p []byte) {
	for len(p) > 0 {
		if r.left > 0 {
			n := min(r.left, len(p))
			r.left -= n
			p = p[n:]
			continue
		}
		r.length = r.length<<8&0xff00 | int(p[0])
		p = p[1:]
		if r.header++; r.header == recordHeader {
			r.header, r.left = 0, r.length
		}
	}
}

// partial reports whether a record has begun and not ended.
func (r *records) partial() bool { return r.header > 0 || r.left > 0 }
