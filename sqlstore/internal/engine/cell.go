package engine

import "github.com/google/uuid"

// A kind is the type of a column.
type kind byte

const (
	kindInt kind = iota
	kindText
	kindUID
	kindBytes
)

func (k kind) String() string { return [...]string{"int", "text", "uuid", "bytes"}[k] }

// A Cell is a value for a statement, in a table or alone.
type Cell struct {
	kind kind
	num  int64
	text string
	uid  uuid.UUID
	bin  []byte
}

// Num returns a cell with an integer.
func Num[T ~int | ~int64](n T) Cell { return Cell{num: int64(n)} }

// Text returns a cell with a text.
func Text[T ~string](s T) Cell { return Cell{kind: kindText, text: string(s)} }

// UID returns a cell with a UUID.
func UID(u uuid.UUID) Cell { return Cell{kind: kindUID, uid: u} }

// Bin returns a cell with bytes. Nil is stored as no bytes, not as NULL.
func Bin(b []byte) Cell { return Cell{kind: kindBytes, bin: b} }

// Flag returns a cell with 1 for true and 0 for false.
func Flag(b bool) Cell {
	if b {
		return Cell{num: 1}
	}
	return Cell{}
}

func (c *Cell) size() int { return 16 + len(c.text) + len(c.bin) }
