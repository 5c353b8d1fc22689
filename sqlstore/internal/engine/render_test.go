package engine

import (
	"bytes"
	"math"
	"regexp"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	someID = uuid.MustParse("00112233-4455-6677-8899-aabbccddeeff")

	// hostile has values that look like SQL, a placeholder, a mark or an array.
	hostile = []string{
		"", "$1", "?", "{v uid uuid}", "{tuples}", "{each}", "@1", "x'", "'; DROP TABLE some_table; --", `"`, `\`, `\"`, "{}", "{a,b}",
		"NULL", "null", ",", " ", "\n", "\t", "é", "\u2028", "\U0001f600", "/*", "--", "`", "%s",
	}
)

// rendered returns a statement's SQL and arguments in the dialect of r.
func rendered(r Renderer, sql string, scalars []Cell, t *Table) (string, []any) {
	if t == nil {
		return r.render(Compile(sql), scalars)
	}
	return r.render(Compile(sql), scalars, t)
}

func TestScalarsAreRendered(t *testing.T) {
	scalars := []Cell{Num(-5), Text("a'b"), UID(someID), Bin([]byte{0, 0xff}), Flag(true), Flag(false), Bin(nil)}
	const sql = `SELECT $1, $2, $3, $4, $5, $6, $7, $1`

	got, args := rendered(postgresRenderer{}, sql, scalars, nil)
	assert.Equal(t, sql, got)
	assert.Equal(t, []any{int64(-5), "a'b", someID.String(), []byte{0, 0xff}, int64(1), int64(0), []byte{}}, args)

	got, args = rendered(mysqlRenderer{}, sql, scalars, nil)
	assert.Equal(t, `SELECT -5, x'612762', x'00112233445566778899aabbccddeeff', x'00ff', 1, 0, x'', -5`, got)
	assert.Empty(t, args)

	got, args = rendered(sqliteRenderer{}, sql, scalars, nil)
	assert.Equal(t, `SELECT -5, ?, ?, ?, 1, 0, ?, -5`, got)
	assert.Equal(t, []any{"a'b", someID[:], []byte{0, 0xff}, []byte{}}, args)
}

func TestRelationsAreRendered(t *testing.T) {
	rows := NewTable(2)
	rows.Add(UID(someID), Text(`a"\`), Num(math.MaxInt64), Bin([]byte("one")))
	rows.Add(UID(uuid.UUID{}), Text(""), Num(math.MinInt64), Bin(nil))
	const sql = `SELECT $1 FROM {v ref uuid, id text, no int, data bytes} WHERE x = $2`
	scalars := []Cell{Num(7), Text("s")}

	got, args := rendered(postgresRenderer{}, sql, scalars, rows)
	assert.Equal(t, `SELECT $1 FROM (SELECT ref, id, no, substring($3::bytea FROM data_at FOR data_len) AS data `+
		`FROM unnest($4::uuid[], $5::text[], $6::bigint[], $7::int[], $8::int[]) AS u (ref, id, no, data_at, data_len)) AS v WHERE x = $2`, got)
	assert.Equal(t, []any{
		int64(7), "s", []byte("one"), "{00112233445566778899aabbccddeeff,00000000000000000000000000000000}", `{"a\"\\",""}`,
		"{9223372036854775807,-9223372036854775808}", "{1,4}", "{3,0}",
	}, args)

	got, args = rendered(mysqlRenderer{}, sql, scalars, rows)
	assert.Equal(t, `SELECT 7 FROM (SELECT x'00112233445566778899aabbccddeeff' AS ref,x'61225c' AS id,9223372036854775807 AS no,x'6f6e65' AS data`+
		` UNION ALL SELECT x'00000000000000000000000000000000',x'',-9223372036854775808,x'') AS v WHERE x = x'73'`, got)
	assert.Empty(t, args)

	got, args = rendered(sqliteRenderer{}, sql, scalars, rows)
	assert.Equal(t, `SELECT 7 FROM (SELECT ? AS ref,? AS id,9223372036854775807 AS no,? AS data`+
		` UNION ALL SELECT ?,?,-9223372036854775808,?) AS v WHERE x = ?`, got)
	assert.Equal(t, []any{someID[:], `a"\`, []byte("one"), make([]byte, 16), "", []byte{}, "s"}, args)
}

// All bytes are one value, even for several columns. The statement cuts each row's bytes out
// of it.
func TestTheBytesOfEachRowAreCutOutOfTheWhole(t *testing.T) {
	rows := NewTable(3)
	values := [][2][]byte{{[]byte("ab"), []byte("c")}, {nil, []byte("def")}, {[]byte("g"), nil}}
	for _, v := range values {
		rows.Add(Bin(v[0]), Bin(v[1]))
	}
	_, args := rendered(postgresRenderer{}, `{v x bytes, y bytes}`, nil, rows)
	require.Len(t, args, 5)
	assert.Equal(t, []any{[]byte("abgcdef"), "{1,3,3}", "{2,0,1}", "{4,5,8}", "{1,3,0}"}, args)

	empty := NewTable(1)
	empty.Add(Bin(nil))
	_, args = rendered(postgresRenderer{}, `{v x bytes}`, nil, empty)
	assert.Equal(t, []any{[]byte{}, "{1}", "{0}"}, args, "not NULL")
}

func TestTuplesKeysAndEachAreRendered(t *testing.T) {
	one, two := NewTable(1), NewTable(2)
	one.Add(Num(1), Text("a"))
	two.Add(Num(1), Text("a"))
	two.Add(Num(2), Text("b"))
	for _, c := range []struct {
		sql         string
		rows        *Table
		mysql, lite string
	}{
		{`({tuples})`, one, `((1,x'61'))`, `((1,?))`},
		{`({tuples})`, two, `((1,x'61'),(2,x'62'))`, `((1,?),(2,?))`},
		{`({keys})`, one, `((1,x'61'),(1,x'61'))`, `((1,?),(1,?))`},
		{`({keys})`, two, `((1,x'61'),(2,x'62'))`, `((1,?),(2,?))`},
		{`{each}<@2 @1 $1>{end} LIMIT $1`, one, `<x'61' 1 9> LIMIT 9`, `<? 1 9> LIMIT 9`},
		{`{each}<@2 @1 $1>{end} LIMIT $1`, two, `<x'61' 1 9> UNION ALL <x'62' 2 9> LIMIT 9`, `<? 1 9> UNION ALL <? 2 9> LIMIT 9`},
	} {
		got, _ := rendered(mysqlRenderer{}, c.sql, []Cell{Num(9)}, c.rows)
		assert.Equal(t, c.mysql, got)
		got, _ = rendered(sqliteRenderer{}, c.sql, []Cell{Num(9)}, c.rows)
		assert.Equal(t, c.lite, got)
	}
}

// mysqlLiterals matches the literals, the only text that may contain values.
var mysqlLiterals = regexp.MustCompile(`x'[0-9a-f]*'`)

func TestAValueIsNeverTakenForSQL(t *testing.T) {
	const sql = `SELECT $1 FROM {v a text, b bytes}`
	const each = `{each}(SELECT @1, @2, $1){end}`
	plainRows := NewTable(1)
	plainRows.Add(Text("plain"), Bin([]byte("plain")))
	for _, value := range hostile {
		rows := NewTable(1)
		rows.Add(Text(value), Bin([]byte(value)))
		for _, statement := range []string{sql, each} {
			want, _ := rendered(mysqlRenderer{}, statement, []Cell{Text("plain")}, plainRows)
			got, _ := rendered(mysqlRenderer{}, statement, []Cell{Text(value)}, rows)
			assert.Equal(t, mysqlLiterals.ReplaceAllString(want, "?"), mysqlLiterals.ReplaceAllString(got, "?"))

			want, _ = rendered(sqliteRenderer{}, statement, []Cell{Text("plain")}, plainRows)
			got, args := rendered(sqliteRenderer{}, statement, []Cell{Text(value)}, rows)
			assert.Equal(t, want, got)
			assert.Contains(t, args, any(value))
		}
		want, _ := rendered(postgresRenderer{}, sql, []Cell{Text("plain")}, plainRows)
		got, args := rendered(postgresRenderer{}, sql, []Cell{Text(value)}, rows)
		assert.Equal(t, want, got)
		assert.Equal(t, value, args[0])
		assert.Equal(t, []byte(value), args[1])
		assert.Equal(t, []string{value}, parseArray(t, args[2].(string)))
	}
}

// parseArray reads the text of an array in the same way as PostgreSQL's array_in.
func parseArray(tb testing.TB, s string) []string {
	tb.Helper()
	require.True(tb, len(s) >= 2 && s[0] == '{' && s[len(s)-1] == '}', s)
	s = s[1 : len(s)-1]
	var list []string
	for len(s) > 0 {
		require.Equal(tb, byte('"'), s[0], "every text is quoted: otherwise NULL is no text")
		var element []byte
		i := 1
		for ; s[i] != '"'; i++ {
			if s[i] == '\\' {
				i++
			}
			element = append(element, s[i])
		}
		list = append(list, string(element))
		s = s[i+1:]
		if s != "" {
			require.Equal(tb, byte(','), s[0])
			s = s[1:]
			require.NotEmpty(tb, s)
		}
	}
	return list
}

func FuzzPostgresArray(f *testing.F) {
	for i, s := range hostile {
		f.Add(s, hostile[len(hostile)-1-i])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		rows := NewTable(3)
		for _, s := range []string{a, b, a + b} {
			rows.Add(Text(s))
		}
		assert.Equal(t, []string{a, b, a + b}, parseArray(t, postgresArray(rows, 0)))
	})
}

func TestATableIsCutIntoPartsThatAStatementMayTake(t *testing.T) {
	sizes := func(n, width, bytesEach int, sql string) (list []int) {
		rows := NewTable(n)
		for i := range n {
			row := []Cell{Bin(bytes.Repeat([]byte{1}, bytesEach))}
			for len(row) < width {
				row = append(row, Num(i))
			}
			rows.Add(row...)
		}
		next := 0
		for part := range rows.parts(Compile(sql)) {
			list = append(list, part.Len())
			for i := range part.Len() {
				require.Equal(t, rows.row(next), part.row(i))
				next++
			}
		}
		require.Equal(t, n, next)
		return list
	}
	assert.Empty(t, sizes(0, 2, 0, `{tuples}`))
	assert.Equal(t, []int{1}, sizes(1, 2, 0, `{tuples}`))
	assert.Equal(t, []int{500}, sizes(500, 2, 0, `{tuples}`))
	assert.Equal(t, []int{500, 1}, sizes(501, 2, 0, `{tuples}`))
	assert.Equal(t, []int{statementKeys, statementKeys, 1}, sizes(2*statementKeys+1, 3, 0, `{keys}`))
	assert.Equal(t, []int{1, 1, 1}, sizes(3, 2, statementBytes, `{tuples}`), "one that is too large goes alone")
	assert.Equal(t, []int{2, 1}, sizes(3, 1, statementBytes/2-16, `{tuples}`))
	assert.Zero(t, (&Table{}).Len())

	stopped := NewTable(1001)
	for i := range 1001 {
		stopped.Add(Num(i))
	}
	for range stopped.parts(Compile(`{tuples}`)) {
		break
	}
}

func TestAMalformedStatementDoesNotCompile(t *testing.T) {
	assert.Panics(t, func() { Compile(`{v ref}`) })
	assert.Panics(t, func() { Compile(`{v ref number}`) })
	assert.Panics(t, func() { Compile(`{v ref uuid text}`) })
}
