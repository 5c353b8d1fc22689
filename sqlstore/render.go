package sqlstore

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// A renderer makes of a statement and its values what a driver takes.
type renderer interface {
	render(s *statement, scalars []cell, tables ...*table) (string, []any)
}

// postgresRenderer gives each value, and each column of a table, a parameter of its own. Arrays are given as text, which
// every driver can send, with both protocols; the bytes of all rows are one value, out of which each row is cut.
type postgresRenderer struct{}

func (postgresRenderer) render(s *statement, scalars []cell, tables ...*table) (string, []any) {
	args := make([]any, 0, len(scalars)+16)
	for i := range scalars {
		args = append(args, postgresValue(&scalars[i]))
	}
	if len(tables) == 0 {
		return s.text, args
	}
	var b strings.Builder
	b.Grow(len(s.text) + 512*len(tables))
	for i := range s.pieces {
		p := &s.pieces[i]
		if p.kind != pieceRelation {
			b.WriteString(p.text)
			continue
		}
		args = postgresRelation(&b, p, tables[p.n], args)
	}
	return b.String(), args
}

func postgresValue(c *cell) any {
	switch c.kind {
	case kindText:
		return c.text
	case kindUID:
		return c.uid.String()
	case kindBytes:
		if c.bin == nil {
			return []byte{}
		}
		return c.bin
	default:
		return c.num
	}
}

func postgresRelation(b *strings.Builder, p *piece, t *table, args []any) []any {
	columns := p.columns
	var (
		list, names strings.Builder
		arrays      []string
		blob        []byte
		blobAt      = 0
	)
	n := len(args)
	param := func(typ string) {
		n++
		if list.Len() > 0 {
			list.WriteString(", ")
		}
		fmt.Fprintf(&list, "$%d::%s[]", n, typ)
	}
	for _, c := range columns {
		if c.kind == kindBytes {
			blobAt = -1
		}
	}
	if blobAt < 0 {
		n++
		blobAt = n
		args = append(args, nil)
	}
	b.WriteString("(SELECT ")
	for i, c := range columns {
		if i > 0 {
			b.WriteString(", ")
			names.WriteString(", ")
		}
		if c.kind != kindBytes {
			b.WriteString(c.name)
			names.WriteString(c.name)
			param(map[kind]string{kindInt: "bigint", kindText: "text", kindUID: "uuid"}[c.kind])
			arrays = append(arrays, postgresArray(t, i))
			continue
		}
		fmt.Fprintf(b, "substring($%d::bytea FROM %s_at FOR %s_len) AS %s", blobAt, c.name, c.name, c.name)
		fmt.Fprintf(&names, "%s_at, %s_len", c.name, c.name)
		param("int")
		param("int")
		at, length := make([]byte, 0, 8*t.len()), make([]byte, 0, 8*t.len())
		for r := range t.len() {
			value := t.row(r)[i].bin
			at = strconv.AppendInt(append(at, ','), int64(len(blob)+1), 10)
			length = strconv.AppendInt(append(length, ','), int64(len(value)), 10)
			blob = append(blob, value...)
		}
		arrays = append(arrays, "{"+string(at[1:])+"}", "{"+string(length[1:])+"}")
	}
	fmt.Fprintf(b, " FROM unnest(%s) AS u (%s)) AS %s", list.String(), names.String(), p.text)
	if blobAt > 0 {
		if blob == nil {
			blob = []byte{}
		}
		args[blobAt-1] = blob
	}
	for _, a := range arrays {
		args = append(args, a)
	}
	return args
}

// postgresArray returns a column as the text of an array.
func postgresArray(t *table, i int) string {
	rows := t.len()
	out := make([]byte, 0, 40*rows+2)
	out = append(out, '{')
	for r := range rows {
		if r > 0 {
			out = append(out, ',')
		}
		c := &t.cells[r*t.width+i]
		switch c.kind {
		case kindInt:
			out = strconv.AppendInt(out, c.num, 10)
		case kindUID:
			out = hex.AppendEncode(out, c.uid[:])
		default:
			out = appendQuoted(out, c.text)
		}
	}
	return string(append(out, '}'))
}

// appendQuoted appends an element of an array's text.
func appendQuoted(out []byte, s string) []byte {
	out = append(out, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			out = append(out, '\\')
		}
		out = append(out, s[i])
	}
	return append(out, '"')
}

// mysqlRenderer writes all values into the statement, as numbers and hexadecimal strings: the driver would otherwise prepare
// each statement for a single use, which takes two more round trips.
type mysqlRenderer struct{}

func (mysqlRenderer) render(s *statement, scalars []cell, tables ...*table) (string, []any) {
	b := make([]byte, 0, len(s.text)+64*len(scalars)+256)
	b = renderPieces(b, s.pieces, scalars, tables, nil, mysqlLiteral)
	return string(b), nil
}

func mysqlLiteral(b []byte, c *cell) []byte {
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

// sqliteRenderer writes numbers into the statement, and gives all else a parameter.
type sqliteRenderer struct{}

func (sqliteRenderer) render(s *statement, scalars []cell, tables ...*table) (string, []any) {
	var args []any
	literal := func(b []byte, c *cell) []byte {
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
	b []byte, pieces []piece, scalars []cell, tables []*table, row []cell, literal func([]byte, *cell) []byte,
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
			b = appendTuples(b, tables[0], tables[0].len(), literal)
		case pieceKeys:
			b = appendTuples(b, tables[0], max(tables[0].len(), 2), literal)
		case pieceEach:
			for r := range tables[0].len() {
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

func appendRelation(b []byte, p *piece, t *table, literal func([]byte, *cell) []byte) []byte {
	b = append(b, '(')
	for r := range t.len() {
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

// appendTuples appends n rows, the last one again if there are not so many.
func appendTuples(b []byte, t *table, n int, literal func([]byte, *cell) []byte) []byte {
	for r := range n {
		if r > 0 {
			b = append(b, ',')
		}
		b = appendTuple(append(b, '('), t.row(min(r, t.len()-1)), literal)
		b = append(b, ')')
	}
	return b
}

func appendTuple(b []byte, row []cell, literal func([]byte, *cell) []byte) []byte {
	for n := range row {
		if n > 0 {
			b = append(b, ',')
		}
		b = literal(b, &row[n])
	}
	return b
}
