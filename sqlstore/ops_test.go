package sqlstore

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/sqlstore/internal/engine"
)

var someID = uuid.MustParse("00112233-4455-6677-8899-aabbccddeeff")

// marks matches the marks of a statement.
var marks = regexp.MustCompile(`\$\d+|@\d+|\{each\}|\{end\}|\{tuples\}|\{keys\}|\{[vw] [^}]*\}`)

func compiled(d *dialect) []*engine.Statement {
	o := Options{Prefix: "webhook_"}
	return d.compile(&o)
}

// absent are statements that some databases do without. They need several statements instead, or
// another one.
var absent = map[op][]*dialect{
	publishNew: {&mysql, &sqlite}, settleDelivered: {&mysql, &sqlite}, widen: {&mysql, &sqlite}, matchFew: {&mysql},
	insertNewAtOnce: {&postgres, &sqlite},
	wakeDue:         {&mysql, &sqlite}, dueDeliveries: {&postgres}, wakeDeliveries: {&postgres},
	freeAttempts: {&sqlite}, freeBodies: {&sqlite},
}

// opNames returns the names of the statements, from the source.
func opNames(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "ops.go", nil, 0)
	require.NoError(t, err)
	consts, isDecl := file.Decls[1].(*ast.GenDecl) // behind the imports
	require.True(t, isDecl && consts.Tok == token.CONST)
	var names []string
	for _, spec := range consts.Specs {
		names = append(names, spec.(*ast.ValueSpec).Names[0].Name)
	}
	require.Equal(t, "opCount", names[opCount])
	return names
}

func TestEveryDialectHasEveryStatement(t *testing.T) {
	names := opNames(t)
	for _, d := range dialects {
		for o, s := range compiled(d) {
			if slices.Contains(absent[op(o)], d) {
				assert.Nil(t, s, "%s %s", d.Name, names[o])
				continue
			}
			if !assert.NotNil(t, s, "%s %s", d.Name, names[o]) {
				continue
			}
			left := marks.ReplaceAllString(s.Text(), "")
			assert.NotContains(t, left, "{", "%s %s: a name that is no table's", d.Name, names[o])
			assert.NotContains(t, left, "}", "%s %s", d.Name, names[o])
			assert.Equal(t, strings.Count(left, "("), strings.Count(left, ")"), "%s %s: %s", d.Name, names[o], s.Text())
		}
		for o := range d.statements {
			assert.Less(t, o, opCount)
			assert.False(t, everywhere[o] != "" && strings.Join(strings.Fields(everywhere[o]), " ") == strings.Join(strings.Fields(d.statements[o]), " "),
				"%s has a statement %s of its own that equals the shared one", d.Name, names[o])
		}
	}
}

// A statement takes the same values in every dialect: the same number alone, and the same columns
// in a table.
func TestTheDialectsAgreeOnTheValuesOfAStatement(t *testing.T) {
	names := opNames(t)
	statements := make([][]*engine.Statement, len(dialects))
	for i, d := range dialects {
		statements[i] = compiled(d)
	}
	for o := range int(opCount) {
		var want *engine.Shape
		for i, d := range dialects {
			s := statements[i][o]
			if s == nil { // TestEveryDialectHasEveryStatement says whether it may be
				continue
			}
			got := s.Shape()
			if want == nil {
				want = &got
			}
			assert.Equal(t, want.Scalars, got.Scalars, "%s %s: %s", d.Name, names[o], s.Text())
			assert.Equal(t, want.Table, got.Table, "%s %s: %s", d.Name, names[o], s.Text())
			if got.Columns != nil && want.Columns != nil {
				assert.Equal(t, want.Columns, got.Columns, "%s %s: %s", d.Name, names[o], s.Text())
			}
			if want.Columns != nil {
				assert.LessOrEqual(t, got.Cells, len(want.Columns), "%s %s: %s", d.Name, names[o], s.Text())
			}
		}
	}
}

// The fields for the abilities of a dialect must agree with its statements.
func TestADialectHasTheStatementsThatItsFieldsPromise(t *testing.T) {
	for _, d := range dialects {
		statements := compiled(d)
		for o, has := range map[op]bool{
			publishNew: d.publishesAtOnce, settleDelivered: d.settlesAtOnce, widen: d.widensAtOnce, matchFew: d.matchesFew,
			insertNewAtOnce: !d.returning, freeAttempts: !d.OneWriter, freeBodies: !d.OneWriter,
			wakeDue: d.wakesAtOnce, dueDeliveries: !d.wakesAtOnce, wakeDeliveries: !d.wakesAtOnce,
		} {
			assert.Equal(t, has, statements[o] != nil, "%s %d", d.Name, o)
		}
	}
}

// Each statement renders with a row, and no mark is left. With -v the test shows the
// statements with their values, so that you can paste one into psql, mariadb or sqlite3.
// Each single value is 1: replace it where the statement wants a text or an id.
//
//	go test ./sqlstore -run 'TestEveryStatementRenders/mysql/pickDeliveries$' -v
func TestEveryStatementRenders(t *testing.T) {
	names := opNames(t)
	shapes := compiled(&postgres) // its tables name their columns
	for _, d := range dialects {
		t.Run(d.Name, func(t *testing.T) {
			db := engine.New(engine.Config{Dialect: &d.Dialect, Statements: compiled(d)})
			for o := range opCount {
				if db.Statements[o] == nil {
					continue
				}
				t.Run(names[o], func(t *testing.T) {
					shape := db.Statements[o].Shape()
					columns := shape.Columns
					if columns == nil && shapes[o] != nil {
						columns = shapes[o].Shape().Columns
					}
					if columns == nil {
						columns = slices.Repeat([]string{"some int"}, max(shape.Cells, 2))
					}
					scalars := slices.Repeat([]cell{num(1)}, shape.Scalars)
					var tables []*table
					if shape.Table {
						tables = []*table{exampleRow(columns), exampleRow(strings.Split(queueFields, ","))}
					}
					query, args := db.Render(o, scalars, tables...)
					assert.NotRegexp(t, `[{}]|@\d`, query)
					t.Log(pasteable(query, args) + ";")
				})
			}
		})
	}
}

// pasteable returns a statement with its arguments in the places of $1 or ?.
func pasteable(query string, args []any) string {
	for i, arg := range slices.Backward(args) { // $12 before $1
		bytes, at := `'\x%x'`, strings.LastIndexByte(query, '?')
		if at >= 0 {
			bytes = `x'%x'`
		}
		var value string
		switch arg := arg.(type) {
		case []byte:
			value = fmt.Sprintf(bytes, arg)
		case string:
			value = "'" + strings.ReplaceAll(arg, "'", "''") + "'"
		default:
			value = fmt.Sprint(arg)
		}
		if at >= 0 {
			query = query[:at] + value + query[at+1:]
		} else {
			query = strings.ReplaceAll(query, "$"+strconv.Itoa(i+1), value)
		}
	}
	return query
}

// exampleRow returns a table with one row of these columns.
func exampleRow(columns []string) *table {
	row := make([]cell, 0, len(columns))
	for _, column := range columns {
		switch kind := column[strings.LastIndexByte(column, ' ')+1:]; kind {
		case "int":
			row = append(row, num(1))
		case "text":
			row = append(row, text("text"))
		case "uuid":
			row = append(row, uid(someID))
		default:
			row = append(row, bin([]byte(kind)))
		}
	}
	t := newTable(1)
	t.Add(row...)
	return t
}
