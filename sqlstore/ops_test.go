package sqlstore

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"

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

func TestEveryDialectHasEveryStatement(t *testing.T) {
	for _, d := range []*dialect{&postgres, &mysql, &sqlite} {
		for o, s := range compiled(d) {
			if slices.Contains(absent[op(o)], d) {
				assert.Nil(t, s, "%s %d", d.Name, o)
				continue
			}
			if !assert.NotNil(t, s, "%s %d", d.Name, o) {
				continue
			}
			left := marks.ReplaceAllString(s.Text(), "")
			assert.NotContains(t, left, "{", "%s %d: a name that is no table's", d.Name, o)
			assert.NotContains(t, left, "}", "%s %d", d.Name, o)
			assert.Equal(t, strings.Count(left, "("), strings.Count(left, ")"), "%s %d: %s", d.Name, o, s.Text())
		}
		for o := range d.statements {
			assert.Less(t, o, opCount)
			assert.False(t, everywhere[o] != "" && strings.Join(strings.Fields(everywhere[o]), " ") == strings.Join(strings.Fields(d.statements[o]), " "),
				"%s has a statement %d of its own that is that of all", d.Name, o)
		}
	}
}

// A statement takes the same values in every dialect: the same number alone, and the same columns
// in a table.
func TestTheDialectsAgreeOnTheValuesOfAStatement(t *testing.T) {
	pg, my, lite := compiled(&postgres), compiled(&mysql), compiled(&sqlite)
	for o := range int(opCount) {
		if pg[o] == nil { // TestEveryDialectHasEveryStatement says whether it may be
			continue
		}
		want := pg[o].Shape()
		for _, s := range []*engine.Statement{my[o], lite[o]} {
			if s == nil {
				continue
			}
			got := s.Shape()
			assert.Equal(t, want.Scalars, got.Scalars, "%d %s", o, s.Text())
			assert.Equal(t, want.Table, got.Table, "%d: %s", o, s.Text())
			if got.Columns != nil {
				assert.Equal(t, want.Columns, got.Columns, "%d: %s", o, s.Text())
			}
			assert.LessOrEqual(t, got.Cells, len(want.Columns), "%d: %s", o, s.Text())
		}
	}
}

// The fields that say what a dialect can do must agree with its statements.
func TestADialectHasTheStatementsThatItsFieldsPromise(t *testing.T) {
	for _, d := range dialects {
		for o, has := range map[op]bool{
			publishNew: d.publishesAtOnce, settleDelivered: d.settlesAtOnce, widen: d.widensAtOnce, matchFew: d.matchesFew,
			insertNewAtOnce: !d.returning, freeAttempts: !d.OneWriter, freeBodies: !d.OneWriter,
		} {
			assert.Equal(t, has, compiled(d)[o] != nil, "%s %d", d.Name, o)
		}
	}
}
