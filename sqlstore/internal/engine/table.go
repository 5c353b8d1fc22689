package engine

import "iter"

// A Table is a list of rows that is an argument of a statement. All its rows have the same
// number of cells.
type Table struct {
	expected int // rows
	width    int
	cells    []Cell
}

// NewTable returns an empty table. It allocates space for rows rows when the first is added.
func NewTable(rows int) *Table { return &Table{expected: rows} }

// Add adds a row.
func (t *Table) Add(row ...Cell) {
	if t.cells == nil {
		t.width, t.cells = len(row), make([]Cell, 0, max(t.expected, 1)*len(row))
	}
	t.cells = append(t.cells, row...)
}

// Len returns the number of rows. It is 0 for nil.
func (t *Table) Len() int {
	if t == nil || t.width == 0 {
		return 0
	}
	return len(t.cells) / t.width
}

func (t *Table) row(i int) []Cell { return t.cells[i*t.width : (i+1)*t.width] }

// Bounds of one statement.
const (
	statementRows  = 500
	statementBytes = 1 << 20

	// statementKeys is the limit of rows of {keys}. With more, MariaDB and MySQL use statistics
	// instead of the index. With about twice as many they build a table of them.
	statementKeys = 199
)

// parts splits t into tables small enough for one execution of s.
func (t *Table) parts(s *Statement) iter.Seq[*Table] {
	most := statementRows
	if s.keys {
		most = statementKeys
	}
	return func(yield func(*Table) bool) { t.eachPart(most, yield) }
}

// Fits reports whether one statement may take all rows of t.
func (t *Table) Fits() bool {
	size := 0
	for i := range t.cells {
		size += t.cells[i].size()
	}
	return t.Len() <= statementRows && size <= statementBytes
}

// eachPart yields parts of at most this many rows and of at most statementBytes.
func (t *Table) eachPart(most int, yield func(*Table) bool) {
	begin, size := 0, 0
	for i := range t.Len() {
		n := 0
		for c := range t.row(i) {
			n += t.row(i)[c].size()
		}
		if i > begin && (i-begin == most || size+n > statementBytes) {
			if !yield(&Table{width: t.width, cells: t.cells[begin*t.width : i*t.width]}) {
				return
			}
			begin, size = i, 0
		}
		size += n
	}
	if begin < t.Len() {
		yield(&Table{width: t.width, cells: t.cells[begin*t.width:]})
	}
}
