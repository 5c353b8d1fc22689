package sqlstore

import (
	"iter"

	"github.com/google/uuid"
)

// A kind is the type of a column.
type kind byte

const (
	kindInt kind = iota
	kindText
	kindUID
	kindBytes
)

// A cell is a value for a statement, in a table or alone.
type cell struct {
	kind kind
	num  int64
	text string
	uid  uuid.UUID
	bin  []byte
}

func num[T ~int | ~int64](n T) cell { return cell{num: int64(n)} }
func text[T ~string](s T) cell      { return cell{kind: kindText, text: string(s)} }
func uid(u uuid.UUID) cell          { return cell{kind: kindUID, uid: u} }
func bin(b []byte) cell             { return cell{kind: kindBytes, bin: b} }

func flag(b bool) cell {
	if b {
		return cell{num: 1}
	}
	return cell{}
}

func (c *cell) size() int { return 16 + len(c.text) + len(c.bin) }

// A table is a list of rows that is an argument of a statement.
type table struct {
	width int
	cells []cell
}

func newTable(rows, width int) *table {
	return &table{width: width, cells: make([]cell, 0, rows*width)}
}

func (t *table) add(row ...cell) {
	t.width = len(row)
	t.cells = append(t.cells, row...)
}

func (t *table) len() int {
	if t.width == 0 {
		return 0
	}
	return len(t.cells) / t.width
}

func (t *table) row(i int) []cell { return t.cells[i*t.width : (i+1)*t.width] }

// Bounds of one statement.
const (
	statementRows  = 500
	statementBytes = 1 << 20
	statementKeys  = 199 // rows of {keys}: with more, MariaDB and MySQL use statistics instead of the index; with about twice as many they build a table of them
)

// parts splits t into tables small enough for one execution of s.
func (t *table) parts(s *statement) iter.Seq[*table] {
	most := statementRows
	if s.keys {
		most = statementKeys
	}
	return func(yield func(*table) bool) { t.cut(most, yield) }
}

// fits reports whether one statement may take all rows of t.
func (t *table) fits() bool {
	size := 0
	for i := range t.cells {
		size += t.cells[i].size()
	}
	return t.len() <= statementRows && size <= statementBytes
}

func (t *table) cut(most int, yield func(*table) bool) {
	begin, size := 0, 0
	for i := range t.len() {
		n := 0
		for c := range t.row(i) {
			n += t.row(i)[c].size()
		}
		if i > begin && (i-begin == most || size+n > statementBytes) {
			if !yield(&table{t.width, t.cells[begin*t.width : i*t.width]}) {
				return
			}
			begin, size = i, 0
		}
		size += n
	}
	if begin < t.len() {
		yield(&table{t.width, t.cells[begin*t.width:]})
	}
}
