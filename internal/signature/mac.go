// Package signature has the only implementation of the MAC and of the header grammar. Signers
// write with it, and receivers read with it.
package signature

import (
	"crypto/sha256"
	"hash"
	"sync"
)

// A MAC computes HMAC-SHA256 (RFC 2104) again and again with one hash state, for any keys.
// crypto/hmac makes two states for each key and allocates about ten times for each message.
// That matters, because every attempt is signed. The zero value is ready. A MAC is not safe for
// concurrent use.
type MAC struct {
	hash hash.Hash
	pad  [sha256.BlockSize]byte
	key  [sha256.BlockSize]byte
	sum  [sha256.Size]byte
}

// Reset begins a message under key.
func (m *MAC) Reset(key []byte) {
	if m.hash == nil {
		m.hash = sha256.New()
	}
	clear(m.key[:])
	if len(key) > sha256.BlockSize {
		digest := sha256.Sum256(key) // m.hash would keep the key's end in its buffer
		copy(m.key[:], digest[:])
	} else {
		copy(m.key[:], key)
	}
	m.hash.Reset()
	m.writePad(0x36)
}

// Write adds to the message. It never fails.
func (m *MAC) Write(p []byte) (int, error) { return m.hash.Write(p) }

// Sum appends the code of the message to dst and ends it.
func (m *MAC) Sum(dst []byte) []byte {
	m.hash.Sum(m.sum[:0])
	m.hash.Reset()
	m.writePad(0x5c)
	m.hash.Write(m.sum[:])
	clear(m.key[:])
	return m.hash.Sum(dst)
}

func (m *MAC) writePad(b byte) {
	for i, k := range m.key {
		m.pad[i] = k ^ b
	}
	m.hash.Write(m.pad[:])
	clear(m.pad[:])
}

// A Scratch has the memory for signing one message: a MAC and room for keys and text.
type Scratch struct {
	MAC  MAC
	Key  []byte
	Text []byte
	Code []byte
}

// Key has room for any key. An array that Key had outgrown would keep a copy of a key.
var scratches = sync.Pool{New: func() any { return &Scratch{Key: make([]byte, 0, maxEncodedKey/4*3)} }}

// GetScratch returns a Scratch with empty buffers. Give it back with PutScratch.
func GetScratch() *Scratch { return scratches.Get().(*Scratch) }

// PutScratch takes s back and clears its key.
func PutScratch(s *Scratch) {
	clear(s.Key[:cap(s.Key)])
	s.Key, s.Text, s.Code = s.Key[:0], s.Text[:0], s.Code[:0]
	scratches.Put(s)
}
