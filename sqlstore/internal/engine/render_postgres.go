package engine

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// postgresRenderer makes a parameter of each value, and of each column of a table. So the text
// of a statement is always the same.
//
// Arrays are passed as text, which every driver can send, with both protocols. A column of
// bytes is one value with the bytes of all rows, from which the statement takes each row.
type postgresRenderer struct{}

func (postgresRenderer) render(s *Statement, scalars []Cell, tables ...*Table) (string, []any) {
	args := make([]any, 0, len(scalars)+16*len(tables))
	for i := range scalars {
		args = append(args, postgresValue(&scalars[i]))
	}
	if len(tables) == 0 {
		return s.text, args
	}
	for i := range s.pieces {
		if p := &s.pieces[i]; p.kind == pieceRelation {
			args = appendPostgres(args, p.columns, tables[p.n])
		}
	}
	s.once.Do(func() { s.full = s.postgres() })
	return s.full, args
}

func postgresValue(c *Cell) any {
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

// postgres returns the text of a statement with tables.
func (s *Statement) postgres() string {
	var b strings.Builder
	n := s.scalars
	for i := range s.pieces {
		if p := &s.pieces[i]; p.kind == pieceRelation {
			n = postgresRelation(&b, p, n)
		} else {
			b.WriteString(p.text)
		}
	}
	return b.String()
}

// postgresRelation writes a relation. Its parameters begin after the n-th. It returns the
// number of the last one.
func postgresRelation(b *strings.Builder, p *piece, n int) int {
	var list, names []string
	param := func(typ string) {
		n++
		list = append(list, fmt.Sprintf("$%d::%s[]", n, typ))
	}
	blob := 0
	if hasBytes(p.columns) {
		n++
		blob = n
	}
	b.WriteString("(SELECT ")
	for i, c := range p.columns {
		if i > 0 {
			b.WriteString(", ")
		}
		if c.kind == kindBytes {
			fmt.Fprintf(b, "substring($%d::bytea FROM %s_at FOR %s_len) AS %s", blob, c.name, c.name, c.name)
			names = append(names, c.name+"_at", c.name+"_len")
			param("int")
			param("int")
			continue
		}
		b.WriteString(c.name)
		names = append(names, c.name)
		param(map[kind]string{kindInt: "bigint", kindText: "text", kindUID: "uuid"}[c.kind])
	}
	fmt.Fprintf(b, " FROM unnest(%s) AS u (%s)) AS %s", strings.Join(list, ", "), strings.Join(names, ", "), p.text)
	return n
}

func hasBytes(columns []column) bool {
	return slices.ContainsFunc(columns, func(c column) bool { return c.kind == kindBytes })
}

// appendPostgres appends the values of a relation.
func appendPostgres(args []any, columns []column, t *Table) []any {
	blobAt, size := -1, 0
	if hasBytes(columns) {
		blobAt = len(args)
		args = append(args, nil)
		for i := range t.cells {
			size += len(t.cells[i].bin)
		}
	}
	blob := make([]byte, 0, size)
	for i, c := range columns {
		if c.kind != kindBytes {
			args = append(args, postgresArray(t, i))
			continue
		}
		at, length := make([]byte, 0, 8*t.Len()+2), make([]byte, 0, 8*t.Len()+2)
		for r := range t.Len() {
			value := t.row(r)[i].bin
			at = strconv.AppendInt(append(at, ','), int64(len(blob)+1), 10)
			length = strconv.AppendInt(append(length, ','), int64(len(value)), 10)
			blob = append(blob, value...)
		}
		args = append(args, "{"+string(at[1:])+"}", "{"+string(length[1:])+"}")
	}
	if blobAt >= 0 {
		args[blobAt] = blob
	}
	return args
}

// postgresArray returns a column as the text of an array.
func postgresArray(t *Table, i int) string {
	rows := t.Len()
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
