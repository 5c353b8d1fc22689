package engine

import (
	"encoding/hex"
	"strconv"
)

// A Renderer turns a statement and its values into SQL text and driver arguments.
type Renderer interface {
	render(s *Statement, scalars []Cell, tables ...*Table) (string, []any)
}

// The renderers.
var (
	// Arrays passes each column of a table as an array, as PostgreSQL takes it.
	Arrays Renderer = postgresRenderer{}
	// Literals writes all values into the statement, as MariaDB and MySQL take them.
	Literals Renderer = mysqlRenderer{}
	// Parameters passes each value by itself, as SQLite takes it.
	Parameters Renderer = sqliteRenderer{}
)

// mysqlRenderer writes all values into the statement, as numbers and hexadecimal strings. The
// driver would otherwise prepare each statement for a single use, which takes two more round
// trips.
type mysqlRenderer struct{}

func (mysqlRenderer) render(s *Statement, scalars []Cell, tables ...*Table) (string, []any) {
	b := make([]byte, 0, len(s.text)+64*len(scalars)+256)
	b = renderPieces(b, s.pieces, scalars, tables, nil, mysqlLiteral)
	return string(b), nil
}

func mysqlLiteral(b []byte, c *Cell) []byte {
	switch c.kind {
	case kindInt:
		return strconv.AppendInt(b, c.num, 10)
	case kindText:
		b = append(b, "x'"...)
		b = hex.AppendEncode(b, []byte(c.text))
	case kindUID:
		b = append(b, "x'"...)
		b = hex.AppendEncode(b, c.uid[:])
	case kindBytes:
		b = append(b, "x'"...)
		b = hex.AppendEncode(b, c.bin)
	}
	return append(b, '\'')
}

// sqliteRenderer writes numbers into the statement, and passes all other values as parameters.
type sqliteRenderer struct{}

func (sqliteRenderer) render(s *Statement, scalars []Cell, tables ...*Table) (string, []any) {
	var args []any
	literal := func(b []byte, c *Cell) []byte {
		switch c.kind {
		case kindInt:
			return strconv.AppendInt(b, c.num, 10)
		case kindText:
			args = append(args, c.text)
		case kindUID:
			args = append(args, c.uid[:])
		case kindBytes:
			value := c.bin
			if value == nil {
				value = []byte{}
			}
			args = append(args, value)
		}
		return append(b, '?')
	}
	b := renderPieces(make([]byte, 0, len(s.text)+256), s.pieces, scalars, tables, nil, literal)
	return string(b), args
}

func renderPieces(
	b []byte, pieces []piece, scalars []Cell, tables []*Table, row []Cell, literal func([]byte, *Cell) []byte,
) []byte {
	for i := range pieces {
		p := &pieces[i]
		switch p.kind {
		case pieceText:
			b = append(b, p.text...)
		case pieceScalar:
			b = literal(b, &scalars[p.n])
		case pieceCell:
			b = literal(b, &row[p.n])
		case pieceTuples:
			b = appendTuples(b, tables[0], tables[0].Len(), literal)
		case pieceKeys:
			b = appendTuples(b, tables[0], max(tables[0].Len(), 2), literal)
		case pieceEach:
			for r := range tables[0].Len() {
				if r > 0 {
					b = append(b, " UNION ALL "...)
				}
				b = renderPieces(b, p.inner, scalars, nil, tables[0].row(r), literal)
			}
		case pieceRelation:
			b = appendRelation(b, p, tables[p.n], literal)
		}
	}
	return b
}

func appendRelation(b []byte, p *piece, t *Table, literal func([]byte, *Cell) []byte) []byte {
	b = append(b, '(')
	for r := range t.Len() {
		if r > 0 {
			b = append(b, " UNION ALL "...)
		}
		b = append(b, "SELECT "...)
		for n := range p.columns {
			if n > 0 {
				b = append(b, ',')
			}
			b = literal(b, &t.row(r)[n])
			if r == 0 {
				b = append(b, " AS "...)
				b = append(b, p.columns[n].name...)
			}
		}
	}
	b = append(b, ") AS "...)
	return append(b, p.text...)
}

// appendTuples appends n rows. If t has fewer rows, it repeats the last one.
func appendTuples(b []byte, t *Table, n int, literal func([]byte, *Cell) []byte) []byte {
	for r := range n {
		if r > 0 {
			b = append(b, ',')
		}
		b = appendTuple(append(b, '('), t.row(min(r, t.Len()-1)), literal)
		b = append(b, ')')
	}
	return b
}

func appendTuple(b []byte, row []Cell, literal func([]byte, *Cell) []byte) []byte {
	for n := range row {
		if n > 0 {
			b = append(b, ',')
		}
		b = literal(b, &row[n])
	}
	return b
}
