package engine

import (
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// A Statement is SQL with marks in it:
//
//	$1                        a value
//	{v uid uuid, no int}      a table, as a relation named v with these columns; {w …} is a second table
//	{tuples}                  a table, as (…), (…)
//	{keys}                    the same, for IN: see pieceKeys
//	{each}… @1 …{end}         for each row of a table a SELECT with its cells, joined by UNION ALL
type Statement struct {
	text    string // with its marks; PostgreSQL's text, if the statement takes no table
	pieces  []piece
	scalars int
	keys    bool // has {keys}

	once sync.Once
	full string // PostgreSQL's text, if the statement takes tables
}

type piece struct {
	kind    pieceKind
	text    string
	n       int      // number of a value or a cell, or of the table of a relation
	columns []column // of a relation
	inner   []piece  // of each
}

type column struct {
	name string
	kind kind
}

type pieceKind byte

const (
	pieceText pieceKind = iota
	pieceScalar
	pieceCell
	pieceRelation
	pieceTuples

	// pieceKeys are tuples, at least two. With a single key, MariaDB reads the whole table when
	// it changes rows. With two keys it does not.
	pieceKeys
	pieceEach
)

// marks matches the marks of a statement.
var marks = regexp.MustCompile(`\$\d+|@\d+|\{each\}|\{end\}|\{tuples\}|\{keys\}|\{[vw] [^}]*\}`)

var kinds = map[string]kind{"int": kindInt, "text": kindText, "uuid": kindUID, "bytes": kindBytes}

// Compile parses a statement with the full names of its tables. It panics if a mark is malformed,
// because statements are constants.
func Compile(sql string) *Statement {
	s := &Statement{text: strings.TrimSpace(sql)}
	s.pieces, _ = s.parse(s.text)
	return s
}

// Text returns the statement with its marks.
func (s *Statement) Text() string { return s.text }

// A Shape says which values a statement takes. Tests compare the shapes of one statement in all
// dialects.
type Shape struct {
	Scalars int
	Table   bool
	Columns []string // of its first relation, as in "uid uuid"; nil without a relation
	Cells   int      // the largest number after @
}

// Shape returns the shape of the statement.
func (s *Statement) Shape() Shape {
	shape := Shape{Scalars: s.scalars}
	shape.add(s.pieces)
	return shape
}

func (s *Shape) add(pieces []piece) {
	for i := range pieces {
		p := &pieces[i]
		switch p.kind {
		case pieceRelation:
			s.Table = true
			if s.Columns != nil {
				continue
			}
			for _, c := range p.columns {
				s.Columns = append(s.Columns, c.name+" "+c.kind.String())
			}
		case pieceCell:
			s.Cells = max(s.Cells, p.n+1)
		case pieceTuples, pieceKeys, pieceEach:
			s.Table = true
			s.add(p.inner)
		case pieceText, pieceScalar:
		}
	}
}

func (s *Statement) parse(sql string) (pieces []piece, rest string) {
	for {
		at := marks.FindStringIndex(sql)
		if at == nil {
			return append(pieces, piece{text: sql}), ""
		}
		mark := sql[at[0]:at[1]]
		pieces = append(pieces, piece{text: sql[:at[0]]})
		sql = sql[at[1]:]
		switch {
		case mark[0] == '$':
			n, _ := strconv.Atoi(mark[1:])
			s.scalars = max(s.scalars, n)
			pieces = append(pieces, piece{kind: pieceScalar, n: n - 1, text: mark})
		case mark[0] == '@':
			n, _ := strconv.Atoi(mark[1:])
			pieces = append(pieces, piece{kind: pieceCell, n: n - 1})
		case mark == "{tuples}":
			pieces = append(pieces, piece{kind: pieceTuples})
		case mark == "{keys}":
			s.keys = true
			pieces = append(pieces, piece{kind: pieceKeys})
		case mark == "{each}":
			p := piece{kind: pieceEach}
			p.inner, sql = s.parse(sql)
			pieces = append(pieces, p)
		case mark == "{end}":
			return pieces, sql
		default:
			pieces = append(pieces, piece{
				kind: pieceRelation, n: int(mark[1] - 'v'), text: mark[1:2], columns: parseColumns(mark[len("{v ") : len(mark)-1]),
			})
		}
	}
}

func parseColumns(list string) []column {
	var columns []column
	for one := range strings.SplitSeq(list, ",") {
		f := strings.Fields(one)
		k, known := kinds[f[len(f)-1]]
		if len(f) != 2 || !known {
			panic("engine: a statement's column is not well formed: " + one)
		}
		columns = append(columns, column{f[0], k})
	}
	return columns
}
