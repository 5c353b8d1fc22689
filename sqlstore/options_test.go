package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var errUnusable = errors.New("there is no database in this test")

// unusableDriver is a driver without a database.
type unusableDriver struct{}

func (unusableDriver) Open(string) (driver.Conn, error)             { return nil, errUnusable }
func (unusableDriver) Connect(context.Context) (driver.Conn, error) { return nil, errUnusable }
func (unusableDriver) Driver() driver.Driver                        { return unusableDriver{} }

func init() { sql.Register("unusable", unusableDriver{}) }

func unusable(t *testing.T) *sql.DB {
	t.Helper()
	db := sql.OpenDB(unusableDriver{})
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestAPrefixIsOneToThirtyLowerCaseLetters(t *testing.T) {
	for prefix, usable := range map[string]bool{
		"": true, "a": true, "_": true, "w_1": true, strings.Repeat("a", 30): true, strings.Repeat("a", 31): false, "1a": false, "A": false,
		"a-b": false, "a b": false, "é": false, `a"`: false, "a`": false, "a\n": false, "a.b": false, "{queue}": false, "$1": false,
	} {
		for _, d := range []Dialect{Postgres, MySQL, SQLite} {
			s, err := New(unusable(t), d, Options{Prefix: prefix})
			if !usable {
				assert.ErrorContains(t, err, "Options.Prefix", prefix)
				assert.ErrorContains(t, err, "use 1 to 30", prefix)
				_, err = Migrations(d, Options{Prefix: prefix})
				assert.ErrorContains(t, err, "Options.Prefix", prefix)
				continue
			}
			require.NoError(t, err, prefix)
			if prefix == "" {
				prefix = "webhook_"
			}
			assert.Equal(t, prefix, s.options.Prefix)
			assert.Contains(t, s.db.Statements[deleteEvent].Text(), prefix+"events")
		}
	}
}

func TestASchemaIsPostgresOwn(t *testing.T) {
	for schema, usable := range map[string]bool{
		"a": true, "_": true, strings.Repeat("a", 63): true, strings.Repeat("a", 64): false, "1": false, "A": false, `a"`: false, "a.b": false,
	} {
		s, err := New(unusable(t), Postgres, Options{Schema: schema})
		if usable {
			require.NoError(t, err, schema)
			assert.Contains(t, s.db.Statements[deleteEvent].Text(), `"`+schema+`"."webhook_events"`)
		} else {
			assert.ErrorContains(t, err, "Options.Schema", schema)
		}
		for _, d := range []Dialect{MySQL, SQLite} {
			_, err := New(unusable(t), d, Options{Schema: schema})
			assert.ErrorContains(t, err, "use Options.Prefix")
		}
	}
}

func TestNewSaysWhatIsMissing(t *testing.T) {
	_, err := New(nil, Postgres, Options{})
	require.ErrorContains(t, err, "sql.Open")
	_, err = New(unusable(t), Dialect{}, Options{})
	require.ErrorContains(t, err, "use sqlstore.Postgres, MySQL or SQLite")
	_, err = Migrations(Dialect{}, Options{})
	require.ErrorContains(t, err, "use sqlstore.Postgres, MySQL or SQLite")
}

func TestDialectsHaveNames(t *testing.T) {
	assert.Equal(t, "postgres mysql sqlite none", strings.Join([]string{
		Postgres.String(), MySQL.String(), SQLite.String(), Dialect{}.String(),
	}, " "))
}

func TestOpenSQLiteSaysWhatAFileIs(t *testing.T) {
	for file, says := range map[string]string{
		"":                      "the name of a file; package memstore",
		":memory:":              "package memstore",
		"file::memory:":         "package memstore",
		"file:/tmp/x.db":        "not the plain name of a file",
		"/tmp/x.db?mode=ro":     "not the plain name of a file",
		"/tmp/x.db#y":           "not the plain name of a file",
		"file:x.db?cache=share": "not the plain name of a file",
	} {
		_, err := OpenSQLite("unusable", file, Options{})
		assert.ErrorContains(t, err, says, file)
	}
	_, err := OpenSQLite("nowhere", "/tmp/x.db", Options{})
	assert.ErrorContains(t, err, `unknown driver "nowhere"`)
	assert.ErrorContains(t, err, "import the driver")
	_, err = OpenSQLite("unusable", "/tmp/x.db", Options{Schema: "a"})
	assert.ErrorContains(t, err, "use Options.Prefix")
}

func TestAStoreThatWasNotOpenedLeavesNothingBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 50 {
		_, err := OpenSQLite("unusable", filepath.Join(t.TempDir(), "x.db"), Options{Prefix: "-"})
		require.Error(t, err)
	}
	assert.Eventually(t, func() bool { return runtime.NumGoroutine() < before+50 }, 10*time.Second, time.Millisecond)
}

func TestNoCharacterOfAFilesNameIsAnOption(t *testing.T) {
	for file, want := range map[string]string{
		"/tmp/x.db":       "file:/tmp/x.db",
		"x.db":            "file:x.db",
		"/tmp/a b%20.db":  "file:/tmp/a%20b%2520.db",
		"/tmp/é&_txlock=": "file:/tmp/%C3%A9&_txlock=",
	} {
		got, _, _ := strings.Cut(sqliteURI(file), "?")
		assert.Equal(t, want, got)
	}
}

func TestCloseLeavesTheCallersDatabaseOpen(t *testing.T) {
	db := unusable(t)
	s, err := New(db, SQLite, Options{})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	assert.Same(t, db, s.DB())
	assert.ErrorIs(t, db.PingContext(t.Context()), errUnusable, "not closed")

	owned, err := OpenSQLite("unusable", "x.db", Options{})
	require.NoError(t, err)
	require.NoError(t, owned.Close())
	require.NoError(t, owned.Close())
	assert.NotErrorIs(t, owned.DB().PingContext(t.Context()), errUnusable)
}

func TestMigrationsAreNumberedAndNamed(t *testing.T) {
	for _, d := range []Dialect{Postgres, MySQL, SQLite} {
		list, err := Migrations(d, Options{Prefix: "hook_"})
		require.NoError(t, err)
		require.Len(t, list, schemaWanted)
		for i, m := range list {
			assert.Equal(t, i+1, m.Version)
			for _, text := range []string{m.Up, m.Down} {
				assert.Contains(t, text, "hook_")
				assert.NotContains(t, text, "webhook_")
				assert.NotContains(t, text, "{")
				for _, one := range split(text) {
					assert.NotEmpty(t, strings.TrimSpace(one))
				}
			}
		}
	}
	assert.Equal(t, []string{"a;b", "\nc"}, split("a;b; \n\nc;\n \n"))
}

func TestTheNameOfTheChannelFitsIntoPostgreSQL(t *testing.T) {
	names := make(map[string]bool)
	for _, o := range []Options{
		{},
		{Prefix: "w_"},
		{Schema: "a"},
		{Schema: strings.Repeat("s", 50)},
		{Schema: strings.Repeat("s", 51)},
		{Schema: strings.Repeat("s", 63)},
		{Schema: strings.Repeat("t", 63)},
		{Schema: strings.Repeat("s", 63), Prefix: strings.Repeat("p", 30)},
	} {
		require.NoError(t, o.check(&postgres))
		name := (&Store{options: o}).channel()
		assert.LessOrEqual(t, len(name), 63)
		assert.False(t, names[name], name)
		names[name] = true
	}
	assert.True(t, names["webhook_wake"])
}
